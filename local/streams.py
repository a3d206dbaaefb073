"""What calls functions with the records of a table's stream.

As Lambda does it: records of one item stay in order, those of different items are worked on at the same time, as many
at once as the mapping says; a batch that fails comes again until it is too old or has failed too often, and what comes
after it waits. Facts are from "Using AWS Lambda with Amazon DynamoDB" in the Lambda developer guide.
"""

import json
import logging
import queue
import threading
import time
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.intrinsics import REGION
from local.invoke import Invoker
from local.pool import NoWorkerError

_LOG = logging.getLogger(__name__)

_MAX_BATCH_BYTES = 6 * 1024 * 1024 - 1024
_LOOK_SECONDS = 0.05
_PAUSE_SECONDS = 1.0
_FIRST_RETRY_SECONDS = 0.2
_LAST_RETRY_SECONDS = 10.0


@dataclass(frozen=True)
class StreamMapping:
    """A stream whose records a function gets.

    Parameters
    ----------
    stream_arn, function : str
        From where, to whom.
    batch_size : int
        Records of one event at most.
    window_seconds : float
        How long records are gathered, from the first one on.
    report_failures : bool
        Whether the function names the first record that failed, instead of failing all.
    lanes : int
        Events in work at once at most.
    patterns : tuple of dict
        The function gets what one of them matches, or everything if there is none.
    retries : int
        How often a batch that failed comes again; less than 0 is without end.
    max_age_seconds : float
        A batch whose first record is older than this does not come again; less than 0 is never.
    on_failure_arn : str or None
        A queue that is told of a batch that was given up.
    """

    stream_arn: str
    function: str
    batch_size: int = 100
    window_seconds: float = 0.0
    report_failures: bool = False
    lanes: int = 1
    patterns: tuple[dict[str, Any], ...] = ()
    retries: int = -1
    max_age_seconds: float = -1.0
    on_failure_arn: str | None = None


def read_mapping(properties: dict[str, Any]) -> StreamMapping:
    """Read an event source mapping of the template whose source is a stream."""
    filters = properties.get("FilterCriteria", {}).get("Filters", [])
    return StreamMapping(
        stream_arn=properties["EventSourceArn"],
        function=properties["FunctionName"],
        batch_size=int(properties.get("BatchSize", 100)),
        window_seconds=float(properties.get("MaximumBatchingWindowInSeconds", 0)),
        report_failures="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
        lanes=int(properties.get("ParallelizationFactor", 1)),
        patterns=tuple(json.loads(each["Pattern"]) for each in filters),
        retries=int(properties.get("MaximumRetryAttempts", -1)),
        max_age_seconds=float(properties.get("MaximumRecordAgeInSeconds", -1)),
        on_failure_arn=properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"),
    )


@dataclass(frozen=True)
class _Record:
    """One change of an item.

    Parameters
    ----------
    number : str
        Its sequence number.
    made_at : float
        Seconds since the epoch.
    text : str
        As the function gets it, JSON.
    """

    number: str
    made_at: float
    text: str


class Stream:
    """Hands the records of a stream to a function.

    Parameters
    ----------
    mapping : StreamMapping
        What goes where.
    invoker : Invoker
        Runs functions, and knows where dead letters go.
    read : callable
        ``read(position)`` gives the records from there on and the position behind the last one; 0 is the beginning.
    stopping : Event
        Set when nothing is to be called any more.
    """

    def __init__(
        self,
        mapping: StreamMapping,
        invoker: Invoker,
        read: Callable[[int], tuple[list[dict[str, Any]], int]],
        stopping: threading.Event,
    ) -> None:
        self._mapping = mapping
        self._invoker = invoker
        self._read = read
        self._stopping = stopping
        self._lanes: list[queue.SimpleQueue[_Record]] = [queue.SimpleQueue() for _ in range(mapping.lanes)]
        self._matches = [_matcher(pattern) for pattern in mapping.patterns]
        self._followed = threading.Event()
        self._followed.set()

    def follow(self, *, on: bool) -> None:
        """Begin to hand records over, from now on, or hand no more over: what is made meanwhile is passed by."""
        (self._followed.set if on else self._followed.clear)()

    def run(self) -> None:
        """Read, and let the lanes call, until the stop."""
        for number, lane in enumerate(self._lanes):
            threading.Thread(target=self._work, args=(lane,), name=f"stream-{number}", daemon=True).start()
        position = 0
        while not self._stopping.wait(_LOOK_SECONDS):
            try:
                records, position = self._read(position)
            except Exception:  # noqa: BLE001 - logged; the table may come back, a person deletes and makes them
                _LOG.exception("cannot read %s", self._mapping.stream_arn)
                self._stopping.wait(_PAUSE_SECONDS)
                continue
            for record in records if self._followed.is_set() else ():
                if not self._matches or any(match(record) for match in self._matches):
                    self._lane(record).put(self._described(record))

    def _lane(self, record: dict[str, Any]) -> "queue.SimpleQueue[_Record]":
        key = json.dumps(record["dynamodb"]["Keys"], sort_keys=True).encode()
        return self._lanes[zlib.crc32(key) % len(self._lanes)]

    def _described(self, record: dict[str, Any]) -> _Record:
        change = record["dynamodb"]
        made_at = change["ApproximateCreationDateTime"].replace(tzinfo=UTC).timestamp()
        told = record | {
            "eventVersion": "1.1",
            "awsRegion": REGION,
            "eventSourceARN": self._mapping.stream_arn,
            "dynamodb": change | {"ApproximateCreationDateTime": float(int(made_at))},
        }
        return _Record(change["SequenceNumber"], made_at, json.dumps(told))

    def _work(self, lane: "queue.SimpleQueue[_Record]") -> None:
        kept: _Record | None = None
        while not self._stopping.is_set():
            batch, kept = self._gather(lane, kept)
            if batch:
                try:
                    self._hand_over(batch)
                except Exception:  # noqa: BLE001 - logged; the lane must live on
                    _LOG.exception("records of %s were not handled", self._mapping.stream_arn)

    def _gather(self, lane: "queue.SimpleQueue[_Record]", kept: _Record | None) -> tuple[list[_Record], _Record | None]:
        """Take a batch from a lane; what no longer fits into it is kept for the next one."""
        batch: list[_Record] = [kept] if kept else []
        size = sum(len(record.text) for record in batch)
        closes_at = time.monotonic() + self._mapping.window_seconds
        while len(batch) < self._mapping.batch_size and not self._stopping.is_set():
            try:
                # Waiting ends now and then, so that the stop is seen.
                wait = max(0.0, closes_at - time.monotonic()) if batch else 0.5
                record = lane.get(timeout=wait) if wait else lane.get_nowait()
            except queue.Empty:
                return batch, None
            if not batch:
                closes_at = time.monotonic() + self._mapping.window_seconds
            elif size + len(record.text) > _MAX_BATCH_BYTES:
                return batch, record
            batch.append(record)
            size += len(record.text) + 1
        return batch, None

    def _hand_over(self, batch: list[_Record]) -> None:
        failures, delay = 0, _FIRST_RETRY_SECONDS
        while batch and not self._stopping.is_set():
            payload = f'{{"Records":[{",".join(record.text for record in batch)}]}}'
            try:
                outcome = self._invoker.invoke(self._mapping.function, payload.encode())
            except NoWorkerError:
                self._stopping.wait(_FIRST_RETRY_SECONDS)
                continue
            done = 0
            if outcome.error is None:
                done = self._done(outcome.payload, batch) if self._mapping.report_failures else len(batch)
            if done:
                failures, delay, batch = 0, _FIRST_RETRY_SECONDS, batch[done:]
            if not batch:
                return
            failures += 1
            if self._given_up(batch, failures):
                self._tell(batch, failures)
                return
            self._stopping.wait(delay)
            delay = min(2 * delay, _LAST_RETRY_SECONDS)

    def _given_up(self, batch: list[_Record], failures: int) -> bool:
        too_often = 0 <= self._mapping.retries < failures
        return too_often or 0 <= self._mapping.max_age_seconds < time.time() - batch[0].made_at

    def _done(self, payload: bytes, batch: list[_Record]) -> int:
        """Tell how many records from the first on are done; an answer that makes no sense fails all, as in Lambda."""
        try:
            answer = json.loads(payload or b"null")
        except ValueError:
            return 0
        failures = answer.get("batchItemFailures") if isinstance(answer, dict) else []
        if not failures:
            return len(batch)
        numbers = [record.number for record in batch]
        try:
            return min(numbers.index(failure["itemIdentifier"]) for failure in failures)
        except (KeyError, TypeError, ValueError):
            return 0

    def _tell(self, batch: list[_Record], failures: int) -> None:
        _LOG.error("%s records of %s are given up", len(batch), self._mapping.stream_arn)
        if self._mapping.on_failure_arn is None:
            return
        letter = {
            "version": "1.0",
            "timestamp": datetime.now(UTC).isoformat(),
            "requestContext": {
                "requestId": str(uuid.uuid4()),
                "functionArn": self._mapping.function,
                "condition": "RetryAttemptsExhausted" if 0 <= self._mapping.retries < failures else "RecordAgeExceeded",
                "approximateInvokeCount": failures,
            },
            "DDBStreamBatchInfo": {
                "startSequenceNumber": batch[0].number,
                "endSequenceNumber": batch[-1].number,
                "batchSize": len(batch),
                "streamArn": self._mapping.stream_arn,
            },
        }
        try:
            self._invoker.send(self._mapping.on_failure_arn, json.dumps(letter), {})
        except (BotoCoreError, ClientError):
            # What comes behind must still be called.
            _LOG.exception("cannot send a dead letter to %s", self._mapping.on_failure_arn)


def _matcher(pattern: dict[str, Any]) -> Callable[[dict[str, Any]], bool]:
    from moto.events.models import EventPattern

    matcher = EventPattern.load(json.dumps(pattern))
    images = {"NewImage", "OldImage"} & pattern.get("dynamodb", {}).keys()

    def matches(record: dict[str, Any]) -> bool:
        # The matcher copies what it is given, and images are large.
        change = {name: record["dynamodb"].get(name) for name in {"Keys", *images}}
        return bool(matcher.matches_event({"eventName": record["eventName"], "dynamodb": change}))

    return matches
