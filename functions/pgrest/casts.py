"""Cells as an answer shows them: as JSON, or cast to another type."""

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any

from pgrest import timestamps
from pgrest.columns import ColumnType
from pgrest.errors import Code, RefusedError, refuse_feature
from pgrest.jsonb import NULL
from pgrest.jsonb import write_text as write_jsonb
from pgrest.literals import parse_integer


def write_value(value: Any, zone: tzinfo) -> Any:
    """Give a cell as JSON has it."""
    if value is NULL:
        return None
    return timestamps.write_json(value, zone) if isinstance(value, datetime) else value


def write_text(value: Any, zone: tzinfo) -> str:
    """Give a cell as a cast to text does."""
    match value:
        case datetime():
            return timestamps.write_text(value, zone)
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case _:
            return _json_to_text(value, zone)


def _json_to_text(value: Any, zone: tzinfo) -> str:
    return write_jsonb(value)


Caster = Callable[[Any, tzinfo], Any]
"""Makes of a cell, never null, what the answer shows; the zone is the one the caller prefers."""


def _to_integer(value: Any, zone: tzinfo) -> int:
    return parse_integer(ColumnType.INTEGER, value if isinstance(value, str) else str(int(value)))


def _text_to_date(value: str, zone: tzinfo) -> str:
    return timestamps.parse_date(value).isoformat()


def _text_to_timestamp(value: str, zone: tzinfo) -> str:
    return timestamps.write_json(timestamps.parse_timestamp(value, zone), zone)


_TYPES: Mapping[str, str] = {
    "text": "text",
    "int": "integer",
    "int4": "integer",
    "integer": "integer",
    "date": "date",
    "timestamptz": "timestamptz",
    "timestamp with time zone": "timestamptz",
}
"""Types a cell can be cast to, by all their names."""

_CASTERS: Mapping[tuple[ColumnType, str], Caster] = {
    **{(kind, "text"): write_text for kind in ColumnType},
    (ColumnType.JSONB, "text"): _json_to_text,
    (ColumnType.INTEGER, "integer"): write_value,
    (ColumnType.BOOLEAN, "integer"): _to_integer,
    (ColumnType.TEXT, "integer"): _to_integer,
    (ColumnType.BIGINT, "integer"): _to_integer,
    (ColumnType.TEXT, "date"): _text_to_date,
    (ColumnType.TEXT, "timestamptz"): _text_to_timestamp,
    (ColumnType.TIMESTAMPTZ, "date"): timestamps.write_date,
    (ColumnType.TIMESTAMPTZ, "timestamptz"): timestamps.write_json,
}

_UNSUPPORTED = frozenset(
    {
        "bigint",
        "bit",
        "bool",
        "boolean",
        "bpchar",
        "bytea",
        "char",
        "character",
        "citext",
        "decimal",
        "double",
        "float",
        "float4",
        "float8",
        "inet",
        "int2",
        "int8",
        "interval",
        "json",
        "jsonb",
        "money",
        "name",
        "numeric",
        "oid",
        "real",
        "smallint",
        "time",
        "timestamp",
        "timetz",
        "uuid",
        "varchar",
        "xml",
    }
)
"""Types PostgreSQL has and this door does not cast to."""


def find_type(target: str) -> str:
    """Find the type a query names: ``text``, ``integer``, ``date`` or ``timestamptz``.

    Raises
    ------
    RefusedError
        There is no such type, or it is not served here.
    """
    name = _TYPES.get(target.lower())
    if name is None:
        if target.lower() in _UNSUPPORTED:
            raise refuse_feature(f"A cast to {target}", "Cast to text, integer, date or timestamptz.")
        raise RefusedError(Code.NO_TYPE, f'type "{target}" does not exist')
    return name


def find_caster(kind: ColumnType, target: str) -> Caster:
    """Give what casts a cell of a column to a type that `find_type` has found.

    Raises
    ------
    RefusedError
        Nothing leads from the one to the other.
    """
    caster = _CASTERS.get((kind, target))
    if caster is None and kind is ColumnType.JSONB:
        raise refuse_feature(f"A cast of jsonb to {target}", "Cast to text.")
    if caster is None:
        raise RefusedError(Code.NO_CAST, f"cannot cast type {kind} to {target}")
    return caster
