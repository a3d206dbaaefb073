"""Finds the rows that a query asks for."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table

from jobruns.errors import InvalidInputError
from jobruns.operation import TableQuery
from jobruns_data.attributes import CREATED, UPDATED, Layout
from jobruns_data.catalog import TableTarget, load_table
from jobruns_data.searching import find_by_keys, search
from jobruns_data.typed import typed_schema, typed_tables

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a query.

    Parameters
    ----------
    names : sequence of str
        Attributes, in their order.
    rows : iterator of mapping
        Read as they are asked for.
    table : Table, optional
        As loaded; None of one that has never been written to.
    """

    names: Sequence[str]
    rows: Iterator[Row]
    table: Table | None

    def tables(self, rows: Iterable[Row]) -> Iterator[pa.Table]:
        """Give its rows in columns that have a type; the first part has no rows."""
        if self.table is None:
            return iter([pa.table({name: pa.array([], pa.string()) for name in self.names})])
        return typed_tables(typed_schema(self.table, self.names), rows)


def find_rows(catalog: Catalog, target: TableTarget, query: TableQuery, seconds: float | None = None) -> Found:
    """Find the rows of a query.

    The order of the attributes is that of the query; where it names none, the key and the two times are first and the
    others follow by name. A table that has never been written to has neither. With ``seconds`` the rows end with an
    error after so long.

    Raises
    ------
    UnknownAttributeError
        The table has no such attribute.
    InvalidInputError
        It takes too long, or there are too many rows to sort them.
    """
    try:
        table = load_table(catalog, target)
    except NoSuchTableError:
        return Found(query.attributes or (), iter(()), None)
    layout = Layout.of(table)
    names = query.attributes or (layout.primary_key, CREATED, UPDATED, *sorted(layout.attributes))
    if query.keys is not None:
        return Found(names, iter(find_by_keys(table, query.keys, names)), table)
    rows = search(
        table,
        query.conditions,
        every=query.every,
        attributes=names,
        order=query.order,
        offset=query.offset,
        limit=query.limit,
        go_on=None if seconds is None else _until(seconds),
    )
    return Found(names, rows, table)


def _until(seconds: float) -> Callable[[], None]:
    end = time.monotonic() + seconds

    def go_on() -> None:
        if time.monotonic() > end:
            raise InvalidInputError(
                f"the search took longer than {seconds:g} s: name the primary key in a condition, or export the rows"
            )

    return go_on
