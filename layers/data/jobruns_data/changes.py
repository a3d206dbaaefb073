"""Changes of a table, each of them one commit that several may try at once and anybody may repeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from jobruns_data.aws import is_transient
from jobruns_data.catalog import TableTarget
from jobruns_data.errors import CommitConflictError

__all__ = ["ATTEMPTS", "change_table", "find_snapshot", "send_once"]

ATTEMPTS: Final = 12

ResultT = TypeVar("ResultT")


def change_table(target: TableTarget, attempt: Callable[[], ResultT], attempts: int = ATTEMPTS) -> ResultT:
    """Try a change until it is in, or others have won a bounded number of times.

    Parameters
    ----------
    target : TableTarget
    attempt : callable
        Loads the table, looks whether the change is in it already, and commits it by `send_once` if not.
    attempts : int

    Raises
    ------
    CommitConflictError
        Other writers won every time. Nothing was changed; call again.
    """
    retrying = Retrying(
        retry=retry_if_exception(_may_try_again),
        stop=stop_after_attempt(attempts),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        reraise=True,
    )
    try:
        result: ResultT = retrying(attempt)
    except CommitFailedException as error:
        raise CommitConflictError(
            f"the table {target.database}.{target.table} is being changed by too many writers at once; try again"
        ) from error
    return result


def send_once(table: Table) -> None:
    """Have PyIceberg try the next commit of a loaded table once.

    It would repeat a lost commit by itself, without looking whether another process has committed the same change in
    between. The property is changed in this copy of the metadata only.
    """
    once = {**table.metadata.properties, "commit.retry.num-retries": "0"}
    table.metadata = table.metadata.model_copy(update={"properties": once})


def find_snapshot(table: Table, name: str, value: str) -> Snapshot | None:
    """Look for the snapshot of a loaded table that has a property; makes no call."""
    # Newest first: a commit that is repeated is repeated soon.
    for snapshot in reversed(table.metadata.snapshots):
        if snapshot.summary is not None and snapshot.summary.additional_properties.get(name) == value:
            return snapshot
    return None


def _may_try_again(error: BaseException) -> bool:
    # After an unknown outcome the next attempt begins by looking for the change.
    return isinstance(error, (CommitFailedException, CommitStateUnknownException)) or is_transient(error)
