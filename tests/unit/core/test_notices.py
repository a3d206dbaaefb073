"""What is told of a run, write by write."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from jobruns.lifecycle import (
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
)
from jobruns.notices import NoticeKind, read_notice
from jobruns.run import Run, RunState
from tests.unit.core.runs import NOW, make_run

LATER = NOW + timedelta(seconds=5)


def tell(first: Run, *events: Event) -> list[str]:
    """Tell a run's notices: each event is written, and settled where it ends the run."""
    writes: list[tuple[Run | None, Run]] = [(None, first)]
    for event in events:
        before = writes[-1][1]
        decision = apply(before, event, LATER)
        assert decision.applied
        writes.append((before, decision.after))
        if decision.after.state.terminal and not decision.after.settled:
            writes.append((decision.after, decision.after.model_copy(update={"settled": True})))
    found = [read_notice(before, after) for before, after in writes]
    return [str(notice.kind) for notice in found if notice is not None]


def test_the_stages_of_a_run_are_told_in_their_order() -> None:
    going = [Begun(), PhaseReached("SYNCING", 1), Delayed("slow"), DeadlineNear("soon"), CommitBegun(LATER)]
    assert tell(make_run(), *going, Succeeded()) == [
        "submitted", "started", "phase", "delayed", "deadline_near", "committing", "ended",
    ]  # fmt: skip


def test_a_run_that_waited_is_told_to_have_been_admitted() -> None:
    waiting = make_run(RunState.WAITING)
    assert tell(waiting, Admitted(), StopRequested(), Stopped()) == ["submitted", "admitted", "stopping", "ended"]


def test_a_phase_that_overtakes_the_dispatcher_is_one_notice() -> None:
    told = tell(make_run(), PhaseReached("SYNCING", 1), Begun("token"), Amended({"records": 3}), Failed("no"))
    assert told == ["submitted", "phase", "amended", "ended"]


def test_a_dispatcher_that_is_tried_again_is_not_told() -> None:
    assert tell(make_run(), Begun("one"), Begun("two"), Succeeded()) == ["submitted", "started", "ended"]


def test_an_end_is_told_when_it_is_settled_and_not_before() -> None:
    run = make_run(RunState.RUNNING)
    ended = apply(run, TimedOut("too long"), LATER).after
    assert read_notice(run, ended) is None
    settled = ended.model_copy(update={"settled": True})
    told = read_notice(ended, settled)
    assert told is not None
    assert (told.kind, told.run.state, told.sequence) == (NoticeKind.ENDED, RunState.TIMEOUT, 2)


def test_what_was_told_of_an_end_before_it_was_settled_is_told_with_it() -> None:
    ended = apply(make_run(RunState.RUNNING), Succeeded(), LATER).after
    amended = apply(ended, Amended({"records": 3}), LATER).after
    assert read_notice(ended, amended) is None
    told = read_notice(amended, amended.model_copy(update={"settled": True}))
    assert told is not None
    assert (told.kind, told.sequence, told.run.records) == (NoticeKind.ENDED, 3, 3)


def test_a_run_that_was_recorded_after_its_end_has_one_notice() -> None:
    assert tell(make_run(RunState.SUCCEEDED, settled=True, ended_at=NOW)) == ["ended"]


def test_a_correction_and_an_amendment_of_a_settled_run_are_told() -> None:
    told = tell(make_run(), Begun(), Succeeded(), Amended({"records": 3}), Corrected(RunState.FAILED))
    assert told == ["submitted", "started", "ended", "amended", "corrected"]


def test_signs_of_life_counts_and_retention_are_not_told() -> None:
    run = make_run(RunState.RUNNING)
    assert read_notice(run, run.model_copy(update={"heartbeat_at": LATER, "modified_at": LATER})) is None
    settled = make_run(RunState.SUCCEEDED, settled=True, ended_at=NOW)
    assert read_notice(settled, settled.model_copy(update={"expires_at": LATER})) is None


@settings(max_examples=200)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_sequences_rise_and_ids_are_the_same_for_the_same_notice_and_no_other(ranks: list[int]) -> None:
    writes: list[tuple[Run | None, Run]] = [(None, make_run())]
    for place, rank in enumerate(ranks):
        before = writes[-1][1]
        after = apply(before, PhaseReached(f"P{rank}", rank), NOW + timedelta(seconds=place)).after
        if after is not before:
            writes.append((before, after))
    notices = [notice for before, after in writes if (notice := read_notice(before, after))]
    assert len(notices) == len(writes)
    assert [notice.sequence for notice in notices] == sorted({notice.sequence for notice in notices})
    again = [notice for before, after in writes if (notice := read_notice(before, after))]
    assert [notice.notice_id for notice in notices] == [notice.notice_id for notice in again]
    assert len({notice.notice_id for notice in notices}) == len(notices)
