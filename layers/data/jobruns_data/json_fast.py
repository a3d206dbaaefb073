"""Reads JSON objects with Arrow's parser, many at once, where that gives exactly what the careful way would."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from jobruns.datatypes import ColumnType, Datatype
from jobruns.formats import JsonFormat
from jobruns.transform import Column, Transform
from jobruns_data.cells import CellReader
from jobruns_data.json_fields import places_of
from jobruns_data.schema import arrow_schema, arrow_type

__all__ = ["FastReader"]

# The parser does not survive a null as the first value: https://github.com/apache/arrow/issues/47409
_OBJECT: Final = re.compile(rb"[ \t\r\n]*+\{")


class FastReader:
    """Reads objects whose columns are members of them, or of objects in them.

    Parameters
    ----------
    transform : Transform
    cells : sequence of CellReader
        One for each column.
    """

    def __init__(self, transform: Transform, cells: Sequence[CellReader]) -> None:
        self._schema = arrow_schema(transform)
        self._ways = _ways_of(transform, cells)

    def read(self, data: bytes, rows: int) -> pa.RecordBatch | None:
        """Give the rows if all of them are good and there are as many as there should be, else None."""
        if _OBJECT.match(data) is None:
            return None
        for way in self._ways:
            batch = self._read(data, rows, way)
            if batch is not None:
                # Who writes numbers as texts in one block will do so in the next.
                self._ways.remove(way)
                self._ways.insert(0, way)
                return batch
        return None

    def _read(self, data: bytes, rows: int, way: _Way) -> pa.RecordBatch | None:
        try:
            table = arrow_json.read_json(
                pa.BufferReader(data),
                # There is one block, so that more threads would have nothing to do.
                read_options=arrow_json.ReadOptions(block_size=len(data) + 1, use_threads=False),
                parse_options=way.options,
            )
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None
        # The parser sees objects, not lines; and it takes null for an object of nulls.
        if table.num_rows != rows or _may_have_null(table):
            return None
        arrays = []
        for column in way.columns:
            values = column.values(table)
            needed = column.cells.column.primary or not column.cells.column.nullable
            if values is None or (needed and values.null_count):
                return None
            arrays.append(values)
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)


def _may_have_null(table: pa.Table) -> bool:
    blank = None
    for column in table.columns:
        if not column.null_count:
            return False
        nulls = pc.is_null(column)
        blank = nulls if blank is None else pc.and_(blank, nulls)
    return blank is None or pc.any(blank).as_py() is not False


@dataclass(frozen=True, slots=True)
class _FastColumn:
    """How one column is read.

    Parameters
    ----------
    cells : CellReader
    places : list of list of tuple of str
        As `places_of` says; none for a constant.
    type : pa.DataType
        As which its values are parsed.
    through_text : bool
        Whether they go on as texts from there.
    """

    cells: CellReader
    places: list[list[tuple[str, ...]]]
    type: pa.DataType
    through_text: bool

    def values(self, table: pa.Table) -> pa.Array | None:
        """Give the column's values, None if one of them is bad or cannot be told."""
        if not self.places:
            constant, bad = self.cells.read(pa.array([self.cells.column.reads.constant], pa.string()))
            return None if bad else constant.take(pa.repeat(0, table.num_rows))
        found: list[pa.Array] = []
        for several in self.places:
            arrays = [_at(table, place) for place in several]
            # Which of two counts, their order in the object decides.
            told = [array for array in arrays if array.null_count < len(array)] or arrays[:1]
            if len(told) > 1:
                return None
            found += told
        values = found[0] if len(found) == 1 else pc.coalesce(*found)
        if not self.through_text:
            return values if values.type == self.cells.type else values.cast(self.cells.type)
        values, bad = self.cells.read(values.cast(pa.string()))
        return None if bad else values


def _at(table: pa.Table, place: tuple[str, ...]) -> pa.Array:
    values = table[place[0]]
    values = values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    for key in place[1:]:
        values = pc.struct_field(values, [values.type.get_field_index(key)])
    return values


class _Way:
    """How all columns are read."""

    def __init__(self, columns: Sequence[_FastColumn], fields: dict[str, Any]) -> None:
        self.columns = columns
        self.options = arrow_json.ParseOptions(
            explicit_schema=pa.schema(_struct(fields)), unexpected_field_behavior="ignore"
        )


def _struct(fields: dict[str, Any]) -> list[pa.Field]:
    return [
        pa.field(key, pa.struct(_struct(inner)) if isinstance(inner, dict) else inner) for key, inner in fields.items()
    ]


def _fields_of(columns: Sequence[_FastColumn]) -> dict[str, Any] | None:
    """Give the types by key, of objects in the object as dicts of the same; None if a value would be of two types."""
    fields: dict[str, Any] = {}
    for column in columns:
        for place in chain.from_iterable(column.places):
            inner: Any = fields
            for key in place[:-1]:
                inner = inner.setdefault(key, {})
                if not isinstance(inner, dict):
                    return None
            if inner.setdefault(place[-1], column.type) != column.type:
                return None
    return fields


def _ways_of(transform: Transform, cells: Sequence[CellReader]) -> list[_Way]:
    """Give the ways that are worth a try: with numbers for numbers, and with texts for them."""
    flattening = transform.format.flattening if isinstance(transform.format, JsonFormat) else None
    numbers: list[_FastColumn] = []
    texts: list[_FastColumn] = []
    for reader in cells:
        places = places_of(reader.column.reads, flattening)
        nulls = frozenset(transform.null_values) | frozenset(reader.column.null_values)
        kinds = list(_types_of(reader.column, nulls)) if places else [(reader.type, False)]
        if places is None or not kinds:
            return []
        numbers.append(_FastColumn(reader, places, *kinds[0]))
        texts.append(_FastColumn(reader, places, *kinds[-1]))
    ways = [(columns, _fields_of(columns)) for columns in ([numbers] if numbers == texts else [numbers, texts])]
    return [_Way(columns, fields) for columns, fields in ways if fields is not None]


def _types_of(column: Column, nulls: frozenset[str]) -> Iterator[tuple[pa.DataType, bool]]:
    """Give as what a column's values may be parsed, and whether they go on as texts from there; nothing if as nothing.

    Where a value may be changed (by a default, or to null by its text) it goes on as its text.
    """
    direct = _direct_type(column, nulls) if column.default is None and not column.denullify else None
    if direct is not None:
        yield direct, False
    elif column.type.integer_range is not None:
        yield pa.type_for_alias(column.type.value), True
    elif column.type is ColumnType.TIMESTAMP and column.moment.epoch is not None:
        yield pa.int64(), True
    # A text in JSON is not the JSON it may hold.
    if direct != pa.string() and not column.type.nested and column.type is not ColumnType.JSON:
        yield pa.string(), True


def _direct_type(datatype: Datatype, nulls: frozenset[str]) -> pa.DataType | None:
    """Return the type Arrow's parser gives these values exactly as a CellReader would, None where it cannot."""
    if datatype.element is not None:
        inner = _direct_type(datatype.element, nulls) if datatype.type is ColumnType.ARRAY else None
        return None if inner is None else pa.list_(pa.field("element", inner))
    if datatype.type is ColumnType.STRING:
        return None if nulls else pa.string()
    # Of numbers and booleans the texts are compared with those that mean null.
    if any(_is_constant(text) for text in nulls):
        return None
    if datatype.type in {ColumnType.BOOLEAN, ColumnType.DOUBLE}:
        return arrow_type(datatype)
    if datatype.type.integer_range is not None and datatype.type is not ColumnType.UINT64:
        return pa.type_for_alias(datatype.type.value)
    return None


def _is_constant(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text in {"true", "false"}
    return True
