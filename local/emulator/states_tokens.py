"""Task tokens and heartbeats.

moto looks for a token in every execution that runs and trips over one that has only just been started; it takes a
report for a task that is over as if it counted; it fails a heartbeat that arrives before the function that got the
token has returned; and it times a task out for a heartbeat missed although its result is there.
"""

import time
from typing import Any

from moto.core.exceptions import AWSError
from moto.stepfunctions.exceptions import InvalidToken
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.eval.callback.callback import (
    CallbackOutcomeFailure,
    CallbackOutcomeSuccess,
    CallbackPoolManager,
    HeartbeatTimedOut,
)
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

_endpoints: dict[str, Any] = {}
_SLICE_SECONDS = 0.25
"""How soon a wait for heartbeats notices that its task has ended otherwise."""


class TaskTimedOutError(AWSError):  # type: ignore[misc]  # moto has no types
    """The task that the token stands for is over."""

    TYPE = "TaskTimedOut"

    def __init__(self) -> None:
        super().__init__("Task Timed Out: 'Provided task does not exist anymore'")


def apply() -> None:
    """Replace the three calls of a worker, and the wait for heartbeats."""
    add = CallbackPoolManager.add

    def add_and_remember(manager: Any, callback_id: str) -> Any:
        endpoint = _endpoints[callback_id] = add(manager, callback_id)
        return endpoint

    CallbackPoolManager.add = add_and_remember
    StepFunctionsParserBackend.send_task_success = _send_task_success
    StepFunctionsParserBackend.send_task_failure = _send_task_failure
    StepFunctionsParserBackend.send_task_heartbeat = _send_task_heartbeat
    StateTaskServiceCallback._wait_for_task_token_heartbeat = _wait_with_heartbeat  # noqa: SLF001 - the wait itself


def interrupt(environment: Any) -> None:
    """End the waits of an execution that was stopped."""
    for endpoint in list(environment.callback_pool_manager._pool.values()):  # noqa: SLF001 - moto lists them nowhere else
        endpoint.interrupt_all()


def _open(token: str) -> Any:
    endpoint = _endpoints.get(token)
    if endpoint is None:
        raise InvalidToken
    if endpoint._notify_event.is_set():  # noqa: SLF001 - set by the outcome and by the end of the task
        raise TaskTimedOutError
    return endpoint


def _send_task_success(_backend: Any, task_token: str, outcome: str) -> None:
    _open(task_token).notify(CallbackOutcomeSuccess(callback_id=task_token, output=outcome))


def _send_task_failure(_backend: Any, task_token: str, error: str | None = None, cause: str | None = None) -> None:
    _open(task_token).notify(CallbackOutcomeFailure(callback_id=task_token, error=error, cause=cause))


def _send_task_heartbeat(_backend: Any, task_token: str) -> None:
    # False for a task without a heartbeat, or not yet waiting for one: AWS accepts both.
    _open(task_token).notify_heartbeat()


def _wait_with_heartbeat(_task: Any, env: Any, callback_endpoint: Any, heartbeat_endpoint: Any) -> Any:
    beat = heartbeat_endpoint._next_heartbeat_event  # noqa: SLF001 - its own wait cannot be cut into slices
    limit = heartbeat_endpoint._heartbeat_seconds  # noqa: SLF001 - as above
    missed_at = time.monotonic() + limit
    while env.is_running():
        if (outcome := callback_endpoint.get_outcome()) is not None:
            return outcome
        if beat.wait(min(_SLICE_SECONDS, max(0.0, missed_at - time.monotonic()))):
            beat.clear()
            missed_at = time.monotonic() + limit
        elif time.monotonic() >= missed_at:
            return callback_endpoint.get_outcome() or HeartbeatTimedOut()
    return callback_endpoint.get_outcome()
