"""Runs whose work the state machine itself waits for: what it is told to do, and how such a run is stopped."""

from typing import Any

import pytest

from jobruns.access import Principal
from jobruns.errors import InvalidInputError
from jobruns.ids import job_run_id
from jobruns.run import Executor, Run, RunState
from jobruns.service.definitions import define_job
from jobruns.service.lookups import find_run
from jobruns.service.ports import Ports
from jobruns.service.settlement import dispatch_run
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.stops import UNATTENDED, stop_run
from tests.integration.doubles import MemoryObjects, RecordingMachine

TARGETS = {
    Executor.LAMBDA: "arn:aws:lambda:us-east-1:123456789012:function:theirs",
    Executor.PYTHON_SCRIPT: "s3://code/day.py",
    Executor.SPARK: "s3://code/day.py",
    Executor.NOOP: None,
    Executor.OPERATION: "the-id-of-a-table",
}


def start(ports: Ports, admin: Principal, executor: Executor, **fields: Any) -> Run:
    define_job(ports, admin, name="nightly", door="test", executor=executor, **{"target": TARGETS[executor], **fields})
    return start_run(ports, admin, StartRequest(job="nightly", door="test", arguments={"--day": "1"}))


def dispatch(ports: Ports, run: Run) -> dict[str, Any]:
    return dispatch_run(ports, run.org, run.job, run.run_id, None)


@pytest.mark.parametrize(
    ("executor", "keys"),
    [
        (Executor.LAMBDA, {"function_arn", "payload"}),
        (Executor.PYTHON_SCRIPT, {"function_arn", "payload"}),
        (Executor.SPARK, {"spark"}),
        (Executor.NOOP, set()),
        (Executor.OPERATION, {"function_arn", "payload"}),
    ],
)
def test_the_machine_is_told_what_its_states_read(
    executor: Executor, keys: set[str], ports: Ports, admin: Principal
) -> None:
    begun = dispatch(ports, start(ports, admin, executor))
    assert begun.keys() == {"begun", *keys}
    assert begun["begun"] is True


def test_a_script_is_told_where_it_lies_and_where_it_prints(ports: Ports, admin: Principal) -> None:
    run = start(ports, admin, Executor.PYTHON_SCRIPT, timeout_seconds=60)
    told = dispatch(ports, run)["payload"]
    assert told["script"] == "s3://code/day.py"
    assert told["command_line"] == ["--day", "1"]
    assert told["job_run_id"] == job_run_id(run)
    assert told["run"]["timeout_seconds"] == 60


@pytest.mark.parametrize("executor", [Executor.PYTHON_SCRIPT, Executor.SPARK])
def test_a_job_without_a_script_cannot_be_begun(executor: Executor, ports: Ports, admin: Principal) -> None:
    run = start(ports, admin, executor, target="day.py")
    with pytest.raises(InvalidInputError, match=r"day\.py"):
        dispatch(ports, run)


@pytest.mark.parametrize("executor", sorted(UNATTENDED))
def test_a_stop_ends_the_execution_and_the_run_at_once(
    executor: Executor, ports: Ports, admin: Principal, machine: RecordingMachine
) -> None:
    run = start(ports, admin, executor)
    dispatch(ports, run)
    assert stop_run(ports, admin, find_run(ports, admin, run.run_id)).state is RunState.STOPPED
    assert machine.abandoned == [run.run_id]
    assert find_run(ports, admin, run.run_id).settled
    assert isinstance(ports.objects, MemoryObjects)
    marked = {f"runs/{run.run_id}/stop"} if executor is Executor.PYTHON_SCRIPT else set()
    assert ports.objects.held.keys() == marked
