"""Deletions from a table with a primary key: by key, and of what is older than a moment; each is one commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from jobruns_data.attributes import CREATED, Layout
from jobruns_data.catalog import TableTarget
from jobruns_data.keyed_commit import ATTEMPTS, commit_plan
from jobruns_data.keys import KeySpace, KeyValue, key_token, key_values, keys_of_values, named
from jobruns_data.placing import FileWriter, Plan
from jobruns_data.stored import StoredFile, stored_files

__all__ = ["DeleteOutcome", "delete_before", "delete_keys"]

_SPARSE: Final = 16  # rows of a file for each key to delete, above which its keys are looked at first


class DeleteOutcome(BaseModel):
    """What a deletion did.

    Parameters
    ----------
    deleted : int
        Rows that are gone.
    snapshot_id : int, optional
        None when there were none.
    already_committed : bool
        Whether an earlier call with the run's id had done it.
    sweep_due : bool
        Whether the table is to be swept now, see `jobruns_data.sweeping`.
    deleted_keys, missing_keys : tuple of KeyValue, optional
        Of a deletion by key; not known of an earlier call.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    deleted: int
    snapshot_id: int | None = None
    already_committed: bool = False
    sweep_due: bool = False
    deleted_keys: tuple[KeyValue, ...] | None = None
    missing_keys: tuple[KeyValue, ...] | None = None


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

    counts, mine = commit_plan(catalog, target, run_id, plan, attempts)
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

    counts, mine = commit_plan(catalog, target, run_id, plan, attempts)
    return DeleteOutcome.model_validate(counts | {"already_committed": not mine})


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
