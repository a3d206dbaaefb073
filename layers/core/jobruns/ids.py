"""Run ids: one canonical form, UUID version 7 (RFC 9562), so that text order is time order.

A door's own form of a run id is derived here or looked up through the store; nothing else knows the layout.
"""

import hashlib
import secrets
import uuid
from datetime import UTC, datetime

from jobruns.errors import NotFoundError

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
