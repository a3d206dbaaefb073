"""How runs end: by report, by stop, by time, by loss; and that nothing changes what has ended."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jobruns.access import Principal
from jobruns.errors import CommitInProgressError, IllegalTransitionError, InvalidInputError, UnavailableError
from jobruns.lifecycle import COMMIT_SURRENDER_SECONDS, WAIT_LIMIT_SECONDS, Failed, Succeeded, TimedOut
from jobruns.run import Executor, Run, RunState
from jobruns.service.definitions import define_job
from jobruns.service.lookups import find_run, list_events
from jobruns.service.ports import ExecutionStatus, Ports
from jobruns.service.reconciliation import reconcile_execution, reconcile_runs
from jobruns.service.reports import beat_run, report_run
from jobruns.service.settlement import dispatch_run, settle_run
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.stops import stop_run
from jobruns.service.store_ports import UnitRecord
from jobruns.service.work import (
    begin_commit,
    begin_listing,
    begin_unit,
    conclude_work,
    end_listing,
    end_unit,
    load_run,
    recount,
)
from tests.integration.doubles import Clock, RecordingExecutor, RecordingMachine

Calls = Callable[[], Counter[str]]
ARN = "arn:aws:lambda:us-east-1:123456789012:function:theirs"


def running(ports: Ports, admin: Principal, **fields: Any) -> Run:
    """Define a job, start a run of it and dispatch it."""
    define_job(ports, admin, replace=True, **{"name": "nightly", "door": "test", **fields})
    run = start_run(ports, admin, StartRequest(job="nightly", door="test"))
    dispatch_run(ports, run.org, run.job, run.run_id, None if fields.get("executor") == "lambda" else "token")
    return find_run(ports, admin, run.run_id)


def settle(ports: Ports, run: Run, outcome: Any = None) -> Run:
    return settle_run(ports, run.org, run.job, run.run_id, outcome or TimedOut("late"))


def test_a_transition_is_one_transaction(ports: Ports, admin: Principal, calls: Calls) -> None:
    run = running(ports, admin, max_concurrent_runs=1)
    calls()
    report_run(ports, admin, run, RunState.SUCCEEDED)
    assert calls() == {"TransactWriteItems": 1}
    other = start_run(ports, admin, StartRequest(job="nightly", door="test"))
    calls()
    dispatch_run(ports, other.org, other.job, other.run_id, "token")
    assert calls() == {"GetItem": 1, "UpdateItem": 1, "TransactWriteItems": 1}, "it takes a number first"


def test_a_heartbeat_is_one_write_and_moves_no_version(
    ports: Ports, admin: Principal, calls: Calls, machine: RecordingMachine
) -> None:
    run = running(ports, admin, heartbeat_seconds=60)
    calls()
    beaten = beat_run(ports, admin, run)
    assert calls() == {"UpdateItem": 1}
    assert machine.beaten == [run.run_id]
    assert find_run(ports, admin, run.run_id) == beaten
    assert beaten.version == run.version


def test_a_report_ends_the_run_and_the_wait_of_its_machine(
    ports: Ports, admin: Principal, machine: RecordingMachine
) -> None:
    run = running(ports, admin)
    ended = report_run(ports, admin, run, RunState.SUCCEEDED, message="7 rows", metrics={"rows": 7})
    assert machine.ended == [run.run_id]
    assert find_run(ports, admin, run.run_id) == ended
    assert (ended.state, ended.message, ended.metrics) == (RunState.SUCCEEDED, "7 rows", {"rows": 7})


def test_a_report_that_died_on_its_way_to_the_machine_is_repeated(
    ports: Ports, admin: Principal, machine: RecordingMachine
) -> None:
    run = running(ports, admin)
    machine.failure = UnavailableError("no answer")
    with pytest.raises(UnavailableError):
        report_run(ports, admin, run, RunState.SUCCEEDED)
    machine.failure = None
    assert report_run(ports, admin, run, RunState.SUCCEEDED).state is RunState.SUCCEEDED
    assert machine.ended == [run.run_id]


@pytest.mark.parametrize("end", [RunState.SUCCEEDED, RunState.FAILED, RunState.TIMEOUT])
def test_what_has_ended_is_not_changed_and_the_attempt_is_on_record(
    ports: Ports, admin: Principal, end: RunState
) -> None:
    run = running(ports, admin)
    ended = report_run(ports, admin, run, end, message="first")
    settle(ports, run)
    for late in (RunState.SUCCEEDED, RunState.FAILED, RunState.TIMEOUT):
        if late is not end:
            with pytest.raises(IllegalTransitionError, match="ended"):
                report_run(ports, admin, run, late)
    with pytest.raises(IllegalTransitionError, match="cannot be stopped"):
        stop_run(ports, admin, run)
    now = find_run(ports, admin, run.run_id)
    assert now == ended.model_copy(update={"settled": True})
    history = list_events(ports, admin, run.run_id)
    assert [event.kind for event in history if event.applied] == ["Submitted", "Begun", type_of(end)]
    assert sum(not event.applied for event in history) == 3


def type_of(end: RunState) -> str:
    return {"SUCCEEDED": "Succeeded", "FAILED": "Failed", "TIMEOUT": "TimedOut"}[end]


def test_of_twenty_reports_at_once_one_wins_and_the_history_has_it_once(ports: Ports, admin: Principal) -> None:
    run = running(ports, admin)
    outcomes = [RunState.SUCCEEDED, RunState.FAILED] * 10

    def attempt(state: RunState) -> RunState | None:
        try:
            return report_run(ports, admin, run, state).state
        except IllegalTransitionError:
            return None

    with ThreadPoolExecutor(10) as pool:
        answers = set(pool.map(attempt, outcomes)) - {None}
    assert answers == {find_run(ports, admin, run.run_id).state}
    applied = [event for event in list_events(ports, admin, run.run_id) if event.applied]
    assert [event.sequence for event in applied] == [1, 2, 3]


def test_only_an_end_can_be_reported(ports: Ports, admin: Principal) -> None:
    run = running(ports, admin)
    with pytest.raises(InvalidInputError, match="RUNNING"):
        report_run(ports, admin, run, RunState.RUNNING)


def test_the_machine_ends_a_run_by_time_unless_it_has_ended(ports: Ports, admin: Principal) -> None:
    run = running(ports, admin)
    assert settle(ports, run, TimedOut("it took too long")).state is RunState.TIMEOUT
    late = running(ports, admin)
    report_run(ports, admin, late, RunState.SUCCEEDED)
    assert settle(ports, late).state is RunState.SUCCEEDED


def test_the_last_success_is_one_read_by_start_and_by_end(ports: Ports, admin: Principal, calls: Calls) -> None:
    first = running(ports, admin)
    second = running(ports, admin)
    for run in (second, first):  # the one that started later ends earlier
        report_run(ports, admin, run, RunState.SUCCEEDED)
        settle(ports, run)
    failed = running(ports, admin)
    report_run(ports, admin, failed, RunState.FAILED)
    settle(ports, failed)
    calls()
    by_start = ports.runs.last_success("acme", "nightly", by_end=False)
    assert calls() == {"Query": 1}
    by_end = ports.runs.last_success("acme", "nightly", by_end=True)
    assert by_start is not None
    assert by_end is not None
    assert (by_start.run_id, by_end.run_id) == (second.run_id, first.run_id)


def test_a_stop_of_a_silent_worker_ends_the_wait_and_settles_as_stopped(
    ports: Ports, admin: Principal, machine: RecordingMachine
) -> None:
    run = running(ports, admin)
    assert stop_run(ports, admin, run).state is RunState.STOPPING
    assert machine.ended == [run.run_id]
    assert stop_run(ports, admin, run).state is RunState.STOPPING
    assert settle(ports, run).state is RunState.STOPPED
    with pytest.raises(IllegalTransitionError):
        stop_run(ports, admin, run)


def test_a_beating_worker_hears_of_the_stop_and_its_report_makes_it_stopped(
    ports: Ports, admin: Principal, machine: RecordingMachine
) -> None:
    run = running(ports, admin, heartbeat_seconds=30)
    stop_run(ports, admin, run)
    assert machine.ended == []
    assert beat_run(ports, admin, run).state is RunState.STOPPING
    assert machine.beaten == []  # so that the machine's heartbeat limit ends a worker that only beats
    ended = report_run(ports, admin, run, RunState.SUCCEEDED)
    assert ended.state is RunState.STOPPED
    assert machine.ended == [run.run_id]


def test_a_waiting_run_is_stopped_at_once(ports: Ports, admin: Principal, machine: RecordingMachine) -> None:
    running(ports, admin, max_concurrent_runs=1, queueing=True)
    waiting = start_run(ports, admin, StartRequest(job="nightly", door="test"))
    assert waiting.state is RunState.WAITING
    assert stop_run(ports, admin, waiting).state is RunState.STOPPED
    assert find_run(ports, admin, waiting.run_id).settled
    assert ports.runs.queued("acme", "nightly", 10) == []
    assert waiting.run_id not in machine.started


def test_a_functions_run_is_stopped_at_once_and_its_execution_too(
    ports: Ports, admin: Principal, machine: RecordingMachine
) -> None:
    run = running(ports, admin, executor="lambda", target=ARN)
    assert stop_run(ports, admin, run).state is RunState.STOPPED
    assert machine.abandoned == [run.run_id]


def test_a_run_stopped_before_its_dispatch_ends_its_token(
    ports: Ports, admin: Principal, machine: RecordingMachine
) -> None:
    define_job(ports, admin, name="nightly", door="test")
    run = start_run(ports, admin, StartRequest(job="nightly", door="test"))
    assert stop_run(ports, admin, run).state is RunState.STOPPING
    assert dispatch_run(ports, run.org, run.job, run.run_id, "token") == {"begun": False}
    assert machine.ended == [run.run_id]
    assert settle(ports, run).state is RunState.STOPPED


def test_a_committing_run_refuses_the_stop_and_its_commit_decides(
    ports: Ports, admin: Principal, ingest: RecordingExecutor
) -> None:
    run = running(ports, admin, executor="ingest")
    committing = begin_commit(ports, run, 60)
    with pytest.raises(IllegalTransitionError, match="commit"):
        stop_run(ports, admin, committing)
    with pytest.raises(CommitInProgressError):
        settle(ports, run, TimedOut("late"))
    assert ("resolve", RunState.RUNNING) in ingest.calls
    conclude_work(ports, committing, message="in the table")
    assert settle(ports, run, TimedOut("late")).state is RunState.SUCCEEDED


def test_nothing_is_committed_for_a_run_that_is_being_stopped(ports: Ports, admin: Principal) -> None:
    run = running(ports, admin, executor="ingest")
    stop_run(ports, admin, run)
    with pytest.raises(IllegalTransitionError, match="STOPPING"):
        begin_commit(ports, run, 60)


def test_progress_counts_each_unit_once_and_a_recount_mends_what_a_killed_worker_left(
    ports: Ports, admin: Principal, calls: Calls
) -> None:
    run = running(ports, admin, executor="ingest")
    begin_listing(ports, run)
    end_listing(ports, run, 3)
    done = UnitRecord(number=0, state="DONE", rows_loaded=10, bytes_read=100, work_milliseconds=5)
    calls()
    assert begin_unit(ports, run, 0)
    end_unit(ports, run, done)
    assert calls() == {"PutItem": 1, "UpdateItem": 3}
    assert begin_unit(ports, run, 0)
    end_unit(ports, run, done)
    begin_unit(ports, run, 1)
    ports.units.end(run.org, run.run_id, UnitRecord(number=1, state="DONE", rows_loaded=7))  # killed before it counted
    begin_unit(ports, run, 2)
    end_unit(ports, run, UnitRecord(number=2, state="FAILED"))
    progress = load_run(ports, run.org, run.job, run.run_id).progress
    assert (progress.units_total, progress.units_done, progress.units_running, progress.rows_loaded) == (3, 1, 1, 10)
    exact = recount(ports, load_run(ports, run.org, run.job, run.run_id))
    assert (exact.units_done, exact.units_running, exact.units_failed, exact.rows_loaded) == (2, 0, 1, 17)
    assert load_run(ports, run.org, run.job, run.run_id).progress == exact


def test_progress_of_a_run_that_is_over_is_refused(ports: Ports, admin: Principal) -> None:
    run = running(ports, admin, executor="ingest")
    stop_run(ports, admin, run)
    assert not begin_unit(ports, run, 0)


def test_the_schedule_ends_what_is_past_its_deadline(
    ports: Ports, admin: Principal, clock: Clock, machine: RecordingMachine
) -> None:
    run = running(ports, admin, timeout_seconds=60, max_concurrent_runs=1)
    machine.statuses[run.run_id] = ExecutionStatus.RUNNING
    clock.sleep(90)
    assert reconcile_runs(ports).ended == []
    clock.sleep(31)
    assert reconcile_runs(ports).ended == [run.run_id]
    ended = find_run(ports, admin, run.run_id)
    assert (ended.state, ended.settled) == (RunState.TIMEOUT, True)
    assert machine.abandoned == [run.run_id]
    assert start_run(ports, admin, StartRequest(job="nightly", door="test")).state is RunState.STARTING


def test_the_schedule_starts_an_execution_that_was_never_started(
    ports: Ports, admin: Principal, clock: Clock, machine: RecordingMachine
) -> None:
    define_job(ports, admin, name="nightly", door="test")
    machine.failure = UnavailableError("no answer")
    run = start_run(ports, admin, StartRequest(job="nightly", door="test"))
    machine.failure = None
    clock.sleep(121)
    assert reconcile_runs(ports).relaunched == [run.run_id]
    assert machine.started == [run.run_id]
    assert reconcile_runs(ports).relaunched == []


def test_the_schedule_settles_what_ended_but_was_not_settled(ports: Ports, admin: Principal, clock: Clock) -> None:
    run = running(ports, admin, max_retries=1)
    report_run(ports, admin, run, RunState.FAILED)
    clock.sleep(121)
    assert reconcile_runs(ports).settled == [run.run_id]
    assert find_run(ports, admin, run.run_id).settled
    assert reconcile_runs(ports).settled == []


def test_the_schedule_stops_what_does_not_stop(ports: Ports, admin: Principal, clock: Clock) -> None:
    run = running(ports, admin, heartbeat_seconds=30)
    stop_run(ports, admin, run)
    clock.sleep(91)
    assert reconcile_runs(ports).ended == [run.run_id]
    assert find_run(ports, admin, run.run_id).state is RunState.STOPPED


def test_the_schedule_lets_waiting_runs_in_and_gives_up_those_that_waited_too_long(
    ports: Ports, admin: Principal, clock: Clock, machine: RecordingMachine
) -> None:
    long = 2 * WAIT_LIMIT_SECONDS
    first = running(ports, admin, max_concurrent_runs=1, queueing=True, timeout_seconds=long)
    machine.statuses[first.run_id] = ExecutionStatus.RUNNING
    waiting = start_run(ports, admin, StartRequest(job="nightly", door="test", timeout_seconds=long))
    define_job(ports, admin, name="nightly", door="test", replace=True, max_concurrent_runs=2, queueing=True)
    clock.sleep(121)
    reconcile_runs(ports)
    assert find_run(ports, admin, waiting.run_id).state is RunState.STARTING
    machine.statuses[waiting.run_id] = ExecutionStatus.RUNNING
    stuck = start_run(ports, admin, StartRequest(job="nightly", door="test", timeout_seconds=200))
    assert stuck.state is RunState.WAITING
    clock.sleep(121)
    reconcile_runs(ports)
    assert find_run(ports, admin, stuck.run_id).state is RunState.WAITING, "its timeout counts from when it gets a slot"
    clock.sleep(WAIT_LIMIT_SECONDS)
    reconcile_runs(ports)
    ended = find_run(ports, admin, stuck.run_id)
    assert (ended.state, ended.message) == (
        RunState.TIMEOUT,
        "it waited 7 days for a slot of its job and got none",
    )


def test_a_commit_that_nobody_can_decide_is_asked_for_again_and_given_up_after_an_hour(
    ports: Ports, admin: Principal, clock: Clock, ingest: RecordingExecutor
) -> None:
    run = running(ports, admin, executor="ingest", timeout_seconds=60)
    begin_commit(ports, run, 60)
    clock.sleep(61)
    assert reconcile_runs(ports).deferred == [run.run_id]
    assert ("resolve", RunState.RUNNING) in ingest.calls
    clock.sleep(COMMIT_SURRENDER_SECONDS)
    assert reconcile_runs(ports).ended == [run.run_id]
    ended = find_run(ports, admin, run.run_id)
    assert (ended.state, ended.error_code) == (RunState.FAILED, "CommitUnknown")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (ExecutionStatus.ABORTED, RunState.STOPPED),
        (ExecutionStatus.FAILED, RunState.FAILED),
        (ExecutionStatus.TIMED_OUT, RunState.TIMEOUT),
    ],
)
def test_an_execution_ended_by_hand_in_the_console_ends_its_run(
    ports: Ports, admin: Principal, status: ExecutionStatus, state: RunState
) -> None:
    run = running(ports, admin, max_concurrent_runs=1)
    ended = reconcile_execution(ports, run.org, run.job, run.run_id, status, "by hand")
    assert ended is not None
    assert ended.state is state
    assert find_run(ports, admin, run.run_id).settled
    assert reconcile_execution(ports, run.org, run.job, run.run_id, status, "again") is not None
    assert find_run(ports, admin, run.run_id).state is state


def test_a_run_whose_dispatch_failed_for_good_has_failed(ports: Ports, admin: Principal) -> None:
    define_job(ports, admin, name="nightly", door="test")
    run = start_run(ports, admin, StartRequest(job="nightly", door="test"))
    ended = settle(ports, run, Failed("Runtime.ExitError", "Runtime.ExitError"))
    assert (ended.state, ended.error_code) == (RunState.FAILED, "Runtime.ExitError")


def test_a_functions_return_is_its_success(ports: Ports, admin: Principal) -> None:
    run = running(ports, admin, executor=Executor.LAMBDA, target=ARN)
    assert settle(ports, run, Succeeded('{"rows": 3}')).message == '{"rows": 3}'


def test_a_sweep_reads_what_is_due_and_not_the_rest(ports: Ports, admin: Principal, clock: Clock, calls: Calls) -> None:
    for _ in range(10):
        running(ports, admin)
    calls()
    reconcile_runs(ports)
    assert calls() == {"Query": 4}
