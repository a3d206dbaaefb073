"""What may happen to a run, and what may not, whatever the order of events."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobruns.lifecycle import (
    COMMIT_SURRENDER_SECONDS,
    CORRECTED,
    CORRECTIONS,
    START_PATIENCE_SECONDS,
    TELLABLE,
    TRANSITIONS,
    Admitted,
    Amended,
    Begun,
    CommitBegun,
    Corrected,
    DeadlineNear,
    Delayed,
    Event,
    Failed,
    PhaseReached,
    Stopped,
    StopRequested,
    Succeeded,
    TimedOut,
    apply,
    committing,
    due_at,
)
from jobruns.run import TERMINAL_STATES, Executor, Outcome, RunState
from tests.unit.core.runs import NOW, make_run

RANK = {
    RunState.WAITING: 0,
    RunState.STARTING: 1,
    RunState.RUNNING: 2,
    RunState.STOPPING: 3,
    **dict.fromkeys(TERMINAL_STATES, 4),
}

told = st.fixed_dictionaries(
    {},
    optional={
        "records": st.one_of(st.none(), st.integers(0, 9)),
        "reported_end_at": st.one_of(st.none(), st.integers(-900, 900).map(lambda by: NOW + timedelta(seconds=by))),
        "counts": st.booleans(),
    },
)
events: st.SearchStrategy[Event] = st.one_of(
    st.just(Admitted()),
    st.builds(Begun, st.one_of(st.none(), st.text(max_size=5))),
    st.builds(CommitBegun, st.integers(1, 900).map(lambda seconds: NOW + timedelta(seconds=seconds))),
    st.builds(Delayed, st.text(max_size=5)),
    st.builds(DeadlineNear, st.text(max_size=5)),
    st.builds(PhaseReached, st.text(min_size=1, max_size=3), st.integers(1, 5)),
    st.builds(StopRequested, st.integers(0, 60)),
    st.builds(Stopped),
    st.builds(Succeeded, st.one_of(st.none(), st.text(max_size=5))),
    st.builds(Failed, st.text(max_size=5), conclusive=st.booleans()),
    st.builds(TimedOut, st.text(max_size=5)),
    st.builds(Amended, told),
    st.builds(Corrected, st.sampled_from(RunState), told=told),
)
first_states = st.sampled_from([RunState.WAITING, RunState.STARTING])


@settings(max_examples=3_000, deadline=None)
@given(first_states, st.sampled_from([Executor.EXTERNAL, Executor.INGEST]), st.lists(events, max_size=12))
def test_any_sequence_of_events_goes_forward_and_ends_absorb(
    first: RunState, executor: Executor, sequence: list[Event]
) -> None:
    run = make_run(first, executor=executor)
    for number, event in enumerate(sequence):
        now = NOW + timedelta(seconds=number)
        decision = apply(run, event, now)
        after = decision.after
        if decision.applied:
            if isinstance(event, Corrected):
                assert run.executor is Executor.EXTERNAL
                assert after.state is event.to
                assert after.state in CORRECTIONS[run.state]
            else:
                assert not run.state.terminal or isinstance(event, Amended)
                assert TRANSITIONS[run.state, type(event)] is after.state
            if run.state.terminal:
                assert after.state.terminal
                assert (after.ended_at, after.settled) == (run.ended_at, run.settled)
            assert RANK[after.state] >= RANK[run.state]
            assert after.version == run.version + 1
            assert after.modified_at == now
        else:
            assert after is run
            assert decision.reason
        assert after.state.terminal == (after.ended_at is not None)
        assert (due_at(after) is None) == (after.state.terminal and after.settled)
        if run.state is RunState.STOPPING and decision.applied and not isinstance(event, Amended):
            assert after.state is RunState.STOPPED
        if committing(run) and decision.applied:
            told = Begun | Delayed | DeadlineNear | PhaseReached | Amended
            assert isinstance(event, Succeeded | Failed | CommitBegun | told)
        assert after.phase_rank >= run.phase_rank
        assert isinstance(event, PhaseReached) or after.phase_rank == run.phase_rank
        run = after


@settings(max_examples=1_000, deadline=None)
@given(first_states, st.lists(events, max_size=8), st.permutations(range(3)))
def test_of_events_decided_on_the_same_version_one_wins(
    first: RunState, history: list[Event], order: list[int]
) -> None:
    """Storage lets one writer of a version through; whoever decides again on what the winner left never undoes it."""
    run = make_run(first)
    for event in history:
        run = apply(run, event, NOW).after
    rivals: list[Event] = [Succeeded("done"), Failed("broken", conclusive=True), StopRequested()]
    winner = apply(run, rivals[order[0]], NOW)
    for place in order[1:]:
        second = apply(winner.after, rivals[place], NOW)
        if winner.applied and winner.after.state.terminal:
            assert not second.applied


@pytest.mark.parametrize("state", sorted(TERMINAL_STATES))
def test_a_terminal_state_has_no_way_out_but_to_be_corrected_to_another(state: RunState) -> None:
    ways_out = {event for of, event in TRANSITIONS if of is state}
    assert ways_out == {Amended}
    assert TRANSITIONS[state, Amended] is state
    assert CORRECTIONS[state] == {RunState.SUCCEEDED, RunState.FAILED} - {state}


@pytest.mark.parametrize("state", sorted(set(RunState) - TERMINAL_STATES))
def test_a_run_that_goes_is_not_corrected(state: RunState) -> None:
    decision = apply(make_run(state), Corrected(RunState.SUCCEEDED), NOW)
    assert decision.reason == f"Corrected does not apply to a run that is {state}"


def test_a_correction_changes_what_is_told_of_a_run_and_not_when_the_ledger_saw_it_end() -> None:
    timed_out = apply(make_run(RunState.RUNNING, started_at=NOW), TimedOut("too long"), NOW).after
    end = NOW + timedelta(seconds=90)
    told = {"reported_end_at": end, "records": 7, "message": None}
    right = apply(timed_out, Corrected(RunState.SUCCEEDED, told=told), NOW + timedelta(seconds=100)).after
    assert (right.state, right.error_code, right.message, right.records) == (RunState.SUCCEEDED, None, None, 7)
    assert (right.ended_at, right.end_at, right.started_at) == (NOW, end, NOW)
    wrong = apply(right, Corrected(RunState.FAILED, "the rows were yesterday's"), end).after
    assert (wrong.state, wrong.error_code, wrong.message) == (RunState.FAILED, CORRECTED, "the rows were yesterday's")
    assert wrong.outcome is Outcome.FAILED


@pytest.mark.parametrize("executor", sorted(set(Executor) - {Executor.EXTERNAL}))
def test_what_the_ledger_had_done_is_not_corrected(executor: Executor) -> None:
    ended = apply(make_run(RunState.RUNNING, executor=executor), Succeeded(), NOW).after
    decision = apply(ended, Corrected(RunState.FAILED), NOW)
    assert decision.after is ended
    assert str(executor) in str(decision.reason)


@pytest.mark.parametrize("state", RunState)
def test_more_can_be_told_of_a_run_in_any_state_but_nothing_that_is_not_its_workers_to_tell(state: RunState) -> None:
    run = make_run(state, source="here")
    after = apply(run, Amended({"source": None, "records": 3}), NOW).after
    assert after == run.model_copy(
        update={"source": None, "records": 3, "version": 2, "modified_at": NOW},
    )
    with pytest.raises(ValueError, match="state"):
        apply(run, Amended({"state": RunState.SUCCEEDED}), NOW)
    assert not TELLABLE & {"state", "number", "ended_at", "submitted_at", "started_at", "settled"}


def test_the_workers_word_on_times_goes_before_the_ledgers() -> None:
    run = make_run(RunState.RUNNING, reported_start_at=NOW - timedelta(days=1))
    assert (run.start_at, run.end_at) == (NOW - timedelta(days=1), None)
    ended = apply(run, Succeeded(), NOW).after
    assert ended.end_at == NOW
    assert apply(ended, Amended({"reported_end_at": NOW - timedelta(hours=1)}), NOW).after.end_at < NOW


def test_every_unfinished_state_leads_to_an_end() -> None:
    for state in set(RunState) - TERMINAL_STATES:
        reachable, frontier = set(), {state}
        while frontier:
            reachable |= frontier
            frontier = {to for (frm, _), to in TRANSITIONS.items() if frm in frontier} - reachable
        assert reachable & TERMINAL_STATES


def test_a_committing_run_is_neither_stopped_nor_timed_out_but_ends_as_its_commit_says() -> None:
    run = apply(make_run(RunState.RUNNING), CommitBegun(NOW + timedelta(seconds=60)), NOW).after
    for event in (StopRequested(), TimedOut("late"), Failed("a worker died")):
        assert not apply(run, event, NOW).applied
    assert apply(run, Succeeded(), NOW).after.state is RunState.SUCCEEDED
    assert apply(run, Failed("nothing was committed", conclusive=True), NOW).after.state is RunState.FAILED


def test_the_deadline_of_a_waiting_run_counts_anew_when_it_is_admitted() -> None:
    later = NOW + timedelta(seconds=500)
    admitted = apply(make_run(RunState.WAITING), Admitted(), later).after
    assert admitted.deadline_at == later + timedelta(seconds=600)


def test_a_dispatch_tried_again_replaces_the_token_and_keeps_the_start() -> None:
    first = apply(make_run(), Begun("one"), NOW).after
    again = apply(first, Begun("two"), NOW + timedelta(seconds=5)).after
    assert (again.state, again.task_token, again.started_at) == (RunState.RUNNING, "two", NOW)


def test_a_report_may_overtake_the_dispatcher() -> None:
    done = apply(make_run(RunState.STARTING), Succeeded("quick"), NOW).after
    assert (done.state, done.started_at, done.ended_at) == (RunState.SUCCEEDED, NOW, NOW)
    assert not apply(done, Begun("late"), NOW).applied


def test_a_run_that_is_due_is_due_no_later_than_its_own_limits() -> None:
    stopping = apply(make_run(RunState.RUNNING), StopRequested(grace_seconds=30), NOW).after
    assert due_at(stopping) == NOW + timedelta(seconds=30 + 60)
    assert due_at(make_run(RunState.RUNNING)) == NOW + timedelta(seconds=600 + 60)
    assert due_at(make_run(RunState.STARTING)) == NOW + timedelta(seconds=START_PATIENCE_SECONDS)
    ended = apply(make_run(RunState.RUNNING), Succeeded(), NOW).after
    assert due_at(ended) == NOW + timedelta(seconds=START_PATIENCE_SECONDS)
    assert due_at(ended.model_copy(update={"settled": True})) is None
    assert COMMIT_SURRENDER_SECONDS > 0
