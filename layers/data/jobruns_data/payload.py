"""The rows of one operation, in the order of their keys, without having them in memory.

What comes is kept up to some size, sorted, and put on the disk as a run; at the end the runs are read side by side, one
range of keys after the other. Any range may be asked for at any time and gives the same rows every time.
"""

from __future__ import annotations

import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["GIVEN", "KEY", "TIMES", "Chunk", "Payload", "key_range"]

KEY: Final = "\0key"
"""Column of the key."""

TIMES: Final = "\0times"
"""Column that says how many rows of the input a row stands for."""

GIVEN: Final = "\0given "
"""Before an attribute's name: column that says which rows bring it."""

CHUNK_ROWS: Final = 65_536
LOT_BYTES: Final = 40 << 20
CHUNK_BYTES: Final = 24 << 20
_STEP_ROWS: Final = 4_096  # rows of a run that are read from the disk together
_CACHED: Final = 2


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of one range of keys, sorted, each key once."""

    ordinal: int
    rows: pa.Table


class _Run:
    """Sorted rows on the disk."""

    def __init__(self, path: Path, rows: pa.Table) -> None:
        self._path = path
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        keys = rows[KEY]
        self.firsts = [keys[at].as_py() for at in range(0, len(rows), _STEP_ROWS)]
        self.last = keys[-1].as_py()
        with pa.OSFile(str(path), "wb") as out, pa.ipc.new_file(out, rows.schema, options=options) as writer:
            for at in range(0, len(rows), _STEP_ROWS):
                writer.write(_one_batch(rows.slice(at, _STEP_ROWS)))
        self._file = pa.OSFile(str(path), "rb")
        self._reader = pa.ipc.open_file(self._file)

    def rows(self, low: Any, high: Any) -> pa.Table:
        """Read the rows with a key from ``low`` to below ``high``; None is without a bound."""
        first = 0 if low is None else max(bisect_left(self.firsts, low) - 1, 0)
        end = len(self.firsts) if high is None else bisect_left(self.firsts, high)
        batches = [self._reader.get_batch(i) for i in range(first, end)]
        table = pa.Table.from_batches(batches, self._reader.schema)
        start, stop = key_range(table[KEY], low, high)
        return table.slice(start, stop - start)

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)


class Payload:
    """Rows by key; use as a context manager, which deletes what is on the disk.

    Parameters
    ----------
    first_wins : bool
        Which of several rows with the same key counts: the first, or else the last, with what it does not bring taken
        from those before it.
    columns_of : callable
        Gives the columns of an attribute by its name.
    lot_bytes, chunk_bytes : int
        Arrow bytes kept before they are sorted and put on the disk, and bytes of a chunk.
    """

    def __init__(
        self,
        *,
        first_wins: bool,
        columns_of: Callable[[str], Sequence[str]],
        lot_bytes: int = LOT_BYTES,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self._first_wins = first_wins
        self._columns_of = columns_of
        self._lot_bytes = lot_bytes
        self._chunk_bytes = chunk_bytes
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._numbers = count()
        self._lot: list[pa.Table] = []
        self._kept_bytes = 0
        self._bytes = 0
        self._runs: list[_Run] = []
        self._splits: list[Any] = []
        self._in_memory: pa.Table | None = None
        self._cache: dict[int, Chunk] = {}
        self.rows = 0

    def __enter__(self) -> Payload:
        return self

    def __exit__(self, *_: object) -> None:
        for run in self._runs:
            run.close()
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, rows: pa.Table) -> None:
        """Take rows, with a `KEY` in each."""
        if not rows.num_rows:
            return
        self._lot.append(rows)
        self.rows += rows.num_rows
        self._kept_bytes += rows.nbytes
        self._bytes += rows.nbytes
        if self._kept_bytes >= self._lot_bytes:
            self._put_down()

    def finish(self) -> None:
        """Take no more rows; the chunks can be asked for now."""
        if not self._runs:
            lot, self._lot = self._lot, []
            self._in_memory = self._without_repeats(_sorted(_together(lot))) if lot else None
        elif self._lot:
            self._put_down()
        self._splits = self._split()

    @property
    def distinct_rows(self) -> int:
        """Rows of the only chunk; of several, those that came."""
        return self.rows if self._in_memory is None else len(self._in_memory)

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return len(self._splits) + 1 if self.rows else 0

    def chunk(self, ordinal: int) -> Chunk:
        """Give the rows of a range of keys."""
        if ordinal not in self._cache:
            while len(self._cache) >= _CACHED:
                del self._cache[next(iter(self._cache))]
            low, high = self._range(ordinal)
            if self._in_memory is not None:
                start, end = key_range(self._in_memory[KEY], low, high)
                rows = self._in_memory.slice(start, end - start)
            else:
                parts = [part for run in self._runs if (part := run.rows(low, high)).num_rows]
                rows = self._without_repeats(_sorted(_together(parts))) if parts else self._runs[0].rows(low, low)
            self._cache[ordinal] = Chunk(ordinal, rows)
        return self._cache[ordinal]

    def chunks_between(self, low: Any, high: Any) -> Iterator[Chunk]:
        """Give the chunks that may have keys from ``low`` to ``high``, both included; None is without a bound."""
        first = 0 if low is None else bisect_right(self._splits, low)
        last = len(self._splits) if high is None else bisect_right(self._splits, high)
        for ordinal in range(first, min(last + 1, self.chunks)):
            yield self.chunk(ordinal)

    def _range(self, ordinal: int) -> tuple[Any, Any]:
        return (
            self._splits[ordinal - 1] if ordinal else None,
            self._splits[ordinal] if ordinal < len(self._splits) else None,
        )

    def _put_down(self) -> None:
        lot, self._lot, self._kept_bytes = self._lot, [], 0
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="rows-")
        rows = _together(lot)
        lot.clear()
        rows = self._without_repeats(_sorted(rows))
        self._runs.append(_Run(Path(self._folder.name, f"{next(self._numbers)}.arrow"), rows))

    def _split(self) -> list[Any]:
        """Choose keys at which the chunks begin, by a sample."""
        if not self.rows:
            return []
        rows = max(min(CHUNK_ROWS, self._chunk_bytes * self.rows // max(self._bytes, 1)), 1)
        if self._in_memory is not None:
            keys = self._in_memory[KEY]
            return [keys[at].as_py() for at in range(rows, len(keys), rows)]
        sample = sorted(first for run in self._runs for first in run.firsts)
        splits: dict[Any, None] = dict.fromkeys(sample[:: max(rows // _STEP_ROWS, 1)][1:])
        return list(splits)

    def _without_repeats(self, rows: pa.Table) -> pa.Table:
        """Make one row of those with the same key; the rows are sorted, and among these in their order."""
        keys = rows[KEY]
        if len(keys) < 2:
            return rows
        same = pc.equal(keys.slice(1), keys.slice(0, len(keys) - 1))
        if not pc.any(same).as_py():
            return rows
        starts = pc.indices_nonzero(pc.invert(_whole([pa.array([False]), same])))
        lasts = pc.subtract(pa.concat_arrays([starts.slice(1), pa.array([len(keys)], starts.type)]), _one(starts))
        kept = rows.take(starts if self._first_wins else lasts)
        if not self._first_wins:
            kept = self._with_earlier(rows, kept, starts, lasts)
        if TIMES in rows.column_names:
            sums = pc.cumulative_sum(pc.fill_null(rows[TIMES], 1)).take(lasts)
            before = _whole([pa.array([0], sums.type), sums.slice(0, len(sums) - 1)])
            times = pc.subtract(sums, before)
            kept = kept.drop_columns([TIMES])
        else:
            times = pc.add(pc.subtract(lasts, starts), _one(starts)).cast(pa.int64())
        return kept.append_column(TIMES, times)

    def _with_earlier(self, rows: pa.Table, kept: pa.Table, starts: pa.Array, lasts: pa.Array) -> pa.Table:
        """Fill in what the last row of a key does not bring from those before it."""
        groups = list(zip(starts.to_pylist(), lasts.to_pylist(), strict=True))
        for name in [name for name in rows.column_names if name.startswith(GIVEN)]:
            brings = rows[name].to_pylist()
            # Where to take the attribute from: the last row that brings it, where that is not the last row.
            sources = [
                next((i for i in range(last, first - 1, -1) if brings[i]), None) if not brings[last] else None
                for first, last in groups
            ]
            source = pa.array(sources, pa.int64())
            if source.null_count == len(source):
                continue
            taken = pc.is_valid(source)
            for column in (name, *self._columns_of(name.removeprefix(GIVEN))):
                if column in rows.column_names:
                    index = kept.column_names.index(column)
                    merged = pc.if_else(taken, rows[column].take(source), kept[column])
                    kept = kept.set_column(index, kept.field(index), merged)
        return kept


def key_range(keys: pa.ChunkedArray, low: Any, high: Any, *, with_high: bool = False) -> tuple[int, int]:
    """Find the sorted keys from ``low`` to below ``high``, or with it; None is without a bound."""
    to_high = bisect_right if with_high else bisect_left
    where = range(len(keys))
    start = 0 if low is None else bisect_left(where, low, key=lambda at: keys[at].as_py())
    end = len(keys) if high is None else to_high(where, high, key=lambda at: keys[at].as_py())
    return start, max(start, end)


def _together(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables, promote_options="default")


def _one_batch(rows: pa.Table) -> pa.RecordBatch:
    return rows.combine_chunks().to_batches()[0]


def _whole(arrays: Sequence[pa.Array | pa.ChunkedArray]) -> pa.Array:
    flat = [chunk for array in arrays for chunk in (array.chunks if isinstance(array, pa.ChunkedArray) else [array])]
    return pa.concat_arrays(flat)


def _one(like: pa.Array) -> pa.Scalar:
    return pa.scalar(1, like.type)


def _sorted(rows: pa.Table) -> pa.Table:
    """Sort by key; rows with the same key keep their order."""
    rows = rows.combine_chunks()
    keys = rows[KEY]
    if len(keys) < 2 or pc.all(pc.less_equal(keys.slice(0, len(keys) - 1), keys.slice(1))).as_py():
        return rows
    return rows.take(pc.sort_indices(keys))
