"""Rows of a table with a primary key as JSON objects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobruns_data.attributes import CREATED, UPDATED, Layout
from jobruns_data.keys import KeySpace, key_values
from jobruns_data.kinds import ARROW_TYPES, Kind, python_values

__all__ = ["columns_of", "json_records"]


def columns_of(layout: Layout, attributes: Iterable[str]) -> list[str]:
    """Name the columns that attributes are in; the key and the times are attributes too."""
    columns: dict[str, None] = {}
    for name in attributes:
        if name == layout.primary_key:
            columns.update(dict.fromkeys(layout.key_columns.values()))
        elif name in {CREATED, UPDATED}:
            columns[name] = None
        else:
            columns.update(dict.fromkeys(layout.attributes[name].columns))
    return list(columns)


def json_records(layout: Layout, rows: pa.Table, attributes: Sequence[str]) -> list[dict[str, Any]]:
    """Give rows as objects with these attributes, null where a row has no value.

    Moments are normalised texts; the two times are numbers, milliseconds with their fraction.
    """
    columns = [_values(layout, rows, name) for name in attributes]
    return [dict(zip(attributes, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(layout: Layout, rows: pa.Table, name: str) -> list[Any]:
    if name == layout.primary_key:
        return _keys(layout, rows)
    if name in {CREATED, UPDATED}:
        times = rows[name].cast(ARROW_TYPES[Kind.MOMENT]).cast(pa.int64()).to_pylist()
        return [None if micros is None else micros / 1000 for micros in times]
    attribute = layout.attributes[name]
    values = python_values(attribute.kind, rows[attribute.column])
    if attribute.other is None or rows[attribute.other].null_count == len(rows):
        return values
    others = rows[attribute.other].to_pylist()
    return [value if other is None else json.loads(other) for value, other in zip(values, others, strict=True)]


def _keys(layout: Layout, rows: pa.Table) -> list[Any]:
    keys: list[Any] = [None] * len(rows)
    for space in KeySpace:
        column = layout.key_columns.get(space)
        if column is not None and rows[column].null_count < len(rows):
            values = key_values(space, pc.cast(rows[column], space.arrow_type))
            keys = [key if value is None else value for key, value in zip(keys, values, strict=True)]
    return keys
