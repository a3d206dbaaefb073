"""Deliveries: one thing that is told to one endpoint, every try of it, and when the next one is due.

Tries are counted from the last time somebody asked for the delivery; numbers of attempts only rise.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum, unique
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict

from jobruns.announcement import Announcement
from jobruns.ids import derived_id

RETRY_SECONDS = (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""How long each try waits for after the one before: ten of them, over three days."""

MAX_TRIES = len(RETRY_SECONDS)
JITTER = 0.2
"""By which part of itself a wait is made longer or shorter: what failed together does not come back together."""

MAX_RETRY_AFTER_SECONDS = 86400
"""What an endpoint may ask for; longer than the longest wait would be an end."""

KEPT_ATTEMPTS = 30
KEPT_DAYS = 30

LEASE_SECONDS = 90
"""For so long a delivery is left to who tries it: longer than a function runs that does."""

PING = "ping"
"""Status of a delivery that only tries an endpoint."""


@unique
class DeliveryState(StrEnum):
    """How a delivery stands."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"
    SKIPPED = "SKIPPED"


class Attempt(BaseModel):
    """One try of a delivery: what was answered, or why nothing was, and when the next one is due."""

    model_config = ConfigDict(frozen=True)

    number: int
    at: AwareDatetime
    seconds: float = 0.0
    status: int | None = None
    problem: str | None = None
    answer: str = ""
    next_at: AwareDatetime | None = None


class Delivery(BaseModel):
    """Something told to an endpoint.

    ``announcement_id`` is the same for every endpoint that is told the same, however often. ``attempts`` are those
    that are over, ``tried_from`` how many there were when somebody last asked for it. ``document`` is where it is
    written down; without one it is a ping. ``leased_until`` says that somebody is trying. ``reason`` is why it is not
    told. At ``expires_at`` the ledger forgets it.
    """

    model_config = ConfigDict(frozen=True)

    delivery_id: str
    org: str
    endpoint_id: str
    announcement_id: str
    job: str | None = None
    run_id: str | None = None
    sequence: int = 0
    status: str
    document: str | None = None
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    tried_from: int = 0
    log: tuple[Attempt, ...] = ()
    reason: str | None = None
    due_at: AwareDatetime | None = None
    leased_until: AwareDatetime | None = None
    created_at: AwareDatetime
    modified_at: AwareDatetime
    expires_at: AwareDatetime

    @classmethod
    def new(cls, now: datetime, **fields: Any) -> Self:
        """Make a delivery that is due now, and is forgotten when none of that time is."""
        times = {"due_at": now, "created_at": now, "modified_at": now, "expires_at": now + timedelta(days=KEPT_DAYS)}
        return cls(**times, **fields)

    @classmethod
    def of(cls, told: Announcement, endpoint_id: str, now: datetime) -> Self:
        """Make the delivery of something to an endpoint; its id is the same however often it is made."""
        return cls.new(
            now,
            delivery_id=derived_id(told.at, "delivery", endpoint_id, told.announcement_id),
            org=told.org,
            endpoint_id=endpoint_id,
            announcement_id=told.announcement_id,
            job=told.job,
            run_id=told.run_id,
            sequence=told.sequence,
            status=told.status,
            document=told.document,
        )

    def leased(self, now: datetime) -> bool:
        """Whether somebody is trying it."""
        return self.leased_until is not None and now < self.leased_until

    def tried(self, attempt: Attempt, state: DeliveryState, reason: str | None = None) -> Self:
        """Give it as it is after a try."""
        changes: Mapping[str, Any] = {
            "state": state,
            "attempts": attempt.number,
            "log": (*self.log, attempt)[-KEPT_ATTEMPTS:],
            "reason": reason,
            "due_at": attempt.next_at,
            "leased_until": None,
            "modified_at": attempt.at,
        }
        return self.model_copy(update=changes)

    def reopened(self, now: datetime) -> Self:
        """Give it as it is once somebody asked for it again."""
        changes = {
            "state": DeliveryState.PENDING,
            "tried_from": self.attempts,
            "reason": None,
            "due_at": now,
            "modified_at": now,
            "expires_at": now + timedelta(days=KEPT_DAYS),
        }
        return self.model_copy(update=changes)


def next_wait(tries: int, jitter: float, retry_after: float | None = None) -> float | None:
    """Say how many seconds a delivery waits after so many tries that failed.

    Parameters
    ----------
    tries : int
        At least 1.
    jitter : float
        From -1 to 1.
    retry_after : float, optional
        What the endpoint asked for: no try comes sooner.

    Returns
    -------
    float or None
        ``None`` when there is no further one.
    """
    if tries >= MAX_TRIES:
        return None
    wait = RETRY_SECONDS[tries] * (1 + JITTER * jitter)
    return max(wait, min(retry_after, MAX_RETRY_AFTER_SECONDS)) if retry_after is not None else wait


def read_retry_after(text: str | None, now: datetime) -> float | None:
    """Read the header ``Retry-After``, seconds or a date, as seconds from now; ``None`` for what is neither.

    See https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3.
    """
    if text is None or len(text) > 100:
        return None
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return float(min(int(text), MAX_RETRY_AFTER_SECONDS))
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max((at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds(), 0.0)
