"""Runs are forgotten some days after nothing needs them; a job's last success is needed until there is another."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest

from jobruns.access import Principal
from jobruns.lifecycle import Failed, TimedOut
from jobruns.retention import LIFE, Retention
from jobruns.run import Executor, Outcome, Run, RunSummary
from jobruns.run_order import Moment
from jobruns.service.corrections import delete_run, retell_run
from jobruns.service.definitions import define_job
from jobruns.service.lookups import find_run, list_job_runs
from jobruns.service.ports import Ports
from jobruns.service.reconciliation import reconcile_runs
from jobruns.service.reported_starts import RunReport, report_starts
from jobruns.service.settlement import dispatch_run, settle_run
from jobruns.service.starts import StartRequest, record_refused, start_run
from jobruns.service.store_ports import UnitRecord
from jobruns.service.views import find_last_success
from jobruns.service.work import begin_unit, end_unit
from jobruns.store import Store
from tests.integration.doubles import Clock, RecordingMachine
from tests.integration.kills import Kill, KilledError
from tests.integration.ledger.reported import at, tell
from tests.integration.ledger_table import TABLE

Calls = Callable[[], Counter[str]]
JOB = "detectors"
GOING, WELL, BADLY = Outcome.GOING, Outcome.SUCCEEDED, Outcome.FAILED
DAYS = 30
PARTS = ("run", "run_ref", "number")


@pytest.fixture
def kept(ports: Ports, store: Store) -> Ports:
    """The ledger of a stack that keeps runs for so many days."""
    keeping = Store(TABLE, pause=lambda seconds: None, retention=Retention(DAYS))
    return replace(ports, runs=keeping.runs, units=keeping.units, retention=Retention(DAYS))


def items() -> Iterator[dict[str, Any]]:
    yield from boto3.client("dynamodb").scan(TableName=TABLE)["Items"]


def expiries(run: RunSummary) -> dict[str, int | None]:
    """When the items of a run expire, by their kind."""
    return all_expiries()[run.run_id]


def all_expiries() -> dict[str, dict[str, int | None]]:
    found: dict[str, dict[str, int | None]] = defaultdict(dict)
    for item in items():
        run_id = item["run_id"]["S"] if "run_id" in item else item["pk"]["S"].rpartition("#")[2]
        found[run_id][item["kind"]["S"]] = int(item["expires_at"]["N"]) if "expires_at" in item else None
    return found


def forgotten(ports: Ports, run: RunSummary) -> datetime | None:
    found = ports.runs.get(run.org, run.job, run.run_id)
    assert found is not None
    return found.expires_at


def last_ones(ports: Ports, admin: Principal, job: str = JOB) -> list[RunSummary]:
    return [last for by in Moment if (last := find_last_success(ports, admin, job, by))]


def assert_sound(
    ports: Ports, admin: Principal, *, job: str = JOB, thrifty: bool = True, thorough: bool = True
) -> None:
    """The last successes are not forgotten; where `thrifty`, all others that are over are.

    Where `thorough`, what leads to a run is forgotten with it.
    """
    last = {run.run_id for run in last_ones(ports, admin, job)}
    found = all_expiries() if thorough else {}
    for run in list_job_runs(ports, admin, job).runs:
        if run.run_id in last:
            assert run.expires_at is None, run
        elif thrifty and run.state.terminal and run.settled:
            assert run.expires_at is not None, run
        if thorough:
            when = run.expires_at and int(run.expires_at.timestamp())
            assert {part: found[run.run_id][part] for part in PARTS} == dict.fromkeys(PARTS, when)


def test_nothing_is_forgotten_and_nothing_more_is_asked_unless_days_are_said(
    ports: Ports, admin: Principal, machine: RecordingMachine, calls: Calls
) -> None:
    tell(ports, admin, WELL, 0, 1)
    calls()
    tell(ports, admin, WELL, 1, 2)
    assert calls() == {"GetItem": 1, "UpdateItem": 1, "TransactWriteItems": 1}
    run = retell_run(ports, admin, tell(ports, admin, start=2), {}, WELL)
    calls()
    settle_run(ports, run.org, JOB, run.run_id, TimedOut("unused"))
    assert calls() == {"GetItem": 1, "UpdateItem": 1}
    run = find_run(ports, admin, run.run_id)
    calls()
    delete_run(ports, admin, retell_run(ports, admin, run, {}, BADLY))
    assert calls() == {"TransactWriteItems": 2}
    assert not any("expires_at" in item for item in items())


def test_a_run_that_went_badly_is_forgotten_with_all_that_leads_to_it_at_no_price(
    kept: Ports, admin: Principal, clock: Clock, calls: Calls
) -> None:
    run = retell_run(kept, admin, tell(kept, admin, start=0), {}, BADLY)
    assert forgotten(kept, run) is None
    calls()
    settle_run(kept, run.org, JOB, run.run_id, TimedOut("unused"))
    assert calls() == {"GetItem": 1, "TransactWriteItems": 1}
    when = int((clock.now + timedelta(days=DAYS)).timestamp())
    found = expiries(run)
    assert found.pop("event") == int((run.modified_at + LIFE + timedelta(days=DAYS)).timestamp())
    assert found == dict.fromkeys(("run", "run_ref", "number"), when)
    assert find_run(kept, admin, run.run_id).settled


def test_a_success_is_kept_until_another_takes_its_place_and_so_many_days_longer(
    kept: Ports, admin: Principal, clock: Clock, calls: Calls
) -> None:
    first = tell(kept, admin, WELL, 0, 10)
    clock.sleep(400 * 86400)
    assert forgotten(kept, first) is None
    calls()
    second = tell(kept, admin, WELL, 20, 30)
    spent = calls()
    # To find the job, to take a number, to write the run; to ask for the last ones, to say it of the first; to settle.
    assert spent == {"GetItem": 1, "UpdateItem": 2, "TransactWriteItems": 2, "Query": 2}
    assert_sound(kept, admin)
    when = forgotten(kept, first)
    assert when is not None
    assert timedelta(days=DAYS, seconds=-2) < when - clock.now <= timedelta(days=DAYS)
    assert forgotten(kept, second) is None


def test_the_last_by_start_is_kept_beside_the_last_by_end_and_what_does_not_count_is_not(
    kept: Ports, admin: Principal
) -> None:
    by_end, by_start = tell(kept, admin, WELL, 600, 660), tell(kept, admin, WELL, 630, 645)
    tried, old = tell(kept, admin, WELL, 700, 710, counts=False), tell(kept, admin, WELL, 1, 2)
    assert [forgotten(kept, run) is None for run in (by_end, by_start, tried, old)] == [True, True, False, False]
    assert_sound(kept, admin)


@pytest.mark.parametrize("change", ["corrected", "put aside", "told an earlier time", "deleted"])
def test_the_success_before_is_kept_again_when_the_last_one_is_none_any_more(
    kept: Ports, admin: Principal, change: str
) -> None:
    older, before, last = (tell(kept, admin, WELL, start, start + 5) for start in (0, 10, 20))
    assert None not in (forgotten(kept, older), forgotten(kept, before))
    last = find_run(kept, admin, last.run_id)
    match change:
        case "corrected":
            last = retell_run(kept, admin, last, {}, BADLY)
        case "put aside":
            last = retell_run(kept, admin, last, {"counts": False})
        case "told an earlier time":
            last = retell_run(kept, admin, last, {"reported_start_at": at(-9), "reported_end_at": at(-8)})
        case "deleted":
            delete_run(kept, admin, last)
    assert forgotten(kept, before) is None
    assert forgotten(kept, older) is not None
    assert_sound(kept, admin)
    if change != "deleted":
        told = {"counts": True, "reported_start_at": at(40), "reported_end_at": at(41)}
        retell_run(kept, admin, find_run(kept, admin, last.run_id), told, WELL)
        assert forgotten(kept, last) is None
        assert forgotten(kept, before) is not None
        assert_sound(kept, admin)


def test_what_does_not_move_the_last_success_asks_nothing_more(kept: Ports, admin: Principal, calls: Calls) -> None:
    run = find_run(kept, admin, tell(kept, admin, WELL, 0, 1).run_id)
    calls()
    retell_run(kept, admin, run, {"message": "well done", "records": 3})
    assert calls() == {"TransactWriteItems": 1}


def test_a_history_told_at_once_leaves_the_last_success_of_each_job(
    kept: Ports, admin: Principal, clock: Clock, calls: Calls
) -> None:
    jobs = ["detectors", "signals"]
    reports = [
        RunReport(
            job=jobs[n % 2], outcome=BADLY if n % 5 == 0 else WELL, reported_start_at=at(n), reported_end_at=at(n)
        )
        for n in range(38)
    ]
    tell(kept, admin, WELL, -2, -1, jobs[0])
    tell(kept, admin, WELL, -2, -1, jobs[1])
    calls()
    report_starts(kept, admin, reports, door="test")
    # Beside the two that write the runs, a job's last one of each of these is settled, and the one before let go, which
    # is behind all others of them.
    assert calls() == {"BatchGetItem": 1, "UpdateItem": 5, "TransactWriteItems": 2 + 4, "Query": 16}
    for job in jobs:
        assert_sound(kept, admin, job=job)
    assert {last.start_at for job in jobs for last in last_ones(kept, admin, job)} == {at(36), at(37)}


def test_what_is_too_much_to_be_settled_at_once_reconcile_settles(
    kept: Ports, admin: Principal, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobruns.service.reported_starts.MAX_SETTLED_AT_ONCE", 1)
    jobs = [f"job-{number}" for number in range(4)]
    for minute in (0, 10):
        report_starts(
            kept,
            admin,
            [RunReport(job, WELL, at(minute), at(minute + 1)) for job in jobs],
            door="test",
            token=f"{minute}",
        )
    clock.sleep(60)
    assert len(reconcile_runs(kept).settled) == 6
    for job in jobs:
        assert_sound(kept, admin, job=job)
    assert reconcile_runs(kept).settled == []


def test_what_leads_to_a_retry_that_went_badly_is_forgotten_too(kept: Ports, admin: Principal) -> None:
    define_job(kept, admin, name=JOB, door="test", max_retries=1)
    first = retell_run(kept, admin, tell(kept, admin), {}, BADLY)
    settle_run(kept, first.org, JOB, first.run_id, Failed("unused"))
    [retry] = [run for run in list_job_runs(kept, admin, JOB).runs if run.attempt == 2]
    retell_run(kept, admin, retry, {}, BADLY)
    settle_run(kept, first.org, JOB, retry.run_id, Failed("unused"))
    assert expiries(retry)["attempt"] == expiries(retry)["run"] is not None


def test_a_run_that_could_not_be_started_and_what_workers_leave_are_forgotten(
    kept: Ports, admin: Principal, clock: Clock
) -> None:
    refused = record_refused(kept, admin, StartRequest(job="gone", door="test"), "JobNotFound", "no such job")
    assert None not in expiries(refused).values()
    define_job(kept, admin, name="load", executor=Executor.INGEST, target="t", door="test")
    run = start_run(kept, admin, StartRequest(job="load", door="test"))
    dispatch_run(kept, run.org, "load", run.run_id, "token")
    run = find_run(kept, admin, run.run_id)
    begin_unit(kept, run, 0)
    end_unit(kept, run, UnitRecord(number=0, state="DONE"))
    found = expiries(run)
    unit = found["unit"]
    assert unit is not None
    assert unit > (clock.now + LIFE + timedelta(days=DAYS - 1)).timestamp()
    assert (found["run"], found["run_ref"]) == (None, None), "it has not ended"


def test_what_dynamodb_has_deleted_before_the_run_is_there_again_when_the_run_is_kept(
    kept: Ports, admin: Principal, store: Store
) -> None:
    before, last = tell(kept, admin, WELL, 0, 1), tell(kept, admin, WELL, 2, 3)
    client = boto3.client("dynamodb")
    for item in items():
        if item["pk"]["S"] == f"ORG#acme#RUN#{before.run_id}" or item["sk"]["S"] == f"{before.number:010d}":
            client.delete_item(TableName=TABLE, Key={"pk": item["pk"], "sk": item["sk"]})
    retell_run(kept, admin, find_run(kept, admin, last.run_id), {}, BADLY)
    assert find_run(kept, admin, before.run_id).expires_at is None
    assert_sound(kept, admin)


def test_a_success_is_not_let_go_because_of_one_that_is_corrected_at_the_same_moment(
    kept: Ports, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tell(kept, admin, WELL, 0, 1)
    expire = type(kept.runs).expire

    def late(self: Any, run: RunSummary, when: datetime, **rest: Any) -> bool:
        monkeypatch.setattr(type(kept.runs), "expire", expire)
        retell_run(kept, admin, find_run(kept, admin, rest["outlived_by"][0].run_id), {}, BADLY)
        return expire(self, run, when, **rest)

    monkeypatch.setattr(type(kept.runs), "expire", late)
    last = tell(kept, admin, WELL, 2, 3)
    assert find_run(kept, admin, last.run_id).outcome is BADLY
    assert forgotten(kept, before) is None
    assert [run.run_id for run in last_ones(kept, admin)] == [before.run_id] * 2


def test_whatever_is_told_in_whatever_order_the_last_successes_are_kept_and_all_others_are_not(
    kept: Ports, admin: Principal, clock: Clock
) -> None:
    chance = random.Random(20180617)
    runs: list[Run] = []
    for _ in range(40):
        clock.sleep(3600)
        there = [run for known in runs if (run := kept.runs.get("acme", JOB, known.run_id))]
        step = chance.choice(["tell", "tell", "report", "correct", "retime", "aside", "delete"])
        over = [run for run in there if run.state.terminal]
        if step == "tell" or not over:
            start = chance.randrange(9)
            outcome = chance.choice([GOING, WELL, WELL, BADLY])
            runs.append(tell(kept, admin, outcome, start, start + chance.randrange(9), counts=chance.random() < 0.8))
        elif step == "report" and (going := [run for run in there if not run.state.terminal]):
            run = retell_run(kept, admin, chance.choice(going), {}, chance.choice([WELL, BADLY]))
            settle_run(kept, "acme", JOB, run.run_id, TimedOut("unused"))
        elif step == "delete":
            delete_run(kept, admin, chance.choice(over))
        else:
            run, outcome = chance.choice(over), None
            told: dict[str, Any] = {}
            if step == "correct":
                outcome = chance.choice([WELL, BADLY])
            elif step == "retime":
                told = {"reported_start_at": at(chance.randrange(9)), "reported_end_at": at(chance.randrange(9))}
            else:
                told = {"counts": chance.random() < 0.5}
            retell_run(kept, admin, run, told, outcome)
        assert_sound(kept, admin, thorough=False)
    assert_sound(kept, admin)
    assert len(list_job_runs(kept, admin, JOB).runs) > 10


@pytest.mark.parametrize("change", ["a new success", "a correction", "a second thought", "a deletion"])
def test_wherever_it_is_killed_no_last_success_is_forgotten(
    kept: Ports, admin: Principal, clock: Clock, kill: Kill, change: str
) -> None:
    died = 0
    for nth in range(1, 20):
        job = f"job-{nth}"
        tell(kept, admin, WELL, 0, 1, job)
        last = find_run(kept, admin, tell(kept, admin, WELL, 10, 11, job).run_id)
        if change == "a second thought":
            last = retell_run(kept, admin, last, {}, BADLY)
        kill.arm(nth, "before")
        try:
            if change == "a new success":
                tell(kept, admin, WELL, 20, 21, job)
            elif change == "a deletion":
                delete_run(kept, admin, last)
            else:
                retell_run(kept, admin, last, {}, BADLY if change == "a correction" else WELL)
        except KilledError:
            died += 1
        finally:
            kill.disarm()
        clock.sleep(60)
        reconcile_runs(kept)
        assert_sound(kept, admin, job=job, thrifty=change == "a new success", thorough=False)
        if died < nth:
            break
    assert died == nth - 1 >= 5
