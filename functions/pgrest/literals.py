"""Literals: a text read as a value of a column's type, with the errors of PostgreSQL."""

import re
from collections.abc import Mapping
from datetime import UTC, tzinfo

from pgrest import timestamps
from pgrest.columns import ColumnType, Value
from pgrest.errors import Code, RefusedError
from pgrest.jsonb import parse_comparable

_BLANKS = " \t\n\r\v\f"
_INTEGER = re.compile(r"[+-]?[0-9]+")
_BITS: Mapping[ColumnType, int] = {ColumnType.INTEGER: 31, ColumnType.BIGINT: 63}
_MOST_DIGITS = 19  # of a bigint; Python refuses to read numbers of thousands
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


def parse_literal(kind: ColumnType, text: str, zone: tzinfo = UTC) -> Value:
    """Read a text as a value of a type.

    Parameters
    ----------
    kind : ColumnType
        Of JSON the value is what compares as it does.
    text : str
        As the query or the body has it.
    zone : tzinfo
        Of a timestamp that names none.

    Raises
    ------
    RefusedError
        It is none, or there is no such value.
    """
    match kind:
        case ColumnType.TEXT:
            return text
        case ColumnType.TIMESTAMPTZ:
            return timestamps.parse_timestamp(text, zone)
        case ColumnType.BOOLEAN:
            return _parse_boolean(text)
        case ColumnType.INTEGER | ColumnType.BIGINT:
            return parse_integer(kind, text)
        case ColumnType.JSONB:
            return parse_comparable(text)


def parse_integer(kind: ColumnType, text: str) -> int:
    """Read a text as an integer of 32 or 64 bits."""
    number = text.strip(_BLANKS)
    if not _INTEGER.fullmatch(number):
        raise _bad_literal(kind, text)
    digits = number.lstrip("+-").lstrip("0")
    value = int(digits or "0") if len(digits) <= _MOST_DIGITS else 1 << 64
    value = -value if number.startswith("-") else value
    bound = 1 << _BITS[kind]
    if not -bound <= value < bound:
        raise RefusedError(Code.OUT_OF_RANGE, f'value "{text[:80]}" is out of range for type {kind}')
    return value


def _parse_boolean(text: str) -> bool:
    """Read a truth value: its words may be cut short as long as it is clear which is meant."""
    word = text.strip(_BLANKS).lower()
    # "o" begins both "on" and "off".
    if word and word != "o":
        if any(full.startswith(word) for full in _TRUE):
            return True
        if any(full.startswith(word) for full in _FALSE):
            return False
    raise _bad_literal(ColumnType.BOOLEAN, text)


def _bad_literal(kind: ColumnType, text: str) -> RefusedError:
    return RefusedError(Code.BAD_LITERAL, f'invalid input syntax for type {kind}: "{text[:80]}"')


_ELEMENT = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|((?:[^"\\{},\s]|\\.|\s+(?![\s,}]))+))\s*([,}])', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def split_array(text: str) -> tuple[str | None, ...]:
    """Read an array's literal, ``{a,"b, c",NULL}``, into the texts of its elements.

    Raises
    ------
    RefusedError
        It is none, or it is one of several dimensions.
    """
    malformed = RefusedError(Code.BAD_LITERAL, f'malformed array literal: "{text[:80]}"')
    inner = text.strip(_BLANKS)
    if not inner.startswith("{"):
        raise malformed
    if re.fullmatch(r"\{\s*\}", inner):
        return ()
    elements: list[str | None] = []
    position, end = 1, ","
    while end == ",":
        match = _ELEMENT.match(inner, position)
        if match is None:
            raise malformed
        quoted, bare, end = match.groups()
        if bare is not None and bare.upper() == "NULL":
            elements.append(None)
        else:
            elements.append(_ESCAPED.sub(r"\1", bare if quoted is None else quoted))
        position = match.end()
    if position != len(inner):
        raise malformed
    return tuple(elements)
