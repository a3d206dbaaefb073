"""Use case of deliveries: try those whose messages came, and have those that nobody took tried again.

Messages come at least once, and several may ask for the same attempt. The argument why each delivery ends, and is not
tried by two at once:

* A message names an attempt. The delivery counts those that are over. A message for one of them is dropped, and one
  for a later attempt than the next comes again. The next one is tried by who gets the lease, a conditional write.
* Who fails asks for the attempt after it first, and writes down the failure then. If it dies between the two its own
  message comes again, once the lease is over, and the attempt is made anew: receivers know what is told by its id.
* The end is written last, too: what nobody took is in the dead-letter queue before its delivery says that it is dead.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from aws_lambda_powertools import Logger

from jobruns.delivery import (
    LEASE_SECONDS,
    Attempt,
    Delivery,
    DeliveryState,
    next_wait,
    read_retry_after,
)
from jobruns.endpoint import Endpoint
from jobruns.errors import InvalidInputError, JobrunsError, NotFoundError, UnavailableError
from jobruns.outbound import Reply
from jobruns.service.endpoint_records import find_by_id, note
from jobruns.service.endpoint_secrets import signing_secrets
from jobruns.service.event_ports import DeliveryMessage, EventPorts, Letter, Scribe

SENDERS = 10
"""Deliveries that one process tries at a time: a batch of the queue."""

EARLY_SECONDS = 2.0
"""A message that comes this much too early is as good as in time."""

GONE = 410
BECAUSE_GONE = "it answered 410 Gone"

_PROBLEMS = (JobrunsError, KeyError, TypeError, ValueError)
"""What one delivery may fail by without failing those beside it: what is written down may be none of ours."""

logger = Logger(child=True)


@dataclass(slots=True)
class Tried:
    """What became of a batch: counts, and the places of messages that must come again."""

    delivered: int = 0
    failed: int = 0
    dead: int = 0
    dropped: int = 0
    again: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Task:
    place: int
    delivery: Delivery
    endpoint: Endpoint
    letters: Sequence[Letter]
    secrets: tuple[str, ...]
    known: bool


@dataclass(frozen=True, slots=True)
class _Result:
    seconds: float
    reply: Reply | None = None
    problem: str | None = None

    @property
    def taken(self) -> bool:
        return self.reply is not None and 200 <= self.reply.status < 300


def deliver(ports: EventPorts, scribe: Scribe, messages: Sequence[DeliveryMessage]) -> Tried:
    """Try the deliveries that messages ask for, all at a time.

    Only what is sent is sent by threads; the ledger is asked and told by this one.
    """
    tried = Tried()
    found = ports.deliveries.many((one.org, one.endpoint_id, one.delivery_id) for one in messages)
    desk = _Desk(ports, scribe)
    tasks: list[_Task] = []
    begun: set[str] = set()
    for place, message in enumerate(messages):
        try:
            # What is asked for twice in a batch is tried once.
            repeated = message.delivery_id in begun
            delivery = None if repeated else _wanted(ports, message, found.get(message.delivery_id))
            if delivery is None:
                tried.dropped += 1
                continue
            begun.add(delivery.delivery_id)
            task = desk.prepare(place, delivery)
        except _PROBLEMS as error:
            _come_again(tried, place, message.delivery_id, error)
            continue
        if task is None:
            tried.dropped += 1
        else:
            tasks.append(task)
    _send_all(ports, scribe, tasks, tried)
    return tried


def _wanted(ports: EventPorts, message: DeliveryMessage, delivery: Delivery | None) -> Delivery | None:
    """Give the delivery if it is to be tried now, leased; ``None`` for a message that asks for nothing any more."""
    now = ports.clock()
    if delivery is None:
        return None
    if message.buried and delivery.state is not DeliveryState.DELIVERED and not delivery.leased(now):
        # Somebody redrives the dead letters.
        again = delivery.reopened(now)
        if not ports.deliveries.reopen(again, now):
            raise UnavailableError("the delivery is being tried")
        delivery = again
    elif delivery.state is not DeliveryState.PENDING or message.attempt <= delivery.attempts:
        return None
    elif message.due_at is not None and message.due_at > now + timedelta(seconds=EARLY_SECONDS):
        ports.queue.send_later(message, now)
        return None
    elif message.attempt > delivery.attempts + 1:
        raise UnavailableError("the attempt before is not over")
    if not ports.deliveries.lease(delivery, now, now + timedelta(seconds=LEASE_SECONDS)):
        raise UnavailableError("the delivery is being tried")
    return delivery


class _Desk:
    """Prepares what is sent; endpoints and secrets are read once for a batch."""

    def __init__(self, ports: EventPorts, scribe: Scribe) -> None:
        self._ports = ports
        self._scribe = scribe
        self._endpoints: dict[tuple[str, str], Endpoint | None] = {}
        self._secrets: dict[tuple[str, str], tuple[tuple[str, ...], bool]] = {}

    def prepare(self, place: int, delivery: Delivery) -> _Task | None:
        """Write what is sent; where there is nothing to send the delivery ends here."""
        key = (delivery.org, delivery.endpoint_id)
        if key not in self._endpoints:
            self._endpoints[key] = find_by_id(self._ports, *key)
        endpoint = self._endpoints[key]
        if endpoint is None or not endpoint.enabled:
            self._skip(delivery, "the endpoint is gone" if endpoint is None else str(endpoint.disabled_because))
            return None
        try:
            letters = self._write(endpoint, delivery)
        except NotFoundError:
            self._skip(delivery, "what was to be told is not kept any more")
            return None
        if not letters:
            self._skip(delivery, f"it is nothing that is told as {endpoint.format}")
            return None
        if key not in self._secrets:
            self._secrets[key] = signing_secrets(self._ports, endpoint)
        secrets, known = self._secrets[key]
        return _Task(place, delivery, endpoint, letters, secrets, known)

    def _write(self, endpoint: Endpoint, delivery: Delivery) -> Sequence[Letter]:
        if delivery.document is None:
            return self._scribe.write_ping(endpoint, delivery)
        return self._scribe.write(self._ports.files.get_json(delivery.document), endpoint.format)

    def _skip(self, delivery: Delivery, reason: str) -> None:
        attempt = Attempt(number=delivery.attempts + 1, at=self._ports.clock(), problem=reason)
        self._ports.deliveries.conclude(delivery.tried(attempt, DeliveryState.SKIPPED, reason))


def _send_all(ports: EventPorts, scribe: Scribe, tasks: Sequence[_Task], tried: Tried) -> None:
    if not tasks:
        return
    with ThreadPoolExecutor(min(SENDERS, len(tasks))) as senders:
        sent: dict[Future[_Result], _Task] = {senders.submit(_send, ports, scribe, task): task for task in tasks}
        for future in as_completed(sent):
            task = sent[future]
            try:
                _conclude(ports, task, future.result(), tried)
            except _PROBLEMS as error:
                _come_again(tried, task.place, task.delivery.delivery_id, error)


def _send(ports: EventPorts, scribe: Scribe, task: _Task) -> _Result:
    began = monotonic()
    result = _Result(0.0, problem="nothing was sent")
    for letter in task.letters:
        headers = {
            "Content-Type": letter.content_type,
            **scribe.sign(letter, task.secrets, ports.clock(), known=task.known),
        }
        try:
            reply = ports.post(task.endpoint.url, headers, letter.body)
        except (UnavailableError, InvalidInputError) as error:
            return _Result(monotonic() - began, problem=error.message)
        result = _Result(monotonic() - began, reply)
        if not result.taken:
            break
    return result


def _conclude(ports: EventPorts, task: _Task, result: _Result, tried: Tried) -> None:
    """Write down how an attempt went, after asking for the next one where there is to be one."""
    now, delivery, reply = ports.clock(), task.delivery, result.reply
    attempt = Attempt(
        number=delivery.attempts + 1,
        at=now,
        seconds=round(result.seconds, 3),
        status=reply.status if reply else None,
        problem=result.problem,
        answer=reply.excerpt[:200] if reply and not result.taken else "",
    )
    if result.taken:
        tried.delivered += 1
        ports.deliveries.conclude(delivery.tried(attempt, DeliveryState.DELIVERED))
        if task.endpoint.failing_since is not None:
            note(ports, task.endpoint, lambda _, was: {"failing_since": None} if was.failing_since else {})
        return
    if reply is not None and reply.status == GONE:
        tried.dead += 1
        note(ports, task.endpoint, _gone)
        ports.deliveries.conclude(delivery.tried(attempt, DeliveryState.SKIPPED, BECAUSE_GONE))
        return
    if delivery.document is None:
        # A ping is tried while somebody looks.
        tried.dead += 1
        ports.deliveries.conclude(delivery.tried(attempt, DeliveryState.DEAD, "it was not taken"))
        return
    wait = next_wait(
        attempt.number - delivery.tried_from,
        ports.jitter(),
        read_retry_after(reply.retry_after, now) if reply else None,
    )
    if wait is None:
        tried.dead += 1
        _bury(ports, task.endpoint, delivery.tried(attempt, DeliveryState.DEAD, "no try was taken"))
        return
    tried.failed += 1
    due_at = now + timedelta(seconds=wait)
    after = delivery.tried(attempt.model_copy(update={"next_at": due_at}), DeliveryState.PENDING)
    ports.queue.send_later(DeliveryMessage.next_of(after, due_at), now)
    ports.deliveries.conclude(after)


def _bury(ports: EventPorts, endpoint: Endpoint, delivery: Delivery) -> None:
    message = DeliveryMessage.next_of(delivery).model_copy(update={"buried": True})
    told: dict[str, Any] = {
        "endpoint": endpoint.name,
        "announcement_id": delivery.announcement_id,
        "job": delivery.job,
        "run_id": delivery.run_id,
        "sequence": delivery.sequence,
        "status": delivery.status,
        "log": [attempt.model_dump(mode="json", exclude_defaults=True) for attempt in delivery.log],
    }
    ports.queue.bury(message, told)
    ports.deliveries.conclude(delivery)
    note(ports, endpoint, lambda now, was: {} if was.failing_since else {"failing_since": now})
    logger.error("nobody took a delivery", extra={"delivery": delivery.delivery_id, "endpoint": endpoint.endpoint_id})


def _come_again(tried: Tried, place: int, delivery_id: str, error: Exception) -> None:
    logger.warning("a delivery comes again", extra={"delivery": delivery_id, "reason": str(error)})
    tried.again.add(place)


def _gone(now: datetime, was: Endpoint) -> Mapping[str, Any]:
    return {"disabled_at": now, "disabled_because": BECAUSE_GONE} if was.enabled else {}
