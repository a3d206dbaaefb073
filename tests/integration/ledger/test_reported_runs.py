"""Workers tell of their runs: of a beginning, of an end, of both at once, of many; once, however often they tell it."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from jobruns.access import Principal, Role
from jobruns.errors import (
    AccessDeniedError,
    ConcurrentRunsExceededError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from jobruns.lifecycle import DEFAULT_TIMEOUT_SECONDS, TimedOut
from jobruns.run import Executor, Outcome, Run, RunState
from jobruns.service.corrections import delete_run
from jobruns.service.definitions import define_job, find_job, list_jobs
from jobruns.service.loads import load_table
from jobruns.service.lookups import find_run, list_events, list_job_runs
from jobruns.service.ports import ExecutionStatus, Ports
from jobruns.service.reconciliation import reconcile_runs
from jobruns.service.reported_starts import RunReport, report_start, report_starts
from jobruns.service.settlement import dispatch_run, settle_run
from jobruns.service.store_ports import MAX_CREATED
from jobruns.service.views import find_last_success, find_numbered_run, find_numbered_runs
from jobruns.table import LoadSource, LoadSpec, Table
from jobruns.trigger import Watched
from tests.integration.doubles import Clock, RecordingMachine
from tests.integration.kills import Kill, KilledError
from tests.integration.ledger.reported import DAY, at, tell
from tests.integration.triggers.conftest import Site

Calls = Callable[[], Counter[str]]
JOB = "detectors"
GOING, WELL, BADLY = Outcome.GOING, Outcome.SUCCEEDED, Outcome.FAILED


def many(ports: Ports, admin: Principal, count: int, token: str | None = None, **fields: Any) -> list[Run]:
    reports = [
        RunReport(job=f"job-{place % 3}", outcome=WELL, reported_start_at=at(place), reported_end_at=at(place + 1))
        for place in range(count)
    ]
    return report_starts(ports, admin, [replace(report, **fields) for report in reports], door="test", token=token)


def test_the_first_run_of_a_job_defines_it_and_the_next_finds_it(
    ports: Ports, admin: Principal, calls: Calls, machine: RecordingMachine
) -> None:
    reporter = admin.model_copy(update={"role": Role.REPORTER})
    calls()
    run = tell(ports, reporter, start=1, source="knack", destination="socrata")
    assert calls() == {"GetItem": 1, "UpdateItem": 1, "TransactWriteItems": 2}
    job = find_job(ports, admin, JOB)
    assert (job.executor, job.timeout_seconds) == (Executor.EXTERNAL, DEFAULT_TIMEOUT_SECONDS)
    calls()
    again = tell(ports, reporter, start=2)
    assert calls() == {"GetItem": 1, "UpdateItem": 1, "TransactWriteItems": 1}
    assert machine.started == [run.run_id, again.run_id]
    assert (run.number, again.number) == (1, 2)
    assert (run.start_at, run.source, run.destination) == (at(1), "knack", "socrata")
    assert find_numbered_run(ports, admin, 1) == run


def test_a_run_that_was_told_of_lives_as_any_other(ports: Ports, admin: Principal, clock: Clock) -> None:
    run = tell(ports, admin, start=1)
    dispatch_run(ports, run.org, JOB, run.run_id, "token")
    begun = find_run(ports, admin, run.run_id)
    assert (begun.state, begun.number, begun.start_at) == (RunState.RUNNING, 1, at(1))
    clock.sleep(DEFAULT_TIMEOUT_SECONDS + 120)
    reconcile_runs(ports)
    assert find_run(ports, admin, run.run_id).state is RunState.TIMEOUT


def test_two_first_runs_at_once_make_one_job(ports: Ports, admin: Principal) -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda place: tell(ports, admin, start=place), range(12)))
    assert sorted(run.number or 0 for run in runs) == list(range(1, 13))
    assert [job.name for job in list_jobs(ports, admin)] == [JOB]


def test_a_job_that_this_service_runs_itself_is_not_told_of(ports: Ports, admin: Principal) -> None:
    define_job(ports, admin, name="load", executor=Executor.INGEST, target="t", door="test")
    with pytest.raises(ConflictError, match="ingest"):
        tell(ports, admin, job="load")
    with pytest.raises(ConflictError, match="ingest"):
        report_starts(ports, admin, [RunReport(job="new"), RunReport(job="load")], door="test")
    assert list_job_runs(ports, admin, "new").runs == []
    assert list_job_runs(ports, admin, "load").runs == []


def test_what_is_told_is_checked_before_anything_is_written(ports: Ports, admin: Principal, calls: Calls) -> None:
    reader = admin.model_copy(update={"role": Role.READER})
    with pytest.raises(AccessDeniedError):
        tell(ports, reader)
    naive = datetime(2018, 1, 1)  # noqa: DTZ001 - that is the point
    beyond = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))
    wrong: list[dict[str, Any]] = [
        {"message": "x" * 32_769},
        {"source": "x" * 2_049},
        {"destination": "\u00e9" * 1_025},
        {"reported_start_at": naive},
        {"reported_end_at": beyond},
        {"counts": "no"},
    ]
    calls()
    for fields in wrong:
        with pytest.raises(InvalidInputError, match=next(iter(fields))):
            report_starts(ports, admin, [RunReport(job="a"), RunReport(job="b", **fields)], door="test")
    assert calls() == {}
    with pytest.raises(InvalidInputError, match="name"):
        tell(ports, admin, job="two\nlines")


def test_times_are_kept_to_the_microsecond_wherever_they_were_said(ports: Ports, admin: Principal) -> None:
    said = datetime(1, 2, 3, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=-5)))
    report = RunReport(job=JOB, outcome=WELL, reported_start_at=said, reported_end_at=said)
    run = report_start(ports, admin, report, door="test")
    kept = find_numbered_run(ports, admin, 1)
    assert (kept.start_at, kept.end_at) == (said, said)
    assert kept == run
    last = find_last_success(ports, admin, JOB)
    assert last is not None
    assert last.end_at == said


@pytest.mark.parametrize(("outcome", "state"), [(WELL, RunState.SUCCEEDED), (BADLY, RunState.FAILED)])
def test_a_run_that_is_over_is_written_as_over_and_nothing_is_started(
    ports: Ports, admin: Principal, machine: RecordingMachine, calls: Calls, outcome: Outcome, state: RunState
) -> None:
    define_job(ports, admin, name=JOB, door="test", max_retries=3, max_concurrent_runs=1)
    tell(ports, admin)
    calls()
    run = tell(ports, admin, outcome, 1, 2, records=5, message="told")
    assert calls() == {"GetItem": 1, "UpdateItem": 1, "TransactWriteItems": 1}
    assert find_run(ports, admin, run.run_id) == run
    assert (run.state, run.start_at, run.end_at, run.records) == (state, at(1), at(2), 5)
    assert run.settled
    assert [event.kind for event in list_events(ports, admin, run.run_id)] == ["Reported"]
    assert run.run_id not in machine.started
    reconcile_runs(ports)
    assert len(list_job_runs(ports, admin, JOB).runs) == 2, "what is over is not tried again"


def test_a_run_that_is_over_without_an_end_ends_now(ports: Ports, admin: Principal, clock: Clock) -> None:
    run = tell(ports, admin, WELL)
    assert run.reported_end_at is None
    assert run.start_at == run.end_at == run.submitted_at <= clock.now


def test_triggers_hear_of_a_run_that_was_over_when_it_was_told_of(ports: Ports, admin: Principal, clock: Clock) -> None:
    site = Site(replace(ports, watched=Watched.ALL), admin, clock)
    site.jobs(JOB, "next")
    site.conditional("after", [(JOB, "SUCCEEDED")], "next")
    tell(site.ports, admin, BADLY, 1, 2)
    run = tell(site.ports, admin, WELL, 3, 4)
    assert find_run(ports, admin, run.run_id).settled
    assert [[entry.run_id for entry in started.predecessors] for started in site.runs("next")] == [[run.run_id]]


def test_a_worker_that_is_at_work_does_not_wait_for_a_slot(ports: Ports, admin: Principal) -> None:
    define_job(ports, admin, name=JOB, door="test", max_concurrent_runs=2, queueing=True)
    tell(ports, admin)
    with pytest.raises(ConcurrentRunsExceededError, match="2 at a time"):
        report_starts(ports, admin, [RunReport(job=JOB)] * 2, door="test")
    report_starts(ports, admin, [RunReport(job=JOB), RunReport(job=JOB, outcome=WELL)], door="test")
    with pytest.raises(ConcurrentRunsExceededError):
        tell(ports, admin)
    assert [run.state for run in list_job_runs(ports, admin, JOB).runs].count(RunState.STARTING) == 2
    with pytest.raises(ConcurrentRunsExceededError):
        report_starts(ports, admin, [RunReport(job="other")] + [RunReport(job=JOB)] * 3, door="test")
    assert list_job_runs(ports, admin, "other").runs == []


def test_told_again_with_its_token_it_is_the_same_run(
    ports: Ports, admin: Principal, calls: Calls, machine: RecordingMachine
) -> None:
    first = tell(ports, admin, start=1, token="t")
    machine.started.clear()
    calls()
    assert tell(ports, admin, start=1, token="t") == first
    assert calls() == {"GetItem": 2, "UpdateItem": 1, "TransactWriteItems": 1}
    assert machine.started == [first.run_id], "in case the first try did not come so far"
    assert tell(ports, admin, start=1, token="u").run_id != first.run_id
    with ThreadPoolExecutor(6) as pool:
        runs = list(pool.map(lambda _: tell(ports, admin, token="v"), range(12)))
    assert len({run.run_id for run in runs}) == 1
    with pytest.raises(ConflictError, match="used for 1 runs"):
        report_starts(ports, admin, [RunReport(job=JOB)] * 2, door="test", token="t")


def test_a_run_that_was_deleted_does_not_come_back_by_its_token(ports: Ports, admin: Principal) -> None:
    run = tell(ports, admin, WELL, token="t")
    delete_run(ports, admin, run)
    with pytest.raises(NotFoundError, match="gone"):
        tell(ports, admin, WELL, token="t")


def test_many_runs_are_told_of_in_as_few_transactions_as_there_is_room_for(
    ports: Ports, admin: Principal, calls: Calls
) -> None:
    many(ports, admin, 3)
    calls()
    runs = many(ports, admin, MAX_CREATED)
    assert calls() == {"BatchGetItem": 1, "UpdateItem": 1, "TransactWriteItems": 1}
    assert [run.number for run in runs] == list(range(4, 4 + MAX_CREATED))
    assert find_numbered_runs(ports, admin, range(4, 100)) == {run.number: run for run in runs}
    calls()
    many(ports, admin, MAX_CREATED + 1)
    assert calls()["TransactWriteItems"] == 2
    assert report_starts(ports, admin, [], door="test") == []


def test_of_many_runs_all_are_written_or_none(ports: Ports, admin: Principal) -> None:
    define_job(ports, admin, name="job-1", door="test", max_concurrent_runs=1)
    with pytest.raises(ConcurrentRunsExceededError, match="job-1"):
        many(ports, admin, 6, outcome=GOING)
    assert find_numbered_runs(ports, admin, range(1, 10)) == {}


def test_many_runs_told_again_with_their_token_are_the_same_runs(ports: Ports, admin: Principal) -> None:
    first = many(ports, admin, 25, "t")
    assert many(ports, admin, 25, "t") == first
    with pytest.raises(ConflictError, match="other jobs"):
        many(ports, admin, 25, "t", job="job-0")
    with pytest.raises(ConflictError, match="used for 25 runs"):
        many(ports, admin, 24, "t")
    assert len(find_numbered_runs(ports, admin, range(1, 200))) == 25


@pytest.mark.parametrize("when", ["after", pytest.param("before", marks=pytest.mark.slow)])
def test_killed_at_any_call_and_told_again_every_run_is_there_once_and_goes(
    ports: Ports, admin: Principal, machine: RecordingMachine, kill: Kill, when: str
) -> None:
    count = MAX_CREATED + 3
    died = 0
    for nth in range(1, 40):
        kill.arm(nth, when)
        try:
            runs = many(ports, admin, count, f"token-{nth}", outcome=GOING)
        except KilledError:
            died += 1
            kill.disarm()
            runs = many(ports, admin, count, f"token-{nth}", outcome=GOING)
        else:
            break
        finally:
            kill.disarm()
        assert len({run.run_id for run in runs}) == count
        assert [run.start_at for run in runs] == [at(place) for place in range(count)]
        assert [run.number for run in runs] == list(range(runs[0].number or 0, (runs[0].number or 0) + count))
        assert {run.run_id for run in runs} <= set(machine.started)
    assert died == nth - 1 > 3
    names = ("job-0", "job-1", "job-2")
    assert sum(len(list_job_runs(ports, admin, name, limit=1000).runs) for name in names) == nth * count


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_call_of_the_first_run_of_a_job_and_told_again_there_is_one_run(
    ports: Ports, admin: Principal, machine: RecordingMachine, kill: Kill, when: str
) -> None:
    for nth in range(1, 5):
        kill.arm(nth, when)
        with pytest.raises(KilledError):
            tell(ports, admin, job=f"job-{nth}", token="t")
        kill.disarm()
        run = tell(ports, admin, job=f"job-{nth}", token="t")
        assert list_job_runs(ports, admin, run.job).runs == [run]
        assert run.run_id in machine.started


def test_an_execution_that_could_not_be_started_is_started_by_reconcile(
    ports: Ports, admin: Principal, machine: RecordingMachine, clock: Clock
) -> None:
    machine.failure = UnavailableError("not now")
    run = tell(ports, admin, start=1)
    machine.failure = None
    clock.sleep(60)
    assert reconcile_runs(ports).relaunched == [run.run_id]
    assert machine.started == [run.run_id]
    machine.statuses[run.run_id] = ExecutionStatus.RUNNING


def test_an_end_that_was_not_settled_at_once_is_settled_by_reconcile(
    ports: Ports, admin: Principal, clock: Clock, kill: Kill
) -> None:
    ports = replace(ports, watched=Watched.ALL)
    tell(ports, admin, WELL, 1, 2)
    kill.arm(4, "before")
    with pytest.raises(KilledError):
        tell(ports, admin, WELL, 3, 4)
    kill.disarm()
    run = find_numbered_run(ports, admin, 2)
    assert (run.state, run.settled) == (RunState.SUCCEEDED, False)
    clock.sleep(60)
    assert reconcile_runs(ports).settled == [run.run_id]
    assert find_numbered_run(ports, admin, 2).settled


def test_settling_and_dispatching_a_run_that_was_over_changes_nothing(ports: Ports, admin: Principal) -> None:
    run = tell(ports, admin, WELL, 1, 2)
    assert dispatch_run(ports, run.org, JOB, run.run_id, "token") == {"begun": False}
    settle_run(ports, run.org, JOB, run.run_id, TimedOut("late"))
    assert find_run(ports, admin, run.run_id) == run
    assert run.start_at == DAY + timedelta(minutes=1)


def test_a_load_of_a_table_says_where_rows_come_from_and_go_to(ports: Ports, admin: Principal, clock: Clock) -> None:
    now = clock()
    table = Table(
        org="acme",
        table_id="t",
        project_id="p",
        project="city",
        name="trips",
        database="city",
        lake_table="trips",
        location="city/trips",
        created_at=now,
        modified_at=now,
    )
    source = LoadSource(bucket="landing", path="day/")
    asked = load_table(ports, admin, table, LoadSpec(table_id="t", transform_id="x", source=source), door="test")
    assert (asked.source, asked.destination) == ("s3://landing/day/", "city.trips")
    uploads = LoadSpec(table_id="t", transform_id="x", uploads_key="runs/1/uploads.jsonl")
    assert load_table(ports, admin, table, uploads, door="test").source == "uploads"
