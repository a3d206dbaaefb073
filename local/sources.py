"""What calls functions by itself: queues, streams and event rules."""

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from local.cloud import service_lock
from local.errors import TemplateError
from local.intrinsics import REGION, Resolver
from local.invoke import Invoker, UnknownFunctionError
from local.pool import NoWorkerError
from local.schedules import Schedules
from local.streams import Stream, StreamMapping, read_mapping
from local.template import Template

_LOG = logging.getLogger(__name__)

_MAX_BATCH_BYTES = 6 * 1024 * 1024
_MESSAGE_OVERHEAD_BYTES = 700
"""About what a record of a batch has beside the message's body."""
_LOOK_SECONDS = 0.05
_PAUSE_SECONDS = 1.0


class Sources:
    """Everything in the template that calls functions, but for what EventBridge Scheduler and buses of its own do.

    Parameters
    ----------
    template : Template
        Where they are described.
    resolver : Resolver
        Resolves it.
    invoker : Invoker
        Runs functions.
    schedules : Schedules
        Gets the rules that have a schedule.
    """

    def __init__(self, template: Template, resolver: Resolver, invoker: Invoker, schedules: Schedules) -> None:
        self._account = resolver.account
        self._invoker = invoker
        self._schedules = schedules
        self._stopping = threading.Event()
        self._rules: list[tuple[Any, list[dict[str, Any]]]] = []
        self._threads: list[Callable[[], None]] = []
        self._streams: list[Stream] = []
        for logical_id, properties in template.resources("AWS::Lambda::EventSourceMapping", resolver).items():
            self._add_mapping(logical_id, properties)
        for logical_id, properties in template.resources("AWS::Events::Rule", resolver).items():
            self._add_rule(logical_id, resolver.arn(logical_id), properties)

    def start(self) -> None:
        """Begin to call."""
        for number, run in enumerate(self._threads):
            threading.Thread(target=run, name=f"source-{number}", daemon=True).start()

    def follow_streams(self, *, on: bool) -> None:
        """Begin to call functions with the records of streams, from now on, or do so no more."""
        for stream in self._streams:
            stream.follow(on=on)

    def stop(self) -> None:
        """Call no more."""
        self._stopping.set()

    def status_changed(self, detail: dict[str, Any]) -> None:
        """Publish a change of an execution's status, as Step Functions does on the default event bus."""
        if detail["executionArn"].split(":")[4] != self._account:
            # Another runner's, in the same process.
            return
        self.publish("aws.states", "Step Functions Execution Status Change", detail, [detail["executionArn"]])

    def publish(self, source: str, detail_type: str, detail: dict[str, Any], resources: list[str]) -> None:
        """Hand an event to the targets of every rule that it matches."""
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": detail_type,
            "source": source,
            "account": self._account,
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": resources,
            "detail": detail,
        }
        for pattern, targets in self._rules:
            if pattern.matches_event(event):
                self._call(targets, json.dumps(event))

    def _add_mapping(self, logical_id: str, properties: dict[str, Any]) -> None:
        arn = properties.get("EventSourceArn", "")
        if ":sqs:" not in arn and not (":dynamodb:" in arn and "/stream/" in arn):
            raise TemplateError(
                f"{logical_id} of template.yaml: only queues and streams of tables are known as event sources here, "
                f"not {arn}"
            )
        if str(properties.get("Enabled", True)).lower() == "false":
            return
        if ":sqs:" in arn:
            mapping = QueueMapping(
                queue_arn=arn,
                function=properties["FunctionName"],
                batch_size=int(properties.get("BatchSize", 10)),
                window_seconds=float(properties.get("MaximumBatchingWindowInSeconds", 0)),
                report_failures="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
                concurrency=int(properties.get("ScalingConfig", {}).get("MaximumConcurrency", 5)),
            )
            self._threads.append(lambda: poll(mapping, self._invoker, self._stopping))
        else:
            stream = self._stream(read_mapping(properties))
            self._streams.append(stream)
            self._threads.append(stream.run)

    def _stream(self, mapping: StreamMapping) -> Stream:
        table = mapping.stream_arn.partition(":table/")[2].partition("/")[0]
        # More at once than there are workers would only make the batches smaller.
        workers = self._invoker.pool(mapping.function).spec.concurrency
        mapping = replace(mapping, lanes=min(mapping.lanes, workers))

        def read(position: int) -> tuple[list[dict[str, Any]], int]:
            from local.emulator import streams

            # A transaction that is undone never was.
            with service_lock("dynamodb"):
                return streams.read(self._account, table, position)

        return Stream(mapping, self._invoker, read, self._stopping)

    def _add_rule(self, logical_id: str, arn: str, properties: dict[str, Any]) -> None:
        if properties.get("State", "ENABLED") == "DISABLED" or properties.get("EventBusName", "default") != "default":
            return
        targets = properties.get("Targets", [])
        if pattern := properties.get("EventPattern"):
            from moto.events.models import EventPattern

            self._rules.append((EventPattern.load(json.dumps(pattern)), targets))
        if "ScheduleExpression" in properties:
            self._schedules.add_rule(logical_id, arn, properties["ScheduleExpression"], targets)

    def _call(self, targets: list[dict[str, Any]], event: str) -> None:
        for target in targets:
            try:
                self._invoker.submit(target["Arn"], target.get("Input", event).encode())
            except UnknownFunctionError:
                _LOG.warning("nothing is sent to %s: only functions are known as targets here", target["Arn"])


@dataclass(frozen=True)
class QueueMapping:
    """A queue whose messages a function gets.

    Parameters
    ----------
    queue_arn, function : str
        From where, to whom.
    batch_size : int
        Messages of one event at most.
    window_seconds : float
        How long messages are gathered, from the first one on.
    report_failures : bool
        Whether the function names the messages that failed, instead of failing all.
    concurrency : int
        Events in work at once at most.
    """

    queue_arn: str
    function: str
    batch_size: int
    window_seconds: float
    report_failures: bool
    concurrency: int


def poll(mapping: QueueMapping, invoker: Invoker, stopping: threading.Event) -> None:
    """Gather messages and hand them to the function until `stopping` is set."""
    from moto.sqs.models import sqs_backends

    account = mapping.queue_arn.split(":")[4]
    backend = sqs_backends[account][REGION]
    queue = backend.get_queue(mapping.queue_arn.rpartition(":")[2])
    free = threading.Semaphore(mapping.concurrency)
    with ThreadPoolExecutor(mapping.concurrency, thread_name_prefix=f"queue-{queue.name}") as executor:
        while not stopping.is_set():
            if not free.acquire(timeout=1.0):
                continue
            try:
                batch = _gather(backend, queue, mapping, stopping)
            except Exception:  # noqa: BLE001 - logged; the queue may come back, a person deletes and makes them
                _LOG.exception("cannot read %s", queue.name)
                batch = []
                stopping.wait(_PAUSE_SECONDS)
            if not batch:
                free.release()
                continue
            executor.submit(_handle, mapping, invoker, queue, batch).add_done_callback(lambda _: free.release())


def _gather(backend: Any, queue: Any, mapping: QueueMapping, stopping: threading.Event) -> list[Any]:
    batch: list[Any] = []
    size, closes_at = 0, 0.0
    while not stopping.is_set():
        # Against the size of an event, messages of the largest kind are asked for one by one.
        left = max(1, min(mapping.batch_size - len(batch), (_MAX_BATCH_BYTES - size) // 262_144))
        messages = backend.receive_message(queue.name, left, 0, int(queue.visibility_timeout))
        if messages and not batch:
            closes_at = time.monotonic() + mapping.window_seconds
        batch += messages
        size += sum(len(message.body) + _MESSAGE_OVERHEAD_BYTES for message in messages)
        full = len(batch) >= mapping.batch_size or size > _MAX_BATCH_BYTES - 262_144 - _MESSAGE_OVERHEAD_BYTES
        if batch and (full or time.monotonic() >= closes_at):
            return batch
        if not messages:
            stopping.wait(_LOOK_SECONDS)
    return []


def _handle(mapping: QueueMapping, invoker: Invoker, queue: Any, batch: list[Any]) -> None:
    from local.emulator.sqs import delete_messages

    event = {"Records": [_record(mapping, message) for message in batch]}
    try:
        outcome = invoker.invoke(mapping.function, json.dumps(event).encode())
    except NoWorkerError:
        return
    except Exception:  # noqa: BLE001 - logged; the messages become visible again, and the poller must live on
        _LOG.exception("a batch of %s was not handled", queue.name)
        return
    if outcome.error is not None:
        return
    sent = {message.id for message in batch}
    failed = _failed(outcome.payload, sent) if mapping.report_failures else set()
    # Messages that failed stay, and become visible when their time is up; the queue redrives them in the end.
    delete_messages(queue, sent - failed)


def _failed(payload: bytes, sent: set[str]) -> set[str]:
    """Read which messages failed; an answer that makes no sense fails all, as in Lambda."""
    try:
        answer = json.loads(payload or b"null")
    except ValueError:
        return sent
    if answer is None:
        return set()
    failures = answer.get("batchItemFailures") if isinstance(answer, dict) else None
    if failures is None and isinstance(answer, dict):
        return set()
    if not isinstance(failures, list):
        return sent
    named: set[Any] = {failure.get("itemIdentifier") if isinstance(failure, dict) else None for failure in failures}
    # A name that was not sent makes the answer worthless.
    return sent if named - sent else named


def _record(mapping: QueueMapping, message: Any) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.approximate_receive_count),
            "SentTimestamp": str(message.sent_timestamp),
            "SenderId": message.sender_id,
            "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
        },
        "messageAttributes": {name: _attribute(value) for name, value in message.message_attributes.items()},
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping.queue_arn,
        "awsRegion": REGION,
    }


def _attribute(value: dict[str, Any]) -> dict[str, Any]:
    kind = value.get("DataType", value.get("data_type", "String"))
    return {"stringValue": value.get("StringValue", value.get("string_value")), "dataType": kind}
