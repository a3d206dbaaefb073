"""Rows of a query as JSON objects: numbers, texts, truth values, null, and what is in lists and objects."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

from jobruns_data.relations import JSON_MEMBER

_SHORT = 1e21  # from here on JavaScript writes an exponent


def json_rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Give the rows of a batch; of two columns with one name the last one."""
    names = batch.schema.names
    for row in zip(*(json_values(column) for column in batch.columns), strict=True):
        yield dict(zip(names, row, strict=True))


def json_value(value: Any) -> Any:
    """Give a value as JSON has it: whole numbers without a fraction, moments as texts of UTC in milliseconds."""
    if isinstance(value, dict):
        return {str(name): json_value(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(inner) for inner in value]
    return _plain(value)


def _plain(value: Any) -> bool | float | int | str | None:
    match value:
        case None | bool() | int() | str():
            return value
        case float() | Decimal():
            return _number(value)
        case datetime():
            at = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
            return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
        case date() | time():
            return value.isoformat()
    return str(value)


def json_values(column: pa.Array) -> list[Any]:
    """Give the values of a column of a query."""
    kind = column.type
    if pa.types.is_union(kind):
        return _united(column)
    values: list[Any] = column.to_pylist()
    if pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return values
    return [json_value(value) for value in values]


def _united(column: pa.Array) -> list[Any]:
    kind = column.type
    members = {}
    for place, code in enumerate(kind.type_codes):
        member = column.field(place)
        if kind.field(place).name == JSON_MEMBER:
            members[code] = [None if text is None else json.loads(text) for text in member.to_pylist()]
        else:
            members[code] = json_values(member)
    return [members[code][row] for row, code in enumerate(column.type_codes.to_pylist())]


def _number(value: float | Decimal) -> float | int | None:
    if not math.isfinite(value):
        return None  # JSON has neither
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return int(value) if value.is_integer() and abs(value) < _SHORT else value
