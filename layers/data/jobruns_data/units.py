"""What Index hands to Commit: plain documents, written to S3 between the two.

Everything round-trips through JSON (``model_dump_json`` / ``model_validate_json``); bytes travel as base64.
"""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.typedef import Record

__all__ = ["FailedFile", "SourceFile", "UnitResult", "WrittenFile"]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")


class SourceFile(_Document):
    """One object to read.

    Parameters
    ----------
    bucket, key : str
    size : int
        Bytes, as listed.
    etag : str, optional
        When given, an object that has changed since is refused instead of read.
    version_id : str, optional
        The version to read, in a bucket that keeps versions.
    """

    bucket: str
    key: str
    size: int = 0
    etag: str | None = None
    version_id: str | None = None

    @property
    def url(self) -> str:
        """The object as a URL: ``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self.key}"


class FailedFile(_Document):
    """A file that could not be read, and why; the reason says what to do about it."""

    url: str
    reason: str


class WrittenFile(_Document):
    """One Parquet file that a commit can add to the table without opening it.

    The members are those of an Iceberg data file (https://iceberg.apache.org/spec/#data-file-fields); maps are keyed
    by field id.
    """

    file_path: str
    spec_id: int
    partition: tuple[int | str | bool | None, ...]
    record_count: int
    file_size_in_bytes: int
    column_sizes: dict[int, int]
    value_counts: dict[int, int]
    null_value_counts: dict[int, int]
    nan_value_counts: dict[int, int]
    lower_bounds: dict[int, bytes]
    upper_bounds: dict[int, bytes]
    split_offsets: tuple[int, ...] = ()

    @classmethod
    def of(cls, file: DataFile, spec_id: int) -> Self:
        """Describe a data file that PyIceberg has just written by the partitioning ``spec_id``."""
        return cls(
            file_path=file.file_path,
            spec_id=spec_id,
            partition=tuple(file.partition[i] for i in range(len(file.partition))),
            record_count=file.record_count,
            file_size_in_bytes=file.file_size_in_bytes,
            column_sizes=file.column_sizes,
            value_counts=file.value_counts,
            null_value_counts=file.null_value_counts,
            nan_value_counts=file.nan_value_counts,
            lower_bounds=file.lower_bounds,
            upper_bounds=file.upper_bounds,
            split_offsets=tuple(file.split_offsets or ()),
        )

    def to_data_file(self) -> DataFile:
        """Give PyIceberg its own description back."""
        file = DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=self.file_path,
            file_format=FileFormat.PARQUET,
            partition=Record(*self.partition),
            record_count=self.record_count,
            file_size_in_bytes=self.file_size_in_bytes,
            column_sizes=self.column_sizes,
            value_counts=self.value_counts,
            null_value_counts=self.null_value_counts,
            nan_value_counts=self.nan_value_counts,
            lower_bounds=self.lower_bounds,
            upper_bounds=self.upper_bounds,
            key_metadata=None,
            split_offsets=list(self.split_offsets),
            equality_ids=None,
            sort_order_id=None,
        )
        file.spec_id = self.spec_id
        return file


class UnitResult(_Document):
    """What became of one unit of files.

    A unit with a failed file has no data files: what was already written is not named and is deleted with the rest of
    the run's leftovers.

    Parameters
    ----------
    unit : int
        Ordinal of the unit in its run.
    files : int
        Files read, failed ones included.
    rows_loaded, rows_rejected : int
    bytes_read : int
        As stored, that is before decompression.
    """

    unit: int
    files: int
    rows_loaded: int
    rows_rejected: int
    bytes_read: int
    failed: tuple[FailedFile, ...] = ()
    data_files: tuple[WrittenFile, ...] = ()
