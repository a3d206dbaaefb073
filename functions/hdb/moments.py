"""Points in time: ISO 8601 as requests have them, milliseconds as answers do."""

import re
from datetime import UTC, datetime, timedelta

_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}(?::\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)?)(Z|z|[+-]\d{2}(?::?\d{2})?)?)?", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_MOMENT = datetime.min.replace(tzinfo=UTC)
"""Stands for a moment that could not be read."""

_MICROSECOND = timedelta(microseconds=1)


def parse_moment(text: str) -> datetime:
    """Read a day, or a day and a time with or without a zone; without one it is UTC.

    Raises
    ------
    ValueError
        The text is something else, or there is no such day or time.
    """
    match = _ISO.fullmatch(text)
    if match is None:
        raise ValueError("it is not in ISO 8601's form")
    day, time, zone = match.groups()
    moment = datetime.fromisoformat(f"{day}T{(time or '00').replace(',', '.')}{(zone or 'Z').upper()}")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("it is outside of the calendar") from None


def write_milliseconds(moment: datetime) -> int:
    """Write a moment as whole milliseconds since 1970, as jobs have it."""
    return _microseconds(moment) // 1000


def write_fraction(moment: datetime) -> int | float:
    """Write a moment as milliseconds since 1970 with what is left of microseconds, as rows have it."""
    microseconds = _microseconds(moment)
    return microseconds / 1000 if microseconds % 1000 else microseconds // 1000


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
