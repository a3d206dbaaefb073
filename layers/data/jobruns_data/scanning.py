"""Reads the rows of a table file by file: the next one is fetched while one is looked at, and none beyond that.

PyIceberg's own reader begins with all files at once, which for a large table are all its rows in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import pyarrow as pa
from pyiceberg.expressions import BooleanExpression
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.table import FileScanTask, Table

__all__ = ["scan_rows"]

_AHEAD: Final = 2


def scan_rows(table: Table, row_filter: BooleanExpression, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Give the rows that meet a filter, a part at a time, in the order of the files.

    Parameters
    ----------
    table : Table
        As loaded.
    row_filter : BooleanExpression
        Files and parts of files are left out whose bounds say that they have none of the rows.
    columns : sequence of str
        At least one.
    """
    planned = table.scan(row_filter=row_filter, selected_fields=tuple(columns))
    scan = ArrowScan(table.metadata, table.io, planned.projection(), row_filter)

    def read(task: FileScanTask) -> list[pa.RecordBatch]:
        return list(scan.to_record_batches([task]))

    tasks = iter(planned.plan_files())
    under_way: deque[Future[list[pa.RecordBatch]]] = deque()
    with ThreadPoolExecutor(_AHEAD, "scan") as threads:
        try:
            while True:
                while len(under_way) < _AHEAD and (task := next(tasks, None)) is not None:
                    under_way.append(threads.submit(read, task))
                if not under_way:
                    return
                for batch in under_way.popleft().result():
                    if batch.num_rows:
                        yield _plain(batch)
        finally:
            for future in under_way:
                future.cancel()


def _plain(batch: pa.RecordBatch) -> pa.Table:
    columns = {
        name: column.cast(pa.string()) if pa.types.is_large_string(column.type) else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }
    return pa.table(columns)
