"""Runs of external workers and of functions, through the real state machine, from start to every end."""

import json
from pathlib import Path

import pytest

from jobruns.access import Principal
from jobruns.errors import IllegalTransitionError
from jobruns.run import RunState
from jobruns.service.lookups import find_run, list_events, list_job_runs
from jobruns.service.ports import Ports
from jobruns.service.reports import beat_run, report_run
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.stops import stop_run
from local.runner import Runner
from tests.e2e.ledger import start, wait_for, wait_until


def test_a_run_is_started_watched_reported_and_settled(ports: Ports, admin: Principal) -> None:
    run = start(ports, admin, "life.plain")
    assert wait_until(ports, admin, run, RunState.RUNNING).task_token
    report_run(ports, admin, find_run(ports, admin, run.run_id), RunState.SUCCEEDED, message="done")
    ended = wait_until(ports, admin, run, RunState.SUCCEEDED)
    assert ended.message == "done"
    history = [event.kind for event in list_events(ports, admin, run.run_id)]
    assert history == ["Submitted", "Begun", "Succeeded"]


def test_a_worker_that_never_reports_ends_as_timeout(ports: Ports, admin: Principal) -> None:
    run = start(ports, admin, "life.silent", timeout_seconds=1)
    ended = wait_until(ports, admin, run, RunState.TIMEOUT)
    assert "1 seconds" in (ended.message or "")
    with pytest.raises(IllegalTransitionError):
        report_run(ports, admin, ended, RunState.SUCCEEDED)
    assert find_run(ports, admin, run.run_id) == ended


def test_a_worker_that_misses_its_heartbeat_ends_as_timeout_and_one_that_beats_does_not(
    ports: Ports, admin: Principal
) -> None:
    run = start(ports, admin, "life.beating", timeout_seconds=60, heartbeat_seconds=2)
    wait_until(ports, admin, run, RunState.RUNNING)
    beats = 0

    def beaten_for_three_seconds() -> bool:
        nonlocal beats
        beats += 1
        assert beat_run(ports, admin, find_run(ports, admin, run.run_id)).state is RunState.RUNNING
        now = find_run(ports, admin, run.run_id)
        assert now.heartbeat_at is not None
        return now.work_seconds(now.heartbeat_at) > 3

    wait_for(beaten_for_three_seconds)
    assert wait_until(ports, admin, run, RunState.TIMEOUT).state is RunState.TIMEOUT


def test_a_stopped_run_is_stopped_in_seconds_and_stays_so(ports: Ports, admin: Principal) -> None:
    run = start(ports, admin, "life.stopped")
    wait_until(ports, admin, run, RunState.RUNNING)
    assert stop_run(ports, admin, find_run(ports, admin, run.run_id)).state is RunState.STOPPING
    wait_until(ports, admin, run, RunState.STOPPED, seconds=5)


def test_a_worker_that_beats_on_after_a_stop_is_stopped_by_the_missing_heartbeat(
    ports: Ports, admin: Principal
) -> None:
    run = start(ports, admin, "life.stubborn", heartbeat_seconds=1)
    wait_until(ports, admin, run, RunState.RUNNING)
    stop_run(ports, admin, find_run(ports, admin, run.run_id))

    def stopped_though_beaten() -> bool:
        return beat_run(ports, admin, find_run(ports, admin, run.run_id)).state is RunState.STOPPED

    wait_for(stopped_though_beaten, seconds=10)


def test_a_queue_moves_by_itself(ports: Ports, admin: Principal) -> None:
    first = start(ports, admin, "life.queue", max_concurrent_runs=1, queueing=True)
    second = start_run(ports, admin, StartRequest(job="life.queue", door="test"))
    assert second.state is RunState.WAITING
    wait_until(ports, admin, first, RunState.RUNNING)
    report_run(ports, admin, find_run(ports, admin, first.run_id), RunState.SUCCEEDED)
    wait_until(ports, admin, second, RunState.RUNNING)


def test_a_failed_run_is_retried_by_itself(ports: Ports, admin: Principal) -> None:
    first = start(ports, admin, "life.retried", max_retries=1)
    wait_until(ports, admin, first, RunState.RUNNING)
    report_run(ports, admin, find_run(ports, admin, first.run_id), RunState.FAILED, message="disk full")
    wait_until(ports, admin, first, RunState.FAILED)
    retry, _ = list_job_runs(ports, admin, "life.retried").runs
    assert (retry.attempt, retry.previous_run_id) == (2, first.run_id)
    wait_until(ports, admin, retry, RunState.RUNNING)


FUNCTION = """
import time

def handler(event, context):
    arguments = event["arguments"]
    if arguments["how"] == "fail":
        raise ValueError("no such day")
    if arguments["how"] == "sleep":
        time.sleep(30)
    return {"run": event["run"]["run_id"], "rows": 3}
"""


@pytest.fixture(scope="module")
def function_arn(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> str:
    code: Path = tmp_path_factory.mktemp("theirs")
    (code / "theirs.py").write_text(FUNCTION)
    return runner.add_function("their-function", code, "theirs.handler", timeout_seconds=40)


def test_a_function_that_returns_has_succeeded(ports: Ports, admin: Principal, function_arn: str) -> None:
    run = start(ports, admin, "life.returns", executor="lambda", target=function_arn, arguments={"how": "return"})
    ended = wait_until(ports, admin, run, RunState.SUCCEEDED)
    assert json.loads(ended.message or "") == {"run": run.run_id, "rows": 3}


def test_a_function_that_raises_has_failed_with_its_message(ports: Ports, admin: Principal, function_arn: str) -> None:
    run = start(ports, admin, "life.raises", executor="lambda", target=function_arn, arguments={"how": "fail"})
    ended = wait_until(ports, admin, run, RunState.FAILED)
    assert (ended.message, ended.error_code) == ("no such day", "ValueError")


def test_a_function_that_takes_too_long_has_timed_out(ports: Ports, admin: Principal, function_arn: str) -> None:
    run = start(
        ports,
        admin,
        "life.loops",
        executor="lambda",
        target=function_arn,
        arguments={"how": "sleep"},
        timeout_seconds=1,
    )
    wait_until(ports, admin, run, RunState.TIMEOUT)


def test_an_execution_stopped_by_hand_stops_its_run(runner: Runner, ports: Ports, admin: Principal) -> None:
    run = start(ports, admin, "life.by_hand")
    wait_until(ports, admin, run, RunState.RUNNING)
    arn = runner.env["LIFECYCLE_ARN"].replace(":stateMachine:", ":execution:") + f":{run.run_id}"
    runner.client("stepfunctions").stop_execution(executionArn=arn)
    ended = wait_until(ports, admin, run, RunState.STOPPED)
    assert "by hand" in (ended.message or "")
