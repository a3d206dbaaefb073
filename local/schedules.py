"""Calls what is due, functions and queues: by EventBridge Scheduler's schedules, and by rules of the template.

What the emulated EventBridge Scheduler has stored is looked at four times a second, so that a schedule that a function
makes, changes, disables or deletes is followed as one of the template is. Facts are from "Schedule types", "Adding
context attributes" and "Configuring a dead-letter queue" in the EventBridge Scheduler user guide.

The clock is the machine's until a test sets it forward. An occurrence that is found late is made up for once, however
many were missed: neither a test that goes a day ahead nor a laptop that slept is to call a function a thousand times.
"""

import json
import logging
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from jobruns.schedule import Rate, read_schedule
from local.errors import TemplateError
from local.intrinsics import REGION
from local.invoke import Invoker, PayloadTooLargeError, UnknownFunctionError

_LOG = logging.getLogger(__name__)

_LOOK_SECONDS = 0.25
_AT = re.compile(r"at\(([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\)")
_PRECISION = timedelta(minutes=1)
"""EventBridge Scheduler's: what is due within it is still done."""


def check_expression(text: str) -> None:
    """Check an expression of EventBridge Scheduler.

    Raises
    ------
    ValueError
        It is neither ``at(...)``, ``rate(...)`` nor ``cron(...)``, or cannot be read.
    """
    if _moment(text) is None:
        read_schedule(text)


def _moment(text: str) -> datetime | None:
    found = _AT.fullmatch(text)
    return None if found is None else datetime.fromisoformat(found[1]).replace(tzinfo=UTC)


@dataclass(frozen=True)
class _Schedule:
    """One schedule as it is now.

    Parameters
    ----------
    key : tuple
        Who it is and all that decides when it is due; another key is another schedule.
    expression : str
        When it is due.
    start, end : datetime or None
        It is due from `start` on and before `end`.
    call : callable
        Called with the moment at which it was due.
    complete : callable
        Called once it will never be due again.
    """

    key: tuple[Any, ...]
    expression: str
    start: datetime | None
    end: datetime | None
    call: Callable[[datetime], None]
    complete: Callable[[], None]

    def first_due(self, now: datetime) -> datetime | None:
        """Tell when a schedule that was not there before is due."""
        start = max(now, self.start) if self.start is not None else now
        if (moment := _moment(self.expression)) is not None:
            # A schedule for one moment has neither start nor end, and none for a moment that is over.
            return moment if moment > now - _PRECISION else None
        schedule = read_schedule(self.expression)
        if isinstance(schedule, Rate):
            return self._before_end(start)
        return self._before_end(schedule.next_after(start - timedelta.resolution))

    def due_after(self, due: datetime, now: datetime) -> datetime | None:
        """Tell when it is due again, once what was due has been done."""
        if _moment(self.expression) is not None:
            return None
        schedule = read_schedule(self.expression)
        if isinstance(schedule, Rate):
            return self._before_end(due + schedule.period * ((now - due) // schedule.period + 1))
        return self._before_end(schedule.next_after(now))

    def _before_end(self, moment: datetime | None) -> datetime | None:
        return moment if moment is not None and (self.end is None or moment < self.end) else None


class Schedules:
    """The schedules of one emulated account.

    Parameters
    ----------
    account : str
        Its id.
    invoker : Invoker
        Runs functions, and knows where dead letters go.
    """

    def __init__(self, account: str, invoker: Invoker) -> None:
        self._account = account
        self._invoker = invoker
        self._rules: list[_Schedule] = []
        self._due: dict[tuple[Any, ...], datetime | None] = {}
        self._ahead = timedelta()
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def now(self) -> datetime:
        """Give the time that decides what is due."""
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> int:
        """Set the clock forward and call what is due then, each schedule once however long the time.

        Only what is due follows this clock; the functions that are called have the machine's.

        Returns
        -------
        int
            How many schedules were due, now or then. Their functions are called asynchronously, as always.

        Raises
        ------
        ValueError
            `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError("the clock is not set back")
        # What has been made just now is due from now on, not from then on.
        called = self._look()
        with self._lock:
            self._ahead += timedelta(seconds=seconds)
        return called + self._look()

    def add_rule(self, logical_id: str, rule_arn: str, expression: str, targets: list[dict[str, Any]]) -> None:
        """Add a rule of the template that has a schedule.

        Raises
        ------
        TemplateError
            The expression cannot be read.
        """
        try:
            read_schedule(expression)
        except ValueError as error:
            raise TemplateError(f"{logical_id} of template.yaml cannot be run: {error}") from error

        def call(due_at: datetime) -> None:
            event = json.dumps(self._event("aws.events", {}, rule_arn, due_at))
            for target in targets:
                self._invoke(target, target.get("Input", event), {})

        self._rules.append(_Schedule((rule_arn,), expression, None, None, call, lambda: None))

    def start(self) -> None:
        """Begin to call."""
        threading.Thread(target=self._run, name="schedules", daemon=True).start()

    def stop(self) -> None:
        """Call no more."""
        self._stopping.set()

    def _run(self) -> None:
        while True:
            self._look()
            if self._stopping.wait(_LOOK_SECONDS):
                return

    def _look(self) -> int:
        """Call what is due; how many schedules were."""
        called = 0
        with self._lock:
            now, due, before = self.now(), dict[tuple[Any, ...], datetime | None](), self._due
            for schedule in (*self._rules, *self._stored()):
                due_at = before[schedule.key] if schedule.key in before else schedule.first_due(now)
                if due_at is not None and due_at <= now and not self._stopping.is_set():
                    called += 1
                    schedule.call(due_at)
                    due_at = schedule.due_after(due_at, now)
                    if due_at is None:
                        schedule.complete()
                due[schedule.key] = due_at
            self._due = due
        return called

    def _stored(self) -> Iterator[_Schedule]:
        from moto.scheduler.models import scheduler_backends

        for group in list(scheduler_backends[self._account][REGION].schedule_groups.values()):
            for schedule in list(group.schedules.values()):
                if schedule.state == "ENABLED":
                    yield self._described(group, schedule)

    def _described(self, group: Any, schedule: Any) -> _Schedule:
        def call(due_at: datetime) -> None:
            self._call(schedule, due_at)

        def complete() -> None:
            if schedule.action_after_completion == "DELETE":
                group.schedules.pop(schedule.name, None)

        expression, start, end = schedule.schedule_expression, schedule.start_date, schedule.end_date
        key = (schedule.arn, schedule.creation_date, expression, start, end)
        return _Schedule(key, expression, _from_epoch(start), _from_epoch(end), call, complete)

    def _call(self, schedule: Any, due_at: datetime) -> None:
        event = self._event("aws.scheduler", "{}", schedule.arn, due_at)
        payload = schedule.target.get("Input") or json.dumps(event)
        for name, value in (
            ("scheduled-time", f"{due_at:%Y-%m-%dT%H:%M:%SZ}"),
            ("schedule-arn", schedule.arn),
            ("execution-id", uuid.uuid4().hex[:16]),
            # An event that Lambda has taken is Lambda's to try again.
            ("attempt-number", "1"),
        ):
            payload = payload.replace(f"<aws.scheduler.{name}>", value)
        self._invoke(
            schedule.target,
            payload,
            {
                "X-Amz-Scheduler-Attempt": "1",
                "X-Amz-Scheduler-Schedule-Arn": schedule.arn,
                "X-Amz-Scheduler-Target-Arn": schedule.target["Arn"],
                "X-Amz-Scheduler-Group": schedule.group_name,
            },
        )

    def _event(self, source: str, detail: Any, resource: str, due_at: datetime) -> dict[str, Any]:
        """Make the event that a target gets for which no input is given."""
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": source,
            "account": self._account,
            "time": f"{due_at:%Y-%m-%dT%H:%M:%SZ}",
            "region": REGION,
            "resources": [resource],
            "detail": detail,
        }

    def _invoke(self, target: dict[str, Any], payload: str, attributes: dict[str, str]) -> None:
        try:
            if ":sqs:" in target["Arn"]:
                self._invoker.send(target["Arn"], payload, {})
            else:
                self._invoker.submit(target["Arn"], payload.encode())
        except UnknownFunctionError:
            message = "only functions and queues are targets here"
            self._refused(target, payload, attributes, "ResourceNotFoundException", message)
        except (BotoCoreError, ClientError) as error:
            self._refused(target, payload, attributes, "AWS.SimpleQueueService.NonExistentQueue", str(error))
        except PayloadTooLargeError as error:
            self._refused(target, payload, attributes, "RequestTooLargeException", str(error))

    def _refused(
        self, target: dict[str, Any], payload: str, attributes: dict[str, str], code: str, message: str
    ) -> None:
        """Put an event that could not be delivered where it is to go; to try again would not help any of these."""
        _LOG.warning("nothing is sent to %s: %s, %s", target["Arn"], code, message)
        queue_arn = target.get("DeadLetterConfig", {}).get("Arn")
        if queue_arn is None:
            return
        told = {"X-Amz-Scheduler-Error-Code": code, "X-Amz-Scheduler-Error-Message": message}
        try:
            self._invoker.send(queue_arn, payload, attributes | told)
        except (BotoCoreError, ClientError):
            # The other schedules must still be called.
            _LOG.exception("cannot send a dead letter to %s", queue_arn)


def _from_epoch(seconds: Any) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(float(seconds), UTC)
