"""Orders rows: all at once, or as they come where they come in a part of the order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from jobruns.run import RunSummary
from pgrest.binding import Ordering
from pgrest.cells import comparable
from pgrest.columns import Row

_SPARE = 1000
"""Rows kept beside those wanted, so that they are put in order once in a while and not whenever one is added."""


class Match(NamedTuple):
    """A run, and its row."""

    run: RunSummary
    row: Row


def order_rows(rows: Iterable[Row], order: Sequence[Ordering]) -> list[Row]:
    """Order rows by the first column, those that tie by the second, and so on. Text is compared by code point."""
    ordered = list(rows)
    for ordering in reversed(order):
        ordered.sort(key=order_key(ordering), reverse=ordering.descending)
    return ordered


def order_matches(matches: Iterable[Match], order: Sequence[Ordering]) -> list[Match]:
    """Order matches by their rows."""
    ordered = list(matches)
    for ordering in reversed(order):
        key = order_key(ordering)
        ordered.sort(key=lambda match, key=key: key(match.row), reverse=ordering.descending)  # type: ignore[misc]
    return ordered


def first_matches(matches: Iterable[Match], order: Sequence[Ordering], count: int) -> list[Match]:
    """Order matches and give the first ones, without ever keeping many more."""
    kept: list[Match] = []
    for match in matches:
        kept.append(match)
        if len(kept) >= 2 * count + _SPARE:
            kept = order_matches(kept, order)[:count]
    return order_matches(kept, order)[:count]


def order_groups(matches: Iterable[Match], served: int, order: Sequence[Ordering]) -> Iterator[Match]:
    """Order matches that come ordered by the first terms: those that tie in them, as they come."""
    keys = [order_key(ordering) for ordering in order[:served]]
    for _, group in groupby(matches, key=lambda match: [key(match.row) for key in keys]):
        yield from order_matches(group, order[served:])


def merge_key(order: Sequence[Ordering]) -> Callable[[Match], Any]:
    """Make what gives the key by which matches in an order are merged; all of its terms have the same direction."""
    keys = [order_key(ordering) for ordering in order]
    return lambda match: [key(match.row) for key in keys]


def order_key(ordering: Ordering) -> Callable[[Row], tuple[bool, Any]]:
    """Make what gives of a row the key by which it is ordered; upwards, or downwards where the order descends."""
    value_of = comparable(ordering.column, ordering.arrows)
    # Ascending, the greater comes last; descending, it comes first.
    nulls_are_greatest = ordering.nulls_first == ordering.descending

    def key(row: Row) -> tuple[bool, Any]:
        value = value_of(row)
        if value is None:
            return nulls_are_greatest, 0
        return not nulls_are_greatest, value

    return key
