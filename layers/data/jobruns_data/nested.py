"""Arrays and maps: their parts are read as columns of their own, and put together again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, Protocol

import pyarrow as pa

from jobruns.datatypes import ColumnType, Datatype, parse_json
from jobruns_data.schema import arrow_type

__all__ = ["NestedReader", "PartReader"]

_PARTS_AT_ONCE: Final = 1 << 16
"""Parts that are texts at the same time: one long array must not take many times the memory of its file."""


class PartReader(Protocol):
    """Reads what is in an array or a map."""

    def values(self, raw: Iterable[object]) -> tuple[pa.Array, list[int]]:
        """Read values that a JSON parser gave; returns them, and the ascending numbers of those that are bad."""

    def fault(self, raw: object, *, parsed: bool) -> str | None:
        """Say what is wrong with one value; None if nothing is."""


class NestedReader:
    """Reads arrays or maps.

    Parameters
    ----------
    datatype : Datatype
        An array or a map.
    parts : PartReader
        For what is in it.
    null_values : collection of str
        Texts that mean null.
    empty_for_null : bool
        Whether an empty one takes the place of null.
    """

    def __init__(
        self, datatype: Datatype, parts: PartReader, null_values: Collection[str], *, empty_for_null: bool = False
    ) -> None:
        self._datatype = datatype
        self._parts = parts
        self._null_values = null_values
        self._empty_for_null = empty_for_null
        self._type = arrow_type(datatype)

    def values(self, raw: Iterable[object]) -> tuple[pa.Array, list[int]]:
        """Read values: JSON text, or what a JSON parser gave. Bad ones are null, and their numbers returned."""
        keys: list[str] = []
        parts: list[object] = []
        ends: list[int] = [0]
        absent: list[bool] = []
        bad: list[int] = []
        for row, value in enumerate(raw):
            try:
                whole = self._whole(value)
                if isinstance(whole, dict):
                    for key in whole:
                        key.encode()
                    keys.extend(whole)
                    parts.extend(whole.values())
                elif whole is not None:
                    parts.extend(whole)
            except ValueError:
                whole = None
                bad.append(row)
            absent.append(whole is None)
            ends.append(len(parts))
        values, bad_parts = self._read_parts(parts)
        if bad_parts:
            bad = sorted({*bad, *_rows_of(bad_parts, ends)})
        nulls = None if self._empty_for_null else pa.array(absent, pa.bool_())
        offsets = pa.array(ends, pa.int32())
        if self._datatype.type is ColumnType.MAP:
            made = pa.MapArray.from_arrays(offsets, pa.array(keys, pa.string()), values, type=self._type, mask=nulls)
        else:
            made = pa.ListArray.from_arrays(offsets, values, type=self._type, mask=nulls)
        return made, bad

    def fault(self, raw: object) -> str | None:
        """Say what is wrong with one value, and where in it; None if nothing is."""
        try:
            whole = self._whole(raw)
        except ValueError as error:
            return str(error)
        if whole is None:
            return None
        for where, part in self._datatype.parts(whole):
            try:
                where.encode()
            except ValueError as error:
                return f"a key: {error}"
            if (why := self._parts.fault(part, parsed=True)) is not None:
                return f"{where}: {why}"
        return None

    def _whole(self, value: object) -> list[Any] | dict[str, Any] | None:
        if isinstance(value, str):
            if not value or value in self._null_values:
                return None
            value = parse_json(value)
        if value is None:
            return None
        if isinstance(value, dict if self._datatype.type is ColumnType.MAP else list):
            return value
        self._datatype.parts(value)  # which says why it cannot be
        return None

    def _read_parts(self, parts: Sequence[object]) -> tuple[pa.Array, list[int]]:
        read: list[pa.Array] = []
        bad: list[int] = []
        ahead = iter(parts)
        for start in range(0, max(len(parts), 1), _PARTS_AT_ONCE):
            values, wrong = self._parts.values(islice(ahead, _PARTS_AT_ONCE))
            read.append(values)
            bad += [start + i for i in wrong]
        return pa.concat_arrays(read) if len(read) > 1 else read[0], bad


def _rows_of(parts: Iterable[int], ends: Sequence[int]) -> Iterator[int]:
    """Give the row that each of the ascending ``parts`` is in."""
    row = 0
    for part in parts:
        while ends[row + 1] <= part:
            row += 1
        yield row
