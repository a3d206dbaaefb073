"""The door's process dies amid a call: boto3 tries again by itself, and what was asked for is done once.

All tries of one call have the same ``amz-sdk-invocation-id``, by which the door knows them again.
"""

import itertools
from typing import Any

import pytest
from mypy_boto3_glue import GlueClient

from jobruns.access import Principal
from jobruns.run import Run, RunState
from jobruns.service.lookups import list_job_runs
from jobruns.service.ports import Ports
from local.runner import Runner
from tests.e2e.glue_clients import connect
from tests.e2e.ledger import wait_for
from tests.e2e.walk import kills, strike

DOOR = "GlueFunction"
NOOP: dict[str, Any] = {"Role": "r", "Command": {"Name": "noop"}}


@pytest.fixture(scope="module")
def glue(runner: Runner) -> GlueClient:
    """A client that tries again as boto3 does when it is not told otherwise."""
    runner.wait_warm()
    return connect(runner, retries={"total_max_attempts": 3, "mode": "standard"})


def wait_for_runs(ports: Ports, admin: Principal, job: str, count: int) -> list[Run]:
    """Wait until all runs of a job have ended and find so many, without asking the door: its calls are counted."""

    def look() -> list[Run] | None:
        runs = list_job_runs(ports, admin, job).runs
        return list(runs) if all(run.settled for run in runs) else None

    # What the door could not begin reconcile begins, half a minute later.
    runs: list[Run] = wait_for(look, 60)
    assert len(runs) == count
    assert {run.state for run in runs} == {RunState.SUCCEEDED}
    return runs


def test_a_start_whose_answer_is_lost_starts_one_run(
    runner: Runner, ports: Ports, admin: Principal, glue: GlueClient
) -> None:
    def start(job: str) -> int:
        # The job may have one run at a time: one more would be refused.
        answer = glue.start_job_run(JobName=job)
        listed = glue.get_job_runs(JobName=job)
        assert [run["Id"] for run in listed["JobRuns"]] == [answer["JobRunId"]]
        wait_for_runs(ports, admin, job, 1)
        return sum(said["ResponseMetadata"]["RetryAttempts"] for said in (answer, listed))

    missing = set(itertools.product(["TransactWriteItems", "StartExecution"], ["before", "after"]))
    # A process reads its keys first where it has not done so lately: the same call is not always the same number.
    walk = itertools.product(range(3), range(2, 6), ("before", "after"))
    for again, nth, when in walk:
        if all(when != wanted for _, wanted in missing):
            continue
        job = f"lost-start-{again}-{nth}-{when}"
        glue.create_job(Name=job, **NOOP)
        fault = runner.faults.arm(DOOR, nth, when)
        try:
            assert start(job) == (1 if fault.fired.is_set() else 0), (nth, when)
        finally:
            runner.faults.disarm()
        if fault.call is not None:
            missing.discard((fault.call.operation, when))
    assert not missing


@pytest.mark.parametrize("stride", [19, pytest.param(1, marks=pytest.mark.slow)])
def test_what_is_defined_and_started_while_the_door_dies_is_there_once(
    runner: Runner, ports: Ports, admin: Principal, glue: GlueClient, stride: int
) -> None:
    names = (f"lost-{stride}-{number}" for number in itertools.count())

    def define_and_start() -> None:
        job = next(names)
        action = {"JobName": job, "Arguments": {"--by": "hand"}}
        glue.create_job(Name=job, Tags={"team": "data"}, **NOOP)
        glue.create_trigger(Name=job, Type="ON_DEMAND", Actions=[action])
        schedule = {"Type": "SCHEDULED", "Schedule": "cron(0 3 1 1 ? *)", "StartOnCreation": True}
        glue.create_trigger(Name=f"{job}-yearly", Actions=[action], **schedule)
        run_id = glue.start_job_run(JobName=job)["JobRunId"]
        assert [run["Id"] for run in glue.get_job_runs(JobName=job)["JobRuns"]] == [run_id]
        wait_for_runs(ports, admin, job, 1)
        glue.start_trigger(Name=job)
        fired, _ = wait_for_runs(ports, admin, job, 2)
        assert (fired.trigger_name, fired.arguments) == (job, {"--by": "hand"})
        assert glue.get_trigger(Name=f"{job}-yearly")["Trigger"]["State"] == "ACTIVATED"
        for trigger in (job, f"{job}-yearly"):
            glue.delete_trigger(Name=trigger)
        glue.delete_job(JobName=job)

    # Once before, so that few of the calls counted are a new process's, which reads its keys first; others have none.
    define_and_start()
    walk = kills(runner, [DOOR], define_and_start)
    assert {kill.operation for kill in walk} >= {"dynamodb TransactWriteItems", "scheduler CreateSchedule"}
    struck = [kill for kill, hit in strike(runner, walk[::stride], define_and_start) if hit]
    assert len(struck) >= 0.75 * len(walk[::stride]), [str(kill) for kill in walk]
