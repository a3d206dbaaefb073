"""Writes sorted rows as data files of a table, and puts files in the place of others by one commit."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Self

import pyarrow as pa
from pyiceberg.io.pyarrow import write_file
from pyiceberg.manifest import DataFile, ManifestContent, ManifestFile
from pyiceberg.schema import Schema
from pyiceberg.table import Table, Transaction, WriteTask
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import ExpireSnapshots, _ManifestMergeManager, _OverwriteFiles

from jobruns_data.changes import send_once
from jobruns_data.history import SWEPT_PROPERTY, find_expired, is_sweep_due

__all__ = ["FileWriter", "Plan", "replace_files"]

_MANIFESTS: Final = 24
_MANIFEST_BYTES: Final = 8 << 20
_UNDER_WAY: Final = 2


@dataclass(slots=True)
class Plan:
    """What a commit is to do: files that leave the table, files that come, and what to say of it."""

    removed: list[DataFile] = field(default_factory=list)
    added: list[Future[DataFile]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


class FileWriter:
    """Writes files below a prefix, some in the background.

    Parameters
    ----------
    table : Table
        As loaded; files are written by its schema.
    prefix : str
        ``s3://…`` below which the files go.
    written : list of DataFile
        Gets every file that was written, whatever becomes of it.
    """

    def __init__(self, table: Table, prefix: str, written: list[DataFile]) -> None:
        self._written = written
        self._io = table.io
        self._metadata = table.metadata.model_copy(
            update={
                "properties": {
                    **table.metadata.properties,
                    "write.data.path": prefix.rstrip("/"),
                    "write.object-storage.enabled": "false",
                }
            }
        )
        self._uuid = uuid.uuid4()
        self._ordinal = count()
        self._threads = ThreadPoolExecutor(_UNDER_WAY, "files")
        self._under_way: deque[Future[DataFile]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # What is begun may be wanted by the next attempt.
        self._threads.shutdown(wait=True)

    def write(self, rows: pa.Table) -> Future[DataFile]:
        """Begin to write a file; waits while others are under way, and raises what they met."""
        while len(self._under_way) >= _UNDER_WAY:
            self._under_way.popleft().result()
        future = self._threads.submit(self._write, rows)
        self._under_way.append(future)
        return future

    def _write(self, rows: pa.Table) -> DataFile:
        schema = self._metadata.schema()
        task = WriteTask(
            write_uuid=self._uuid,
            task_id=next(self._ordinal),
            schema=Schema(*(schema.find_field(name) for name in rows.column_names)),
            record_batches=rows.combine_chunks().to_batches(),
        )
        (file,) = write_file(io=self._io, table_metadata=self._metadata, tasks=iter([task]))
        self._written.append(file)
        return file


class _Transaction(Transaction):  # type: ignore[misc]  # mypy does not follow PyIceberg's types
    """A transaction that makes the metadata anew only when there is something new.

    PyIceberg's own copies all of it at every look, some twenty times in a commit: 2 ms for each snapshot there is.
    """

    _seen: tuple[object, TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        if self._seen is None or self._seen[0] is not self._updates:
            self._seen = (self._updates, super().table_metadata)
        return self._seen[1]


class _Replace(_OverwriteFiles):  # type: ignore[misc]  # mypy does not follow PyIceberg's types
    """An overwrite that does not let manifests pile up.

    PyIceberg's own keeps the manifest with which each earlier one told what it deleted, and merges none: after a
    thousand of them a thousand would be read each time.
    """

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        mine: list[ManifestFile] = []
        older: list[ManifestFile] = []
        for manifest in manifests:
            if manifest.added_snapshot_id == self.snapshot_id:
                mine.append(manifest)
            elif manifest.has_added_files() or manifest.has_existing_files():
                older.append(manifest)
        data = [manifest for manifest in older if manifest.content == ManifestContent.DATA]
        if len(data) < _MANIFESTS:
            return mine + older
        merger = _ManifestMergeManager(
            target_size_bytes=_MANIFEST_BYTES, min_count_to_merge=2, merge_enabled=True, snapshot_producer=self
        )
        merged: list[ManifestFile] = merger.merge_manifests(data)
        return mine + merged + [manifest for manifest in older if manifest.content != ManifestContent.DATA]


def replace_files(
    table: Table, properties: Mapping[str, str], removed: Collection[DataFile], added: Iterable[DataFile]
) -> bool:
    """Commit once: files leave the table and others come. Nothing is tried again.

    Old snapshots go with it, see `jobruns_data.history`. Their files stay.

    Returns
    -------
    bool
        Whether the table is to be swept, see `jobruns_data.sweeping`; once it has been said it is not due for a while.

    Raises
    ------
    CommitFailedException
        The table has been changed since it was loaded.
    CommitStateUnknownException
        It may have been done or not.
    """
    send_once(table)
    now = time.time()
    sweep = is_sweep_due(table, now)
    operation = Operation.OVERWRITE if removed else Operation.APPEND
    with _Transaction(table) as transaction:
        arguments: dict[str, Any] = {
            "operation": operation,
            "transaction": transaction,
            "io": table.io,
            "snapshot_properties": dict(properties),
        }
        with _Replace(**arguments) as change:
            for file in removed:
                change.delete_data_file(file)
            for file in added:
                change.append_data_file(file)
        if expired := find_expired(table, now):
            ExpireSnapshots(transaction).by_ids(expired).commit()
        if sweep:
            transaction.set_properties({SWEPT_PROPERTY: str(int(now * 1000))})
    return sweep
