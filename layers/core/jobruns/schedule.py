"""When a schedule is due: ``cron(...)`` and ``rate(...)`` expressions as AWS writes them, in UTC.

The grammar is that of "Time-based schedules for jobs and crawlers" in the AWS Glue developer guide and of "Schedule
types" in the EventBridge Scheduler user guide: six fields, Sunday is 1, exactly one of the two day fields is ``?``,
and the wildcards ``, - * ? / L W #``. Where both are silent (ranges that wrap around, how large a step may be) Quartz,
whose dialect this is, decides. What they do not document (``LW``, ``L-3``) is refused: EventBridge Scheduler would be
the next to see it.

No cron library fits: croniter and cronsim read Unix's dialect, whose days have other numbers and which has no ``?`` and
no years after 2099; pyawscron fails on a 29th of February, and checks nothing.

>>> next_after("cron(15 10 ? * 6L 2022-2023)", datetime(2022, 1, 1, tzinfo=UTC)).isoformat()
'2022-01-28T10:15:00+00:00'
"""

import calendar
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import NoReturn

SHORTEST_INTERVAL = timedelta(minutes=5)
"""Glue starts nothing more often by schedule."""

_MAX_LENGTH = 256  # EventBridge Scheduler's.
_MAX_RATE = 1_000_000  # Days: beyond any meaning, and within what a datetime can hold.
_RATE = re.compile(r"rate\(\s*([0-9]+)\s+(minute|hour|day)(s?)\s*\)")
_CRON = re.compile(r"cron\(([ -~\t]*)\)")
_PART = re.compile(r"(?:(\*)|([0-9A-Z]+)(?:-([0-9A-Z]+))?)(?:/([0-9]+))?")
_WEEKDAY_NEAR = re.compile(r"([0-9]+)W")
_LAST_WEEKDAY = re.compile(r"([0-9]|[A-Z]{3})L")
_NTH_WEEKDAY = re.compile(r"([0-9]|[A-Z]{3})#([0-9])")

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

_Days = Callable[[int, int], Sequence[int]]
"""From a year and a month to its days that match, in order."""


@dataclass(frozen=True)
class Rate:
    """An occurrence every so often, counted from the one before.

    Parameters
    ----------
    period : timedelta
        From one occurrence to the next.
    """

    period: timedelta

    def next_after(self, at: datetime) -> datetime:
        """Give the occurrence that follows one at `at`."""
        return at + self.period

    def closer_than(self, interval: timedelta) -> bool:
        """Tell whether two occurrences can be closer together than `interval`."""
        return self.period < interval


@dataclass(frozen=True)
class Cron:
    """An occurrence at every minute whose fields match.

    Parameters
    ----------
    times : tuple of (int, int)
        Hours and minutes of a day that match, in order.
    days : callable
        From a year and a month to its days that match, in order.
    months, years : tuple of int
        That match, in order.
    """

    times: tuple[tuple[int, int], ...]
    days: _Days
    months: tuple[int, ...]
    years: tuple[int, ...]

    def next_after(self, at: datetime) -> datetime | None:
        """Give the first occurrence after `at`; ``None`` when there is none any more."""
        start = at.astimezone(UTC)
        for day in self._dates(start.date()):
            for hour, minute in self.times:
                moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                if moment > start:
                    return moment
        return None

    def closer_than(self, interval: timedelta) -> bool:
        """Tell whether two occurrences can be closer together than `interval`, of a day at most."""
        minutes = [60 * hour + minute for hour, minute in self.times]
        shortest = interval / timedelta(minutes=1)
        if any(later - earlier < shortest for earlier, later in pairwise(minutes)):
            return True
        if minutes[0] + 24 * 60 - minutes[-1] >= shortest:
            return False
        # Close only across midnight, if two days that match follow one another at all.
        dates = self._dates(date(self.years[0], 1, 1))
        return any(later - earlier == timedelta(days=1) for earlier, later in pairwise(dates))

    def _dates(self, first: date) -> Iterator[date]:
        """List the days that match from `first` on; at most the 230 years that AWS knows."""
        for year in self.years:
            for month in self.months:
                if (year, month) >= (first.year, first.month):
                    days = (date(year, month, day) for day in self.days(year, month))
                    yield from (day for day in days if day >= first)


def check_schedule(text: str, now: datetime) -> None:
    """Check an expression that is to start jobs from now on.

    Parameters
    ----------
    text : str
        ``cron(...)`` or ``rate(...)``.
    now : datetime
        The present.

    Raises
    ------
    ValueError
        It cannot be read, is never due again, or is due more often than every 5 minutes. The message says what to do.
    """
    if next_after(text, now) is None:
        raise ValueError(f"{text} is never due after {now:%Y-%m-%d %H:%M} UTC: give it a day or a year that is to come")
    if too_often(text):
        raise ValueError(f"{text} is due more often than every 5 minutes, which is not supported: leave more between")


def next_after(text: str, at: datetime) -> datetime | None:
    """Tell when a schedule is due next.

    Parameters
    ----------
    text : str
        ``cron(...)`` or ``rate(...)``.
    at : datetime
        For a cron any moment; for a rate the occurrence before.

    Returns
    -------
    datetime or None
        After `at`, in UTC; ``None`` if it is never due again.

    Raises
    ------
    ValueError
        The expression cannot be read.
    """
    return read_schedule(text).next_after(at)


def too_often(text: str) -> bool:
    """Tell whether a schedule can be due twice within 5 minutes.

    Raises
    ------
    ValueError
        The expression cannot be read.
    """
    return read_schedule(text).closer_than(SHORTEST_INTERVAL)


@lru_cache(maxsize=256)
def read_schedule(text: str) -> Cron | Rate:
    """Read an expression, however often it is due.

    Raises
    ------
    ValueError
        It is neither a cron nor a rate, or a field of it is wrong. The message says which and what is allowed there.
    """
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"a schedule has at most {_MAX_LENGTH} characters, not {len(text)}")
    if (found := _CRON.fullmatch(text)) is not None:
        return _read_cron(text, found[1].upper().split())
    if text.startswith("rate("):
        return _read_rate(text)
    raise ValueError(f"a schedule is cron(...) or rate(...), such as cron(0 10 * * ? *) or rate(1 hour), not {text!r}")


def _read_rate(text: str) -> Rate:
    found = _RATE.fullmatch(text)
    if found is None:
        raise ValueError(f"write a rate as rate(5 minutes), rate(1 hour) or rate(7 days), not {text!r}")
    value, unit, plural = int(found[1]), found[2], found[3]
    if not 1 <= value <= _MAX_RATE:
        raise ValueError(f"the value of a rate is 1 to {_MAX_RATE}, not {value}")
    if (value == 1) == bool(plural):
        raise ValueError(f"write rate({value} {unit}{'' if value == 1 else 's'}), not {text!r}")
    return Rate(timedelta(**{f"{unit}s": value}))


def _read_cron(text: str, fields: list[str]) -> Cron:
    if len(fields) != 6:
        raise ValueError(
            f"cron(...) has six fields, minutes hours day-of-month month day-of-week year, not {len(fields)}: {text!r}"
        )
    minutes, hours, day_of_month, month, day_of_week, year = fields
    if (day_of_month == "?") == (day_of_week == "?"):
        raise ValueError(f"exactly one of day-of-month and day-of-week of {text!r} must be ?: it means any day")
    times = tuple((hour, minute) for hour in _HOUR.read(hours) for minute in _MINUTE.read(minutes))
    days = _days_of_week(day_of_week) if day_of_month == "?" else _days_of_month(day_of_month)
    return Cron(times, days, tuple(_MONTH.read(month)), tuple(_YEAR.read(year)))


@dataclass(frozen=True)
class _Field:
    """The plain values of a field: numbers, names, ranges, steps, and lists of these."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def read(self, text: str) -> list[int]:
        """List the values, in order."""
        return sorted({value for part in text.split(",") for value in self._part(part)})

    def value(self, text: str) -> int:
        """Read one number or name."""
        if text in self.names:
            return self.low + self.names.index(text)
        if not text.isdecimal() or not self.low <= int(text) <= self.high:
            self.refuse(text)
        return int(text)

    def _part(self, text: str) -> list[int]:
        found = _PART.fullmatch(text)
        if found is None:
            self.refuse(text)
        star, first, last, step = found.groups()
        if step is not None and not 1 <= int(step) <= self.high:
            raise ValueError(f"{text} in {self.name} of cron(...): a step is 1 to {self.high}, not {step}")
        start = self.low if star else self.value(first)
        # A value with a step begins there: 1/10 in minutes is 1, 11, 21 and so on.
        open_end = self.high if star or step is not None else start
        end = open_end if last is None else self.value(last)
        if end < start and self is _YEAR:
            raise ValueError(f"{text} in {self.name} of cron(...) ends before it begins")
        # 20-2 in hours goes on after midnight, FRI-MON over the week's end.
        size = self.high - self.low + 1
        values = range(start, end + (size if end < start else 0) + 1, int(step or 1))
        return [self.low + (value - self.low) % size for value in values]

    def refuse(self, text: str) -> NoReturn:
        allowed = f"{self.low} to {self.high}"
        if self.names:
            allowed += f" or {self.names[0]} to {self.names[-1]}"
        if self is _DAY:
            allowed += ", L, or a day with W such as 15W; each of these alone"
        if self is _WEEKDAY:
            allowed += ", L, or one day with L or # such as 6L or 3#2; each of these alone"
        raise ValueError(f"{text!r} is not allowed in {self.name} of cron(...): it takes {allowed}")


_MINUTE = _Field("minutes", 0, 59)
_HOUR = _Field("hours", 0, 23)
_DAY = _Field("day-of-month", 1, 31)
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("day-of-week", 1, 7, _WEEKDAYS)
_YEAR = _Field("year", 1970, 2199)


def _days_of_month(text: str) -> _Days:
    if text == "L":
        return lambda year, month: [calendar.monthrange(year, month)[1]]
    if (found := _WEEKDAY_NEAR.fullmatch(text)) is not None:
        wanted = _DAY.value(found[1])
        return lambda year, month: _weekday_near(year, month, wanted)
    days = _DAY.read(text)
    return lambda year, month: [day for day in days if day <= calendar.monthrange(year, month)[1]]


def _weekday_near(year: int, month: int, wanted: int) -> list[int]:
    """Give the day from Monday to Friday that is nearest, in the same month; none where the month has no such day."""
    first, length = calendar.monthrange(year, month)
    if wanted > length:
        return []
    match (first + wanted - 1) % 7:
        case calendar.SATURDAY:
            return [wanted - 1 if wanted > 1 else wanted + 2]
        case calendar.SUNDAY:
            return [wanted + 1 if wanted < length else wanted - 2]
        case _:
            return [wanted]


def _days_of_week(text: str) -> _Days:
    if (found := _LAST_WEEKDAY.fullmatch(text)) is not None:
        last = _WEEKDAY.value(found[1])
        return lambda year, month: _on_weekdays(year, month, [last])[-1:]
    if (found := _NTH_WEEKDAY.fullmatch(text)) is not None:
        which, nth = _WEEKDAY.value(found[1]), int(found[2])
        if not 1 <= nth <= 5:
            raise ValueError(f"{text} in day-of-week of cron(...): a month has a weekday 1 to 5 times, not {nth}")
        return lambda year, month: _on_weekdays(year, month, [which])[nth - 1 : nth]
    # The last day of the week.
    weekdays = [7] if text == "L" else _WEEKDAY.read(text)
    return lambda year, month: _on_weekdays(year, month, weekdays)


def _on_weekdays(year: int, month: int, weekdays: list[int]) -> list[int]:
    first, length = calendar.monthrange(year, month)
    # Python's week begins with Monday as 0, AWS's with Sunday as 1.
    return [day for day in range(1, length + 1) if (first + day) % 7 + 1 in weekdays]
