"""Rows of the relation ``jobs``: which runs it shows, and how."""

from collections.abc import Mapping
from typing import Any

from jobruns.run import Outcome, RunSummary

STATUS_OF: Mapping[Outcome, str] = {
    Outcome.GOING: "in_progress",
    Outcome.SUCCEEDED: "success",
    Outcome.FAILED: "error",
}

OUTCOME_OF: Mapping[str, Outcome] = {status: outcome for outcome, status in STATUS_OF.items()}

_MAX_INTEGER = 2**31 - 1


def is_shown(run: RunSummary) -> bool:
    """Tell whether ``jobs`` shows a run.

    It has begun, and a success that does not count is left out: no query can take it for the last success.
    """
    return run.number is not None and (run.counts or run.outcome is not Outcome.SUCCEEDED)


def job_row(run: RunSummary) -> dict[str, Any]:
    """Make the row of a run that has a number, whether or not it is shown."""
    return {
        "id": run.number,
        "name": run.job,
        "start_date": run.start_at,
        "end_date": run.end_at,
        "message": run.message,
        "status": STATUS_OF[run.outcome],
        "records_processed": None if run.records is None else min(run.records, _MAX_INTEGER),
        "source": run.source or "",
        "destination": run.destination or "",
    }
