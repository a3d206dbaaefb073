"""One commit of a table with a primary key: planned against the table as it is, and planned again when others win."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from jobruns_data.aws import s3_client
from jobruns_data.catalog import TableTarget, load_table
from jobruns_data.changes import change_table, find_snapshot
from jobruns_data.commit import RUN_ID_PROPERTY
from jobruns_data.errors import CommitConflictError
from jobruns_data.placing import FileWriter, Plan, replace_files
from jobruns_data.s3_io import bucket_and_key, delete_keys

__all__ = ["ATTEMPTS", "commit_plan", "find_counts"]

ATTEMPTS: Final = 60
"""Of twenty writers at once the last one loses nineteen times at least."""

_DELETED_AT_ONCE: Final = 1000  # what one DeleteObjects takes
_COUNT: Final = "jobruns.rows-"
"""Begins the properties of a snapshot that say what was counted."""

_log = logging.getLogger(__name__)


def commit_plan(
    catalog: Catalog,
    target: TableTarget,
    run_id: str,
    plan: Callable[[Table, FileWriter], Plan],
    attempts: int,
    just_loaded: Table | None = None,
) -> tuple[dict[str, int], bool]:
    """Plan and commit until it is in, or has been; gives what was counted, and whether it was done here.

    Parameters
    ----------
    catalog : Catalog
    target : TableTarget
    run_id : str
    plan : callable
        Says what is to be done to the table as it is loaded; called for every attempt.
    attempts : int
        Commits to try against other writers.
    just_loaded : Table, optional
        For the first attempt.

    Raises
    ------
    CommitConflictError
        Other writers won every time. Nothing was changed; call again.
    """
    written: list[DataFile] = []
    committed: set[str] = set()
    sent = False

    def attempt() -> tuple[dict[str, int], bool]:
        nonlocal sent, just_loaded
        table, just_loaded = just_loaded or load_table(catalog, target), None
        if (found := find_counts(table, run_id)) is not None:
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
            sweep = replace_files(table, properties, made.removed, added)
        except CommitFailedException:
            sent = False
            raise
        found = find_counts(table, run_id)
        if found is None:
            raise CommitStateUnknownException(f"the snapshot of run {run_id} is not in the table it was committed to")
        return found | {"sweep_due": int(sweep)}, True

    try:
        counts, mine = change_table(target, attempt, attempts)
    except CommitConflictError:
        _delete(target, [file.file_path for file in written])
        raise
    if mine:
        _delete(target, [path for file in written if (path := file.file_path) not in committed])
    return counts, mine


def find_counts(table: Table, run_id: str) -> dict[str, int] | None:
    """Give what the commit of a run counted, if a loaded table has it; makes no call."""
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
            delete_keys(client, bucket_and_key(target.location)[0], some)
    except (ClientError, BotoCoreError, OSError) as error:
        _log.warning("%d files of %s that nobody needs stay: %s", len(paths), target.location, error)
