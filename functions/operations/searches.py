"""Finds the rows that a query asks for."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from jobruns.operation import TableQuery
from jobruns_data.attributes import CREATED, UPDATED, Layout
from jobruns_data.catalog import TableTarget, load_table
from jobruns_data.searching import Comparator, Condition, find_by_keys, search

Row = Mapping[str, Any]


def find_rows(catalog: Catalog, target: TableTarget, query: TableQuery) -> tuple[Sequence[str], Iterator[Row]]:
    """Give the attributes of the rows in their order, and the rows, read as they are asked for.

    The order is that of the query; where it names none, the key and the two times are first and the others follow by
    name. A table that has never been written to has neither.

    Raises
    ------
    UnknownAttributeError
        The table has no such attribute.
    """
    try:
        table = load_table(catalog, target)
    except NoSuchTableError:
        return query.attributes or (), iter(())
    layout = Layout.of(table)
    names = query.attributes or (layout.primary_key, CREATED, UPDATED, *sorted(layout.attributes))
    if query.keys is not None:
        return names, iter(find_by_keys(table, query.keys, names))
    conditions = [
        Condition(condition.attribute, Comparator(condition.comparator), condition.value)
        for condition in query.conditions
    ]
    return names, search(table, conditions, every=query.every, attributes=names, offset=query.offset, limit=query.limit)
