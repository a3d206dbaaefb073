"""A process killed at any AWS call it makes leaves nothing unfinished and nothing done twice.

``make test`` tries some of the kills, ``make test-slow`` every one.
"""

import itertools
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from jobruns.access import Principal
from jobruns.bootstrap import utc_now
from jobruns.errors import UnavailableError
from jobruns.lifecycle import START_PATIENCE_SECONDS
from jobruns.run import Run, RunState
from jobruns.service.lookups import find_run, list_events, list_job_runs
from jobruns.service.ports import Ports
from jobruns.service.reports import report_run
from jobruns.service.settlement import dispatch_run
from local.faults import When
from local.runner import FunctionFailedError, Runner
from tests.e2e.door import Door, rows_csv
from tests.e2e.ledger import admin_of, start, wait_for, wait_until
from tests.e2e.walk import kills, most, strike


@pytest.mark.parametrize("stride", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_a_run_survives_the_death_of_dispatch_and_settle_at_any_call(
    runner: Runner, ports: Ports, admin: Principal, stride: int
) -> None:
    """The run fails and is retried once, so that settling has the most to do; the retry succeeds."""
    names = (f"faults.external.{stride}.{number}" for number in itertools.count())

    def fail_then_succeed() -> None:
        job = next(names)
        first = start(ports, admin, job, max_retries=1, max_concurrent_runs=1)
        wait_until(ports, admin, first, RunState.RUNNING)
        report_run(ports, admin, find_run(ports, admin, first.run_id), RunState.FAILED, message="disk full")
        wait_until(ports, admin, first, RunState.FAILED)
        retry, failed = list_job_runs(ports, admin, job).runs
        assert (failed.run_id, retry.attempt) == (first.run_id, 2)
        wait_until(ports, admin, retry, RunState.RUNNING)
        report_run(ports, admin, find_run(ports, admin, retry.run_id), RunState.SUCCEEDED)
        wait_until(ports, admin, retry, RunState.SUCCEEDED)
        for run in (first, retry):
            applied = [event.kind for event in list_events(ports, admin, run.run_id) if event.applied]
            assert applied[0] == "Submitted"
            assert set(applied[1:-1]) == {"Begun"}  # more than once where the dispatcher was tried again

    walk = kills(runner, ["DispatchFunction", "SettleFunction"], fail_then_succeed)
    assert len(walk) > 20
    struck = [kill for kill, hit in strike(runner, walk[::stride], fail_then_succeed) if hit]
    assert len(struck) >= most(walk[::stride])


INGEST = ["DispatchFunction", "ListFunction", "IndexFunction", "CommitFunction", "SettleFunction"]


@pytest.mark.parametrize("stride", [131, pytest.param(1, marks=pytest.mark.slow)])
def test_a_load_survives_the_death_of_any_function_at_any_call(runner: Runner, ports: Ports, stride: int) -> None:
    door = Door(runner)
    runner.wait_warm()
    for number in range(2):
        door.s3.put_object(Bucket=door.landing, Key=f"faults-load/{number}.csv", Body=rows_csv(number * 50, 50))
    numbers = itertools.count()

    def load() -> None:
        name = f"faultsload{stride}n{next(numbers)}"
        door.make_table(name, "rows")
        job = door.load(f"{name}.rows", "faults-load/", name, input_aggregation=1)
        ended = door.wait(job, 90)
        assert (ended["status"], ended["details"]["errors"]) == ("done", [])
        assert ended["details"]["status_detail"]["tasks"] == {"LIST": {"DONE": 1}, "INDEX": {"DONE": 2}}
        assert ended["details"]["rows_loaded"] == 100
        assert door.ids(ports, f"{name}.rows") == list(range(100))
        (run,) = list_job_runs(ports, admin_of(runner), f"{name}.rows").runs
        wait_until(ports, admin_of(runner), run, RunState.SUCCEEDED)

    walk = kills(runner, INGEST, load)
    assert {kill.function for kill in walk} == set(INGEST)
    struck = [kill for kill, hit in strike(runner, walk[::stride], load) if hit]
    # Units that two workers do side by side make their calls in no fixed order, and one call more or less.
    assert len(struck) >= most(walk[::stride])


@pytest.mark.parametrize("stride", [31, pytest.param(1, marks=pytest.mark.slow)])
def test_an_upload_survives_the_death_of_its_function_at_any_call(runner: Runner, ports: Ports, stride: int) -> None:
    door = Door(runner)
    numbers = itertools.count()

    def upload() -> None:
        name = f"faultsupload{stride}n{next(numbers)}"
        pattern = f"^s3://{door.landing}/{name}/"
        door.make_table(name, "rows", autoingest=[{"enabled": True, "pattern": pattern}])
        for number in range(3):
            door.s3.put_object(Bucket=door.landing, Key=f"{name}/{number}.csv", Body=rows_csv(number * 10, 10))

        def loaded() -> bool:
            runs = list_job_runs(ports, admin_of(runner), f"{name}.rows").runs
            done = [run for run in runs if run.state is RunState.SUCCEEDED and run.settled]
            return sum(run.progress.rows_loaded for run in done) >= 30

        wait_for(loaded, 120)
        assert door.ids(ports, f"{name}.rows") == list(range(30))

    walk = kills(runner, ["OnUploadFunction"], upload)
    assert len(walk) > 4
    struck = [kill for kill, hit in strike(runner, walk[::stride], upload) if hit]
    assert len(struck) >= most(walk[::stride])


@pytest.mark.slow
def test_a_failed_upload_survives_the_death_of_what_clears_up_behind_it(runner: Runner, ports: Ports) -> None:
    """One good and one bad file: the good one is loaded once, the bad one ends in the dead-letter queue, once each."""
    door = Door(runner)
    numbers = itertools.count()
    sqs, dead_letters = runner.client("sqs"), runner.env["UPLOAD_DLQ_URL"]

    def upload() -> None:
        name = f"faultspoison{next(numbers)}"
        pattern = f"^s3://{door.landing}/{name}/"
        door.make_table(name, "rows", autoingest=[{"enabled": True, "pattern": pattern}])
        door.s3.put_object(Bucket=door.landing, Key=f"{name}/bad.csv", Body=b"a,b\n1,2\n")
        door.s3.put_object(Bucket=door.landing, Key=f"{name}/good.csv", Body=rows_csv(0, 10))

        def buried() -> bool:
            got = sqs.receive_message(QueueUrl=dead_letters, MaxNumberOfMessages=10).get("Messages", [])
            for letter in got:
                sqs.delete_message(QueueUrl=dead_letters, ReceiptHandle=letter["ReceiptHandle"])
            return any(name in letter["Body"] for letter in got)

        wait_for(buried, 120)

        def over() -> bool:
            runs = list_job_runs(ports, admin_of(runner), f"{name}.rows").runs
            return all(run.settled for run in runs) and any(run.state is RunState.SUCCEEDED for run in runs)

        wait_for(over, 60)
        assert door.ids(ports, f"{name}.rows") == list(range(10))

    # The bad file's three runs make the same calls; those of the first, and the beginning of the second, are walked.
    made = kills(runner, ["CommitFunction", "SettleFunction"], upload)
    calls = Counter(kill.function for kill in made if kill.when == "before")
    walk = [kill for kill in made if kill.nth <= calls[kill.function] / 3 + 2]
    struck = [kill for kill, hit in strike(runner, walk, upload) if hit]
    assert len(struck) >= most(walk)


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_a_request_whose_door_dies_at_any_call_is_sent_again_and_loads_once(
    runner: Runner, ports: Ports, admin: Principal, stride: int
) -> None:
    door = Door(runner)
    door.s3.put_object(Bucket=door.landing, Key="faults-door/rows.csv", Body=rows_csv(0, 20))
    numbers = itertools.count()

    def request() -> None:
        name = f"faultsdoor{stride}n{next(numbers)}"
        door.make_table(name, "rows")
        armed = runner.faults.arm(*struck_at) if struck_at else None
        for _ in range(2):
            try:
                door.load(f"{name}.rows", "faults-door/", name)
                break
            except AssertionError as error:
                # Killed: the gateway's 5xx. Killed after the write: the name is taken when it is sent again.
                if not re.search(": 5\\d\\d |the name .* is taken|already", str(error)):
                    raise
        if armed is not None:
            fired.append(armed.fired.is_set())
        (job,) = [one for one in door.call("GET", "/jobs/batch/?pagination=False") if one["name"] == name]
        (run,) = list_job_runs(ports, admin, f"{name}.rows").runs
        if run.state is RunState.STARTING and ports.machine.status(run) is None:
            time.sleep(START_PATIENCE_SECONDS)
            runner.invoke("ReconcileFunction", {"detail-type": "Scheduled Event"})
        assert door.wait(job)["status"] == "done"
        assert door.ids(ports, f"{name}.rows") == list(range(20))

    struck_at: tuple[str, int, When] | None = None
    fired: list[bool] = []
    probe = f"faultsdoor{stride}probe"
    door.make_table(probe, "rows")
    runner.faults.forget()
    door.load(f"{probe}.rows", "faults-door/", probe)
    calls = runner.faults.calls("HydrolixFunction")
    assert len(calls) > 4
    for nth, when in list(itertools.product(range(1, len(calls) + 1), ("before", "after")))[::stride]:
        struck_at = ("HydrolixFunction", nth, when)
        request()
    assert all(fired)


@pytest.mark.parametrize("stride", [11, pytest.param(1, marks=pytest.mark.slow)])
def test_what_reconcile_repairs_is_repaired_though_it_dies_at_any_call(
    runner: Runner, ports: Ports, admin: Principal, stride: int
) -> None:
    """One run was never started, one is past its deadline, one ended and was never settled: all an hour ago."""
    numbers = itertools.count()

    class NoMachine:
        def __getattr__(self, name: str) -> Callable[[Run], None]:
            def unavailable(run: Run) -> None:
                raise UnavailableError("no answer")

            return unavailable

    hour_ago = replace(ports, machine=NoMachine(), clock=lambda: utc_now() - timedelta(hours=1))

    def lose_three() -> list[Run]:
        name = f"faults.lost.{stride}.{next(numbers)}"
        never = start(hour_ago, admin, f"{name}.never")
        late = start(hour_ago, admin, f"{name}.late", timeout_seconds=60)
        unsettled = start(hour_ago, admin, f"{name}.unsettled", max_retries=1)
        with pytest.raises(UnavailableError):
            dispatch_and_fail(hour_ago, admin, unsettled)
        return [never, late, unsettled]

    def repair() -> None:
        lost = lose_three()

        def repaired() -> bool:
            sweep(runner)
            runs = [find_run(ports, admin, run.run_id) for run in lost]
            states = [run.state for run in runs]
            return (
                states == [RunState.RUNNING, RunState.TIMEOUT, RunState.FAILED] and runs[1].settled and runs[2].settled
            )

        # What a dead sweep had ended but not settled is looked at again when it is due, not before.
        wait_for(repaired, START_PATIENCE_SECONDS + 30, every_seconds=1)
        retry, _ = list_job_runs(ports, admin, lost[2].job).runs
        wait_until(ports, admin, retry, RunState.RUNNING)

    walk = kills(runner, ["ReconcileFunction"], repair)
    struck = [kill for kill, hit in strike(runner, walk[::stride], repair) if hit]
    assert len(struck) >= most(walk[::stride])


def sweep(runner: Runner) -> None:
    """Do what the schedule does each minute; the process may be killed over it."""
    try:
        runner.invoke("ReconcileFunction", {"detail-type": "Scheduled Event"})
    except FunctionFailedError as error:
        if error.error_type != "Runtime.ExitError":
            raise


def dispatch_and_fail(ports: Ports, admin: Principal, run: Run) -> None:
    dispatch_run(ports, run.org, run.job, run.run_id, "a token of no task")
    report_run(ports, admin, find_run(ports, admin, run.run_id), RunState.FAILED, message="disk full")
