"""Starting runs: one transaction, limits that hold under contention, queues that move, retries that repeat nothing."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jobruns.access import Principal, Role
from jobruns.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    ConcurrentRunsExceededError,
    IllegalTransitionError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from jobruns.lifecycle import TimedOut
from jobruns.run import Run, RunState
from jobruns.service.definitions import define_job, delete_job, find_job, list_jobs
from jobruns.service.lookups import find_run, list_events, list_job_runs, list_runs
from jobruns.service.ports import Ports
from jobruns.service.reports import report_run
from jobruns.service.retries import retry_run
from jobruns.service.settlement import dispatch_run, settle_run
from jobruns.service.starts import StartRequest, load_arguments, start_run
from tests.integration.doubles import Clock, RecordingMachine

Calls = Callable[[], Counter[str]]


def define(ports: Ports, principal: Principal, **fields: Any) -> None:
    define_job(ports, principal, **{"name": "nightly", "door": "test", **fields})


def start(ports: Ports, principal: Principal, **fields: Any) -> Run:
    return start_run(ports, principal, StartRequest(job="nightly", door="test", **fields))


def end(ports: Ports, principal: Principal, run: Run, state: RunState = RunState.SUCCEEDED) -> Run:
    dispatch_run(ports, run.org, run.job, run.run_id, "token")
    report_run(ports, principal, find_run(ports, principal, run.run_id), state, message="told")
    return settle_run(ports, run.org, run.job, run.run_id, TimedOut("unused: it has ended"))


def test_a_start_is_one_transaction_beside_the_read_of_its_job(
    ports: Ports, admin: Principal, machine: RecordingMachine, calls: Calls
) -> None:
    define(ports, admin, max_concurrent_runs=5)
    calls()
    run = start(ports, admin)
    assert calls() == {"GetItem": 1, "TransactWriteItems": 1}
    assert machine.started == [run.run_id]
    assert run.state is RunState.STARTING


def test_a_start_reads_no_job_that_it_is_given_and_takes_none_but_the_one_that_is_meant(
    ports: Ports, admin: Principal, stranger: Principal, calls: Calls
) -> None:
    job = define_job(ports, admin, name="nightly", door="test", timeout_seconds=60)
    other = define_job(ports, admin, name="hourly", door="test", timeout_seconds=120)
    wanted = StartRequest(job="nightly", door="test")
    calls()
    assert start_run(ports, admin, wanted, job).timeout_seconds == 60
    assert calls() == {"TransactWriteItems": 1}
    run = start_run(ports, admin, wanted, other)
    assert (run.job, run.timeout_seconds) == ("nightly", 60)
    assert calls() == {"GetItem": 1, "TransactWriteItems": 1}
    with pytest.raises(NotFoundError, match="'nightly'"):
        start_run(ports, stranger, wanted, job)


def test_what_was_started_is_read_back_at_once_everywhere(ports: Ports, admin: Principal, calls: Calls) -> None:
    define(ports, admin)
    run = start(ports, admin, arguments={"--day": "2026-11-20"})
    calls()
    assert find_run(ports, admin, run.run_id, job="nightly") == run
    assert calls() == {"GetItem": 1}
    assert find_run(ports, admin, run.run_id) == run
    assert calls() == {"GetItem": 2}
    assert list_job_runs(ports, admin, "nightly").runs == [run]
    assert calls() == {"Query": 1}
    assert list_runs(ports, admin).runs == [run]
    assert calls() == {"Query": 1, "BatchGetItem": 1}
    assert list_runs(ports, admin, state=RunState.STARTING).runs == [run]
    assert [event.kind for event in list_events(ports, admin, run.run_id)] == ["Submitted"]


def test_a_page_of_runs_is_one_query_that_reads_only_the_page(ports: Ports, admin: Principal, calls: Calls) -> None:
    define(ports, admin)
    ids = [start(ports, admin).run_id for _ in range(25)]
    calls()
    seen: list[str] = []
    token, pages = None, 0
    while True:
        page = list_job_runs(ports, admin, "nightly", limit=10, token=token)
        seen += [run.run_id for run in page.runs]
        pages, token = pages + 1, page.next_token
        if token is None:
            break
    assert sorted(seen, reverse=True) == sorted(ids, reverse=True)
    assert seen == sorted(seen, reverse=True)
    assert calls() == {"Query": pages}


@pytest.mark.parametrize("token", ["", "nonsense", "e30=", "W10=", "\u00e9"])
def test_a_token_of_another_list_is_refused(ports: Ports, admin: Principal, token: str) -> None:
    define(ports, admin)
    with pytest.raises(InvalidInputError, match="begin again"):
        list_job_runs(ports, admin, "nightly", token=token)


def test_a_token_of_another_org_opens_nothing(ports: Ports, admin: Principal, stranger: Principal) -> None:
    for caller in (admin, stranger):
        define(ports, caller)
        start(ports, caller)
        start(ports, caller)
    token = list_job_runs(ports, admin, "nightly", limit=1).next_token
    with pytest.raises(InvalidInputError):
        list_job_runs(ports, stranger, "nightly", limit=1, token=token)


def test_another_orgs_things_do_not_exist(ports: Ports, admin: Principal, stranger: Principal) -> None:
    define(ports, admin)
    run = start(ports, admin)
    for look in (
        lambda: find_job(ports, stranger, "nightly"),
        lambda: find_run(ports, stranger, run.run_id),
        lambda: find_run(ports, stranger, run.run_id, job="nightly"),
        lambda: start(ports, stranger),
        lambda: delete_job(ports, stranger, "nightly"),
    ):
        with pytest.raises(NotFoundError):
            look()
    assert list_runs(ports, stranger).runs == []
    assert list_jobs(ports, stranger) == []
    assert list_events(ports, stranger, run.run_id) == []


def test_fifty_parallel_starts_over_a_limit_of_five_give_five_runs_and_clear_refusals(
    ports: Ports, admin: Principal
) -> None:
    define(ports, admin, max_concurrent_runs=5)

    def attempt(_: int) -> str:
        try:
            return start(ports, admin).state
        except ConcurrentRunsExceededError as error:
            return error.message

    with ThreadPoolExecutor(16) as pool:
        answers = Counter(pool.map(attempt, range(50)))
    (refusal,) = answers.keys() - {"STARTING"}
    assert refusal.startswith("Concurrent runs exceeded for nightly: it may have 5 at a time")
    assert answers == {"STARTING": 5, refusal: 45}
    assert len(list_job_runs(ports, admin, "nightly").runs) == 5


def test_with_queueing_all_fifty_run_and_never_more_than_five_at_once(
    ports: Ports, admin: Principal, machine: RecordingMachine
) -> None:
    define(ports, admin, max_concurrent_runs=5, queueing=True)
    with ThreadPoolExecutor(16) as pool:
        runs = list(pool.map(lambda _: start(ports, admin), range(50)))
    assert Counter(run.state for run in runs) == {"STARTING": 5, "WAITING": 45}
    ended: set[str] = set()
    for _ in range(50):
        active = [run_id for run_id in machine.started if run_id not in ended]
        assert 1 <= len(active) <= 5
        end(ports, admin, find_run(ports, admin, active[0]))
        ended.add(active[0])
    assert ended == {run.run_id for run in runs}
    states = Counter(run.state for run in list_job_runs(ports, admin, "nightly").runs)
    assert states == {RunState.SUCCEEDED: 50}


def test_waiting_runs_are_admitted_oldest_first(ports: Ports, admin: Principal, machine: RecordingMachine) -> None:
    define(ports, admin, max_concurrent_runs=1, queueing=True)
    first, *waiting = [start(ports, admin) for _ in range(4)]
    end(ports, admin, first)
    for expected in sorted(run.run_id for run in waiting):
        assert machine.started[-1] == expected
        end(ports, admin, find_run(ports, admin, expected))


def test_a_start_with_an_id_may_be_repeated(ports: Ports, admin: Principal, machine: RecordingMachine) -> None:
    define(ports, admin, max_concurrent_runs=1)
    run = start(ports, admin)
    again = start(ports, admin, run_id=run.run_id)
    assert again == run
    assert machine.started == [run.run_id, run.run_id]  # the machine counts "already exists" as started
    assert len(list_job_runs(ports, admin, "nightly").runs) == 1


def test_an_abandoned_id_is_never_a_runs(ports: Ports, admin: Principal) -> None:
    define(ports, admin)
    lost = "01a1fba8-d3d3-7e99-bb70-b94945b18a25"
    assert ports.runs.abandon("acme", lost)
    assert ports.runs.abandon("acme", lost)
    with pytest.raises(AlreadyExistsError):
        start(ports, admin, run_id=lost)
    run = start(ports, admin)
    assert not ports.runs.abandon("acme", run.run_id)


def test_a_start_stands_though_step_functions_does_not_answer(
    ports: Ports, admin: Principal, machine: RecordingMachine
) -> None:
    define(ports, admin)
    machine.failure = UnavailableError("no answer")
    run = start(ports, admin)
    machine.failure = None
    assert find_run(ports, admin, run.run_id).state is RunState.STARTING


def test_large_arguments_are_kept_outside_the_item(ports: Ports, admin: Principal) -> None:
    define(ports, admin, arguments={"--mode": "full"})
    run = start(ports, admin, arguments={"--list": "x" * 10_000})
    stored = find_run(ports, admin, run.run_id)
    assert stored.arguments == {}
    assert load_arguments(ports, stored) == {"--mode": "full", "--list": "x" * 10_000}


def test_a_failed_run_is_retried_as_often_as_its_job_says_however_often_it_is_settled(
    ports: Ports, admin: Principal, machine: RecordingMachine
) -> None:
    define(ports, admin, max_retries=2)
    first = start(ports, admin)
    for attempt in (1, 2, 3):
        run = find_run(ports, admin, machine.started[-1])
        assert (run.attempt, run.root_run_id) == (attempt, first.run_id)
        ended = end(ports, admin, run, RunState.FAILED)
        settle_run(ports, ended.org, ended.job, ended.run_id, TimedOut("again"))
    assert len(list_job_runs(ports, admin, "nightly").runs) == 3
    assert len(set(machine.started)) == 3


def test_a_retry_of_a_limited_job_takes_the_slot_of_what_it_retries(ports: Ports, admin: Principal) -> None:
    define(ports, admin, max_retries=1, max_concurrent_runs=1)
    first = start(ports, admin)
    end(ports, admin, first, RunState.FAILED)
    retry = list_job_runs(ports, admin, "nightly").runs[0]
    assert (retry.state, retry.previous_run_id) == (RunState.STARTING, first.run_id)
    with pytest.raises(ConcurrentRunsExceededError):
        start(ports, admin)


def test_only_what_ended_without_success_is_retried_by_hand(ports: Ports, admin: Principal) -> None:
    define(ports, admin)
    run = start(ports, admin, arguments={"--day": "1"})
    with pytest.raises(IllegalTransitionError, match="STARTING"):
        retry_run(ports, admin, run)
    failed = end(ports, admin, run, RunState.FAILED)
    again = retry_run(ports, admin, failed)
    assert (again.attempt, again.arguments, again.previous_run_id) == (2, {"--day": "1"}, run.run_id)
    with pytest.raises(IllegalTransitionError, match="SUCCEEDED"):
        retry_run(ports, admin, end(ports, admin, again))


def test_an_unknown_job_is_named_in_the_refusal(ports: Ports, admin: Principal) -> None:
    with pytest.raises(NotFoundError, match="'nightly'"):
        start(ports, admin)


@pytest.mark.parametrize("timeout", [0, -1, 10**9])
def test_a_timeout_out_of_range_is_refused_and_nothing_is_written(ports: Ports, admin: Principal, timeout: int) -> None:
    define(ports, admin)
    with pytest.raises(InvalidInputError, match="timeout"):
        start(ports, admin, timeout_seconds=timeout)
    assert list_job_runs(ports, admin, "nightly").runs == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "n" * 300}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"max_retries": -1}, "max_retries"),
        ({"max_concurrent_runs": 0}, "max_concurrent_runs"),
        ({"timeout_seconds": "soon"}, "timeout_seconds"),
        ({"heartbeat_seconds": 60, "timeout_seconds": 60}, "heartbeat_seconds"),
        ({"executor": "lambda"}, "target"),
        ({"executor": "magic"}, "executor"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_field_of_a_job_is_named(ports: Ports, admin: Principal, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError, match=field):
        define(ports, admin, **fields)
    assert list_jobs(ports, admin) == []


def test_a_job_is_replaced_only_when_asked(ports: Ports, admin: Principal, clock: Clock) -> None:
    define(ports, admin)
    with pytest.raises(AlreadyExistsError, match="nightly"):
        define(ports, admin)
    made = find_job(ports, admin, "nightly")
    clock.sleep(60)
    define(ports, admin, replace=True, max_retries=3)
    job = find_job(ports, admin, "nightly")
    assert (job.max_retries, job.version, job.created_at) == (3, 2, made.created_at)


def test_deleting_a_job_keeps_its_history(ports: Ports, admin: Principal) -> None:
    define(ports, admin)
    run = end(ports, admin, start(ports, admin))
    delete_job(ports, admin, "nightly")
    with pytest.raises(NotFoundError):
        find_job(ports, admin, "nightly")
    assert find_run(ports, admin, run.run_id).state is RunState.SUCCEEDED


def test_roles_are_asked_for(ports: Ports, admin: Principal) -> None:
    define(ports, admin)
    run = start(ports, admin)
    reader = Principal(org=admin.org, name="r", role=Role.READER)
    assert find_run(ports, reader, run.run_id) == run
    for forbidden in (
        lambda: start(ports, reader),
        lambda: define(ports, reader),
        lambda: report_run(ports, reader, run, RunState.SUCCEEDED),
    ):
        with pytest.raises(AccessDeniedError):
            forbidden()
