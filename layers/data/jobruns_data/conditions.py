"""Conditions on the rows of a table with a primary key: what bounds say of them, and which rows meet them.

What Iceberg's bounds and Parquet's can decide is decided there. What is read is looked at in Arrow; where values are of
another kind than their column, each is looked at by itself, since a number is never equal to a text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
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
    LessThanOrEqual,
    NotNull,
    Or,
    StartsWith,
)

from jobruns.operation import Comparator, Condition, Group
from jobruns_data.attributes import Layout
from jobruns_data.keys import KeySpace, key_token, keys_of_values
from jobruns_data.kinds import Kind, type_values
from jobruns_data.records import json_records

__all__ = ["attributes_of", "rows_mask", "superset"]

_RANGES: Final[dict[Comparator, Callable[[Any, Any], bool]]] = {
    Comparator.GREATER_THAN: lambda value, wanted: value > wanted,
    Comparator.GREATER_THAN_EQUAL: lambda value, wanted: value >= wanted,
    Comparator.LESS_THAN: lambda value, wanted: value < wanted,
    Comparator.LESS_THAN_EQUAL: lambda value, wanted: value <= wanted,
    Comparator.BETWEEN: lambda value, wanted: wanted[0] <= value <= wanted[1],
}
_ARROW_RANGES: Final[dict[Comparator, Callable[[pa.Array, Any], pa.Array]]] = {
    Comparator.GREATER_THAN: lambda values, ends: pc.greater(values, ends[0]),
    Comparator.GREATER_THAN_EQUAL: lambda values, ends: pc.greater_equal(values, ends[0]),
    Comparator.LESS_THAN: lambda values, ends: pc.less(values, ends[0]),
    Comparator.LESS_THAN_EQUAL: lambda values, ends: pc.less_equal(values, ends[0]),
    Comparator.BETWEEN: lambda values, ends: pc.and_(pc.greater_equal(values, ends[0]), pc.less_equal(values, ends[1])),
}
_PARTS: Final[dict[Comparator, Callable[[pa.Array, str], pa.Array]]] = {
    Comparator.CONTAINS: pc.match_substring,
    Comparator.STARTS_WITH: pc.starts_with,
    Comparator.ENDS_WITH: pc.ends_with,
}


def attributes_of(conditions: Sequence[Condition | Group]) -> Iterator[str]:
    """Name the attributes that conditions look at."""
    for condition in conditions:
        if isinstance(condition, Group):
            yield from attributes_of(condition.conditions)
        else:
            yield condition.attribute


def superset(layout: Layout, conditions: Sequence[Condition | Group], *, every: bool) -> BooleanExpression:
    """Say what every row that meets the conditions meets, in what Iceberg knows bounds of."""
    if not conditions:
        return AlwaysTrue()
    each = [
        superset(layout, condition.conditions, every=condition.every)
        if isinstance(condition, Group)
        else _superset(layout, condition)
        for condition in conditions
    ]
    join = And if every else Or
    while len(each) > 1:
        # In pairs: whoever walks through it goes down by a call for each level.
        each = [
            join(*pair) if len(pair) == 2 else pair[0] for pair in (each[at : at + 2] for at in range(0, len(each), 2))
        ]
    return each[0]


def rows_mask(layout: Layout, rows: pa.Table, conditions: Sequence[Condition | Group], *, every: bool) -> pa.Array:
    """Say of each row whether it meets the conditions, of which there is one at least."""
    masks = (
        rows_mask(layout, rows, condition.conditions, every=condition.every)
        if isinstance(condition, Group)
        else _mask(layout, rows, condition)
        for condition in conditions
    )
    return reduce(pc.and_ if every else pc.or_, masks)


def _superset(layout: Layout, condition: Condition) -> BooleanExpression:
    comparator = condition.comparator
    values = _ends(condition)
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
        case Comparator.GREATER_THAN | Comparator.GREATER_THAN_EQUAL:
            return GreaterThanOrEqual(column, values[0])
        case Comparator.LESS_THAN | Comparator.LESS_THAN_EQUAL:
            return LessThanOrEqual(column, values[0])
        case Comparator.BETWEEN:
            return And(GreaterThanOrEqual(column, values[0]), LessThanOrEqual(column, values[1]))
    return None


def _mask(layout: Layout, rows: pa.Table, condition: Condition) -> pa.Array:
    if condition.comparator is Comparator.NOT_EQUAL:
        return pc.invert(_mask(layout, rows, condition.model_copy(update={"comparator": Comparator.EQUALS})))
    mask = _key_mask(layout, rows, condition) if condition.attribute == layout.primary_key else None
    attribute = layout.attributes.get(condition.attribute)
    if attribute is not None and (attribute.other is None or rows[attribute.other].null_count == len(rows)):
        mask = _column_mask(rows[attribute.column], attribute.kind, condition)
    if mask is not None:
        return pc.fill_null(mask, False)
    values = json_records(layout, rows, [condition.attribute])
    return pa.array([_meets(condition, value[condition.attribute]) for value in values], pa.bool_())


def _key_mask(layout: Layout, rows: pa.Table, condition: Condition) -> pa.Array | None:
    """Compare keys that are whole numbers, where all rows have such a one."""
    column = layout.key_columns.get(KeySpace.NUMBERS)
    ends = _ends(condition)
    if column is None or rows[column].null_count or not all(type(end) is int for end in ends):
        return None
    stored = keys_of_values(ends).numbers
    if stored.null_count:
        return None
    if condition.comparator is Comparator.EQUALS:
        return pc.equal(rows[column], stored[0])
    compare = _ARROW_RANGES.get(condition.comparator)
    return None if compare is None else compare(rows[column], stored)


def _column_mask(values: pa.ChunkedArray, kind: Kind, condition: Condition) -> pa.Array | None:
    """Compare values of one kind; None where each has to be looked at."""
    comparator = condition.comparator
    if comparator is Comparator.EQUALS and condition.value is not None and kind is not Kind.JSON:
        typed = type_values([condition.value]).get(kind)
        return None if typed is None else pc.equal(values, typed[0])
    if comparator in _PARTS and kind is Kind.TEXT:
        return _PARTS[comparator](values, _text(condition.value))
    if comparator in _ARROW_RANGES and kind in {Kind.NUMBER, Kind.TEXT}:
        ends = type_values(_ends(condition)).get(kind)
        if ends is not None and ends.null_count == 0:
            return _ARROW_RANGES[comparator](values, ends)
    return None


def _ends(condition: Condition) -> Sequence[Any]:
    """Give the values that a condition compares with: of a range two."""
    return list(condition.value) if condition.comparator is Comparator.BETWEEN else [condition.value]


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
    if not all(_comparable(value, end) for end in _ends(condition)):
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
