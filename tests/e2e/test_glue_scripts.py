"""Python scripts behind the Glue door, and the loops by which clients wait for them and read what they print."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import WaiterError
from botocore.waiter import WaiterModel, create_waiter_with_client
from mypy_boto3_glue import GlueClient

from jobruns.access import Principal
from jobruns.ids import job_run_id
from jobruns.service.ports import Ports
from jobruns.service.starts import StartRequest, start_run
from local.runner import Runner
from tests.e2e.glue_clients import connect, wait_for_run
from tests.e2e.ledger import wait_for

PRINTS = """
import sys
print(sys.argv[1:])
print("in all", file=sys.stderr)
"""

RAISES = """
import sys
print("working")
raise ValueError(f"no such day: {sys.argv[-1]}")
"""

LOOPS = """
import time
print("working", flush=True)
while True:
    time.sleep(0.1)
"""

WAITER = {
    "version": 2,
    "waiters": {
        "job_complete": {
            "operation": "GetJobRun",
            "delay": 1,
            "maxAttempts": 60,
            "acceptors": [
                {"matcher": "path", "argument": "JobRun.JobRunState", "expected": state, "state": becomes}
                for state, becomes in [
                    ("STARTING", "retry"),
                    ("RUNNING", "retry"),
                    ("STOPPING", "retry"),
                    ("SUCCEEDED", "success"),
                    ("FAILED", "failure"),
                    ("STOPPED", "failure"),
                    ("ERROR", "failure"),
                    ("TIMEOUT", "failure"),
                ]
            ],
        }
    },
}
"""boto3 has no waiters for Glue, so orchestrators bring their own to its machinery: this is how they describe one."""

Shell = Callable[..., str]


@pytest.fixture(scope="module")
def glue(runner: Runner) -> GlueClient:
    runner.wait_warm(["GlueFunction", "ScriptFunction"])
    return connect(runner)


@pytest.fixture(scope="module")
def shell(runner: Runner, glue: GlueClient) -> Shell:
    """Define a job that runs a script; its name."""

    def define(name: str, script: str, **members: Any) -> str:
        bucket, key = runner.env["JOBRUNS_LANDING_BUCKET"], f"scripts/{name}.py"
        runner.client("s3").put_object(Bucket=bucket, Key=key, Body=script.encode())
        command = {"Name": "pythonshell", "ScriptLocation": f"s3://{bucket}/{key}", "PythonVersion": "3.9"}
        glue.create_job(Name=name, Role="r", Command=command, **members)
        return name

    return define


def printed(runner: Runner, run: Any, channel: str = "output") -> list[str]:
    """Read a run's log as those do who follow it."""
    logs = runner.client("logs").get_paginator("filter_log_events")
    pages = logs.paginate(logGroupName=f"{run['LogGroupName']}/{channel}", logStreamNames=[run["Id"]])
    return [event["message"] for page in pages for event in page["events"]]


def follow(glue: GlueClient, job: str, run_id: str) -> None:
    """Wait for a run as flows do: what did not succeed has a message, which they read without a check."""
    for _ in range(600):
        run = glue.get_job_run(JobName=job, RunId=run_id)["JobRun"]
        if run["JobRunState"] == "SUCCEEDED":
            return
        if run["JobRunState"] in {"FAILED", "STOPPED", "ERROR", "TIMEOUT"}:
            raise RuntimeError(run["ErrorMessage"])
        time.sleep(0.1)
    raise TimeoutError(run_id)


def test_a_script_prints_its_arguments_and_an_orchestrators_waiter_sees_it_succeed(
    runner: Runner, glue: GlueClient, shell: Shell
) -> None:
    job = shell("shell-prints", PRINTS, DefaultArguments={"--day": "today", "--mode": "full"})
    run_id = glue.start_job_run(JobName=job, Arguments={"--day": "2026-11-21"})["JobRunId"]
    waiter = create_waiter_with_client("job_complete", WaiterModel(WAITER), glue)
    waiter.wait(JobName=job, RunId=run_id)
    run = glue.get_job_run(JobName=job, RunId=run_id)["JobRun"]
    assert run["JobRunState"] == "SUCCEEDED"
    assert "ErrorMessage" not in run
    (argv,) = printed(runner, run)
    words = json.loads(argv.replace("'", '"'))
    assert dict(zip(words[::2], words[1::2], strict=True)) == {"--day": "2026-11-21", "--mode": "full"}
    assert printed(runner, run, "error") == ["in all"]


def test_a_script_that_raises_fails_with_its_last_line_and_a_retry_is_a_run_of_its_own(
    runner: Runner, glue: GlueClient, shell: Shell
) -> None:
    job = shell("shell-raises", RAISES, MaxRetries=1)
    run_id = glue.start_job_run(JobName=job, Arguments={"--day": "monday"})["JobRunId"]
    with pytest.raises(RuntimeError) as failed:
        follow(glue, job, run_id)
    assert str(failed.value) == "ValueError: no such day: monday"
    run = glue.get_job_run(JobName=job, RunId=run_id)["JobRun"]
    assert run["ErrorMessage"] == "ValueError: no such day: monday"
    assert run["StartedOn"] < run["CompletedOn"]
    assert printed(runner, run) == ["working"]
    assert "ValueError: no such day: monday" in "".join(printed(runner, run, "error"))

    # A retry is what follows from an end, and comes a moment after that is seen.
    wait_for(lambda: len(glue.get_job_runs(JobName=job)["JobRuns"]) == 2)
    retry = wait_for_run(glue, job, f"{run_id}_attempt_1")
    assert (retry["JobRunState"], retry["Attempt"], retry["PreviousRunId"]) == ("FAILED", 1, run_id)
    assert retry["Arguments"] == {"--day": "monday"}
    assert printed(runner, retry) == ["working"]
    assert [entry["Id"] for entry in glue.get_job_runs(JobName=job)["JobRuns"]] == [retry["Id"], run_id]

    waiter = create_waiter_with_client("job_complete", WaiterModel(WAITER), glue)
    with pytest.raises(WaiterError, match="terminal failure"):
        waiter.wait(JobName=job, RunId=run_id)


def test_a_script_that_loops_times_out(
    runner: Runner, glue: GlueClient, shell: Shell, ports: Ports, admin: Principal
) -> None:
    """A time limit of Glue's is whole minutes; the core has seconds."""
    job = shell("shell-loops", LOOPS)
    run_id = job_run_id(start_run(ports, admin, StartRequest(job=job, door="glue", timeout_seconds=3)))
    run = wait_for_run(glue, job, run_id)
    assert run["JobRunState"] == "TIMEOUT"
    assert run["ErrorMessage"] == "it did not end within 3 seconds"
    assert run["Timeout"] == 1
    assert 2 <= run["ExecutionTime"] <= 6
    assert printed(runner, run) == ["working"]


@pytest.mark.slow
def test_a_script_that_loops_times_out_after_glues_own_minute(glue: GlueClient, shell: Shell) -> None:
    job = shell("shell-loops-long", LOOPS, Timeout=5)
    run_id = glue.start_job_run(JobName=job, Timeout=1)["JobRunId"]
    run = wait_for_run(glue, job, run_id, 90)
    assert (run["JobRunState"], run["Timeout"]) == ("TIMEOUT", 1)
    assert run["ErrorMessage"] == "it did not end within 60 seconds"
    assert 59 <= run["ExecutionTime"] <= 65


def test_a_script_that_is_stopped_says_who_stopped_it(runner: Runner, glue: GlueClient, shell: Shell) -> None:
    job = shell("shell-stopped", LOOPS)
    run_id = glue.start_job_run(JobName=job)["JobRunId"]
    wait_for(lambda: _has_printed(runner, glue, job, run_id))
    stopped = glue.batch_stop_job_run(JobName=job, JobRunIds=[run_id])
    assert stopped["SuccessfulSubmissions"] == [{"JobName": job, "JobRunId": run_id}]
    run = wait_for_run(glue, job, run_id)
    assert run["JobRunState"] == "STOPPED"
    assert run["ErrorMessage"] == f"stopped by {runner.env['JOBRUNS_KEY_ID']}"


def _has_printed(runner: Runner, glue: GlueClient, job: str, run_id: str) -> bool:
    run = glue.get_job_run(JobName=job, RunId=run_id)["JobRun"]
    logs = runner.client("logs")
    try:
        return bool(printed(runner, run))
    except logs.exceptions.ResourceNotFoundException:
        return False  # the stream is made with the first line
