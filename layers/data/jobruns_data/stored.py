"""Data files of a table, read one at a time: their bounds, their keys, their rows."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan, schema_to_pyarrow
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask, Table
from pyiceberg.types import StringType

from jobruns_data.aws import retrying, s3_client
from jobruns_data.s3_io import bucket_and_key

__all__ = ["StoredFile", "filled_columns", "stored_files"]

_WHOLE_BYTES: Final = 2 << 20
"""Files up to this are fetched in one request whatever is wanted of them."""

_TAIL_BYTES: Final = 64 << 10
_FIELD_ID: Final = b"PARQUET:field_id"


def stored_files(table: Table, snapshot_id: int | None = None) -> list[StoredFile]:
    """Give the files that a loaded table's rows are in, or were in at a snapshot."""
    return [StoredFile(table, task) for task in table.scan(snapshot_id=snapshot_id).plan_files()]


def filled_columns(table: Table) -> set[str]:
    """Name the columns of a loaded table that have a value in some row, as far as is known."""
    files = stored_files(table)
    return {field.name for field in table.schema().fields if not all(file.lacks(field.name) for file in files)}


class StoredFile:
    """One data file, with what is known of it from its manifest.

    Parameters
    ----------
    table : Table
        As loaded; its schema names the columns.
    task : FileScanTask
    """

    def __init__(self, table: Table, task: FileScanTask) -> None:
        self._table = table
        self._task = task
        self._schema: Schema = table.schema()

    @property
    def data_file(self) -> DataFile:
        """What the table has of it."""
        return self._task.file

    @property
    def path(self) -> str:
        """Its URL, which is its own for ever."""
        path: str = self.data_file.file_path
        return path

    @property
    def rows(self) -> int:
        """Rows in it; those deleted by other files are counted too."""
        rows: int = self.data_file.record_count
        return rows

    @property
    def exact(self) -> bool:
        """Whether all its rows are in the table."""
        return not self._task.delete_files

    def lacks(self, column: str) -> bool:
        """Whether the column is surely null in every row."""
        field_id = self._schema.find_field(column).field_id
        counts, nulls = self.data_file.value_counts or {}, self.data_file.null_value_counts or {}
        return bool(counts) and (field_id not in counts or nulls.get(field_id) == counts[field_id])

    def may_be_null(self, column: str) -> bool:
        """Whether the column is null in some row, as far as is known."""
        return bool((self.data_file.null_value_counts or {}).get(self._schema.find_field(column).field_id, 1))

    def bounds(self, column: str) -> tuple[Any, Any]:
        """Give the least and the greatest value the column can have, as stored; None where there is no telling."""
        field = self._schema.find_field(column)
        kind = field.field_type
        low, high = (
            None if (raw := (bounds or {}).get(field.field_id)) is None else from_bytes(kind, raw)
            for bounds in (self.data_file.lower_bounds, self.data_file.upper_bounds)
        )
        return low, high

    def column_where(self, column: str, wanted: Callable[[Any, Any], bool]) -> pa.ChunkedArray:
        """Read a column's values from the parts of the file that may hold what is wanted.

        Parameters
        ----------
        column : str
        wanted : callable
            Told the least and the greatest value of a part, or None and None.
        """
        if not self.exact:
            return self.read([column])[column]
        name = self._names.get(self._schema.find_field(column).field_id)
        groups = self._file.metadata.num_row_groups
        chosen = [i for i in range(groups) if wanted(*self._group_bounds(i, name))] if name is not None else []
        if not chosen:
            return pa.chunked_array([], self._type(column))
        values = self._file.read_row_groups(chosen, columns=[name], use_threads=False).column(0)
        return values.cast(self._type(column))

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read columns of all its rows; those the file does not have are null."""
        names = [field.name for field in self._schema.fields] if columns is None else list(columns)
        if not self.exact:
            projected = self._schema.select(*names)
            scan = ArrowScan(self._table.metadata, self._table.io, projected, AlwaysTrue())
            found = scan.to_table([self._task])
            return pa.table({name: found[name].cast(self._type(name)) for name in names})
        wanted = {name: self._names.get(self._schema.find_field(name).field_id) for name in names}
        raw = self._file.read(columns=[name for name in wanted.values() if name is not None], use_threads=True)
        return pa.table(
            {
                name: pa.nulls(raw.num_rows, self._type(name)) if own is None else raw[own].cast(self._type(name))
                for name, own in wanted.items()
            }
        )

    def forget(self) -> None:
        """Let go what was read, which may be the whole file."""
        self.__dict__.pop("_file", None)

    def fetch(self) -> None:
        """Take the whole file in with the next request, and not what is asked for piece by piece."""
        self._fetched = True

    _fetched = False

    @cached_property
    def _file(self) -> pq.ParquetFile:
        size = self.data_file.file_size_in_bytes
        source = _S3Ranges(self.path, size, whole=self._fetched or size <= _WHOLE_BYTES)
        return pq.ParquetFile(pa.PythonFile(source, mode="r"), pre_buffer=False)

    @cached_property
    def _names(self) -> dict[int, str]:
        """Names that the columns have in the file, by field id: a column may have been dropped and made again."""
        return {
            int(field.metadata[_FIELD_ID]): field.name
            for field in self._file.schema_arrow
            if field.metadata and _FIELD_ID in field.metadata
        }

    def _group_bounds(self, group: int, name: str) -> tuple[Any, Any]:
        chunks = self._file.metadata.row_group(group)
        for i in range(chunks.num_columns):
            chunk = chunks.column(i)
            if chunk.path_in_schema == name:
                found = chunk.statistics
                return (found.min, found.max) if found is not None and found.has_min_max else (None, None)
        return None, None

    def _type(self, column: str) -> pa.DataType:
        kind = self._schema.find_field(column).field_type
        return pa.string() if isinstance(kind, StringType) else schema_to_pyarrow(kind)


class _S3Ranges(io.RawIOBase):
    """An object that is read here and there; its end, where Parquet has its index, in one request."""

    def __init__(self, location: str, size: int, *, whole: bool) -> None:
        super().__init__()
        self._bucket, self._key = bucket_and_key(location)
        self._size = size
        self._at = 0
        self._from = 0 if whole else max(size - _TAIL_BYTES, 0)
        self._tail = self._get(self._from, size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        end = self._size if size < 0 else min(self._at + size, self._size)
        start, self._at = self._at, max(end, self._at)
        if start >= end:
            return b""
        return self._tail[start - self._from : end - self._from] if start >= self._from else self._get(start, end)

    def _get(self, start: int, end: int) -> bytes:
        return retrying()(self._ask, start, end)

    def _ask(self, start: int, end: int) -> bytes:
        answer = s3_client().get_object(Bucket=self._bucket, Key=self._key, Range=f"bytes={start}-{end - 1}")
        return answer["Body"].read()
