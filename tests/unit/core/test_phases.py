"""How far a worker has come: phases only go forward, and the last one stays."""

from datetime import timedelta

import pytest

from jobruns.lifecycle import (
    Begun,
    CommitBegun,
    DeadlineNear,
    Failed,
    PhaseReached,
    StopRequested,
    Succeeded,
    apply,
    due_at,
    warning_at,
)
from jobruns.run import TERMINAL_STATES, RunState
from tests.unit.core.runs import NOW, make_run

LATER = NOW + timedelta(seconds=5)


def test_a_phase_may_overtake_the_dispatcher() -> None:
    after = apply(make_run(), PhaseReached("SYNCING", 2, "page 1", {"rows": 3}), LATER).after
    assert (after.state, after.phase, after.phase_rank) == (RunState.RUNNING, "SYNCING", 2)
    assert (after.started_at, after.message, after.metrics) == (LATER, "page 1", {"rows": 3})
    begun = apply(after, Begun("token"), LATER).after
    assert (begun.phase, begun.started_at) == ("SYNCING", LATER)


@pytest.mark.parametrize("rank", [1, 2])
def test_a_phase_that_is_late_or_repeated_changes_nothing(rank: int) -> None:
    run = apply(make_run(RunState.RUNNING), PhaseReached("SYNCING", 2), NOW).after
    decision = apply(run, PhaseReached("OLD", rank, "late"), LATER)
    assert decision.after is run
    assert decision.reason == "the run has come to SYNCING already"


@pytest.mark.parametrize("state", sorted({RunState.WAITING, RunState.STOPPING} | TERMINAL_STATES))
def test_nobody_comes_far_in_a_run_that_does_not_go(state: RunState) -> None:
    assert not apply(make_run(state), PhaseReached("SYNCING", 2), LATER).applied


def test_the_phase_in_which_a_run_ended_stays_and_figures_add_up() -> None:
    run = apply(make_run(RunState.RUNNING), PhaseReached("SYNCING", 2, metrics={"rows": 3}), NOW).after
    failed = apply(run, Failed("no such table", metrics={"bytes": 9}), LATER).after
    assert (failed.phase, failed.phase_rank, failed.metrics) == ("SYNCING", 2, {"rows": 3, "bytes": 9})


def test_what_an_executor_calls_a_phase_of_its_own_goes_with_the_end() -> None:
    run = apply(make_run(RunState.RUNNING), CommitBegun(LATER), NOW).after
    assert run.phase == "COMMITTING"
    assert apply(run, Succeeded(), LATER).after.phase is None


def test_the_deadline_is_called_near_once_when_a_tenth_of_the_time_is_left() -> None:
    run = make_run(RunState.RUNNING, timeout_seconds=3000, deadline_at=NOW + timedelta(seconds=3000))
    assert warning_at(run) == due_at(run) == NOW + timedelta(seconds=2700)
    warned = apply(run, DeadlineNear("soon"), LATER).after
    assert (warned.warned_at, warned.state) == (LATER, RunState.RUNNING)
    assert warning_at(warned) is None
    assert due_at(warned) == NOW + timedelta(seconds=3060)


def test_nobody_is_warned_of_a_short_run_one_that_commits_or_one_that_stops() -> None:
    assert warning_at(make_run(RunState.RUNNING)) is None
    long = make_run(RunState.RUNNING, timeout_seconds=3000, deadline_at=NOW + timedelta(seconds=3000))
    assert warning_at(apply(long, CommitBegun(LATER), NOW).after) is None
    assert warning_at(apply(long, StopRequested(), NOW).after) is None
