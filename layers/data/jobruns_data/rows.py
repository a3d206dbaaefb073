"""What every reader gives: typed rows, and the rows that could not be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from jobruns_data.cells import CellReader

__all__ = ["Reject", "Rows", "empty_batch", "typed_rows"]

_REASON_CHARACTERS: Final = 1000


@dataclass(frozen=True, slots=True)
class Reject:
    """One row that cannot be loaded.

    Parameters
    ----------
    line : int
        Line of the file on which the row starts, from 1.
    data : list
        The row as it was read: its texts, or the JSON value.
    reason : str
    """

    line: int
    data: list[Any]
    reason: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Part of a file.

    Parameters
    ----------
    batch : pa.RecordBatch
        The good rows, by `jobruns_data.schema.arrow_schema`.
    rejects : list of Reject
    """

    batch: pa.RecordBatch
    rejects: list[Reject] = field(default_factory=list)


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch without rows."""
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def typed_rows(
    cells: Sequence[CellReader],
    columns: Sequence[tuple[pa.Array, list[int]]],
    text_of: Callable[[int, CellReader], object],
    reject: Callable[[int, str], Reject],
    schema: pa.Schema,
) -> Rows:
    """Keep the rows whose every cell could be read and that lack nothing they must have.

    Parameters
    ----------
    cells : sequence of CellReader
    columns : sequence of (pa.Array of shape (rows,), list of bad rows)
        In the order of ``cells``.
    text_of : callable
        Gives the raw value of a row's cell, for the reason.
    reject : callable
        Makes the reject of a row for a reason.
    schema : pa.Schema
    """
    reasons: dict[int, str] = {}
    for reader, (values, bad) in zip(cells, columns, strict=True):
        column = reader.column
        for row in bad:
            if row not in reasons:
                reasons[row] = _reason(reader, text_of(row, reader))
        if (column.primary or not column.nullable) and values.null_count:
            what = "the primary timestamp is missing" if column.primary else "the value is missing"
            for row in pc.indices_nonzero(pc.is_null(values)).to_pylist():
                reasons.setdefault(row, f'column "{column.name}": {what}')
    batch = pa.RecordBatch.from_arrays([values for values, _ in columns], schema=schema)
    if reasons:
        good = pa.array([row not in reasons for row in range(batch.num_rows)], pa.bool_())
        batch = batch.filter(good)
    return Rows(batch, [reject(row, reasons[row]) for row in sorted(reasons)])


def _reason(reader: CellReader, raw: object) -> str:
    why = reader.fault(raw) or f"the value as a {reader.column.type.value}"
    if len(why) > _REASON_CHARACTERS:
        why = f"{why[:_REASON_CHARACTERS]}…"
    return f'column "{reader.column.name}": cannot read {why}'
