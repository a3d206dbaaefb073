"""Jobs that start each other, begun by the clock, as a client of the Glue door sees them."""

from itertools import pairwise
from typing import Any

import pytest
from mypy_boto3_glue import GlueClient

from jobruns.access import Principal
from jobruns.service.lookups import find_job_run
from jobruns.service.ports import Ports
from local.runner import Runner
from tests.e2e.glue_clients import connect, wait_for_run
from tests.e2e.ledger import wait_for

DAY_SECONDS = 86_400

SCRIPT = """
import sys, boto3
from awsglue.utils import getResolvedOptions
options = getResolvedOptions(sys.argv, ["day", "marker"])
if options["day"] == "bad":
    raise ValueError("no such day: bad")
if options["day"] == "flaky":
    bucket, _, key = options["marker"].removeprefix("s3://").partition("/")
    s3 = boto3.client("s3")
    if not s3.list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
        raise ValueError("the first time it fails")
"""


@pytest.fixture(scope="module")
def glue(runner: Runner) -> GlueClient:
    runner.wait_warm()
    return connect(runner)


def ends(job: str, state: str) -> Any:
    """Write a condition."""
    return {"LogicalOperator": "EQUALS", "JobName": job, "State": state}


def runs_of(glue: GlueClient, job: str, count: int) -> list[Any]:
    """Wait until a job has so many runs and all have ended; newest first, with their predecessors."""

    def look() -> list[str]:
        runs = glue.get_job_runs(JobName=job)["JobRuns"]
        return [run["Id"] for run in runs] if len(runs) >= count else []

    ids = wait_for(look, 30, every_seconds=0.1)
    assert len(ids) == count
    return [wait_for_run(glue, job, run_id) for run_id in ids]


@pytest.mark.slow  # test_triggers.py has one that is shorter
def test_a_schedule_begins_a_chain_which_a_failure_ends(
    runner: Runner, ports: Ports, admin: Principal, glue: GlueClient
) -> None:
    bucket = runner.env["JOBRUNS_LANDING_BUCKET"]
    runner.client("s3").put_object(Bucket=bucket, Key="scripts/chain.py", Body=SCRIPT.encode())
    script = {"Name": "pythonshell", "ScriptLocation": f"s3://{bucket}/scripts/chain.py", "PythonVersion": "3.9"}
    extract, transform, load, alarm = jobs = [f"chain-{name}" for name in ("extract", "transform", "load", "alarm")]
    for job in jobs:
        command = script if job == transform else {"Name": "noop"}
        retries = 1 if job == transform else 0
        marker = {"--marker": f"s3://{bucket}/chain-marker"}
        glue.create_job(Name=job, Role="r", Command=command, DefaultArguments=marker, MaxRetries=retries)

    glue.create_trigger(
        Name="chain-nightly",
        Type="SCHEDULED",
        Schedule="cron(0 3 * * ? *)",
        Actions=[{"JobName": extract, "Arguments": {"--by": "clock"}}],
        StartOnCreation=True,
    )
    for before, after in pairwise([extract, transform, load]):
        glue.create_trigger(
            Name=f"{after}-next",
            Type="CONDITIONAL",
            Predicate={"Conditions": [ends(before, "SUCCEEDED")]},
            Actions=[{"JobName": after, "Arguments": {"--day": "flaky"}, "Timeout": 9}],
            StartOnCreation=True,
        )
    glue.create_trigger(
        Name=f"{alarm}-next",
        Type="CONDITIONAL",
        Predicate={"Logical": "ANY", "Conditions": [ends(extract, "FAILED"), ends(transform, "FAILED")]},
        Actions=[{"JobName": alarm}],
    )
    glue.start_trigger(Name=f"{alarm}-next")
    names = {"chain-nightly", f"{transform}-next", f"{load}-next", f"{alarm}-next"}
    found = glue.batch_get_triggers(TriggerNames=sorted(names))["Triggers"]
    assert {trigger["Name"]: trigger["State"] for trigger in found} == dict.fromkeys(names, "ACTIVATED")

    # The first night: the second job fails once, and its retry lets the chain go on.
    runner.schedules.advance(DAY_SECONDS)
    (last,) = runs_of(glue, load, 1)
    failed, retried = reversed(runs_of(glue, transform, 2))
    (first,) = runs_of(glue, extract, 1)
    assert [run["JobRunState"] for run in (first, failed, retried, last)] == [
        "SUCCEEDED",
        "FAILED",
        "SUCCEEDED",
        "SUCCEEDED",
    ]
    assert first["Arguments"]["--by"] == "clock"
    assert (first["TriggerName"], first["PredecessorRuns"]) == ("chain-nightly", [])
    for attempt in (failed, retried):
        assert attempt["TriggerName"] == f"{transform}-next"
        assert attempt["PredecessorRuns"] == [{"JobName": extract, "RunId": first["Id"]}]
        assert (attempt["Timeout"], attempt["Arguments"]["--day"]) == (9, "flaky")
    assert retried["PreviousRunId"] == failed["Id"]
    assert last["TriggerName"] == f"{load}-next"
    assert last["PredecessorRuns"] == [{"JobName": transform, "RunId": retried["Id"]}]
    # Nobody asked for them here.
    assert glue.get_job_run(JobName=load, RunId=last["Id"])["JobRun"]["PredecessorRuns"] == []
    assert [run["PredecessorRuns"] for run in glue.get_job_runs(JobName=load)["JobRuns"]] == [[]]

    # The second night: the second job fails for good, and the third is not started.
    bad = [{"JobName": transform, "Arguments": {"--day": "bad"}}]
    predicate = {"Conditions": [ends(extract, "SUCCEEDED")]}
    glue.update_trigger(Name=f"{transform}-next", TriggerUpdate={"Predicate": predicate, "Actions": bad})
    runner.schedules.advance(DAY_SECONDS)
    (told,) = runs_of(glue, alarm, 1)
    second, given_up, *_ = runs_of(glue, transform, 4)
    assert [run["JobRunState"] for run in (second, given_up)] == ["FAILED", "FAILED"]
    assert second["ErrorMessage"] == "ValueError: no such day: bad"
    assert second["PreviousRunId"] == given_up["Id"]
    assert told["PredecessorRuns"] == [{"JobName": transform, "RunId": second["Id"]}]
    # All that follows from its end has been done by now.
    wait_for(lambda: find_job_run(ports, admin, transform, second["Id"]).settled)
    assert len(runs_of(glue, extract, 2)) == 2
    assert len(runs_of(glue, load, 1)) == 1

    # A third night with the schedule taken away: nothing starts.
    glue.stop_trigger(Name="chain-nightly")
    for name in sorted(names):
        glue.delete_trigger(Name=name)
    runner.schedules.advance(DAY_SECONDS)
    assert [len(glue.get_job_runs(JobName=job)["JobRuns"]) for job in jobs] == [2, 4, 1, 1]
