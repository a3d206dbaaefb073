"""Finds rows of a table with a primary key, as JSON objects, a part at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from itertools import islice
from typing import Any

import pyarrow as pa
from pyiceberg.expressions import In, Or
from pyiceberg.table import Table

from jobruns.operation import Condition, Group, Order
from jobruns_data.attributes import CREATED, UPDATED, Layout
from jobruns_data.conditions import attributes_of, rows_mask, superset
from jobruns_data.errors import UnknownAttributeError
from jobruns_data.keys import key_token, keys_of_values
from jobruns_data.records import columns_of, json_records
from jobruns_data.scanning import scan_rows
from jobruns_data.sorting import sort_records

__all__ = ["find_by_keys", "search"]


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
    for rows in scan_rows(table, reduce(Or, wanted), columns_of(layout, with_key)):
        for record in json_records(layout, rows, with_key):
            found[key_token(record[layout.primary_key])] = {name: record[name] for name in names}
    return [found[token] for key in keys if (token := key_token(key)) in found]


def search(
    table: Table,
    conditions: Sequence[Condition | Group],
    *,
    every: bool = True,
    attributes: Sequence[str] | None = None,
    order: Sequence[Order] = (),
    offset: int = 0,
    limit: int | None = None,
    go_on: Callable[[], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Give the rows that meet the conditions; all rows, if there are none.

    Parameters
    ----------
    table : Table
        As loaded.
    conditions : sequence of Condition or Group
    every : bool
        Whether all conditions must be met, or one of them.
    attributes : sequence of str, optional
        What to give of each row; left out, everything.
    order : sequence of Order
        Left out, they come as the table has them.
    offset, limit : int
        Rows to leave out at the start, and to give at most.
    go_on : callable, optional
        Called for each part that was read, to stop by an error.

    Raises
    ------
    UnknownAttributeError
        The table has no such attribute.
    InvalidInputError
        There are too many rows to put them into an order.
    """
    layout = Layout.of(table)
    names = _names(layout, attributes)
    looked_at = [*attributes_of(conditions), *(one.attribute for one in order)]
    needed = list(dict.fromkeys([*names, *_names(layout, looked_at), *([layout.primary_key] if order else [])]))
    columns = columns_of(layout, needed) or [CREATED]

    def matching() -> Iterator[pa.Table]:
        for rows in scan_rows(table, superset(layout, conditions, every=every), columns):
            if go_on is not None:
                go_on()
            yield rows.filter(rows_mask(layout, rows, conditions, every=every)) if conditions else rows

    end = None if limit is None else offset + limit
    if end == 0:
        return
    if order:
        yield from islice(sort_records(layout, matching(), order, names, first=end), offset, None)
        return
    at = 0
    for rows in matching():
        kept = rows if end is None else rows.slice(0, end - at)
        yield from json_records(layout, kept.slice(max(offset - at, 0)), names)
        at += len(kept)
        if at == end:
            return


def _names(layout: Layout, attributes: Sequence[str] | None) -> list[str]:
    known = [layout.primary_key, CREATED, UPDATED, *layout.attributes]
    if attributes is None:
        return known
    for name in attributes:
        if name not in known:
            raise UnknownAttributeError(name)
    return list(dict.fromkeys(attributes))
