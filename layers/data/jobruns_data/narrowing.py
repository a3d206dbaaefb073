"""Reads less of a table for a query in SQL, where that cannot change what the query gives.

SQL compares by the types of columns, and a relation's columns have those of the values in it. So rows are left out only
where the table's statistics say that no column would get another type by that, and only by comparisons which SQL and
this service understand in the same way: numbers with numbers, texts with texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.table import Table

from jobruns.operation import Comparator, Condition, Group
from jobruns_data.attributes import CREATED, UPDATED, Layout
from jobruns_data.conditions import superset
from jobruns_data.keys import KeySpace
from jobruns_data.kinds import Kind
from jobruns_data.stored import filled_columns

__all__ = ["narrow_scan"]

_ANY = Condition(attribute=CREATED, comparator=Comparator.NOT_EQUAL)
"""Every row meets it: rows have that time."""


def narrow_scan(
    table: Table, layout: Layout, names: Sequence[str], conditions: Sequence[Condition | Group]
) -> tuple[Layout, BooleanExpression]:
    """Say which rows of a loaded table have to be read.

    Parameters
    ----------
    table : Table
        As loaded.
    layout : Layout
    names : sequence of str
        Attributes that are read.
    conditions : sequence of Condition or Group
        Their attributes are told apart by their letters whatever their case.

    Returns
    -------
    Layout, BooleanExpression
        The layout is without the column of keys that nothing is in.
    """
    filled = filled_columns(table)
    keys = {space: column for space, column in layout.key_columns.items() if column in filled}
    mixed = any(
        layout.attributes[name].other in filled for name in names if name not in {layout.primary_key, CREATED, UPDATED}
    )
    if mixed or len(keys) != 1:
        return layout, AlwaysTrue()
    layout = replace(layout, key_columns=keys)
    known = {name.casefold(): name for name in names}
    return layout, superset(layout, [_narrowed(layout, known, one) for one in conditions], every=True)


def _narrowed(layout: Layout, known: Mapping[str, str], condition: Condition | Group) -> Condition | Group:
    if isinstance(condition, Group):
        inner = tuple(_narrowed(layout, known, one) for one in condition.conditions)
        return condition.model_copy(update={"conditions": inner})
    name = known.get(condition.attribute.casefold())
    values = condition.value if condition.comparator is Comparator.BETWEEN else (condition.value,)
    if name is None or not _compared_alike(layout, name, values):
        return _ANY
    return condition.model_copy(update={"attribute": name})


def _compared_alike(layout: Layout, name: str, values: Sequence[object]) -> bool:
    if name in {CREATED, UPDATED}:
        return False
    if name == layout.primary_key:
        if KeySpace.NUMBERS in layout.key_columns:
            return all(type(value) is int and abs(value) < 2**63 for value in values)
        return all(isinstance(value, str) for value in values)
    kind = layout.attributes[name].kind
    wanted = {Kind.NUMBER: (int, float), Kind.TEXT: (str,)}.get(kind)
    return wanted is not None and all(type(value) in wanted for value in values)
