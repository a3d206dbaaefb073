"""Python scripts and runs without work, from the ledger through the state machine to their ends."""

import os
import time
from collections.abc import Callable

import pytest

from jobruns.access import Principal
from jobruns.ids import job_run_id
from jobruns.run import Run, RunState
from jobruns.service.lookups import find_run, list_events
from jobruns.service.ports import Ports
from jobruns.service.stops import stop_run
from local.runner import Runner
from tests.e2e.ledger import start, wait_for, wait_until

Upload = Callable[[str, str], str]

PRINTS = """
import os, sys
from awsglue.utils import getResolvedOptions
print(sys.argv[1:])
print(getResolvedOptions(sys.argv, ["JOB_NAME", "day"])["JOB_NAME"])
print("seen", file=sys.stderr)
import boto3
print(sorted(name for name in os.environ if name in ("LEDGER_TABLE", "WORK_BUCKET", "AWS_LAMBDA_RUNTIME_API")))
"""

LOOPS = """
import os, time
print(os.getpid())
while True:
    time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def upload(runner: Runner) -> Upload:
    """Put a script where scripts lie; its URL."""

    def put(name: str, text: str) -> str:
        bucket, key = runner.env["JOBRUNS_LANDING_BUCKET"], f"scripts/{name}"
        runner.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())
        return f"s3://{bucket}/{key}"

    return put


def printed(runner: Runner, run: Run, channel: str = "output") -> list[str]:
    """Read what a run has printed so far."""
    logs = runner.client("logs")
    group = f"{runner.env['RUN_LOG_GROUP']}/{channel}"
    try:
        events = logs.get_log_events(logGroupName=group, logStreamName=job_run_id(run), startFromHead=True)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in events]


def test_a_script_prints_its_arguments_to_the_runs_log(
    runner: Runner, ports: Ports, admin: Principal, upload: Upload
) -> None:
    script = upload("prints.py", PRINTS)
    arguments = {"--day": "2026-11-21", "--enable-metrics": ""}
    run = start(ports, admin, "script.prints", executor="python_script", target=script, arguments=arguments)
    ended = wait_until(ports, admin, run, RunState.SUCCEEDED)
    assert ended.message is None
    assert [event.kind for event in list_events(ports, admin, run.run_id)] == ["Submitted", "Begun", "Succeeded"]
    assert printed(runner, run) == ["['--day', '2026-11-21', '--enable-metrics']", "script.prints", "[]"]
    assert printed(runner, run, "error") == ["seen"]


def test_a_script_that_raises_fails_with_its_last_line(ports: Ports, admin: Principal, upload: Upload) -> None:
    script = upload("raises.py", "raise ValueError('no such day')")
    run = start(ports, admin, "script.raises", executor="python_script", target=script)
    ended = wait_until(ports, admin, run, RunState.FAILED)
    assert (ended.message, ended.error_code) == ("ValueError: no such day", "ValueError")


def test_a_script_that_loops_times_out_and_is_gone(
    runner: Runner, ports: Ports, admin: Principal, upload: Upload
) -> None:
    script = upload("loops.py", LOOPS)
    run = start(ports, admin, "script.loops", executor="python_script", target=script, timeout_seconds=3)
    ended = wait_until(ports, admin, run, RunState.TIMEOUT)
    assert ended.message == "it did not end within 3 seconds"
    [pid] = wait_for(lambda: printed(runner, run))
    wait_for(lambda: _gone(int(pid)), seconds=5)


def test_a_stopped_script_is_gone_in_seconds(runner: Runner, ports: Ports, admin: Principal, upload: Upload) -> None:
    script = upload("stopped.py", LOOPS)
    run = start(ports, admin, "script.stopped", executor="python_script", target=script)
    [pid] = wait_for(lambda: printed(runner, run))
    began = time.monotonic()
    stopped = stop_run(ports, admin, find_run(ports, admin, run.run_id))
    assert stopped.state is RunState.STOPPED
    wait_for(lambda: _gone(int(pid)), seconds=10)
    assert time.monotonic() - began < 10
    assert find_run(ports, admin, run.run_id).state is RunState.STOPPED


@pytest.mark.parametrize("target", ["s3://{bucket}/scripts/gone.py", "nowhere"])
def test_a_script_that_cannot_be_run_fails_the_run_at_once(
    target: str, runner: Runner, ports: Ports, admin: Principal
) -> None:
    location = target.format(bucket=runner.env["JOBRUNS_LANDING_BUCKET"])
    run = start(ports, admin, "script.absent", executor="python_script", target=location)
    ended = wait_until(ports, admin, run, RunState.FAILED, seconds=5)
    assert location in (ended.message or "")


def test_a_run_without_work_succeeds_at_once(ports: Ports, admin: Principal) -> None:
    run = start(ports, admin, "script.noop", executor="noop")
    ended = wait_until(ports, admin, run, RunState.SUCCEEDED, seconds=5)
    assert ended.message is None
    assert ended.started_at is not None


def test_a_spark_job_without_an_application_fails_at_once_and_says_why(ports: Ports, admin: Principal) -> None:
    run = start(ports, admin, "script.spark", executor="spark", target="s3://code/day.py")
    ended = wait_until(ports, admin, run, RunState.FAILED, seconds=5)
    assert "SparkApplicationId" in (ended.message or "")
    assert ended.error_code == "InvalidInputError"


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
