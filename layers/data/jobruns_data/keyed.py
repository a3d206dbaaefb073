"""Writes to a table with a primary key: insert, update, upsert, delete; each is one commit, in bounded memory.

How rows are found and changed
------------------------------
Every data file holds rows sorted by key, so that Iceberg's bounds of the key, and within the file those of its row
groups, say where a key can be. Rows that come are sorted too (`jobruns_data.payload`, on the disk when they are many).
A file that none of them can be in is not opened. Of a file that few of them fall into only the parts of the key column
are fetched that can have them. A file with rows to be changed is written again, as it is, and replaced; new rows are
files of their own, and take the small files of earlier operations along when there are some. All of it is one snapshot,
which names the run. Work that lost against another commit is kept by the file it was done for: of the next attempt
only what the other commit has changed is done again.

What was measured, on two cores with S3 and Glue emulated
-------------------------------------------------------
PyIceberg 0.12's own ``upsert`` of all rows of a table of three columns: 0.7 s for 10,000 rows, 6.5 s and 210 MB more
for 100,000, 62 s and 1.3 GB more for 1,000,000. It compares row by row in Python, holds all rows of both sides, refuses
a key that comes twice, and makes two snapshots. It is not used.

This, for 1,000,000 rows of ten columns in CSV with numbers for keys (``python -m tests.bench.keyed``): insert 2.9
seconds of processor, insert again 2.6, upsert again 3.7; 370 MB at most, Python and its libraries included. With UUIDs
for keys 3.5, 3.6 and 4.2. For 4,000,000 rows 11, 10 and 15, and no more memory. One row: 0.1, into a table of 1,000,000
rows 0.2, most of it for the twenty requests of a commit.

Merge-on-read would make scattered updates of large tables cheaper, but PyIceberg writes no delete files. Partitions by
a bucket of the key were left out: the bounds of sorted files prune as well, keys that are given out in order touch the
last files only, and a small table is one file instead of one for each bucket.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException, NoSuchTableError
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from jobruns_data.attributes import CREATED, Layout
from jobruns_data.aws import s3_client
from jobruns_data.catalog import TableTarget, load_table
from jobruns_data.changes import change_table, find_snapshot
from jobruns_data.commit import RUN_ID_PROPERTY
from jobruns_data.errors import CommitConflictError
from jobruns_data.incoming import Incoming
from jobruns_data.keys import KeySpace, KeyValue, key_values, keys_of_values
from jobruns_data.merging import Merge, WriteAction, key_token, named
from jobruns_data.payload import LOT_BYTES
from jobruns_data.placing import FileWriter, Plan, replace_files
from jobruns_data.s3_io import bucket_and_key, list_keys
from jobruns_data.s3_io import delete_keys as delete_objects
from jobruns_data.stored import StoredFile, stored_files

__all__ = [
    "DeleteOutcome",
    "WriteAction",
    "WriteOutcome",
    "delete_before",
    "delete_keys",
    "discard_write",
    "find_write",
    "write_rows",
]

ATTEMPTS: Final = 60
"""Of twenty writers at once the last one loses nineteen times at least."""

_SPARSE: Final = 16  # rows of a file for each key to delete, above which its keys are looked at first
_FRESH_SECONDS: Final = 1.0  # a table loaded so long ago is not loaded again for the first attempt
_DELETED_AT_ONCE: Final = 1000  # what one DeleteObjects takes
_COUNT: Final = "jobruns.rows-"
"""Begins the properties of a snapshot that say what was counted."""

_log = logging.getLogger(__name__)


class _Outcome(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WriteOutcome(_Outcome):
    """What a write did.

    Parameters
    ----------
    total : int
        Rows that came.
    written : int
        Of them, those that count as done: the new ones of an insert, the existing ones of an update, all of an upsert.
    inserted, updated : int
        Rows of the table that are new, and that were there.
    snapshot_id : int, optional
        None when nothing was to be changed.
    already_committed : bool
        Whether an earlier call with the run's id had done it.
    written_keys, skipped_keys : tuple of KeyValue, optional
        In the order in which they came, if that was asked for; not known of an earlier call.
    """

    total: int
    written: int
    inserted: int
    updated: int
    snapshot_id: int | None = None
    already_committed: bool = False
    written_keys: tuple[KeyValue, ...] | None = None
    skipped_keys: tuple[KeyValue, ...] | None = None


class DeleteOutcome(_Outcome):
    """What a deletion did.

    Parameters
    ----------
    deleted : int
        Rows that are gone.
    snapshot_id : int, optional
        None when there were none.
    already_committed : bool
        Whether an earlier call with the run's id had done it.
    deleted_keys, missing_keys : tuple of KeyValue, optional
        Of a deletion by key; not known of an earlier call.
    """

    deleted: int
    snapshot_id: int | None = None
    already_committed: bool = False
    deleted_keys: tuple[KeyValue, ...] | None = None
    missing_keys: tuple[KeyValue, ...] | None = None


def find_write(table: Table, run_id: str) -> WriteOutcome | None:
    """Look for the write of a run among the snapshots of a loaded table; makes no call."""
    counts = _counts(table, run_id)
    return None if counts is None else WriteOutcome.model_validate(counts | {"already_committed": True})


def write_rows(
    catalog: Catalog,
    target: TableTarget,
    action: WriteAction,
    incoming: Iterable[Incoming],
    *,
    run_id: str,
    at: datetime,
    name_keys: bool = False,
    attempts: int = ATTEMPTS,
    lot_bytes: int = LOT_BYTES,
) -> WriteOutcome:
    """Write rows by their keys in one commit, unless the run has done it already.

    The table gets the columns it lacks before that. Of rows with the same key an insert takes the first; the others are
    applied one after the other. Rows without a key get one, unless it is an update, which skips them. A repeated call
    may need `discard_write` to tidy up behind one that was killed.

    Parameters
    ----------
    catalog : Catalog
    target : TableTarget
    action : WriteAction
    incoming : iterable of Incoming
        Read once.
    run_id : str
    at : datetime
        What the rows' times become.
    name_keys : bool
        Whether to give the keys written and skipped: only for what fits into memory.
    attempts : int
        Commits to try against other writers.
    lot_bytes : int
        See `Payload`.

    Raises
    ------
    InvalidAttributeError
        An attribute cannot have the name it has. Nothing was written.
    CommitConflictError
        Other writers won every time. Nothing was written; call again.
    NoSuchTableError
        There is no such table.
    """
    began = time.monotonic()
    table = load_table(catalog, target)
    if (done := find_write(table, run_id)) is not None:
        return done
    merge = Merge(catalog, target, table, action, run_id=run_id, at=at, name_keys=name_keys, lot_bytes=lot_bytes)
    with closing(merge):
        for rows in incoming:
            merge.take(rows)
        merge.finish()
        fresh = merge.table if time.monotonic() - began < _FRESH_SECONDS else None
        counts, mine = _commit(catalog, target, run_id, merge.plan, attempts, fresh)
        outcome = WriteOutcome.model_validate(counts | {"already_committed": not mine})
        return outcome.model_copy(update=merge.named_keys()) if mine and name_keys else outcome


def delete_keys(
    catalog: Catalog, target: TableTarget, keys: Sequence[Any], *, run_id: str, attempts: int = ATTEMPTS
) -> DeleteOutcome:
    """Delete rows by key in one commit, unless the run has done it already.

    Parameters
    ----------
    catalog : Catalog
    target : TableTarget
    keys : sequence
        As JSON has them.
    run_id : str
    attempts : int
        Commits to try against other writers.

    Raises
    ------
    CommitConflictError
        Other writers won every time. Nothing was deleted; call again.
    NoSuchTableError
        There is no such table.
    """
    wanted = keys_of_values(keys)
    gone: set[tuple[str, KeyValue | None]] = set()

    def plan(table: Table, writer: FileWriter) -> Plan:
        gone.clear()
        made = Plan(counts={"deleted": 0})
        files = stored_files(table)
        for space, column in Layout.of(table).key_columns.items():
            found = wanted.of(space).drop_null().unique()
            found = found.take(pc.sort_indices(found))
            for file in files if len(found) else []:
                if not file.lacks(column):
                    gone.update(key_token(key) for key in _delete_from(file, column, space, found, made, writer))
                    file.forget()
        return made

    counts, mine = _commit(catalog, target, run_id, plan, attempts)
    outcome = DeleteOutcome.model_validate(counts | {"already_committed": not mine})
    if not mine:
        return outcome
    in_order = [key for key in named(wanted) if key is not None]
    return outcome.model_copy(
        update={
            "deleted_keys": tuple(key for key in in_order if key_token(key) in gone),
            "missing_keys": tuple(key for key in in_order if key_token(key) not in gone),
        }
    )


def delete_before(
    catalog: Catalog, target: TableTarget, moment: datetime, *, run_id: str, attempts: int = ATTEMPTS
) -> DeleteOutcome:
    """Delete the rows made before a moment in one commit, unless the run has done it already.

    Files that are older as a whole leave the table unread.

    Parameters
    ----------
    catalog : Catalog
    target : TableTarget
    moment : datetime
        With its zone. Rows made at that moment stay.
    run_id : str
    attempts : int
        Commits to try against other writers.

    Raises
    ------
    CommitConflictError
        Other writers won every time. Nothing was deleted; call again.
    NoSuchTableError
        There is no such table.
    """
    limit = pa.scalar(moment, pa.timestamp("us", tz="UTC"))
    micros = limit.value

    def plan(table: Table, writer: FileWriter) -> Plan:
        made = Plan(counts={"deleted": 0})
        for file in stored_files(table):
            low, high = file.bounds(CREATED)
            if file.lacks(CREATED) or (low is not None and low >= micros):
                continue
            if file.exact and high is not None and high < micros and not file.may_be_null(CREATED):
                made.removed.append(file.data_file)
                made.counts["deleted"] += file.rows
                continue
            file.fetch()
            rows = file.read()
            _take_out(file, rows, pc.fill_null(pc.less(rows[CREATED], limit), False), made, writer)
            file.forget()
        return made

    counts, mine = _commit(catalog, target, run_id, plan, attempts)
    return DeleteOutcome.model_validate(counts | {"already_committed": not mine})


def discard_write(catalog: Catalog, target: TableTarget, run_id: str) -> int:
    """Delete the files of a run that are not the table's: those of attempts that were killed.

    To be called when nothing of the run is at work any more. Unlike `jobruns_data.commit.discard_run` it does not go by
    the run's snapshot alone, which leaves these tables after a while.

    Returns
    -------
    int
        Files deleted.
    """
    try:
        table = load_table(catalog, target)
    except NoSuchTableError:
        return 0
    used = {file.path for file in stored_files(table)}
    if (snapshot := find_snapshot(table, RUN_ID_PROPERTY, run_id)) is not None:
        used.update(file.path for file in stored_files(table, snapshot.snapshot_id))
    client = s3_client()
    bucket, prefix = bucket_and_key(target.run_prefix(run_id))
    deleted = 0
    for keys in list_keys(client, bucket, prefix):
        leftovers = [key for key in keys if f"s3://{bucket}/{key}" not in used]
        deleted += len(leftovers) - delete_objects(client, bucket, leftovers)
    return deleted


def _delete_from(
    file: StoredFile, column: str, space: KeySpace, wanted: pa.Array, made: Plan, writer: FileWriter
) -> list[KeyValue | None]:
    """Plan to take rows out of a file; gives their keys."""
    low, high = file.bounds(column)
    if low is not None and high is not None:
        wanted = wanted.filter(pc.and_(pc.greater_equal(wanted, low), pc.less_equal(wanted, high)))
    if not len(wanted):
        return []
    if len(wanted) * _SPARSE < file.rows:

        def may_have(least: Any, most: Any) -> bool:
            return least is None or bool(
                pc.any(pc.and_(pc.greater_equal(wanted, least), pc.less_equal(wanted, most))).as_py()
            )

        if not pc.any(pc.is_in(file.column_where(column, may_have), value_set=wanted)).as_py():
            return []
    file.fetch()
    rows = file.read()
    hit = pc.is_in(rows[column], value_set=wanted)
    _take_out(file, rows, hit, made, writer)
    return key_values(space, rows[column].filter(hit))


def _take_out(file: StoredFile, rows: pa.Table, hit: pa.ChunkedArray, made: Plan, writer: FileWriter) -> None:
    """Plan to put a file without those rows in the place of a file."""
    gone = int(pc.sum(hit).as_py() or 0)
    if not gone:
        return
    made.counts["deleted"] += gone
    made.removed.append(file.data_file)
    if gone < len(rows):
        made.added.append(writer.write(rows.filter(pc.invert(hit))))


def _commit(
    catalog: Catalog,
    target: TableTarget,
    run_id: str,
    plan: Callable[[Table, FileWriter], Plan],
    attempts: int,
    just_loaded: Table | None = None,
) -> tuple[dict[str, int], bool]:
    """Plan and commit until it is in, or has been; gives what was counted, and whether it was done here."""
    written: list[DataFile] = []
    committed: set[str] = set()
    sent = False

    def attempt() -> tuple[dict[str, int], bool]:
        nonlocal sent, just_loaded
        table, just_loaded = just_loaded or load_table(catalog, target), None
        if (found := _counts(table, run_id)) is not None:
            return found, sent  # the answer to what was sent has been lost
        with FileWriter(table, target.run_prefix(run_id), written) as writer:
            made = plan(table, writer)
            added = [future.result() for future in made.added]
        if not added and not made.removed:
            return made.counts, True
        committed.clear()
        committed.update(file.file_path for file in added)
        properties = {RUN_ID_PROPERTY: run_id} | {_COUNT + name: str(count) for name, count in made.counts.items()}
        sent = True
        try:
            replace_files(table, properties, made.removed, added)
        except CommitFailedException:
            sent = False
            raise
        found = _counts(table, run_id)
        if found is None:
            raise CommitStateUnknownException(f"the snapshot of run {run_id} is not in the table it was committed to")
        return found, True

    try:
        counts, mine = change_table(target, attempt, attempts)
    except CommitConflictError:
        _delete(target, [file.file_path for file in written])
        raise
    if mine:
        _delete(target, [path for file in written if (path := file.file_path) not in committed])
    return counts, mine


def _counts(table: Table, run_id: str) -> dict[str, int] | None:
    snapshot = find_snapshot(table, RUN_ID_PROPERTY, run_id)
    if snapshot is None or snapshot.summary is None:
        return None
    said = snapshot.summary.additional_properties
    return {name.removeprefix(_COUNT): int(value) for name, value in said.items() if name.startswith(_COUNT)} | {
        "snapshot_id": snapshot.snapshot_id
    }


def _delete(target: TableTarget, paths: Sequence[str]) -> None:
    """Tidy up what lost; a failure here must not make the work look failed."""
    if not paths:
        return
    try:
        client = s3_client()
        for at in range(0, len(paths), _DELETED_AT_ONCE):
            some = [bucket_and_key(path)[1] for path in paths[at : at + _DELETED_AT_ONCE]]
            delete_objects(client, bucket_and_key(target.location)[0], some)
    except (ClientError, BotoCoreError, OSError) as error:
        _log.warning("%d files of %s that nobody needs stay: %s", len(paths), target.location, error)
