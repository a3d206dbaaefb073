"""The rows of a run appear in the table all at once, once, or not at all."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitStateUnknownException, NoSuchTableError
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from jobruns.ids import allotted_at
from jobruns_data.aws import s3_client
from jobruns_data.catalog import TableTarget, load_table
from jobruns_data.changes import ATTEMPTS, change_table, find_snapshot, send_once
from jobruns_data.errors import UncommittableError
from jobruns_data.history import is_past_whole
from jobruns_data.s3_io import bucket_and_key, delete_keys, list_keys
from jobruns_data.stored import stored_files
from jobruns_data.units import UnitResult, WrittenFile

__all__ = ["RUN_ID_PROPERTY", "CommitOutcome", "commit_run", "discard_run", "find_commit"]

RUN_ID_PROPERTY: Final = "jobruns.run-id"
"""Property of a snapshot that names the run whose rows it added."""

CLOCK_SECONDS: Final = 3600.0
"""By which the clocks of who starts runs and of who commits may differ, at the very most."""

_log = logging.getLogger(__name__)


class CommitOutcome(BaseModel):
    """What a commit did.

    Parameters
    ----------
    snapshot_id : int, optional
        The snapshot with the run's rows; None when there were no rows, which makes no snapshot.
    rows, data_files : int
        Added by that snapshot.
    already_committed : bool
        Whether an earlier call had done it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    snapshot_id: int | None
    rows: int
    data_files: int
    already_committed: bool = False


def find_commit(table: Table, run_id: str) -> CommitOutcome | None:
    """Look for a run among the snapshots of a loaded table; makes no call."""
    snapshot = _snapshot_of(table, run_id)
    return None if snapshot is None else _outcome(snapshot, already=True)


def commit_run(
    catalog: Catalog, target: TableTarget, run_id: str, results: Iterable[UnitResult], *, attempts: int = ATTEMPTS
) -> CommitOutcome:
    """Add the data files of a run to the table in one snapshot, unless a snapshot has them already.

    May be called again after any failure, and by several callers at once: the rows are there once. Files that killed
    attempts left below the run's prefix are deleted afterwards.

    Parameters
    ----------
    catalog : Catalog
    target : TableTarget
    run_id : str
    results : iterable of UnitResult
        Of every unit of the run.
    attempts : int
        Commits to try against other writers.

    Raises
    ------
    UncommittableError
        A unit failed, names files outside the run's prefix, or wrote by a partitioning the table no longer has.
    CommitConflictError
        Other writers won every time. Nothing was added; call again.
    NoSuchTableError
        There is no such table.
    """
    files = _data_files(results, target.run_prefix(run_id))

    def attempt() -> CommitOutcome:
        table = load_table(catalog, target)
        if (done := find_commit(table, run_id)) is not None:
            return done
        if not files:
            return CommitOutcome(snapshot_id=None, rows=0, data_files=0)
        return _append(table, run_id, files)

    outcome = change_table(target, attempt, attempts)
    _delete_leftovers(catalog, target, run_id)
    return outcome


def discard_run(catalog: Catalog, target: TableTarget, run_id: str) -> int:
    """Delete the data files of a run that are not the table's, when nothing of the run is at work any more.

    Of one that will not be committed these are all, of one that is they are those that killed attempts left.

    Returns
    -------
    int
        Files deleted.
    """
    client = s3_client()
    bucket, prefix = bucket_and_key(target.run_prefix(run_id))
    used: set[str] | None = None
    deleted = 0
    for keys in list_keys(client, bucket, prefix):
        if used is None:
            try:
                used = _used_files(load_table(catalog, target), run_id)
            except NoSuchTableError:
                used = set()
        leftovers = [key for key in keys if f"s3://{bucket}/{key}" not in used]
        deleted += len(leftovers) - delete_keys(client, bucket, leftovers)
    return deleted


def _data_files(results: Iterable[UnitResult], prefix: str) -> list[WrittenFile]:
    files: dict[str, WrittenFile] = {}
    for result in results:
        if result.failed:
            first = result.failed[0]
            raise UncommittableError(f"unit {result.unit} failed: {first.url}: {first.reason}")
        for file in result.data_files:
            if not file.file_path.startswith(prefix):
                raise UncommittableError(f"unit {result.unit} names {file.file_path}, which is not below {prefix}")
            files[file.file_path] = file
    return list(files.values())


def _append(table: Table, run_id: str, files: Collection[WrittenFile]) -> CommitOutcome:
    if any(file.spec_id != table.metadata.default_spec_id for file in files):
        raise UncommittableError(
            f"the partitioning of {'.'.join(table.name())} was changed while run {run_id} wrote by the old one;"
            " start it again"
        )
    send_once(table)
    with (
        table.transaction() as transaction,
        transaction.update_snapshot({RUN_ID_PROPERTY: run_id}).fast_append() as append,
    ):
        for file in files:
            append.append_data_file(file.to_data_file())
    snapshot = _snapshot_of(table, run_id)
    if snapshot is None:
        raise CommitStateUnknownException(f"the snapshot of run {run_id} is not in the table it was committed to")
    return _outcome(snapshot, already=False)


def _snapshot_of(table: Table, run_id: str) -> Snapshot | None:
    return find_snapshot(table, RUN_ID_PROPERTY, run_id)


def _outcome(snapshot: Snapshot, *, already: bool) -> CommitOutcome:
    added = snapshot.summary.additional_properties
    return CommitOutcome(
        snapshot_id=snapshot.snapshot_id,
        rows=int(added.get("added-records", 0)),
        data_files=int(added.get("added-data-files", 0)),
        already_committed=already,
    )


def _delete_leftovers(catalog: Catalog, target: TableTarget, run_id: str) -> None:
    """Tidy up behind a commit; a failure here must not make the commit look failed."""
    try:
        deleted = discard_run(catalog, target, run_id)
    except (ClientError, BotoCoreError, OSError) as error:
        _log.warning("leftovers of run %s stay: %s", run_id, error)
    else:
        if deleted:
            _log.info("deleted %d leftovers of run %s", deleted, run_id)


def _used_files(table: Table, run_id: str) -> set[str]:
    # What the snapshot says counts, not what the caller believes: a unit's result may have been written again since.
    snapshot = _snapshot_of(table, run_id)
    if snapshot is None:
        began_at = allotted_at(run_id)
        if began_at is not None and is_past_whole(table, began_at.timestamp() - CLOCK_SECONDS):
            return set()
        # Old snapshots may have gone, and what the run has written may still be in the table: all of it is read.
        return {file.path for file in stored_files(table)}
    return {
        entry.data_file.file_path
        for manifest in snapshot.manifests(table.io)
        if manifest.added_snapshot_id == snapshot.snapshot_id
        for entry in manifest.fetch_manifest_entry(table.io)
    }
