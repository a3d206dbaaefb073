"""Rows and tables go: out of the table, out of the catalog, and off S3. All may be repeated."""

from __future__ import annotations

import logging
import time
from typing import Final

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NamespaceNotEmptyError, NoSuchNamespaceError, NoSuchTableError
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.table import Table

from jobruns_data.aws import retrying, s3_client
from jobruns_data.catalog import TableTarget, load_table
from jobruns_data.changes import change_table, find_snapshot, send_once
from jobruns_data.errors import UnfinishedError
from jobruns_data.s3_io import delete_keys, list_keys

__all__ = ["OPERATION_PROPERTY", "drop_database", "drop_table", "purge_table", "truncate_table"]

OPERATION_PROPERTY: Final = "jobruns.operation-id"
"""Property of a snapshot that names the wish that made it."""

_ATTEMPTS: Final = 8  # the caller waits, and gives up after 20 seconds

_log = logging.getLogger(__name__)


def truncate_table(catalog: Catalog, target: TableTarget, operation_id: str) -> int:
    """Take all data files out of a table by one commit, which reads none of them.

    The files stay below the table's location: its older snapshots name them.

    Parameters
    ----------
    catalog : Catalog
    target : TableTarget
    operation_id : str
        Under the same id the table is emptied once, and the same number is given again.

    Returns
    -------
    int
        Number of data files that left the table; 0 where there is no such table.

    Raises
    ------
    CommitConflictError
        Other writers won every time. Nothing was taken out; call again.
    """

    def attempt() -> int:
        try:
            table = load_table(catalog, target)
        except NoSuchTableError:
            return 0
        if find_snapshot(table, OPERATION_PROPERTY, operation_id) is None:
            _delete_all(table, operation_id)
        snapshot = find_snapshot(table, OPERATION_PROPERTY, operation_id)
        if snapshot is None or snapshot.summary is None:
            return 0  # there was nothing in the table, and no snapshot is made of that
        return int(snapshot.summary.additional_properties.get("deleted-data-files", 0))

    return change_table(target, attempt, _ATTEMPTS)


def drop_table(catalog: Catalog, target: TableTarget) -> bool:
    """Take a table out of the catalog; its files stay.

    Returns
    -------
    bool
        Whether it was there.
    """
    try:
        retrying()(catalog.drop_table, target.identifier)
    except NoSuchTableError:
        return False
    return True


def drop_database(catalog: Catalog, database: str) -> bool:
    """Take a database out of the catalog; one that has tables stays, also those that somebody else has made there.

    Returns
    -------
    bool
        Whether it was there and is gone.
    """
    try:
        retrying()(catalog.drop_namespace, database)
    except (NoSuchNamespaceError, NamespaceNotEmptyError):
        return False
    return True


def purge_table(catalog: Catalog, target: TableTarget, seconds: float) -> int:
    """Take a table out of the catalog and delete every file below its location.

    Parameters
    ----------
    catalog : Catalog
    target : TableTarget
    seconds : float
        No page of files is begun after so long.

    Returns
    -------
    int
        Files deleted.

    Raises
    ------
    UnfinishedError
        Files are left; call again.
    """
    until = time.monotonic() + seconds
    drop_table(catalog, target)
    bucket, prefix = target.own_prefix()
    deleted = left = 0
    client = s3_client()
    for keys in list_keys(client, bucket, prefix):
        if time.monotonic() > until:
            raise UnfinishedError(f"{deleted} files of {target.location} are deleted, and more are left")
        refused = delete_keys(client, bucket, keys)
        deleted += len(keys) - refused
        left += refused
    if left:
        raise UnfinishedError(f"{left} files of {target.location} could not be deleted")
    _log.info("deleted %d files of %s", deleted, target.location)
    return deleted


def _delete_all(table: Table, operation_id: str) -> None:
    send_once(table)
    with (
        table.transaction() as transaction,
        transaction.update_snapshot({OPERATION_PROPERTY: operation_id}).delete() as delete,
    ):
        delete.delete_by_predicate(AlwaysTrue())
