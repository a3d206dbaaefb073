"""Rows of a table with a primary key as a relation that SQL can be asked of: a column for each attribute.

A column whose values are of one kind has the type of that kind. Where they are of several, or JSON, it is a union, the
same one in all tables, so that every value is given back as what it is, and columns can be compared. Such a column can
be selected, compared with values (a number equals no text), sorted by, counted and grouped by. For arithmetic, ``SUM``
or ``LIKE`` it has to be cast, at first to a text: ``TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE)``. The two times are numbers
of milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table

from jobruns.operation import Condition, Group
from jobruns_data.attributes import CREATED, UPDATED, Layout
from jobruns_data.keys import KeySpace, key_values
from jobruns_data.kinds import ARROW_TYPES, Kind, type_values
from jobruns_data.narrowing import narrow_scan
from jobruns_data.records import columns_of
from jobruns_data.scanning import scan_rows

__all__ = ["JSON_MEMBER", "empty_relation", "read_relation"]

JSON_MEMBER: Final = Kind.JSON.value
"""Name of a union's member whose values are JSON."""

_LONG: Final = "long"
_EXACT: Final = 1 << 53  # beyond, a double does not tell whole numbers apart
_UNION: Final[dict[str, pa.DataType]] = {
    Kind.BOOLEAN: pa.bool_(),
    Kind.NUMBER: pa.float64(),
    Kind.TEXT: pa.string(),
    Kind.MOMENT: ARROW_TYPES[Kind.MOMENT],
    # Not as a text: one that it is compared with would have two members to be.
    Kind.JSON: pa.binary(),
}
"""Members in the order that values of different kinds are sorted in."""


def read_relation(
    table: Table,
    attributes: Collection[str] | None,
    needed: Callable[[str], bool],
    take: Callable[[int], None],
    conditions: Sequence[Condition | Group] = (),
) -> pa.Table:
    """Read the rows of a table, in the order that ``SELECT *`` has: the key, the two times, the others by name.

    Parameters
    ----------
    table : Table
        As loaded.
    attributes : collection of str, optional
        Those that there are to be; left out, all.
    needed : callable
        Says of an attribute whether its values have to be read.
    take : callable
        Called with the bytes of each part that is read, to stop by an error when there are too many.
    conditions : sequence of Condition or Group
        Rows that do not meet all of them may be left out, which is done where no column gets another type by it.
    """
    layout = Layout.of(table)
    known = [layout.primary_key, CREATED, UPDATED, *sorted(layout.attributes)]
    names = [name for name in known if (attributes is None or name in attributes) and needed(name)]
    row_filter: BooleanExpression = AlwaysTrue()
    if conditions:
        layout, row_filter = narrow_scan(table, layout, names, conditions)
    columns = columns_of(layout, names) or [CREATED]  # somebody may count the rows
    parts = []
    for part in scan_rows(table, row_filter, columns):
        take(part.nbytes)
        parts.append(part)
    empty = schema_to_pyarrow(table.schema().select(*columns), include_field_ids=False).empty_table()
    rows = (pa.concat_tables(parts) if parts else empty).combine_chunks()
    if not names:
        return rows.select([CREATED])
    return pa.table([_column(layout, rows, name) for name in names], names=names)


def empty_relation(key: str) -> pa.Table:
    """Give the relation of a table that was never written to."""
    times = pa.array([], pa.float64())
    return pa.table({key: pa.array([], pa.string()), CREATED: times, UPDATED: times})


def _column(layout: Layout, rows: pa.Table, name: str) -> pa.Array:
    if name in {CREATED, UPDATED}:
        micros = _array(rows, name, ARROW_TYPES[Kind.MOMENT]).cast(pa.int64())
        return pc.divide(micros.cast(pa.float64()), 1000.0)
    if name == layout.primary_key:
        return _key_column(layout, rows)
    attribute = layout.attributes[name]
    members = {str(attribute.kind): _array(rows, attribute.column, ARROW_TYPES[attribute.kind])}
    if attribute.other is not None:
        others = _array(rows, attribute.other, pa.string())
        if others.null_count < len(others):
            values = [None if text is None else json.loads(text) for text in others.to_pylist()]
            members = _with_values(members, values)
    return _united(members, len(rows))


def _key_column(layout: Layout, rows: pa.Table) -> pa.Array:
    members: dict[str, pa.Array] = {}
    whole = layout.key_columns.get(KeySpace.NUMBERS)
    if whole is not None:
        members[_LONG] = _array(rows, whole, pa.int64())
    texts = layout.key_columns.get(KeySpace.TEXTS)
    if texts is not None:
        others = _array(rows, texts, pa.string())
        if others.null_count < len(others):
            if _LONG in members and _is_exact(members[_LONG]):
                members = {str(Kind.NUMBER): members[_LONG].cast(pa.float64())}
            members = _with_values(members, key_values(KeySpace.TEXTS, others))
    return _united(members, len(rows))


def _is_exact(array: pa.Array) -> bool:
    ends = pc.min_max(array).as_py()
    return ends["min"] is None or (ends["min"] > -_EXACT and ends["max"] < _EXACT)


def _with_values(members: dict[str, pa.Array], values: Sequence[Any]) -> dict[str, pa.Array]:
    """Add values of any kind, in rows where the members have none."""
    added = {str(kind): array for kind, array in type_values(values).items()}
    both = {name: pc.coalesce(members[name], array) for name, array in added.items() if name in members}
    return {**members, **added, **both}


def _united(members: dict[str, pa.Array], rows: int) -> pa.Array:
    occurring = {name: array for name, array in members.items() if array.null_count < len(array)}
    if len(occurring) <= 1 and JSON_MEMBER not in members:
        for array in (*occurring.values(), *members.values()):
            return array
        return pa.nulls(rows, pa.string())
    types = {_LONG: pa.int64(), **_UNION} if _LONG in occurring else _UNION
    codes = pa.repeat(pa.scalar(0, pa.int8()), rows)
    arrays = []
    for code, (name, wanted) in enumerate(types.items()):
        array = occurring.get(name)
        if array is not None:
            codes = pc.if_else(pc.is_valid(array), pa.scalar(code, pa.int8()), codes)
        arrays.append(pa.nulls(rows, wanted) if array is None else array.cast(wanted))
    return pa.UnionArray.from_sparse(codes, arrays, [str(name) for name in types])


def _array(rows: pa.Table, column: str, wanted: pa.DataType) -> pa.Array:
    array = rows[column]
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks() if array.num_chunks != 1 else array.chunk(0)
    return array.cast(wanted)
