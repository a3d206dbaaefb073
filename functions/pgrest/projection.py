"""Shows rows: the columns asked for, by the names asked for, as JSON has them."""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any

from pgrest.binding import Shown
from pgrest.columns import Row
from pgrest.jsonb import follow


def project_row(row: Row, shown: Sequence[Shown], zone: tzinfo = UTC) -> dict[str, Any]:
    """Show one row.

    Raises
    ------
    RefusedError
        A cell's text cannot be cast to the type asked for.
    """
    return {
        entry.label: None
        if (value := follow(row[entry.column.name], entry.arrows)) is None
        else entry.caster(value, zone)
        for entry in shown
    }
