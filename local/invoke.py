"""Lambda's Invoke: synchronous, and asynchronous with retries and a place for what could not be done."""

import json
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.pool import NoWorkerError, Pool
from local.runtime_api import Outcome

_LOG = logging.getLogger(__name__)

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
"""The largest event and the largest answer of a synchronous invocation."""

MAX_EVENT_BYTES = 1024 * 1024
"""The largest event of an asynchronous one."""


class UnknownFunctionError(Exception):
    """No function has that name or ARN."""


class PayloadTooLargeError(Exception):
    """The event is larger than Lambda takes."""


@dataclass(frozen=True)
class AsyncPolicy:
    """What becomes of an asynchronous invocation that fails.

    Parameters
    ----------
    retries : int
        How often it is tried again.
    delays_seconds : tuple of float
        The pause before each retry. Lambda waits one minute, then two; a person at a terminal does not.
    dead_letter_arn : str or None
        The function's dead letter queue: gets the event.
    on_failure_arn : str or None
        The destination for failures, a queue: gets a record of the event and its error.
    """

    retries: int = 2
    delays_seconds: tuple[float, ...] = (1.0, 2.0)
    dead_letter_arn: str | None = None
    on_failure_arn: str | None = None


@dataclass
class _Attempt:
    pool: Pool
    payload: bytes
    policy: AsyncPolicy
    number: int = 1
    request_id: str = ""


@dataclass
class Invoker:
    """Finds functions by name or ARN and has their pools work.

    Parameters
    ----------
    send : callable
        ``send(queue_arn, body, attributes)`` puts a message into a queue of the emulated account.
    async_threads : int
        How many asynchronous events are in work at once, over all functions.
    """

    send: Callable[[str, str, dict[str, str]], None]
    async_threads: int = 8
    _pools: dict[str, Pool] = field(default_factory=dict)
    _policies: dict[str, AsyncPolicy] = field(default_factory=dict)
    _events: "queue.SimpleQueue[_Attempt | None]" = field(default_factory=queue.SimpleQueue)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to work on asynchronous events."""
        for number in range(self.async_threads):
            threading.Thread(target=self._work, name=f"async-{number}", daemon=True).start()

    def stop(self) -> None:
        """Drop what waits and end."""
        self._stopped.set()
        for _ in range(self.async_threads):
            self._events.put(None)

    def add(self, pool: Pool, policy: AsyncPolicy) -> None:
        """Make a function known."""
        self._pools[pool.spec.name] = pool
        self._policies[pool.spec.name] = policy

    def pool(self, function: str) -> Pool:
        """Find a function by name or ARN, with or without a qualifier.

        Raises
        ------
        UnknownFunctionError
            There is none.
        """
        parts = function.split(":")
        # arn:aws:lambda:region:account:function:name[:qualifier], account:function:name, name[:qualifier]
        name = parts[parts.index("function") + 1] if "function" in parts[:-1] else parts[0]
        try:
            return self._pools[name]
        except KeyError:
            raise UnknownFunctionError(function) from None

    def invoke(self, function: str, payload: bytes, wait_seconds: float | None = None) -> Outcome:
        """Invoke and wait.

        Raises
        ------
        UnknownFunctionError
            There is no such function.
        PayloadTooLargeError
            The event has more than `MAX_PAYLOAD_BYTES`.
        NoWorkerError
            No worker became free within `wait_seconds`.
        """
        pool = self.pool(function)
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise PayloadTooLargeError(
                f"{len(payload)} byte payload is too large for the RequestResponse invocation type"
            )
        outcome = pool.run(payload, wait_seconds)
        if len(outcome.payload) > MAX_PAYLOAD_BYTES:
            message = f"Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD_BYTES} bytes)."
            return Outcome.failed("Function.ResponseSizeTooLarge", message)
        return outcome

    def submit(self, function: str, payload: bytes) -> None:
        """Invoke without waiting: Lambda's invocation type ``Event``.

        Raises
        ------
        UnknownFunctionError
            There is no such function.
        PayloadTooLargeError
            The event has more than `MAX_EVENT_BYTES`.
        """
        pool = self.pool(function)
        if len(payload) > MAX_EVENT_BYTES:
            raise PayloadTooLargeError(f"{len(payload)} byte payload is too large for the Event invocation type")
        self._events.put(_Attempt(pool, payload, self._policies[pool.spec.name]))

    def _work(self) -> None:
        while (attempt := self._events.get()) is not None and not self._stopped.is_set():
            try:
                outcome = attempt.pool.run(attempt.payload)
            except NoWorkerError:
                # Lambda keeps an event for up to six hours while it has no capacity; so does the queue, until the stop.
                self._later(attempt, 1.0)
                continue
            if outcome.error is not None:
                self._failed(attempt, outcome)

    def _failed(self, attempt: _Attempt, outcome: Outcome) -> None:
        policy = attempt.policy
        if attempt.number <= policy.retries:
            delay = policy.delays_seconds[min(attempt.number, len(policy.delays_seconds)) - 1]
            attempt.number += 1
            self._later(attempt, delay)
            return
        reason = _reason(outcome.payload)
        attempt.pool.log(f"asynchronous event given up after {attempt.number} attempts: {reason}")
        if policy.dead_letter_arn:
            self._send(
                policy.dead_letter_arn, attempt.payload.decode(), {"ErrorCode": "200", "ErrorMessage": reason[:1024]}
            )
        if policy.on_failure_arn:
            self._send(policy.on_failure_arn, json.dumps(_failure_record(attempt, outcome)), {})

    def _send(self, queue_arn: str, body: str, attributes: dict[str, str]) -> None:
        try:
            self.send(queue_arn, body, attributes)
        except Exception:  # noqa: BLE001 - a lost dead letter is logged, and the thread that sends the others lives on
            _LOG.exception("cannot send a dead letter to %s", queue_arn)

    def _later(self, attempt: _Attempt, seconds: float) -> None:
        timer = threading.Timer(seconds, self._events.put, (attempt,))
        timer.daemon = True
        timer.start()


def _reason(payload: bytes) -> str:
    try:
        error = json.loads(payload)
    except ValueError:
        return payload.decode(errors="replace")
    if not isinstance(error, dict):
        return str(error)
    return f"{error.get('errorType', 'Error')}: {error.get('errorMessage', '')}"


def _failure_record(attempt: _Attempt, outcome: Outcome) -> dict[str, Any]:
    return {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(),
        "requestContext": {
            "functionArn": f"{attempt.pool.spec.arn}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": attempt.number,
        },
        "requestPayload": json.loads(attempt.payload or b"null"),
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": outcome.error},
        "responsePayload": json.loads(outcome.payload or b"null"),
    }
