"""Files of Parquet, written row group by row group. They are this service's own: the other two forms have no types.

What has values of several kinds, or objects and arrays, is a column of texts with JSON in them.
"""

import io
from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from jobruns.row_values import write_json
from operations.cells import json_values

GROUP_ROWS: Final = 65_536
GROUP_BYTES: Final = 32 << 20
"""What is kept until it is written; a reader takes a row group whole."""


def write_parquet_file(tables: Iterable[pa.Table]) -> Iterator[bytes]:
    """Write tables as one file, piece by piece.

    Parameters
    ----------
    tables : iterable of pa.Table
        At least one, which may have no rows; all have the columns of the first.
    """
    written = _Written()
    left = iter(tables)
    group = [next(left)]
    with pq.ParquetWriter(pa.PythonFile(written, mode="w"), group[0].schema, compression="zstd") as writer:
        rows = size = 0
        for table in left:
            group.append(table)
            rows, size = rows + len(table), size + table.nbytes
            if rows >= GROUP_ROWS or size >= GROUP_BYTES:
                writer.write_table(pa.concat_tables(group), row_group_size=GROUP_ROWS)
                group, rows, size = [], 0, 0
                yield written.take()
        if group:
            writer.write_table(pa.concat_tables(group), row_group_size=GROUP_ROWS)
    yield written.take()


def plain_table(batch: pa.RecordBatch) -> pa.Table:
    """Give the rows of a query in columns that Parquet has types for; of two with one name the last one."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    return pa.table(
        {name: column if _is_plain(column.type) else _json_texts(column) for name, column in columns.items()}
    )


def _is_plain(kind: pa.DataType) -> bool:
    types = pa.types
    checks = (
        types.is_boolean, types.is_integer, types.is_floating, types.is_decimal, types.is_string, types.is_large_string,
        types.is_date, types.is_time, types.is_timestamp,
    )  # fmt: skip
    return any(check(kind) for check in checks)


def _json_texts(column: pa.Array) -> pa.Array:
    texts = [None if value is None else write_json(value) for value in json_values(column)]
    return pa.array(texts, pa.string())


class _Written(io.RawIOBase):
    """Keeps what is written until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[bytes] = []

    def writable(self) -> bool:
        """Whether it can be written to: always."""
        return True

    def write(self, data: object, /) -> int:
        """Keep a copy: the writer's own memory is used again."""
        self._kept.append(bytes(data))  # type: ignore[call-overload]  # whatever has bytes
        return len(self._kept[-1])

    def take(self) -> bytes:
        """Give what was written since."""
        kept, self._kept = self._kept, []
        return b"".join(kept)
