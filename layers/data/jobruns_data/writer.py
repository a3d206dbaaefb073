"""Writes the rows of one unit as Parquet data files of the table, in bounded memory.

Rows are kept by partition until they make files worth having, or until memory says so; then all that is kept is
written, in the background, while the next rows are read. At most two lots exist at a time.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.io.pyarrow import schema_to_pyarrow, write_file
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import PartitionField, PartitionFieldValue, PartitionKey
from pyiceberg.schema import Schema
from pyiceberg.table import Table, WriteTask

__all__ = ["RunWriter"]

LOT_BYTES = 64 << 20
"""Arrow bytes kept before they are written; about a fifth of it arrives in S3."""

_GATHERED_BYTES = 1 << 20
"""Batches of small files are put together up to this before they are sorted by partition: each costs the same there."""


class RunWriter:
    """Collects batches, writes data files below the run's own prefix.

    Parameters
    ----------
    table : Table
        As loaded when the unit began; files are written by its schema and its default partitioning.
    prefix : str
        ``s3://…`` below which the files go.
    lot_bytes : int
        Arrow bytes to keep before writing.
    max_file_rows : int
        Rows a data file has at most; 0 for as many as a lot has of its partition.

    Use as a context manager; on an error nothing more is written.
    """

    def __init__(self, table: Table, prefix: str, *, lot_bytes: int = LOT_BYTES, max_file_rows: int = 0) -> None:
        self._io = table.io
        self._metadata = table.metadata.model_copy(
            update={
                "properties": {
                    **table.metadata.properties,
                    "write.data.path": prefix.rstrip("/"),
                    # Spread by hash the files of a run could not be found by its prefix.
                    "write.object-storage.enabled": "false",
                }
            }
        )
        self._spec = self._metadata.spec()
        self._schema = self._metadata.schema()
        self._lot_bytes = lot_bytes
        self._max_file_rows = max_file_rows
        self._gathered: list[pa.RecordBatch] = []
        self._gathered_bytes = 0
        self._kept: dict[tuple[object, ...], list[pa.RecordBatch]] = defaultdict(list)
        self._kept_bytes = 0
        self._uuid = uuid.uuid4()
        self._ordinal = count()
        self._background = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._pending: Future[list[DataFile]] | None = None
        self._files: list[DataFile] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._background.shutdown(wait=True, cancel_futures=True)

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows over. May wait for an earlier lot to be written, and raises what that met."""
        if not batch.num_rows:
            return
        self._gathered.append(batch)
        self._gathered_bytes += batch.nbytes
        if self._gathered_bytes >= min(_GATHERED_BYTES, self._lot_bytes):
            self._sort_in()
        if self._kept_bytes >= self._lot_bytes:
            self._flush()

    def discard(self) -> None:
        """Forget the rows kept and the files written."""
        self._gathered, self._gathered_bytes = [], 0
        self._kept.clear()
        self._kept_bytes = 0
        self._settle()
        self._files.clear()

    def finish(self) -> list[DataFile]:
        """Write what is left and return every file of the unit."""
        self._sort_in()
        self._flush()
        self._settle()
        return self._files

    def _sort_in(self) -> None:
        """Put what is gathered to the rows of its partitions."""
        gathered, self._gathered = self._gathered, []
        self._kept_bytes += self._gathered_bytes
        self._gathered_bytes = 0
        if gathered:
            for key, part in self._split(gathered[0] if len(gathered) == 1 else pa.concat_batches(gathered)):
                self._kept[key].append(part)

    def _flush(self) -> None:
        self._settle()
        kept, self._kept, self._kept_bytes = self._kept, defaultdict(list), 0
        if kept:
            self._pending = self._background.submit(self._write, kept)

    def _settle(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            self._files.extend(pending.result())

    def _split(self, batch: pa.RecordBatch) -> Iterator[tuple[tuple[object, ...], pa.RecordBatch]]:
        """Give the rows of each partition, with the partition's values."""
        if self._spec.is_unpartitioned():
            yield (), batch
            return
        columns = [self._partition_values(field, batch) for field in self._spec.fields]
        if all(len(pc.unique(column)) == 1 for column in columns):
            yield tuple(column[0].as_py() for column in columns), batch
            return
        # Rows of one partition next to each other: one sort is cheaper than one filter per partition.
        names = [str(i) for i in range(len(columns))]
        keys = pa.table(columns, names=names)
        order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in names])
        columns = [column.take(order) for column in columns]
        batch = batch.take(order)
        start = 0
        for end in sorted({end for c in columns for end in pc.run_end_encode(c).run_ends.to_pylist()}):
            yield tuple(column[start].as_py() for column in columns), batch.slice(start, end - start)
            start = end

    def _partition_values(self, field: PartitionField, batch: pa.RecordBatch) -> pa.Array:
        source = self._schema.find_field(field.source_id)
        if source.name in batch.schema.names:
            values = batch.column(source.name)
        else:
            values = pa.nulls(batch.num_rows, schema_to_pyarrow(source.field_type))
        return field.transform.pyarrow_transform(source.field_type)(values)

    def _write(self, kept: dict[tuple[object, ...], list[pa.RecordBatch]]) -> list[DataFile]:
        first = next(iter(kept.values()))[0]
        file_schema = Schema(*(self._schema.find_field(name) for name in first.schema.names))
        tasks = (
            WriteTask(
                write_uuid=self._uuid,
                task_id=next(self._ordinal),
                schema=file_schema,
                record_batches=batches,
                partition_key=self._partition_key(key),
            )
            for key, all_batches in kept.items()
            for batches in _by_rows(all_batches, self._max_file_rows)
        )
        return list(write_file(io=self._io, table_metadata=self._metadata, tasks=tasks))

    def _partition_key(self, values: tuple[object, ...]) -> PartitionKey | None:
        if self._spec.is_unpartitioned():
            return None
        return PartitionKey(
            field_values=[
                PartitionFieldValue(field=field, value=value)
                for field, value in zip(self._spec.fields, values, strict=True)
            ],
            partition_spec=self._spec,
            schema=self._schema,
        )


def _by_rows(batches: list[pa.RecordBatch], limit: int) -> Iterator[list[pa.RecordBatch]]:
    """Give the rows of the batches in their order, in lists of `limit` rows."""
    if not limit:
        yield batches
        return
    some: list[pa.RecordBatch] = []
    room = limit
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            part = batch.slice(start, room)
            some.append(part)
            start += part.num_rows
            room -= part.num_rows
            if not room:
                yield some
                some, room = [], limit
    if some:
        yield some
