"""Run ids: one canonical form, UUID version 7 (RFC 9562), so that text order is time order.

A door's own form of a run id is derived here or looked up through the store; nothing else knows the layout.
"""

import hashlib
import re
import secrets
import uuid
from datetime import UTC, datetime

from jobruns.errors import NotFoundError
from jobruns.run import Run

_JOB_RUN_ID = re.compile(r"jr_([0-9a-f]{32})([0-9a-f]{32})(?:_attempt_([1-9][0-9]{0,3}))?\Z")

_RANDOM_BITS = 74  # 12 bits rand_a and 62 bits rand_b, RFC 9562 section 5.7


def _uuid7(at: datetime, entropy: int) -> str:
    milliseconds = int(at.timestamp() * 1000)
    rand_a, rand_b = entropy >> 62 & 0xFFF, entropy & (1 << 62) - 1
    return str(uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b))


def new_id(at: datetime) -> str:
    """Allot a fresh id.

    Parameters
    ----------
    at : datetime
        The time the id carries, aware.

    Returns
    -------
    str
        A lower-case UUIDv7 with hyphens, 36 characters.
    """
    return _uuid7(at, secrets.randbits(_RANDOM_BITS))


def derived_id(at: datetime, *parts: str) -> str:
    """Derive the id that the same parts always give.

    A use case that may be repeated after a crash (the retry of a failed run, say) allots its id this way, so that
    the repeat finds what the first try made.

    Parameters
    ----------
    at : datetime
        The time the id carries, aware; part of the identity.
    *parts : str
        What the id stands for.

    Returns
    -------
    str
        A lower-case UUIDv7 with hyphens.
    """
    digest = hashlib.sha256("\x00".join(parts).encode()).digest()
    return _uuid7(at, int.from_bytes(digest, "big") & (1 << _RANDOM_BITS) - 1)


def canonical_id(text: str) -> str:
    """Read an id in any spelling of a UUID.

    Raises
    ------
    NotFoundError
        The text is no UUID, so nothing has it as its id.
    """
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise NotFoundError(f"nothing has the id {text[:64]!r}") from None


def id_time(run_id: str) -> datetime:
    """Tell the time an id carries, to the millisecond, UTC."""
    return datetime.fromtimestamp((uuid.UUID(run_id).int >> 80) / 1000, UTC)


def allotted_at(text: str) -> datetime | None:
    """Tell the time an id of ours carries; ``None`` for what is none of ours."""
    try:
        ours = uuid.UUID(text).version == 7
    except ValueError:
        return None
    return id_time(text) if ours else None


def job_run_id(run: Run) -> str:
    """Spell a run's id as AWS Glue spells a job run's: ``jr_`` and 64 hexadecimal digits.

    The first half of the digits is the id itself, the second a digest of it, so that an id somebody made up is none.
    An automatic retry has the id of the run it goes back to with ``_attempt_<n>`` behind it.
    """
    return plain_job_run_id(run.root_run_id) + ("" if run.root_run_id == run.run_id else f"_attempt_{run.attempt - 1}")


def plain_job_run_id(run_id: str) -> str:
    """Spell an id as `job_run_id` does where nothing more is known of the run; it is found by this spelling too."""
    digits = run_id.replace("-", "")
    return f"jr_{digits}{_digest(digits)}"


def previous_job_run_id(run: Run) -> str | None:
    """Spell the id of the run that `run` is a retry of; ``None`` when it is no retry."""
    if run.previous_run_id is None:
        return None
    if run.root_run_id in (run.run_id, run.previous_run_id):
        return plain_job_run_id(run.previous_run_id)
    return f"{plain_job_run_id(run.root_run_id)}_attempt_{run.attempt - 2}"


def read_job_run_id(text: str) -> tuple[str, int | None]:
    """Read what `job_run_id` wrote.

    Returns
    -------
    tuple of str and int or None
        The id of the run and, for an automatic retry of it, the retry's number among its attempts (2 is the first).

    Raises
    ------
    NotFoundError
        No run has this id.
    """
    found = _JOB_RUN_ID.match(text)
    if found is None or _digest(found[1]) != found[2]:
        raise NotFoundError(f"no job run has the id {text[:300]!r}", field="run_id")
    return str(uuid.UUID(found[1])), int(found[3]) + 1 if found[3] else None


def _digest(digits: str) -> str:
    return hashlib.sha256(digits.encode()).hexdigest()[:32]
