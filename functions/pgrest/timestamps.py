"""Points in time as PostgreSQL reads and writes them.

Read are ISO 8601's forms and no others: PostgreSQL would also take ``now``, ``infinity`` or ``Jan 1 2020``.
"""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from pgrest.errors import Code, RefusedError

_TIMESTAMP = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:(?: +|[Tt])(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d*))?)?"
    r"(?: *(?:([Zz])|([+-])(?:(\d{1,2})(?::(\d{2})(?::(\d{2}))?)?|(\d{2})(\d{2}))))?)?",
    re.ASCII,
)
_LOST_PLUS = re.compile(r":\d{2}(?:\.\d*)? \d{2}(?::?\d{2})?$", re.ASCII)
_BLANKS = " \t\n\r\v\f"
_SHOWN = 80  # characters of a text that an error repeats
_MAX_DISPLACEMENT = timedelta(hours=16)  # PostgreSQL's; what is farther is no zone


def find_zone(name: str) -> tzinfo:
    """Give the time zone of that name.

    Raises
    ------
    RefusedError
        There is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; no name at all; the name of a directory of zones
        raise RefusedError(Code.PARAMETER, f'invalid value for parameter "TimeZone": "{name}"') from None


def parse_timestamp(text: str, zone: tzinfo = UTC) -> datetime:
    """Read a point in time; `zone` is that of a text that names none.

    Returns
    -------
    datetime
        In UTC, to the microsecond.

    Raises
    ------
    RefusedError
        The text is no timestamp, or there is no such day, hour or zone.
    """
    day, time, ahead = _read_parts(text)
    try:
        local = day + time
        return (local - (_displacement(local, zone) if ahead is None else ahead)).replace(tzinfo=UTC)
    except OverflowError:
        raise _no_such_moment(text) from None


def parse_date(text: str) -> date:
    """Read the day of a point in time, as it is written: the zone behind it does not move it.

    Raises
    ------
    RefusedError
        The text is no timestamp, or there is no such day, hour or zone.
    """
    return _read_parts(text)[0].date()


def _read_parts(text: str) -> tuple[datetime, timedelta, timedelta | None]:
    """Read the day, the time of the day, and how far ahead of UTC the clock is, ``None`` where that is not said."""
    match = _TIMESTAMP.fullmatch(text.strip(_BLANKS))
    if match is None:
        raise RefusedError(
            Code.BAD_TIMESTAMP,
            f'invalid input syntax for type timestamp with time zone: "{text[:_SHOWN]}"',
            hint="In a query string a plus is a blank: write it as %2B." if _LOST_PLUS.search(text) else None,
        )
    # What is wrong with the time is told before what is wrong with the zone, and that before the day, as in PostgreSQL.
    time = _read_time(match)
    ahead = _read_displacement(match)
    try:
        year, month, day = (int(number) for number in match.group(1, 2, 3))
        return datetime(year, month, day), time, ahead  # noqa: DTZ001 the zone comes later
    except ValueError:
        raise _no_such_moment(text) from None


def _read_time(match: re.Match[str]) -> timedelta:
    hour, minute, second = (int(number or 0) for number in match.group(4, 5, 6))
    microseconds = round(float(f"0.{match[7] or 0}") * 1_000_000)
    # A leap second, and midnight as the end of a day, are read as the moment after.
    if minute > 59 or second > 60 or hour > 24 or (hour == 24 and (minute or second or microseconds)):
        raise _no_such_moment(match[0])
    return timedelta(hours=hour, minutes=minute, seconds=second, microseconds=microseconds)


def _read_displacement(match: re.Match[str]) -> timedelta | None:
    """Read how far ahead of UTC the clock is; ``None`` where that is not said."""
    if match[8]:
        return timedelta()
    if match[9] is None:
        return None
    hours, minutes, seconds = (
        int(number or 0) for number in (match[10] or match[13], match[11] or match[14], match[12])
    )
    ahead = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if ahead >= _MAX_DISPLACEMENT or minutes > 59 or seconds > 59:
        raise RefusedError(Code.ZONE_DISPLACEMENT, f'time zone displacement out of range: "{match[0][:_SHOWN]}"')
    return ahead if match[9] == "+" else -ahead


def _displacement(local: datetime, zone: tzinfo) -> timedelta:
    """Tell how far ahead of UTC a clock of a zone is that shows `local`.

    The earlier of two moments that are possible is that of summer time; PostgreSQL takes the other one, and where the
    clock jumps over an hour, the one before the jump. Both are the lesser displacement.
    """
    return min(local.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))


def _no_such_moment(text: str) -> RefusedError:
    return RefusedError(Code.DATE_FIELD, f'date/time field value out of range: "{text[:_SHOWN]}"')


def show_local(moment: datetime, zone: tzinfo) -> datetime:
    """Give a moment as the clock of a zone shows it; in UTC where the calendar ends before."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.astimezone(UTC)


def write_json(moment: datetime, zone: tzinfo) -> str:
    """Write a moment as JSON has it: ``2018-06-17T17:18:53.6+00:00``."""
    iso = show_local(moment, zone).isoformat(timespec="microseconds")
    return iso[:19] + iso[19:26].rstrip("0").rstrip(".") + iso[26:]


def write_text(moment: datetime, zone: tzinfo) -> str:
    """Write a moment as a cast to text does: ``2018-06-17 17:18:53.6+00``."""
    written = write_json(moment, zone).replace("T", " ")
    return written.removesuffix(":00") if written[-6] in "+-" else written


def write_date(moment: datetime, zone: tzinfo) -> str:
    """Write the day of a moment."""
    return show_local(moment, zone).date().isoformat()
