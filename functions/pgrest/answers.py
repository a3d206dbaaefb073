"""Answers to writes: what they show of the rows, which is known to be possible before anything is written."""

import json
from collections.abc import Sequence
from typing import Any

from jobruns.run import Run
from pgrest.asking import Asked
from pgrest.columns import Row
from pgrest.errors import Code, RefusedError
from pgrest.job_rows import job_row
from pgrest.ordering import order_rows
from pgrest.preferences import Representation
from pgrest.projection import project_row
from pgrest.reads import MAX_BYTES
from pgrest.representations import check_single, render_rows
from pgrest.wire import Answer


def check_answer(asked: Asked, rows: Sequence[Row]) -> None:
    """Check that the rows a write will leave can be shown as they are to be; before anything is written.

    Raises
    ------
    RefusedError
        One object is to be shown and there is another number of rows; a cell cannot be cast; or it would be too much.
    """
    check_single(len(rows), asked.media)
    if asked.preferences.representation is Representation.FULL:
        size = len(json.dumps(_render(asked, rows)))
        if size > MAX_BYTES:
            raise RefusedError(
                Code.TOO_MANY,
                "The answer would be too long",
                details=f"It would have {size} bytes; there may be {MAX_BYTES}.",
                hint="Nothing has been written. Write fewer rows at a time, or leave return=representation out.",
            )


def answer_write(
    asked: Asked, runs: Sequence[Run], *, status: int, quiet_status: int, headers: dict[str, str] | None = None
) -> Answer:
    """Make the answer to a write: `status` where it shows the rows, and `quiet_status` where it does not."""
    told = {**asked.headers, **(headers or {})}
    if asked.preferences.representation is not Representation.FULL:
        return Answer(quiet_status, headers=told)
    return Answer(status, asked.media.content_type, _render(asked, [job_row(run) for run in runs]), told)


def _render(asked: Asked, rows: Sequence[Row]) -> str:
    bound = asked.bound
    ordered = order_rows(rows, bound.order) if bound.ordered else rows
    shown: list[dict[str, Any]] = [project_row(row, bound.shown, bound.zone) for row in ordered]
    return render_rows(shown, asked.media)
