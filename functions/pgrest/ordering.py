"""Orders rows."""

from collections.abc import Iterable, Sequence
from typing import Any

from pgrest.binding import Ordering
from pgrest.columns import Row


def order_rows(rows: Iterable[Row], order: Sequence[Ordering]) -> list[Row]:
    """Order rows by the first column, those that tie by the second, and so on. Text is compared by code point."""
    ordered = list(rows)
    for ordering in reversed(order):
        ordered.sort(key=_sort_key(ordering), reverse=ordering.descending)
    return ordered


def _sort_key(ordering: Ordering) -> Any:
    name = ordering.column.name
    # Ascending, the greater comes last; descending, it comes first.
    nulls_are_greatest = ordering.nulls_first == ordering.descending

    def key(row: Row) -> tuple[bool, Any]:
        value = row[name]
        if value is None:
            return nulls_are_greatest, 0
        return not nulls_are_greatest, value

    return key
