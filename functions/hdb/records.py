"""Rows as answers show them, and the answers to requests that wrote rows."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from hdb import messages
from hdb.loads import Action
from hdb.moments import write_fraction

CREATED = "__createdtime__"
UPDATED = "__updatedtime__"
_TIMES = frozenset({CREATED, UPDATED})


def write_row(row: Mapping[str, Any], names: Sequence[str] | None = None) -> dict[str, Any]:
    """Write a row.

    Parameters
    ----------
    row : mapping
        Its cells; the two times of a row are moments.
    names : sequence of str, optional
        Which of them, in which order; null where there is none. All of them where this is not said.
    """
    cells = row.items() if names is None else ((name, row.get(name)) for name in names)
    return {name: _write_cell(name, value) for name, value in cells}


def order_columns(names: Iterable[str], key: str) -> list[str]:
    """Put the columns of a table in the order in which a star shows them."""
    rest = sorted(name for name in names if name != key and name not in _TIMES)
    return [key, CREATED, UPDATED, *rest]


def choose_columns(asked: Sequence[str], names: Iterable[str], key: str) -> list[str]:
    """Give the columns that a search shows: all of them for a star, else those asked for, in that order."""
    return order_columns(names, key) if "*" in asked else list(dict.fromkeys(asked))


def answer_written(action: Action, keys: Sequence[Any], skipped: Sequence[Any]) -> dict[str, Any]:
    """Answer to rows that were inserted, updated or upserted.

    Parameters
    ----------
    action : Action
        What was to be done.
    keys : sequence
        Keys of the rows that were written.
    skipped : sequence
        Keys of the rows that were not; no row is skipped by an upsert.
    """
    answer: dict[str, Any] = {"message": messages.written(action, len(keys), len(keys) + len(skipped))}
    match action:
        case Action.INSERT:
            return {**answer, "inserted_hashes": list(keys), "skipped_hashes": list(skipped)}
        case Action.UPDATE:
            return {**answer, "update_hashes": list(keys), "skipped_hashes": list(skipped)}
        case Action.UPSERT:
            return {**answer, "upserted_hashes": list(keys)}


def answer_deleted(keys: Sequence[Any], skipped: Sequence[Any] = ()) -> dict[str, Any]:
    """Answer to rows that were deleted. A key that no row had counts as deleted."""
    total = len(keys) + len(skipped)
    return {
        "message": messages.deleted(len(keys), total),
        "deleted_hashes": list(keys),
        "skipped_hashes": list(skipped),
    }


def _write_cell(name: str, value: Any) -> Any:
    if isinstance(value, datetime) and name in _TIMES:
        return write_fraction(value)
    # In JSON there is no such number; and a number that is whole is written as one.
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        return None
    return value
