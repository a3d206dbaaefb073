"""Endpoints: addresses that are told what becomes of runs, and which part of it each wants to hear."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum, unique
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from jobruns.announcement import Announcement
from jobruns.errors import InvalidInputError

MAX_ENDPOINTS = 100
"""Of an org. All of them are looked at for each thing that is told."""

MAX_QUIET_SECONDS = 7 * 86400
MAX_NAME_CHARACTERS = 256
MAX_WORDS = 50
MAX_SECRET_CHARACTERS = 512
MIN_SECRET_CHARACTERS = 8

SECRET_PREFIX = "whsec_"  # noqa: S105 - how Standard Webhooks spells secrets
MIN_KEY_BYTES = 24
MAX_KEY_BYTES = 64

_VISIBLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@unique
class Topic(StrEnum):
    """What an endpoint may ask for in place of everything."""

    FAILURES = "failures"
    RECOVERIES = "recoveries"
    OVERDUE = "overdue"


class Selection(BaseModel):
    """What somebody wants to hear.

    Parameters
    ----------
    kinds : frozenset of str
        Kinds of subscriptions; none is all.
    statuses : frozenset of str
        Only these, and each only when it is reached; none is all.
    only : frozenset of Topic
        Only what is about one of these; none is all. A recovery is a job's first success after a failure.
    quiet_seconds : int
        For so long an end like the last one that was told of the same job is not told again, nor another delay.
    jobs_prefix : str
        Only runs of jobs whose names begin so.
    """

    model_config = ConfigDict(frozen=True)

    kinds: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    only: frozenset[Topic] = frozenset()
    quiet_seconds: int = 0
    jobs_prefix: str = ""

    def takes(self, told: Announcement, recovered: Callable[[], bool]) -> bool:
        """Tell whether something is to be heard; quiet is not kept here.

        Parameters
        ----------
        told : Announcement
            What.
        recovered : callable
            Finds out whether the job's run before this one failed; asked for a success only, and only if it matters.
        """
        if not told.job.startswith(self.jobs_prefix):
            return False
        if self.asks_for(told):
            return True
        if self.kinds and not self.kinds & told.kinds:
            return False
        if self.statuses and not (told.step and told.status in self.statuses):
            return False
        return not self.only or self._is_about(told, recovered)

    def asks_for(self, told: Announcement) -> bool:
        """Tell whether this is about something late, and that was asked for: it is no step, and of no kind."""
        return told.overdue and Topic.OVERDUE in self.only

    def _is_about(self, told: Announcement, recovered: Callable[[], bool]) -> bool:
        if told.failed:
            return Topic.FAILURES in self.only
        return told.succeeded and Topic.RECOVERIES in self.only and recovered()

    def check(self) -> Self:
        """Let it pass if it is one that can be kept.

        Raises
        ------
        InvalidInputError
            It is not; the field says where.
        """
        for name in ("kinds", "statuses"):
            words: frozenset[str] = getattr(self, name)
            if len(words) > MAX_WORDS or not all(_WORD.fullmatch(word) for word in words):
                raise InvalidInputError(
                    f"{name} are at most {MAX_WORDS} words of letters, digits, dots, dashes and underscores", field=name
                )
        if not 0 <= self.quiet_seconds <= MAX_QUIET_SECONDS:
            raise InvalidInputError(f"quiet is kept for 0 to {MAX_QUIET_SECONDS} seconds", field="quiet_seconds")
        if len(self.jobs_prefix) > MAX_NAME_CHARACTERS:
            raise InvalidInputError(
                f"the beginning of a job's name has at most {MAX_NAME_CHARACTERS} characters", field="jobs_prefix"
            )
        return self


class Endpoint(BaseModel):
    """An address that is told things.

    ``name`` is unique in the org. ``stands_back`` says that a run whose caller named another endpoint is not told
    here. A secret of its own (``own_secret``) was given by somebody; all others are derived, and ``shown`` says
    whether anybody has been told it. ``generation`` counts the secrets; the one before signs too until
    ``previous_until``. ``signs_as`` is the endpoint whose secrets sign in place of its own. ``failing_since`` is set
    once something could not be told for good, and until something is told again. One that callers named for single
    runs is forgotten some time after ``expires_at``, unless it is named again.
    """

    model_config = ConfigDict(frozen=True)

    endpoint_id: str
    org: str
    name: str
    url: str
    format: str
    selection: Selection = Field(default_factory=Selection)
    stands_back: bool = False
    salt: str
    own_secret: bool = False
    shown: bool = True
    generation: int = 1
    previous_until: AwareDatetime | None = None
    signs_as: str | None = None
    failing_since: AwareDatetime | None = None
    disabled_at: AwareDatetime | None = None
    disabled_because: str | None = None
    version: int = 1
    created_at: AwareDatetime
    modified_at: AwareDatetime
    expires_at: AwareDatetime | None = None

    @property
    def enabled(self) -> bool:
        """Whether anything is told here."""
        return self.disabled_at is None

    def generations(self, now: datetime) -> tuple[int, ...]:
        """Give the generations of the secrets that sign now, the newest first."""
        if self.generation > 1 and self.previous_until is not None and now < self.previous_until:
            return self.generation, self.generation - 1
        return (self.generation,)

    def amended(self, at: datetime, **changes: Any) -> Self:
        """Make the next version, with `changes` to its fields."""
        return self.model_copy(update={**changes, "version": self.version + 1, "modified_at": at})


def derive_secret(master: str, endpoint: Endpoint, generation: int) -> str:
    """Derive a secret of an endpoint, as Standard Webhooks spells one.

    Parameters
    ----------
    master : str
        The stack's master secret of webhooks.
    endpoint : Endpoint
        Whose. One that is made again under the same name has another salt and so other secrets.
    generation : int
        Which of its secrets.
    """
    parts = ("webhook", endpoint.org, endpoint.endpoint_id, endpoint.salt, str(generation))
    digest = hmac.new(master.encode(), "\x00".join(parts).encode(), hashlib.sha256).digest()
    return SECRET_PREFIX + base64.b64encode(digest).decode()


def check_secret(secret: str) -> str:
    """Let a secret pass that somebody may give.

    Raises
    ------
    InvalidInputError
        It is too short or too long, or says that it is one of Standard Webhooks and is none.
    """
    if not MIN_SECRET_CHARACTERS <= len(secret) <= MAX_SECRET_CHARACTERS or not _VISIBLE.fullmatch(secret):
        raise InvalidInputError(
            f"a secret has {MIN_SECRET_CHARACTERS} to {MAX_SECRET_CHARACTERS} visible characters of ASCII",
            field="secret",
        )
    if secret.startswith(SECRET_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
        except ValueError:
            key = b""
        if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
            raise InvalidInputError(
                f"{SECRET_PREFIX} is followed by {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes in base64", field="secret"
            )
    return secret


def check_name(name: str) -> str:
    """Let a name pass that an endpoint may have.

    Raises
    ------
    InvalidInputError
        It is not 1 to 256 visible characters.
    """
    if len(name) > MAX_NAME_CHARACTERS or not _VISIBLE.fullmatch(name):
        raise InvalidInputError(
            f"an endpoint is named by 1 to {MAX_NAME_CHARACTERS} visible characters of ASCII", field="name"
        )
    return name


def check_format(name: str) -> str:
    """Let the name of a format pass, whichever formats there are.

    Raises
    ------
    InvalidInputError
        It is no word.
    """
    if not _WORD.fullmatch(name):
        raise InvalidInputError("a format is named by one word", field="format")
    return name
