"""Which runs are kept for ever, and when the others are forgotten."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jobruns.job import MAX_TIMEOUT_SECONDS
from jobruns.lifecycle import WAIT_LIMIT_SECONDS
from jobruns.retention import FOR_EVER, Retention, find_outlived, is_success, weigh
from jobruns.run import Run, RunState, RunSummary
from tests.unit.core.runs import NOW, make_run


def success(number: int, start: int = 0, end: int = 0, **fields: Any) -> Run:
    given: dict[str, Any] = {
        "state": RunState.SUCCEEDED,
        "run_id": f"run-{number}",
        "number": number,
        "reported_start_at": NOW + timedelta(minutes=start),
        "reported_end_at": NOW + timedelta(minutes=end),
        "ended_at": NOW,
    }
    return make_run(**{**given, **fields})


def ranked(runs: list[Run], *, by_end: bool) -> list[RunSummary]:
    successes = [run for run in runs if is_success(run)]
    return sorted(successes, key=lambda run: (run.end_at if by_end else run.start_at, run.number), reverse=True)


def numbers(runs: Any) -> list[int]:
    return [run.number for run in runs]


def test_runs_are_kept_for_ever_unless_days_are_said() -> None:
    assert not FOR_EVER.limited
    assert FOR_EVER.run_expires_at(NOW) is None
    assert FOR_EVER.history_expires_at(NOW) is None
    assert Retention(30).run_expires_at(NOW + timedelta(microseconds=1)) == NOW + timedelta(days=30)


def test_a_runs_history_is_kept_as_long_as_the_run_however_late_it_ends() -> None:
    retention = Retention(1)
    latest_end = NOW + timedelta(seconds=WAIT_LIMIT_SECONDS + MAX_TIMEOUT_SECONDS)
    kept, forgotten = retention.history_expires_at(NOW), retention.run_expires_at(latest_end)
    assert kept is not None
    assert forgotten is not None
    assert kept > forgotten


def test_the_last_by_end_and_the_last_by_start_are_kept_and_the_others_outlived() -> None:
    soon = NOW + timedelta(days=1)
    by_end, by_start = success(1, 0, 60, expires_at=soon), success(2, 30, 45)
    forgotten, other = success(3, 10, 20, expires_at=soon), success(4, 11, 21)
    runs = [by_end, by_start, forgotten, other]
    verdict = weigh(ranked(runs, by_end=True), ranked(runs, by_end=False))
    assert (numbers(verdict.last), numbers(verdict.kept), numbers(verdict.outlived)) == ([1, 2], [1], [4])
    leaving = weigh(ranked(runs, by_end=True), ranked(runs, by_end=False), leaving="run-1")
    assert (numbers(leaving.last), numbers(leaving.kept), numbers(leaving.outlived)) == ([2], [], [4])
    assert weigh([], []).last == ()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.integers(0, 3),
            st.integers(0, 3),
            st.booleans(),
            st.sampled_from([RunState.SUCCEEDED, RunState.FAILED]),
        ),
        max_size=8,
    )
)
def test_what_others_outlived_is_all_but_the_last_successes_of_each_job(drawn: list[Any]) -> None:
    runs = [
        success(number, start, end, job=job, counts=counts, state=state)
        for number, (job, start, end, counts, state) in enumerate(drawn, 1)
    ]
    last = {
        run.run_id
        for job in ("a", "b")
        for by_end in (True, False)
        for run in ranked([run for run in runs if run.job == job], by_end=by_end)[:1]
    }
    assert find_outlived(runs) == {run.run_id for run in runs} - last
