"""Deletes the files that a table has no more: replaced ones, those of expired snapshots, and what killed writers left.

What a table names is read first, then what is there is listed. A file goes when the table does not name it and it is
old: a young one may be of a commit that is under way. What the table does not name now it never names again, so that
nothing can come between, and a sweep that is killed is gone on with by the next one.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.manifest import ManifestFile
from pyiceberg.table import Table

from jobruns_data.aws import s3_client
from jobruns_data.catalog import TableTarget, load_table
from jobruns_data.errors import UnfinishedError
from jobruns_data.s3_io import bucket_and_key, delete_keys

__all__ = ["sweep_table"]

_YOUNG: Final = timedelta(days=3)
"""As Iceberg's own removal of orphans has it. Longer than any writer lives, whoever wrote the file."""

_READERS: Final = 8
_LISTED_AT_ONCE: Final = 1000  # what one DeleteObjects takes

_log = logging.getLogger(__name__)


def sweep_table(catalog: Catalog, target: TableTarget, seconds: float, now: datetime | None = None) -> int:
    """Delete every file below a table's location that is old and that no snapshot of the table names.

    Parameters
    ----------
    catalog : Catalog
    target : TableTarget
    seconds : float
        Nothing is begun after so long.
    now : datetime, optional
        With its zone; left out, it is now.

    Returns
    -------
    int
        Files deleted.

    Raises
    ------
    UnfinishedError
        There is more; call again.
    """
    until = time.monotonic() + seconds
    before = (now or datetime.now(UTC)) - _YOUNG
    bucket, prefix = target.own_prefix()
    try:
        table = load_table(catalog, target)
    except NoSuchTableError:
        return 0  # its files go as a whole
    used = _used_keys(table, bucket, until)
    client = s3_client()
    deleted = 0
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": _LISTED_AT_ONCE}
    )
    for page in pages:
        _check_time(until, f"{deleted} files of {target.location} are deleted, and more may be left")
        objects = page.get("Contents", [])
        keys = [entry["Key"] for entry in objects if entry["LastModified"] < before and entry["Key"] not in used]
        deleted += len(keys) - delete_keys(client, bucket, keys)
    if deleted:
        _log.info("deleted %d files of %s that nothing named", deleted, target.location)
    return deleted


def _used_keys(table: Table, bucket: str, until: float) -> set[str]:
    """Give the keys of everything that the metadata names, directly or not."""
    metadata = table.metadata
    named = {table.metadata_location}
    named.update(entry.metadata_file for entry in metadata.metadata_log)
    named.update(file.statistics_path for file in (*metadata.statistics, *metadata.partition_statistics))
    named.update(snapshot.manifest_list for snapshot in metadata.snapshots)
    with ThreadPoolExecutor(_READERS, "sweep") as readers:
        manifests: dict[str, ManifestFile] = {}
        for snapshot_manifests in readers.map(lambda snapshot: snapshot.manifests(table.io), metadata.snapshots):
            manifests.update((manifest.manifest_path, manifest) for manifest in snapshot_manifests)
        named.update(manifests)
        for paths in readers.map(lambda manifest: _paths(table, manifest, until), manifests.values()):
            named.update(paths)
    # A location that cannot be read ends the sweep: it may be one of the files that are listed.
    return {key for there, key in map(bucket_and_key, named) if there == bucket}


def _paths(table: Table, manifest: ManifestFile, until: float) -> list[str]:
    _check_time(until, f"what {'.'.join(table.name())} names could not be read in time")
    return [entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io)]


def _check_time(until: float, left: str) -> None:
    if time.monotonic() > until:
        raise UnfinishedError(left)
