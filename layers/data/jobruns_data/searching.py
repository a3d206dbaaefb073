"""Finds rows of a table with a primary key, as JSON objects, a part at a time.

What Iceberg's bounds and Parquet's can decide is decided there: which files and parts of files are read at all. What is
read is looked at in Arrow; a value that is of another kind than its column is looked at by itself, since a number is
never equal to a text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import (
    AlwaysFalse,
    AlwaysTrue,
    And,
    BooleanExpression,
    EqualTo,
    GreaterThanOrEqual,
    In,
    LessThanOrEqual,
    NotNull,
    Or,
    StartsWith,
)
from pyiceberg.table import Table

from jobruns_data.attributes import CREATED, UPDATED, Layout
from jobruns_data.errors import UnknownAttributeError
from jobruns_data.keys import KeySpace, keys_of_values
from jobruns_data.kinds import Kind, type_values
from jobruns_data.merging import key_token
from jobruns_data.records import columns_of, json_records

__all__ = ["Comparator", "Condition", "find_by_keys", "search"]

_ALL: Final = (CREATED, UPDATED)


class Comparator(StrEnum):
    """How a value is compared."""

    EQUALS = "equals"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    GREATER = "greater_than"
    GREATER_EQUAL = "greater_than_equal"
    LESS = "less_than"
    LESS_EQUAL = "less_than_equal"
    BETWEEN = "between"


@dataclass(frozen=True, slots=True)
class Condition:
    """What a row's value must be like; of a range, ``value`` is its two ends, both included."""

    attribute: str
    comparator: Comparator
    value: Any


def find_by_keys(table: Table, keys: Sequence[Any], attributes: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Give the rows with these keys, in the order of the keys; those that are not there are left out.

    Parameters
    ----------
    table : Table
        As loaded.
    keys : sequence
        As JSON has them.
    attributes : sequence of str, optional
        What to give of each row; left out, everything.

    Raises
    ------
    UnknownAttributeError
        The table has no such attribute.
    """
    layout = Layout.of(table)
    names = _names(layout, attributes)
    stored = keys_of_values(keys)
    wanted = [
        In(column, set(some))
        for space, column in layout.key_columns.items()
        if (some := stored.of(space).drop_null().to_pylist())
    ]
    if not wanted:
        return []
    with_key = names if layout.primary_key in names else [*names, layout.primary_key]
    found: dict[object, dict[str, Any]] = {}
    for rows in _batches(table, layout, _any_of(wanted), with_key):
        for record in json_records(layout, rows, with_key):
            found[key_token(record[layout.primary_key])] = {name: record[name] for name in names}
    return [found[token] for key in keys if (token := key_token(key)) in found]


def search(
    table: Table,
    conditions: Sequence[Condition],
    *,
    every: bool = True,
    attributes: Sequence[str] | None = None,
    offset: int = 0,
    limit: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Give the rows that meet the conditions; all rows, if there are none.

    Parameters
    ----------
    table : Table
        As loaded.
    conditions : sequence of Condition
    every : bool
        Whether all conditions must be met, or one of them.
    attributes : sequence of str, optional
        What to give of each row; left out, everything.
    offset, limit : int
        Rows to leave out at the start, and to give at most.

    Raises
    ------
    UnknownAttributeError
        The table has no such attribute.
    """
    layout = Layout.of(table)
    names = _names(layout, attributes)
    needed = list(dict.fromkeys([*names, *_names(layout, [condition.attribute for condition in conditions])]))
    pruned = [_superset(layout, condition) for condition in conditions]
    row_filter: BooleanExpression = AlwaysTrue()
    if pruned:
        row_filter = reduce(And, pruned) if every else _any_of(pruned)
    left = limit
    for batch in _batches(table, layout, row_filter, needed):
        rows = _matching(layout, batch, conditions, every=every)
        rows, offset = rows.slice(offset), max(offset - len(rows), 0)
        rows = rows if left is None else rows.slice(0, left)
        yield from json_records(layout, rows, names)
        if left is not None and (left := left - len(rows)) <= 0:
            return


def _names(layout: Layout, attributes: Sequence[str] | None) -> list[str]:
    known = [layout.primary_key, *_ALL, *layout.attributes]
    if attributes is None:
        return known
    for name in attributes:
        if name not in known:
            raise UnknownAttributeError(name)
    return list(dict.fromkeys(attributes))


def _batches(table: Table, layout: Layout, row_filter: BooleanExpression, names: Sequence[str]) -> Iterator[pa.Table]:
    columns = columns_of(layout, names) or [CREATED]
    reader = table.scan(row_filter=row_filter, selected_fields=tuple(columns)).to_arrow_batch_reader()
    for batch in reader:
        if batch.num_rows:
            yield pa.table(
                {name: _plain(column) for name, column in zip(batch.schema.names, batch.columns, strict=True)}
            )


def _plain(column: pa.Array) -> pa.Array:
    return column.cast(pa.string()) if pa.types.is_large_string(column.type) else column


def _any_of(some: Sequence[BooleanExpression]) -> BooleanExpression:
    return reduce(Or, some)


def _superset(layout: Layout, condition: Condition) -> BooleanExpression:
    """Say what every row that meets the condition meets, in what Iceberg knows bounds of."""
    comparator = condition.comparator
    values = condition.value if comparator is Comparator.BETWEEN else [condition.value]
    bounds_tell = {Comparator.EQUALS, Comparator.STARTS_WITH} | _RANGES.keys()
    if comparator not in bounds_tell or any(value is None for value in values):
        return AlwaysTrue()
    if condition.attribute == layout.primary_key:
        return _keys_superset(layout, comparator, values)
    attribute = layout.attributes.get(condition.attribute)
    if attribute is None or attribute.kind not in {Kind.NUMBER, Kind.TEXT}:
        return AlwaysTrue()
    if comparator is Comparator.STARTS_WITH and attribute.kind is not Kind.TEXT:
        return AlwaysTrue()  # numbers are searched as texts
    typed = type_values(values).get(attribute.kind)
    if typed is None or typed.null_count:
        bounded: BooleanExpression | None = AlwaysFalse()
    else:
        bounded = _bounded(comparator, attribute.column, typed.to_pylist())
    if bounded is None:
        return AlwaysTrue()
    return bounded if attribute.other is None else Or(bounded, NotNull(attribute.other))


def _keys_superset(layout: Layout, comparator: Comparator, values: Sequence[Any]) -> BooleanExpression:
    keys = keys_of_values(values)
    if comparator is Comparator.EQUALS:
        stored = {column: keys.of(space).to_pylist() for space, column in layout.key_columns.items()}
        return reduce(Or, (EqualTo(c, v[0]) for c, v in stored.items() if v[0] is not None), AlwaysFalse())
    column, texts = (layout.key_columns.get(space) for space in KeySpace)
    bounded = (
        None if column is None or keys.numbers.null_count else _bounded(comparator, column, keys.numbers.to_pylist())
    )
    if comparator not in _RANGES or bounded is None:
        return AlwaysTrue()
    return bounded if texts is None else Or(bounded, NotNull(texts))  # fractions are among the texts


def _bounded(comparator: Comparator, column: str, values: Sequence[Any]) -> BooleanExpression | None:
    match comparator:
        case Comparator.EQUALS:
            return EqualTo(column, values[0])
        case Comparator.STARTS_WITH if isinstance(values[0], str):
            return StartsWith(column, values[0])
        case Comparator.GREATER | Comparator.GREATER_EQUAL:
            return GreaterThanOrEqual(column, values[0])
        case Comparator.LESS | Comparator.LESS_EQUAL:
            return LessThanOrEqual(column, values[0])
        case Comparator.BETWEEN:
            return And(GreaterThanOrEqual(column, values[0]), LessThanOrEqual(column, values[1]))
    return None


_RANGES: Final[dict[Comparator, Callable[[Any, Any], bool]]] = {
    Comparator.GREATER: lambda value, wanted: value > wanted,
    Comparator.GREATER_EQUAL: lambda value, wanted: value >= wanted,
    Comparator.LESS: lambda value, wanted: value < wanted,
    Comparator.LESS_EQUAL: lambda value, wanted: value <= wanted,
    Comparator.BETWEEN: lambda value, wanted: wanted[0] <= value <= wanted[1],
}


def _matching(layout: Layout, rows: pa.Table, conditions: Sequence[Condition], *, every: bool) -> pa.Table:
    if not conditions:
        return rows
    masks = [_mask(layout, rows, condition) for condition in conditions]
    return rows.filter(reduce(pc.and_ if every else pc.or_, masks))


def _mask(layout: Layout, rows: pa.Table, condition: Condition) -> pa.Array:
    """Say of each row whether it meets the condition."""
    attribute = layout.attributes.get(condition.attribute)
    if attribute is not None and condition.comparator is Comparator.EQUALS and condition.value is not None:
        typed = type_values([condition.value]).get(attribute.kind)
        mask = (
            pc.fill_null(pc.equal(rows[attribute.column], typed[0]), False)
            if typed is not None and attribute.kind is not Kind.JSON
            else None
        )
        if mask is not None and (attribute.other is None or rows[attribute.other].null_count == len(rows)):
            return mask
    values = json_records(layout, rows, [condition.attribute])
    return pa.array([_meets(condition, value[condition.attribute]) for value in values], pa.bool_())


def _meets(condition: Condition, value: Any) -> bool:
    wanted = condition.value
    match condition.comparator:
        case Comparator.EQUALS:
            return key_token(value) == key_token(wanted) or (value == wanted and isinstance(value, (list, dict)))
        case Comparator.CONTAINS | Comparator.STARTS_WITH | Comparator.ENDS_WITH:
            if value is None or isinstance(value, (bool, list, dict)):
                return False
            text, part = _text(value), _text(wanted)
            if condition.comparator is Comparator.CONTAINS:
                return part in text
            return text.startswith(part) if condition.comparator is Comparator.STARTS_WITH else text.endswith(part)
    ends = wanted if condition.comparator is Comparator.BETWEEN else [wanted]
    if not all(_comparable(value, end) for end in ends):
        return False
    return _RANGES[condition.comparator](value, wanted)


def _comparable(value: Any, wanted: Any) -> bool:
    numbers = (int, float)
    if isinstance(value, bool) or isinstance(wanted, bool):
        return isinstance(value, bool) and isinstance(wanted, bool)
    return (isinstance(value, numbers) and isinstance(wanted, numbers)) or (
        isinstance(value, str) and isinstance(wanted, str)
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
