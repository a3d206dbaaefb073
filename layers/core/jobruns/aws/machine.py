"""The state machine RunLifecycle, by Step Functions."""

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from jobruns.aws import clients
from jobruns.errors import UnavailableError
from jobruns.run import Run
from jobruns.service.ports import ExecutionStatus

_TASK_GONE = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})


def error_code(error: ClientError) -> str:
    """Give the code AWS put on an error."""
    return error.response.get("Error", {}).get("Code", "")


def execution_arn(machine_arn: str, name: str) -> str:
    """Compose the ARN of a machine's execution."""
    return f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"


def start_execution(machine_arn: str, name: str, payload: dict[str, Any]) -> None:
    """Start an execution by name; one that exists counts as started.

    Raises
    ------
    UnavailableError
        AWS would not now.
    """
    try:
        clients.step_functions().start_execution(stateMachineArn=machine_arn, name=name, input=json.dumps(payload))
    except ClientError as error:
        if error_code(error) != "ExecutionAlreadyExists":
            raise UnavailableError(f"the execution {name} could not be started: {error}") from error
    except BotoCoreError as error:
        raise UnavailableError(f"the execution {name} could not be started: {error}") from error


def stop_execution(machine_arn: str, name: str, cause: str) -> None:
    """Stop an execution; one that is over or was never there counts as stopped."""
    arn = execution_arn(machine_arn, name)
    try:
        clients.step_functions().stop_execution(executionArn=arn, cause=cause)
    except ClientError as error:
        if error_code(error) != "ExecutionDoesNotExist":
            raise UnavailableError(f"the execution {name} could not be stopped: {error}") from error


def execution_status(machine_arn: str, name: str) -> ExecutionStatus | None:
    """Tell how an execution stands; ``None`` when there is none."""
    try:
        answer = clients.step_functions().describe_execution(executionArn=execution_arn(machine_arn, name))
    except ClientError as error:
        if error_code(error) == "ExecutionDoesNotExist":
            return None
        raise UnavailableError(f"the execution {name} could not be looked up: {error}") from error
    return ExecutionStatus(answer["status"])


class LifecycleMachine:
    """Starts, ends and looks up executions of RunLifecycle. An execution's name is its run's id.

    Parameters
    ----------
    arn : str
        Of the state machine.
    """

    def __init__(self, arn: str) -> None:
        self._arn = arn

    def start(self, run: Run) -> None:
        """Start a run's execution; one that exists counts as started."""
        payload: dict[str, Any] = {
            "org": run.org,
            "job": run.job,
            "run_id": run.run_id,
            "executor": str(run.executor),
            "timeout_seconds": run.timeout_seconds,
        }
        if run.heartbeat_seconds is not None:
            payload["heartbeat_seconds"] = run.heartbeat_seconds
        start_execution(self._arn, run.run_id, payload)

    def end_task(self, run: Run) -> None:
        """End the wait for the executor. The output is for people in the console: Settle reads the ledger."""
        if run.task_token is None:
            return
        output = json.dumps({"state": str(run.state)})
        try:
            clients.step_functions().send_task_success(taskToken=run.task_token, output=output)
        except ClientError as error:
            if error_code(error) not in _TASK_GONE:
                raise UnavailableError(f"the state machine could not be told that the run ended: {error}") from error

    def beat(self, run: Run) -> None:
        """Let the wait for the executor begin anew."""
        if run.task_token is None:
            return
        try:
            clients.step_functions().send_task_heartbeat(taskToken=run.task_token)
        except ClientError as error:
            if error_code(error) not in _TASK_GONE:
                raise UnavailableError(f"the heartbeat could not be passed on: {error}") from error

    def status(self, run: Run) -> ExecutionStatus | None:
        """Tell how a run's execution stands; ``None`` when there is none."""
        return execution_status(self._arn, run.run_id)

    def abandon(self, run: Run) -> None:
        """Stop a run's execution, if it is going."""
        stop_execution(self._arn, run.run_id, f"the run is {run.state}")
