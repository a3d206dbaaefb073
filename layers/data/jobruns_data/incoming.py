"""Rows on their way into a table with a primary key, before anything is known of the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from jobruns_data.attributes import CREATED, UPDATED, check_name
from jobruns_data.keys import Keys, keys_of_texts, keys_of_values
from jobruns_data.kinds import Values, type_texts, type_values

__all__ = ["Incoming", "incoming_records", "incoming_texts"]

_RECORDS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Incoming:
    """Some rows.

    Parameters
    ----------
    rows : int
    keys : Keys, optional
        None if no row has one.
    values : dict of str to Values
        By attribute, without the key and the times.
    given : dict of str to pa.Array, optional
        Booleans that say which rows bring the attribute at all, be it null. None if every row brings every attribute
        of ``values``, and all that come together have the same.
    """

    rows: int
    keys: Keys | None
    values: Mapping[str, Values]
    given: Mapping[str, pa.Array] | None = None


def incoming_texts(columns: Mapping[str, pa.Array], primary_key: str, *, structures: bool) -> Incoming:
    """Take the cells of a text file, null where a row ends before them.

    Parameters
    ----------
    columns : dict of str to pa.Array of shape (rows,)
    primary_key : str
    structures : bool
        See `jobruns_data.kinds.type_texts`.
    """
    rows = max((len(array) for array in columns.values()), default=0)
    return Incoming(
        rows,
        keys_of_texts(columns[primary_key]) if primary_key in columns else None,
        {
            name: type_texts(array, structures=structures)
            for name, array in columns.items()
            if name not in {primary_key, CREATED, UPDATED}
        },
    )


def incoming_records(records: Iterable[Mapping[str, Any]], primary_key: str) -> Iterator[Incoming]:
    """Take JSON objects, some thousand at a time.

    Raises
    ------
    InvalidAttributeError
        One has a name that no attribute can have.
    """
    left = iter(records)
    while some := list(islice(left, _RECORDS)):
        yield _of_records(some, primary_key)


def _of_records(records: Sequence[Mapping[str, Any]], primary_key: str) -> Incoming:
    names = dict.fromkeys(name for record in records for name in record)
    names = {name: None for name in names if name not in {primary_key, CREATED, UPDATED}}
    for name in names:
        check_name(name)
    return Incoming(
        len(records),
        keys_of_values([record.get(primary_key) for record in records]),
        {name: type_values([record.get(name) for record in records]) for name in names},
        {name: pa.array([name in record for record in records], pa.bool_()) for name in names},
    )
