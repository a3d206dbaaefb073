"""Answers what scripts ask before they begin: when the last success of their job started.

What is written late, by transactions that were open then, is not lost to a job that begins to read a little earlier.
How much is the job's look-back, and nowhere but in this answer is a start shown otherwise than it was.
"""

from datetime import datetime, timedelta
from typing import Any

from jobruns.run import Outcome, RunSummary
from pgrest.binding import BoundQuery, Predicate
from pgrest.columns import Row
from pgrest.job_rows import STATUS_OF
from pgrest.jobs import JOBS
from pgrest.ranges import Window
from pgrest.syntax import Operator

LOOK_BACK_HEADER = "Jobruns-Look-Back"

_SUCCESS = STATUS_OF[Outcome.SUCCEEDED]


def asks_watermark(bound: BoundQuery, window: Window) -> bool:
    """Tell whether a query is ``name=eq.X&status=eq.success&order=end_date.desc&limit=1``, or by ``start_date``."""
    if bound.relation.name != JOBS.name or window != Window(0, 1) or not bound.ordered:
        return False
    operands: dict[str, Any] = {}
    for condition in bound.conditions:
        match condition:
            case Predicate(operator=Operator.EQ, operands=(operand,), quantifier=None, negated=False):
                operands[condition.column.name] = operand
            case _:
                return False
    asked = len(bound.conditions) == 2 and operands.keys() == {"name", "status"} and operands["status"] == _SUCCESS
    first, last = bound.order[0], bound.order[-1]
    by_time = first.column.name in {"end_date", "start_date"} and len(bound.order) == 2
    return asked and by_time and first.descending and last.descending


def look_back(run: RunSummary, row: Row) -> tuple[Row, dict[str, str]]:
    """Show a row's start as much earlier as its run says, and tell of it in a header."""
    seconds = run.look_back_seconds
    if not seconds:
        return row, {}
    start: datetime = row["start_date"]
    return {**row, "start_date": start - timedelta(seconds=seconds)}, {LOOK_BACK_HEADER: str(seconds)}
