"""The rows of a run appear in the table all at once, once, or not at all."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException, NoSuchTableError
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from jobruns_data.aws import is_transient, s3_client
from jobruns_data.catalog import TableTarget, load_table
from jobruns_data.errors import CommitConflictError, UncommittableError
from jobruns_data.s3_io import bucket_and_key
from jobruns_data.units import UnitResult, WrittenFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["RUN_ID_PROPERTY", "CommitOutcome", "commit_run", "discard_run", "find_commit"]

RUN_ID_PROPERTY: Final = "jobruns.run-id"
"""Property of a snapshot that names the run whose rows it added."""

_ATTEMPTS: Final = 12
_DELETE_BATCH: Final = 1000  # what one DeleteObjects takes

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
    catalog: Catalog, target: TableTarget, run_id: str, results: Iterable[UnitResult], *, attempts: int = _ATTEMPTS
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

    retrying = Retrying(
        retry=retry_if_exception(_may_try_again),
        stop=stop_after_attempt(attempts),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        reraise=True,
    )
    try:
        outcome: CommitOutcome = retrying(attempt)
    except CommitFailedException as error:
        raise CommitConflictError(
            f"the table {target.database}.{target.table} is being changed by too many writers at once; try again"
        ) from error
    _delete_leftovers(catalog, target, run_id)
    return outcome


def discard_run(catalog: Catalog, target: TableTarget, run_id: str) -> int:
    """Delete the data files of a run that will not be committed; those of a committed one stay.

    Returns
    -------
    int
        Files deleted.
    """
    return _delete_unreferenced(catalog, target, run_id)


def _may_try_again(error: BaseException) -> bool:
    # After an unknown outcome the next attempt begins by looking for the run.
    return isinstance(error, (CommitFailedException, CommitStateUnknownException)) or is_transient(error)


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
    # PyIceberg would repeat a lost commit by itself, without looking whether another process has committed the same
    # run in between. One try each; the property is changed in this copy of the metadata only.
    once = {**table.metadata.properties, "commit.retry.num-retries": "0"}
    table.metadata = table.metadata.model_copy(update={"properties": once})
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
    # Newest first: a commit that is repeated is repeated soon.
    for snapshot in reversed(table.metadata.snapshots):
        if snapshot.summary is not None and snapshot.summary.additional_properties.get(RUN_ID_PROPERTY) == run_id:
            return snapshot
    return None


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
        deleted = _delete_unreferenced(catalog, target, run_id)
    except (ClientError, BotoCoreError, OSError) as error:
        _log.warning("leftovers of run %s stay: %s", run_id, error)
    else:
        if deleted:
            _log.info("deleted %d leftovers of run %s", deleted, run_id)


def _delete_unreferenced(catalog: Catalog, target: TableTarget, run_id: str) -> int:
    # What the snapshot says counts, not what the caller believes: a unit's result may have been written again since.
    try:
        referenced = _referenced(load_table(catalog, target), run_id)
    except NoSuchTableError:
        referenced = set()
    client = s3_client()
    bucket, prefix = bucket_and_key(target.run_prefix(run_id))
    deleted = 0
    for keys in _pages(client, bucket, prefix):
        leftovers = [key for key in keys if f"s3://{bucket}/{key}" not in referenced]
        if not leftovers:
            continue
        answer: dict[str, Any] = client.delete_objects(  # type: ignore[assignment]  # read as plain JSON
            Bucket=bucket, Delete={"Objects": [{"Key": key} for key in leftovers], "Quiet": True}
        )
        for error in answer.get("Errors", []):
            _log.warning("s3://%s/%s stays: %s", bucket, error.get("Key"), error.get("Message"))
        deleted += len(leftovers) - len(answer.get("Errors", []))
    return deleted


def _referenced(table: Table, run_id: str) -> set[str]:
    snapshot = _snapshot_of(table, run_id)
    if snapshot is None:
        return set()
    return {
        entry.data_file.file_path
        for manifest in snapshot.manifests(table.io)
        if manifest.added_snapshot_id == snapshot.snapshot_id
        for entry in manifest.fetch_manifest_entry(table.io)
    }


def _pages(client: S3Client, bucket: str, prefix: str) -> Iterator[list[str]]:
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": _DELETE_BATCH}
    )
    for page in pages:
        yield [item["Key"] for item in page.get("Contents", [])]
