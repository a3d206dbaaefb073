"""Timestamp layouts: a reference moment written the way the data writes its moments.

A layout is the moment *Mon Jan 2 15:04:05 2006, seven hours west of UTC* in the notation of the data, as Go's
``time`` package defines it (https://pkg.go.dev/time#pkg-constants). It is checked when a transform is made and
read row by row when a file is loaded, so it lives here, without any heavy import.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

__all__ = ["Layout", "LayoutError", "compile_layout"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTH_NUMBER: Final = {name[:n]: i for i, name in enumerate(_MONTHS, 1) for n in (3, None)}
_SHORT_MONTHS: Final = "|".join(name[:3] for name in _MONTHS)
_SHORT_WEEKDAYS: Final = "|".join(name[:3] for name in _WEEKDAYS)

# What each element of a layout reads. The order is the order of recognition: the longer spelling first.
# A one-digit spelling and the 24-hour clock take one or two digits, a zero-padded one exactly two.
_NUMERIC_ZONE: Final = {
    "070000": r"[+-]\d{6}",
    "07:00:00": r"[+-]\d\d:\d\d:\d\d",
    "0700": r"[+-]\d{4}",
    "07:00": r"[+-]\d\d:\d\d",
    "07": r"[+-]\d\d",
}
_ELEMENTS: Final[tuple[tuple[str, str, str], ...]] = (
    (r"January", "month_name", f"(?i:{'|'.join(_MONTHS)})"),
    (r"Jan(?![a-z])", "month_name", f"(?i:{_SHORT_MONTHS})"),
    (r"Monday", "weekday", f"(?i:{'|'.join(_WEEKDAYS)})"),
    (r"Mon(?![a-z])", "weekday", f"(?i:{_SHORT_WEEKDAYS})"),
    (r"MST", "zone_name", r"UTC|GMT(?:[+-]\d{1,2})?|[A-Z]{3,5}"),
    (r"2006", "year", r"\d{4}"),
    (r"__2", "year_day", r"[ \d][ \d]\d"),
    (r"_2(?!006)", "day", r" ?\d{1,2}"),
    (r"002", "year_day", r"\d{3}"),
    (r"01", "month", r"\d\d"),
    (r"02", "day", r"\d\d"),
    (r"03", "hour12", r"\d\d"),
    (r"04", "minute", r"\d\d"),
    (r"05", "second", r"\d\d"),
    (r"06", "short_year", r"\d\d"),
    (r"15", "hour", r"\d\d?"),
    (r"PM", "half", r"[AP]M"),
    (r"pm", "half", r"[ap]m"),
    *((f"-{spelling}", "zone", pattern) for spelling, pattern in _NUMERIC_ZONE.items()),
    *((f"Z{spelling}", "zone", f"Z|{pattern}") for spelling, pattern in _NUMERIC_ZONE.items()),
    (r"[.,]0+(?!\d)", "fraction", ""),  # exactly as many digits as the layout has
    (r"[.,]9+(?!\d)", "fraction", r"(?:[.,]\d+)?"),
    (r"1", "month", r"\d\d?"),
    (r"2", "day", r"\d\d?"),
    (r"3", "hour12", r"\d\d?"),
    (r"4", "minute", r"\d\d?"),
    (r"5", "second", r"\d\d?"),
)
_TOKEN: Final = re.compile("|".join(f"(?P<e{i}>{spelling})" for i, (spelling, _, _) in enumerate(_ELEMENTS)))


class LayoutError(ValueError):
    """The layout cannot be used, or a text does not follow it; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One compiled layout.

    Parameters
    ----------
    text : str
        The layout as written.
    zoned : bool
        Whether the data carries a zone. Without one a moment is UTC.
    fraction_digits : int or None
        How many digits a fraction must have, None when it may be absent and of any length.
    parse : callable
        ``parse(text) -> int``: microseconds since 1970-01-01T00:00:00Z; digits below a microsecond are cut
        off. Raises `LayoutError`.
    """

    text: str
    zoned: bool
    fraction_digits: int | None
    parse: Callable[[str], int]


@lru_cache(maxsize=256)
def compile_layout(text: str) -> Layout:
    """Compile a layout.

    Raises
    ------
    LayoutError
        It has no year, or names one element twice.
    """
    pieces: list[str] = []
    seen: list[str] = []
    fraction_digits: int | None = None
    at = 0
    for token in _TOKEN.finditer(text):
        pieces.append(_literal(text[at : token.start()]))
        at = token.end()
        _, element, pattern = _ELEMENTS[int((token.lastgroup or "e0")[1:])]
        group = {"short_year": "year", "month_name": "month", "hour12": "hour"}.get(element, element)
        if group in seen and group != "weekday":
            raise LayoutError(f'the layout "{text}" names the {group.replace("_", " ")} twice')
        seen.append(group)
        if element == "weekday":
            pieces.append(f"(?:{pattern})")
            continue
        if element == "fraction" and not pattern:
            fraction_digits = len(token.group()) - 1
            pattern = rf"[.,]\d{{{fraction_digits}}}"
        pieces.append(f"(?P<{element}>{pattern})")
        if element == "second" and not re.match(r"[.,](0+|9+)(?!\d)", text[at:]):
            # A fraction behind the seconds is read even where the layout does not show one.
            pieces.append(r"(?P<extra_fraction>[.,]\d+)?")
    pieces.append(_literal(text[at:]))
    if "year" not in seen:
        raise LayoutError(
            f'the layout "{text}" has no year: write the reference moment Mon Jan 2 15:04:05 2006 -0700'
            " the way the data writes its moments"
        )
    follows = re.compile("".join(pieces), re.ASCII)
    return Layout(
        text=text,
        zoned="zone" in seen or "zone_name" in seen,
        fraction_digits=fraction_digits,
        parse=lambda value: _parse(value, text, follows),
    )


def _literal(text: str) -> str:
    """Match text as it stands; a run of spaces matches any run of spaces."""
    return " +".join(re.escape(part) for part in re.split(" +", text))


def _parse(value: str, layout: str, pattern: re.Pattern[str]) -> int:
    match = pattern.fullmatch(value)
    if match is None:
        raise LayoutError(f'"{value}" does not follow the layout "{layout}"')
    found = match.groupdict()
    try:
        moment = datetime(_year(found), 1, 1, tzinfo=UTC)
        if (year_day := found.get("year_day")) is not None:
            moment = _on_year_day(moment, int(year_day))
        else:
            moment = moment.replace(month=_month(found), day=int(found.get("day") or 1))
        moment = moment.replace(
            hour=_hour(found), minute=int(found.get("minute") or 0), second=int(found.get("second") or 0)
        )
        offset_seconds = _offset_seconds(found)
    except ValueError as error:
        raise LayoutError(f'"{value}": {error}') from error
    fraction = (found.get("fraction") or found.get("extra_fraction") or "")[1:7]
    return (
        (moment - _EPOCH) // _MICROSECOND
        + int(fraction.ljust(6, "0"))
        - offset_seconds * 1_000_000
    )  # fmt: skip


def _year(found: dict[str, str | None]) -> int:
    if (short := found.get("short_year")) is not None:
        return int(short) + (1900 if int(short) >= 69 else 2000)
    return int(found["year"] or 0)


def _month(found: dict[str, str | None]) -> int:
    if (name := found.get("month_name")) is not None:
        return _MONTH_NUMBER[name.lower()]
    return int(found.get("month") or 1)


def _hour(found: dict[str, str | None]) -> int:
    hour12 = found.get("hour12")
    hour = int(hour12 if hour12 is not None else found.get("hour") or 0)
    if hour12 is not None and hour > 12:
        raise ValueError("hour must be in 0..12")
    half = (found.get("half") or "").lower()
    if half == "pm" and hour < 12:
        return hour + 12
    return 0 if half == "am" and hour == 12 else hour


def _on_year_day(new_year: datetime, year_day: int) -> datetime:
    moment = new_year + timedelta(days=year_day - 1)
    if moment.year != new_year.year:
        raise ValueError("day is out of range for the year")
    return moment


def _offset_seconds(found: dict[str, str | None]) -> int:
    if (name := found.get("zone_name")) is not None:
        if name in ("UTC", "GMT"):
            return 0
        if name.startswith("GMT"):
            return int(name[3:]) * 3600
        # The same letters mean different offsets in different countries: better no moment than a wrong one.
        raise ValueError(f"the zone {name} has no certain offset; write it as a number such as +02:00")
    zone = found.get("zone")
    if zone is None or zone == "Z":
        return 0
    digits = zone[1:].replace(":", "").ljust(6, "0")
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4]), int(digits[4:])
    if hours > 24 or minutes > 59 or seconds > 59:
        raise ValueError(f"the zone {zone} is out of range")
    return (hours * 3600 + minutes * 60 + seconds) * (-1 if zone[0] == "-" else 1)
