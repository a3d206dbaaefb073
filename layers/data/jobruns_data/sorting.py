"""Puts rows of a table with a primary key into an order, without having them in memory.

Some are kept, sorted, and put on the disk as a run; at the end the runs are read side by side. Where only the first
ones are asked for, no more than these are kept of each. Rows that are equal come in the order of their keys, so that
one part and the next of the same rows fit together.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from jobruns.errors import InvalidInputError
from jobruns.operation import Order
from jobruns_data.attributes import CREATED, UPDATED, Layout
from jobruns_data.keys import KeySpace, key_values
from jobruns_data.kinds import Kind, other_values, type_values
from jobruns_data.records import json_records

__all__ = ["sort_records"]

LOT_BYTES: Final = 40 << 20
DISK_BYTES: Final = 8 << 30
"""Of the 10 GB that a function has on its disk."""

_STEP_ROWS: Final = 1_024
_RANKS: Final = {
    kind: rank for rank, kind in enumerate((Kind.BOOLEAN, Kind.NUMBER, Kind.TEXT, Kind.MOMENT, Kind.JSON), 1)
}
_COLUMNS: Final = ("rank", "number", "whole", "text")


def sort_records(
    layout: Layout,
    parts: Iterable[pa.Table],
    orders: Sequence[Order],
    names: Sequence[str],
    *,
    first: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Give rows in an order, as JSON objects.

    Parameters
    ----------
    layout : Layout
    parts : iterable of pa.Table
        With the columns of all attributes of the orders and of the names, and of the key.
    orders : sequence of Order
        Each counts where those before it have equal values.
    names : sequence of str
        Attributes to give.
    first : int, optional
        So many rows are wanted; left out, all.

    Raises
    ------
    InvalidInputError
        They do not fit on the disk.
    """
    by = [*orders, Order(attribute=layout.primary_key)]
    with tempfile.TemporaryDirectory(prefix="order-") as folder:
        runs: list[Path] = []
        lot: list[pa.Table] = []
        waiting = on_disk = 0
        for part in parts:
            lot.append(_with_order(layout, part, by))
            waiting += lot[-1].nbytes
            if waiting < LOT_BYTES:
                continue
            rows = _sorted(lot, by, first)
            lot, waiting = [rows], rows.nbytes
            if waiting > LOT_BYTES // 2:
                runs.append(_put_down(rows, Path(folder, f"{len(runs)}.arrow")))
                on_disk += runs[-1].stat().st_size
                lot, waiting = [], 0
            if on_disk > DISK_BYTES:
                raise InvalidInputError("there are too many rows to sort: ask for fewer attributes, or give a limit")
        kept = _sorted(lot, by, first) if lot else None
        if not runs:
            yield from () if kept is None else _records(layout, [kept], names)
            return
        sides = [_side(layout, _read(run), names, by) for run in runs]
        if kept is not None:
            sides.append(_side(layout, [kept], names, by))
        for _, record in islice(heapq.merge(*sides, key=lambda side: side[0]), first):
            yield record


def _with_order(layout: Layout, rows: pa.Table, by: Sequence[Order]) -> pa.Table:
    """Add the columns by which the rows are sorted."""
    for number, order in enumerate(by):
        for name, column in zip(_COLUMNS, _order_columns(layout, rows, order.attribute), strict=True):
            rows = rows.append_column(f"\0{number} {name}", column)
    return rows


def _order_columns(layout: Layout, rows: pa.Table, attribute: str) -> tuple[pa.Array, ...]:
    """Give the kind of each value as a rank, and the value as a number, a whole number or a text."""
    values = _values(layout, rows, attribute)
    rank = pa.repeat(pa.scalar(0, pa.int8()), len(rows))
    number, text = pa.nulls(len(rows), pa.float64()), pa.nulls(len(rows), pa.string())
    for kind, array in values.items():
        rank = pc.if_else(pc.is_valid(array), pa.scalar(_RANKS[kind], pa.int8()), rank)
        if kind in {Kind.TEXT, Kind.JSON}:
            text = pc.coalesce(text, array)
        else:
            stored = array.cast(pa.int64()) if kind is Kind.MOMENT else array
            number = pc.coalesce(number, pc.cast(stored, pa.float64(), safe=False))
    whole = pa.nulls(len(rows), pa.int64())
    column = layout.key_columns.get(KeySpace.NUMBERS)
    if attribute == layout.primary_key and column is not None:
        # As a double alone, large ones could not be told apart.
        whole = pc.fill_null(_whole(rows[column].cast(pa.int64())), 0)
    return rank, number, whole, text


def _values(layout: Layout, rows: pa.Table, attribute: str) -> dict[Kind, pa.Array]:
    if attribute in {CREATED, UPDATED}:
        return {Kind.NUMBER: _whole(rows[attribute].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()))}
    if attribute != layout.primary_key:
        found = layout.attributes[attribute]
        main = {found.kind: _whole(rows[found.column])}
        return main if found.other is None else other_values(main, _whole(rows[found.other]))
    texts = layout.key_columns.get(KeySpace.TEXTS)
    values = {} if texts is None else type_values(key_values(KeySpace.TEXTS, _whole(rows[texts].cast(pa.string()))))
    numbers = layout.key_columns.get(KeySpace.NUMBERS)
    if numbers is not None:
        whole = pc.cast(_whole(rows[numbers]), pa.float64(), safe=False)
        values[Kind.NUMBER] = pc.coalesce(whole, values[Kind.NUMBER]) if Kind.NUMBER in values else whole
    return values


def _sorted(lot: Sequence[pa.Table], by: Sequence[Order], first: int | None) -> pa.Table:
    rows = pa.concat_tables(lot, promote_options="default").combine_chunks()
    keys = [
        (f"\0{number} {name}", "descending" if order.descending else "ascending")
        for number, order in enumerate(by)
        for name in _COLUMNS
    ]
    # Where there is null there is none of that kind at all, so that its place does not matter.
    indices = pc.sort_indices(rows, sort_keys=keys)
    return rows.take(indices if first is None else indices.slice(0, first))


def _put_down(rows: pa.Table, path: Path) -> Path:
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "wb") as out, pa.ipc.new_file(out, rows.schema, options=options) as writer:
        writer.write_table(rows, max_chunksize=_STEP_ROWS)
    return path


def _read(path: Path) -> Iterator[pa.Table]:
    with pa.OSFile(str(path), "rb") as file:
        reader = pa.ipc.open_file(file)
        for number in range(reader.num_record_batches):
            yield pa.Table.from_batches([reader.get_batch(number)])


def _records(layout: Layout, parts: Iterable[pa.Table], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for part in parts:
        for at in range(0, len(part), _STEP_ROWS):
            yield from json_records(layout, part.slice(at, _STEP_ROWS), names)


def _side(
    layout: Layout, parts: Iterable[pa.Table], names: Sequence[str], by: Sequence[Order]
) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Give the rows of one run, each with what it is compared by."""
    for part in parts:
        keys = []
        for number, order in enumerate(by):
            columns = (part[f"\0{number} {name}"].to_pylist() for name in _COLUMNS)
            values = zip(*columns, strict=True)
            keys.append([_Falling(value) for value in values] if order.descending else list(values))
        yield from zip(zip(*keys, strict=True), json_records(layout, part, names), strict=True)


class _Falling:
    """A value that is less than another where it is greater."""

    __slots__ = ("_value",)

    def __init__(self, value: tuple[Any, ...]) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Falling) and self._value == other._value

    def __lt__(self, other: _Falling) -> bool:
        return other._value < self._value

    __hash__ = None  # type: ignore[assignment]  # nobody looks it up


def _whole(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
