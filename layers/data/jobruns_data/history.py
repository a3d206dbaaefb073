"""How long a table's past stays: which snapshots leave the metadata, and when what only they named is to be deleted.

By its snapshots a table can be read as it was, and whoever reads it at this moment reads one of them. So a snapshot
stays until some time after another has taken its place, however old it is itself.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from pyiceberg.table import Table

__all__ = ["AGE_PROPERTY", "SWEPT_PROPERTY", "find_expired", "is_past_whole", "is_sweep_due"]

AGE_PROPERTY: Final = "history.expire.max-snapshot-age-ms"
"""Iceberg's own property of a table: how long its past is to stay, when it is not as here."""

SWEPT_PROPERTY: Final = "jobruns.swept-at-ms"
"""Property of a table: when it was last to be swept."""

_DAY: Final = 24 * 3600
_AGE_SECONDS: Final = 7 * _DAY
_SWEEP_SECONDS: Final = _DAY
_SNAPSHOTS: Final = 200
"""From so many on the oldest ones go sooner: each makes every later commit slower, by 0.4 ms."""

_SNAPSHOTS_KEPT: Final = 100
_KEPT_SECONDS: Final = 6 * 3600
"""As long as a run may look for what it has committed."""


def find_expired(table: Table, now: float) -> list[int]:
    """Give the ids of the snapshots of a loaded table that are to leave it.

    Those that a branch or a tag names stay: somebody has asked for that.
    """
    snapshots = sorted(table.metadata.snapshots, key=lambda snapshot: snapshot.timestamp_ms)
    named = {ref.snapshot_id for ref in table.metadata.refs.values()}
    surplus = len(snapshots) - _SNAPSHOTS_KEPT if len(snapshots) >= _SNAPSHOTS else 0
    age = _age_seconds(table)
    return [
        snapshot.snapshot_id
        for at, (snapshot, following) in enumerate(pairwise(snapshots))
        if snapshot.snapshot_id not in named
        and following.timestamp_ms / 1000 < now - (_KEPT_SECONDS if at < surplus else age)
    ]


def is_past_whole(table: Table, since: float) -> bool:
    """Tell whether all that led to a loaded table's state since then is still among its snapshots; makes no call.

    Parameters
    ----------
    table : Table
    since : float
        Seconds since the epoch.
    """
    known = {snapshot.snapshot_id: snapshot for snapshot in table.metadata.snapshots}
    at = table.metadata.current_snapshot_id
    while at is not None:
        snapshot = known.get(at)
        if snapshot is None:
            return False
        if snapshot.timestamp_ms / 1000 < since:
            return True
        if snapshot.parent_snapshot_id is None:
            # Where a parent has gone PyIceberg makes its child the first; the first that ever was has the number 1.
            return bool(snapshot.sequence_number == 1)
        at = snapshot.parent_snapshot_id
    return True


def is_sweep_due(table: Table, now: float) -> bool:
    """Whether a loaded table has been written to for a day since it was last to be swept."""
    swept = table.metadata.properties.get(SWEPT_PROPERTY, "")
    if swept.isdecimal():
        return int(swept) / 1000 < now - _SWEEP_SECONDS
    first = min((snapshot.timestamp_ms for snapshot in table.metadata.snapshots), default=None)
    return first is not None and first / 1000 < now - _SWEEP_SECONDS


def _age_seconds(table: Table) -> float:
    asked = table.metadata.properties.get(AGE_PROPERTY, "")
    return max(int(asked) / 1000, _KEPT_SECONDS) if asked.isdecimal() else _AGE_SECONDS
