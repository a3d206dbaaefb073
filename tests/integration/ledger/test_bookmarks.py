"""Bookmarks in the ledger: who moves one, who holds one, and what a reset makes of it."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jobruns.access import Principal, Role
from jobruns.bookmark import OPTION_ARGUMENT, Bookmark
from jobruns.errors import (
    AccessDeniedError,
    BookmarkConflictError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from jobruns.ids import new_id
from jobruns.lifecycle import COMMIT_UNKNOWN, Failed
from jobruns.run import BookmarkStep, Run, RunState
from jobruns.service.bookmarks import find_bookmark, open_bookmark, reset_bookmark
from jobruns.service.definitions import define_job, delete_job
from jobruns.service.lookups import find_run
from jobruns.service.ports import Ports
from jobruns.service.reports import report_run
from jobruns.service.settlement import dispatch_run, settle_run
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.stops import stop_run
from jobruns.service.work import begin_commit, conclude_work
from tests.integration.doubles import Clock, RecordingMachine

Calls = Callable[[], Counter[str]]


def running(ports: Ports, admin: Principal, option: str | None = "enable", **fields: Any) -> Run:
    arguments = {} if option is None else {OPTION_ARGUMENT: f"job-bookmark-{option}"}
    define_job(ports, admin, replace=True, **{"name": "hourly", "door": "test", "executor": "ingest", **fields})
    run = start_run(ports, admin, StartRequest(job="hourly", door="test", arguments=arguments))
    dispatch_run(ports, run.org, run.job, run.run_id, "token")
    return find_run(ports, admin, run.run_id)


def settle(ports: Ports, run: Run, outcome: Any = None) -> Run:
    return settle_run(ports, run.org, run.job, run.run_id, outcome or Failed("it ended by itself"))


def opened(ports: Ports, run: Run, *, committed: bool = False) -> Bookmark:
    return open_bookmark(ports, run, lambda held: committed)


def committing(ports: Ports, run: Run, *seen: str) -> Run:
    """Begin to commit what was seen beside what the bookmark has."""
    bookmark = opened(ports, run)
    state = {"seen": [*bookmark.state.get("seen", []), *seen]}
    return begin_commit(ports, run, 60, bookmark.step(state))


def succeeded(ports: Ports, admin: Principal, *seen: str) -> Run:
    run = running(ports, admin)
    conclude_work(ports, committing(ports, run, *seen))
    return settle(ports, run)


def test_successes_move_it_and_each_leaves_it_on_record(ports: Ports, admin: Principal) -> None:
    first, second = succeeded(ports, admin, "a"), succeeded(ports, admin, "b")
    now = find_bookmark(ports, admin, "hourly")
    assert (now.version, now.ordinal, now.attempt) == (2, 2, 1)
    assert (now.run_id, now.previous_run_id) == (second.run_id, first.run_id)
    assert (now.state, now.pending) == ({"seen": ["a", "b"]}, None)
    then = find_bookmark(ports, admin, "hourly", first.run_id)
    assert (then.version, then.ordinal, then.run_id, then.previous_run_id) == (1, 1, first.run_id, None)
    assert then.state == {"seen": ["a"]}


@pytest.mark.parametrize("option", [None, "disable"])
def test_a_run_without_a_bookmark_costs_no_call_more(
    ports: Ports, admin: Principal, calls: Calls, option: str | None
) -> None:
    run = running(ports, admin, option)
    calls()
    conclude_work(ports, begin_commit(ports, run, 60))
    assert calls() == {"TransactWriteItems": 2}
    settle(ports, run)
    assert calls() == {"GetItem": 1, "UpdateItem": 1}
    with pytest.raises(NotFoundError, match="has no bookmark"):
        find_bookmark(ports, admin, "hourly")


def test_the_price_of_a_bookmark(ports: Ports, admin: Principal, calls: Calls) -> None:
    run = running(ports, admin)
    calls()
    bookmark = opened(ports, run)
    assert calls() == {"GetItem": 1}
    held = begin_commit(ports, run, 60, bookmark.step({"seen": ["a"]}))
    assert calls() == {"TransactWriteItems": 1}
    conclude_work(ports, held)
    calls()
    settle(ports, run)
    assert calls() == {"GetItem": 1, "TransactWriteItems": 1, "UpdateItem": 1}
    find_bookmark(ports, admin, "hourly")
    assert calls() == {"GetItem": 2}
    reset_bookmark(ports, admin, "hourly", run.run_id)
    assert calls() == {"GetItem": 3, "PutItem": 1}


@pytest.mark.parametrize("end", [RunState.FAILED, RunState.STOPPED, RunState.TIMEOUT])
def test_an_end_without_success_leaves_it_and_costs_nothing(
    ports: Ports, admin: Principal, calls: Calls, end: RunState
) -> None:
    succeeded(ports, admin, "a")
    before = find_bookmark(ports, admin, "hourly")
    run = running(ports, admin)
    if end is RunState.STOPPED:
        run = stop_run(ports, admin, run)
    report_run(ports, admin, run, end)
    calls()
    settle(ports, run)
    assert calls() == {"GetItem": 1, "UpdateItem": 1}
    assert find_bookmark(ports, admin, "hourly") == before


def test_a_commit_that_failed_lets_it_go(ports: Ports, admin: Principal) -> None:
    run = running(ports, admin)
    held = committing(ports, run, "a")
    conclude_work(ports, held, error="the table is gone", conclusive=True)
    settle(ports, run)
    with pytest.raises(NotFoundError):
        find_bookmark(ports, admin, "hourly")
    succeeded(ports, admin, "a")
    assert find_bookmark(ports, admin, "hourly").version == 1


def test_a_run_that_pauses_reads_it_and_leaves_it(ports: Ports, admin: Principal) -> None:
    succeeded(ports, admin, "a")
    before = find_bookmark(ports, admin, "hourly")
    run = running(ports, admin, "pause")
    assert opened(ports, run) == before
    conclude_work(ports, begin_commit(ports, run, 60))
    settle(ports, run)
    assert find_bookmark(ports, admin, "hourly") == before


def test_two_cannot_commit_by_the_same_version(ports: Ports, admin: Principal) -> None:
    first, second = running(ports, admin), running(ports, admin)
    seen = opened(ports, first)
    assert opened(ports, second) == seen
    conclude_work(ports, begin_commit(ports, first, 60, seen.step({"seen": ["a"]})))
    # Neither while the first is yet to be settled, nor after.
    for _ in range(2):
        with pytest.raises(BookmarkConflictError):
            begin_commit(ports, second, 60, seen.step({"seen": ["a"]}))
        assert find_run(ports, admin, second.run_id).committing_until_at is None
        settle(ports, first)
    assert find_bookmark(ports, admin, "hourly").run_id == first.run_id


def test_of_many_at_once_one_holds_it(ports: Ports, admin: Principal) -> None:
    runs = [running(ports, admin) for _ in range(6)]
    step = BookmarkStep(from_version=0, state={"seen": ["a"]})

    def attempt(run: Run) -> bool:
        try:
            begin_commit(ports, run, 60, step)
        except (BookmarkConflictError, UnavailableError):
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attempt, runs)) == 1


def test_who_finds_it_held_by_a_run_that_commits_is_told_to_ask_again(ports: Ports, admin: Principal) -> None:
    first, second = running(ports, admin), running(ports, admin)
    committing(ports, first, "a")
    with pytest.raises(BookmarkConflictError, match=f"{first.run_id}, is committing; start this one again when"):
        opened(ports, second)


def test_a_success_that_has_yet_to_be_settled_is_seen_by_all(ports: Ports, admin: Principal, calls: Calls) -> None:
    first, second = running(ports, admin), running(ports, admin)
    conclude_work(ports, committing(ports, first, "a"))
    assert find_bookmark(ports, admin, "hourly", first.run_id).state == {"seen": ["a"]}
    assert find_bookmark(ports, admin, "hourly").run_id == first.run_id
    assert opened(ports, second).state == {"seen": ["a"]}
    settle(ports, first)
    settle(ports, first)
    assert find_bookmark(ports, admin, "hourly").version == 1


def test_a_commit_that_begins_again_keeps_the_step_it_began_with(ports: Ports, admin: Principal) -> None:
    run = running(ports, admin)
    committing(ports, run, "a")
    again = begin_commit(ports, run, 90, BookmarkStep(from_version=0, state={"seen": ["b"]}))
    assert again.bookmark == BookmarkStep(from_version=0, state={"seen": ["a"]})
    conclude_work(ports, again)
    settle(ports, run)
    assert find_bookmark(ports, admin, "hourly").state == {"seen": ["a"]}


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_given_up_undecided_holds_it_until_the_next_run_finds_out(
    ports: Ports, admin: Principal, committed: bool
) -> None:
    succeeded(ports, admin, "a")
    lost = running(ports, admin)
    conclude_work(ports, committing(ports, lost, "b"), error="?", error_code=COMMIT_UNKNOWN, conclusive=True)
    settle(ports, lost)
    assert find_bookmark(ports, admin, "hourly").pending == lost.run_id
    found = opened(ports, running(ports, admin), committed=committed)
    assert found.state["seen"] == (["a", "b"] if committed else ["a"])
    assert found.pending is None
    assert find_bookmark(ports, admin, "hourly") == found


def test_a_reset_begins_anew_and_one_to_a_run_goes_on_from_its_end(ports: Ports, admin: Principal) -> None:
    first, second = succeeded(ports, admin, "a"), succeeded(ports, admin, "b")
    anew = reset_bookmark(ports, admin, "hourly")
    assert (anew.version, anew.ordinal, anew.attempt, anew.run_id, anew.previous_run_id) == (3, 0, 0, None, None)
    assert anew.state == {}
    assert find_bookmark(ports, admin, "hourly") == anew
    back = reset_bookmark(ports, admin, "hourly", first.run_id)
    assert (back.version, back.ordinal, back.run_id, back.state) == (4, 1, first.run_id, {"seen": ["a"]})
    # What was on record stays: also what came after can be gone back to.
    assert reset_bookmark(ports, admin, "hourly", second.run_id).state == {"seen": ["a", "b"]}
    third = succeeded(ports, admin, "c")
    now = find_bookmark(ports, admin, "hourly")
    assert (now.version, now.ordinal) == (6, 3)
    assert (now.run_id, now.previous_run_id) == (third.run_id, second.run_id)


def test_a_reset_beats_a_run_that_is_committing_which_leaves_a_record_all_the_same(
    ports: Ports, admin: Principal
) -> None:
    succeeded(ports, admin, "a")
    run = running(ports, admin)
    held = committing(ports, run, "b")
    anew = reset_bookmark(ports, admin, "hourly")
    assert (anew.version, anew.pending) == (2, None)
    # The commit, begun again, is not refused: it may have been done.
    conclude_work(ports, begin_commit(ports, held, 60))
    for _ in range(2):
        settle(ports, run)
    assert find_bookmark(ports, admin, "hourly") == anew
    assert reset_bookmark(ports, admin, "hourly", run.run_id).state == {"seen": ["a", "b"]}


def test_a_reset_of_what_was_never_used_is_empty_and_writes_nothing(
    ports: Ports, admin: Principal, calls: Calls
) -> None:
    define_job(ports, admin, name="hourly", executor="ingest", door="test")
    calls()
    assert reset_bookmark(ports, admin, "hourly") == Bookmark(org="acme", job="hourly")
    assert calls() == {"GetItem": 2}
    with pytest.raises(NotFoundError):
        find_bookmark(ports, admin, "hourly")


def test_the_first_commit_may_be_reset_too(ports: Ports, admin: Principal) -> None:
    run = running(ports, admin)
    conclude = committing(ports, run, "a")
    assert reset_bookmark(ports, admin, "hourly").version == 1
    conclude_work(ports, conclude)
    settle(ports, run)
    assert find_bookmark(ports, admin, "hourly").state == {}


def test_what_is_not_there_is_not_found(ports: Ports, admin: Principal, stranger: Principal) -> None:
    run = succeeded(ports, admin, "a")
    for use_case in (find_bookmark, reset_bookmark):
        with pytest.raises(NotFoundError, match="no job is named 'nightly'"):
            use_case(ports, admin, "nightly")
        with pytest.raises(NotFoundError, match="no job is named 'hourly'"):
            use_case(ports, stranger, "hourly", run.run_id)
        for absent in (new_id(ports.clock()), "no id" * 1000):
            with pytest.raises(NotFoundError):
                use_case(ports, admin, "hourly", absent)
    failed = running(ports, admin)
    report_run(ports, admin, failed, RunState.FAILED)
    with pytest.raises(NotFoundError, match="has not moved the bookmark"):
        reset_bookmark(ports, admin, "hourly", failed.run_id)


def test_who_may_only_read_or_report_may_not_reset(ports: Ports, admin: Principal) -> None:
    succeeded(ports, admin, "a")
    for role in (Role.READER, Role.REPORTER):
        other = admin.model_copy(update={"role": role})
        assert find_bookmark(ports, other, "hourly").version == 1
        with pytest.raises(AccessDeniedError):
            reset_bookmark(ports, other, "hourly")
    assert reset_bookmark(ports, admin.model_copy(update={"role": Role.OPERATOR}), "hourly").version == 2


@pytest.mark.parametrize("executor", ["external", "lambda"])
def test_executors_that_keep_no_state_count_their_successes(ports: Ports, admin: Principal, executor: str) -> None:
    for number in range(1, 3):
        run = running(ports, admin, executor=executor, target="arn:aws:lambda:us-east-1:123456789012:function:f")
        report_run(ports, admin, run, RunState.SUCCEEDED)
        for _ in range(2):
            settle(ports, run)
        now = find_bookmark(ports, admin, "hourly")
        assert (now.version, now.ordinal, now.run_id, now.state) == (number, number, run.run_id, {})


def test_successes_settled_at_once_are_all_counted(ports: Ports, admin: Principal) -> None:
    runs = [running(ports, admin, executor="external") for _ in range(4)]
    for run in runs:
        report_run(ports, admin, run, RunState.SUCCEEDED)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda run: settle(ports, run), runs))
    assert find_bookmark(ports, admin, "hourly").ordinal == 4


def test_a_dry_ingest_commits_nothing_and_moves_nothing(ports: Ports, admin: Principal) -> None:
    run = running(ports, admin)
    conclude_work(ports, run)
    assert settle(ports, run).state is RunState.SUCCEEDED
    with pytest.raises(NotFoundError):
        find_bookmark(ports, admin, "hourly")


def test_it_goes_with_its_job_and_a_new_job_of_the_name_begins_anew(
    ports: Ports, admin: Principal, clock: Clock, calls: Calls
) -> None:
    old = succeeded(ports, admin, "a")
    calls()
    delete_job(ports, admin, "hourly")
    assert calls() == {"GetItem": 1, "TransactWriteItems": 1}
    with pytest.raises(NotFoundError):
        find_bookmark(ports, admin, "hourly")
    clock.sleep(1)
    run = running(ports, admin)
    assert opened(ports, run).version == 0
    for use_case in (find_bookmark, reset_bookmark):
        with pytest.raises(NotFoundError, match="has not moved"):
            use_case(ports, admin, "hourly", old.run_id)


def test_a_run_that_outlives_its_job_makes_no_bookmark(ports: Ports, admin: Principal) -> None:
    early, late = running(ports, admin), running(ports, admin)
    conclude_work(ports, committing(ports, early, "a"))
    delete_job(ports, admin, "hourly")
    settle(ports, early)
    conclude_work(ports, committing(ports, late, "b"))
    settle(ports, late)
    run = running(ports, admin)
    assert opened(ports, run).version == 0
    assert opened(ports, run).pending is None


def test_a_retry_has_the_option_and_reads_the_bookmark_anew(
    ports: Ports, admin: Principal, machine: RecordingMachine
) -> None:
    run = running(ports, admin, max_retries=1)
    between = succeeded(ports, admin, "a")
    report_run(ports, admin, run, RunState.FAILED)
    settle(ports, run)
    again = find_run(ports, admin, machine.started[-1])
    assert (again.previous_run_id, again.bookmark_option, again.bookmark) == (run.run_id, "enable", None)
    assert opened(ports, again).run_id == between.run_id


def test_an_option_that_is_none_is_refused_at_the_start(ports: Ports, admin: Principal) -> None:
    define_job(ports, admin, name="hourly", executor="ingest", door="test")
    request = StartRequest(job="hourly", door="test", arguments={OPTION_ARGUMENT: "enable"})
    with pytest.raises(InvalidInputError, match="must be one of job-bookmark-enable"):
        start_run(ports, admin, request)
