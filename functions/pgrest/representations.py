"""Bodies of answers: rows as an array, an object or CSV."""

import json
from collections.abc import Sequence
from typing import Any

from pgrest.csv_tables import write_csv
from pgrest.errors import Code, RefusedError
from pgrest.media import MediaType, Shape


def check_single(count: int, media: MediaType) -> None:
    """Check that there is one row where an object is to be shown; before anything is written.

    Raises
    ------
    RefusedError
        There is another number of them.
    """
    if media.shape is Shape.OBJECT and count != 1:
        raise RefusedError(
            Code.NOT_ONE_ROW,
            "Cannot coerce the result to a single JSON object",
            details=f"The result contains {count} rows",
        )


def render_rows(rows: Sequence[dict[str, Any]], media: MediaType) -> str:
    """Write rows in the form chosen.

    Raises
    ------
    RefusedError
        An object is to be shown, and there is not exactly one row.
    """
    check_single(len(rows), media)
    if media.shape is Shape.CSV:
        return write_csv(rows)
    if media.nulls_stripped:
        rows = [{name: value for name, value in row.items() if value is not None} for row in rows]
    return write_json(rows[0] if media.shape is Shape.OBJECT else rows)


def write_json(document: Any) -> str:
    """Write JSON without blanks."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
