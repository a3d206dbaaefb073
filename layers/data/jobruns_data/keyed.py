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
for keys 3.5, 3.6 and 4.2. For 4,000,000 rows 12, 11 and 16, and 384 MB at most. One row: 0.1, into a table of 1,000,000
rows 0.2, most of it for the twenty requests of a commit.

Into a table of 10,000,000 rows of nine columns in 154 files, upserts of 100,000 rows: 2.7 seconds of processor where
their keys lie together (3 files are written again), 2.1 where they are new, and 23 where they are scattered at random,
so that all files are written again; 338, 266 and 408 MB.

Merge-on-read would make scattered updates of large tables cheaper, but PyIceberg writes no delete files. Partitions by
a bucket of the key were left out: the bounds of sorted files prune as well, keys that are given out in order touch the
last files only, and a small table is one file instead of one for each bucket.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from jobruns.operation import WriteAction
from jobruns_data.catalog import TableTarget, load_table
from jobruns_data.incoming import Incoming
from jobruns_data.keyed_commit import ATTEMPTS, commit_plan, find_counts
from jobruns_data.keys import KeyValue
from jobruns_data.merging import Merge
from jobruns_data.payload import LOT_BYTES

__all__ = ["WriteOutcome", "find_write", "write_rows"]

_FRESH_SECONDS: Final = 1.0  # a table loaded so long ago is not loaded again for the first attempt


class WriteOutcome(BaseModel):
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
    sweep_due : bool
        Whether the table is to be swept now, see `jobruns_data.sweeping`.
    written_keys, skipped_keys : tuple of KeyValue, optional
        In the order in which they came, if that was asked for; not known of an earlier call.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    total: int
    written: int
    inserted: int
    updated: int
    snapshot_id: int | None = None
    already_committed: bool = False
    sweep_due: bool = False
    written_keys: tuple[KeyValue, ...] | None = None
    skipped_keys: tuple[KeyValue, ...] | None = None


def find_write(table: Table, run_id: str) -> WriteOutcome | None:
    """Look for the write of a run among the snapshots of a loaded table; makes no call."""
    counts = find_counts(table, run_id)
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
    may need `jobruns_data.commit.discard_run` to tidy up behind one that was killed.

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
        counts, mine = commit_plan(catalog, target, run_id, merge.plan, attempts, fresh)
        outcome = WriteOutcome.model_validate(counts | {"already_committed": not mine})
        return outcome.model_copy(update=merge.named_keys()) if mine and name_keys else outcome
