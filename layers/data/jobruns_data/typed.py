"""Rows of a table with a primary key in columns that have one type each, for files and readers that want that.

The key is a whole number where all keys are, else a text. The two times are moments. An attribute whose values are of
one kind has its type; where they are of several, or objects and arrays, it is a text with JSON in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import pyarrow as pa
from pyiceberg.table import Table

from jobruns_data.attributes import CREATED, UPDATED, Layout
from jobruns_data.keys import KeySpace
from jobruns_data.kinds import ARROW_TYPES, Kind, compact_json
from jobruns_data.stored import filled_columns

__all__ = ["typed_schema", "typed_tables"]

_ROWS: Final = 5_000
_MILLISECONDS: Final = pa.timestamp("ms", tz="UTC")
_JSON: Final = {b"jobruns.kind": Kind.JSON.encode()}
"""Says of a column of texts that they are JSON."""


def typed_schema(table: Table, names: Sequence[str]) -> pa.Schema:
    """Say which columns attributes of a loaded table have, for all of its rows."""
    layout = Layout.of(table)
    filled = filled_columns(table)
    fields = []
    for name in names:
        if name in {CREATED, UPDATED}:
            fields.append(pa.field(name, ARROW_TYPES[Kind.MOMENT]))
        elif name == layout.primary_key:
            texts = layout.key_columns.get(KeySpace.TEXTS)
            fields.append(pa.field(name, pa.string() if texts in filled else pa.int64()))
        else:
            attribute = layout.attributes[name]
            if attribute.kind is Kind.JSON or attribute.other in filled:
                fields.append(pa.field(name, pa.string(), metadata=_JSON))
            else:
                moment = attribute.kind is Kind.MOMENT
                fields.append(pa.field(name, _MILLISECONDS if moment else ARROW_TYPES[attribute.kind]))
    return pa.schema(fields)


def typed_tables(schema: pa.Schema, records: Iterable[Mapping[str, Any]]) -> Iterator[pa.Table]:
    """Give rows in the columns of a schema, a part at a time; the first part has none."""
    plain = pa.schema([field.remove_metadata() for field in schema])
    yield plain.empty_table()
    left = iter(records)
    while some := list(islice(left, _ROWS)):
        yield pa.table([_column(field, [record[field.name] for record in some]) for field in schema], schema=plain)


def _column(field: pa.Field, values: Sequence[Any]) -> pa.Array:
    if field.metadata:
        return pa.array([None if value is None else compact_json(value) for value in values], pa.string())
    if field.name in {CREATED, UPDATED}:
        return pa.array([None if value is None else round(value * 1000) for value in values], pa.int64()).cast(
            field.type
        )
    if field.type == _MILLISECONDS:
        return pa.array(values, pa.string()).cast(_MILLISECONDS)
    if pa.types.is_floating(field.type):
        return pa.array([None if value is None else float(value) for value in values], field.type)
    if pa.types.is_string(field.type):  # of the key also what is none
        return pa.array(
            [value if value is None or isinstance(value, str) else compact_json(value) for value in values], field.type
        )
    return pa.array(values, field.type)
