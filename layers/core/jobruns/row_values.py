"""Values as JavaScript writes them in JSON, to the byte: clients compare files with those of the reference."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring
from types import NoneType
from typing import Any

_HALVES = re.compile("[\ud800-\udfff]")
_LONGEST_PLAIN = 21  # digits before the point; longer numbers are written with an exponent
_MOST_ZEROS = 6  # digits before the first that counts, the one before the point included


def write_json(value: Any) -> str:
    """Write a value as JSON without blanks.

    What JSON has no form for is written as text; a number that is none is null, as JavaScript has it.
    """
    write = _WRITERS.get(type(value))
    if write is not None:
        return write(value)
    if isinstance(value, Mapping):
        return _write_object(value)
    bare = write_bare(value)
    return write_text(to_text(value)) if bare is None else bare


def write_bare(value: Any) -> str | None:
    """Write what stands without quotes: numbers, truth values and null. ``None`` for everything else."""
    if isinstance(value, float | Decimal):
        return write_number(value) or "null"
    write = _BARE.get(type(value))
    return None if write is None else write(value)


def to_text(value: Any) -> str:
    """Give the text that stands for a value that is neither text, number nor made of others."""
    if isinstance(value, datetime):
        return write_iso(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def write_text(text: str) -> str:
    """Write a text between quotes; half of a character is escaped, as UTF-8 has no form for it."""
    written: str = encode_basestring(text)
    return written if written.isascii() else _HALVES.sub(lambda half: f"\\u{ord(half[0]):04x}", written)


def write_iso(moment: datetime) -> str:
    """Write a moment in UTC to the millisecond: ``2021-01-25T23:03:18.805Z``."""
    at = moment.astimezone(UTC) if moment.tzinfo else moment
    return f"{at.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def write_number(value: float | Decimal) -> str | None:
    """Write a number: the fewest digits that are this number and no other. ``None`` where it is no number at all."""
    if isinstance(value, float):
        plain = repr(value)
        # Where Python needs no exponent JavaScript does not either, and the digits are the same.
        if "e" not in plain and "n" not in plain:
            return plain.removesuffix(".0") if value else "0"
    if not math.isfinite(value):
        return None
    sign, digits, exponent = (value if isinstance(value, Decimal) else Decimal(repr(value))).as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    if not stripped or not isinstance(exponent, int):
        return "0"
    point = len(text) + exponent
    return ("-" if sign else "") + _place_point(stripped, point)


def _place_point(digits: str, point: int) -> str:
    if len(digits) <= point <= _LONGEST_PLAIN:
        return digits.ljust(point, "0")
    if 0 < point <= _LONGEST_PLAIN:
        return f"{digits[:point]}.{digits[point:]}"
    if -_MOST_ZEROS < point <= 0:
        return f"0.{'0' * -point}{digits}"
    mantissa = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
    return f"{mantissa}e{point - 1:+d}"


@lru_cache(maxsize=4096, typed=True)
def _write_key(key: Any) -> str:
    """Write the name of a member; in rows the same ones come again and again."""
    return f"{write_text(str(key))}:"


def _write_object(value: Mapping[Any, Any]) -> str:
    return "{" + ",".join([_write_key(key) + write_json(item) for key, item in value.items()]) + "}"


def _write_array(value: Iterable[Any]) -> str:
    return "[" + ",".join(map(write_json, value)) + "]"


_BARE: Mapping[type, Callable[[Any], str]] = {
    NoneType: lambda _: "null",
    bool: lambda value: "true" if value else "false",
    int: int.__repr__,
}
_WRITERS: Mapping[type, Callable[[Any], str]] = {
    **_BARE,
    str: write_text,
    float: lambda value: write_number(value) or "null",
    dict: _write_object,
    list: _write_array,
    tuple: _write_array,
}
