"""PATCH: rows that are there are told otherwise, by the rules of the ledger."""

from collections.abc import Mapping
from typing import Any

from jobruns.access import Permission
from jobruns.run import Run
from jobruns.service.corrections import Retelling, check_retellings, retell_runs
from pgrest.answers import answer_write, check_answer
from pgrest.asking import Asked, read_counts
from pgrest.columns import Relation
from pgrest.errors import Code, RefusedError, refuse_feature
from pgrest.job_rows import OUTCOME_OF, job_row
from pgrest.ranges import content_range
from pgrest.reads import MAX_FOUND, find_runs
from pgrest.wire import Answer
from pgrest.writes import check_row, make_changes

FIELDS: Mapping[str, str] = {
    "start_date": "reported_start_at",
    "end_date": "reported_end_at",
    "message": "message",
    "records_processed": "records",
    "source": "source",
    "destination": "destination",
}
"""The core's names of what is told of a run, by column."""

_FIXED = ("id", "name")


def update_rows(asked: Asked) -> Answer:
    """Change the rows that pass the filters, all of them checked before the first is written."""
    caller, preferences = asked.caller, asked.preferences
    caller.principal.require(Permission.REPORT)
    counts = read_counts(asked.request.headers)
    changes = make_changes(
        asked.payload,
        asked.columns,
        caller.ports.clock(),
        missing_default=preferences.missing_default,
        zone=preferences.zone,
    )
    runs = find_affected(asked, hidden=counts is not None) if changes or counts is not None else []
    retellings = [retell(run, changes, counts, asked.relation) for run in runs]
    check_answer(asked, [{**job_row(run), **changes} for run in runs])
    retellings = check_retellings(caller.principal, retellings)
    after = retell_runs(caller.ports, caller.principal, retellings)
    total = len(after) if preferences.counts else None
    return answer_write(
        asked, after, status=200, quiet_status=204, headers={"Content-Range": content_range(0, len(after), total)}
    )


def find_affected(asked: Asked, *, hidden: bool = False) -> list[Run]:
    """Find the runs a write is about.

    Raises
    ------
    RefusedError
        They are more than the caller or this service lets one write change.
    """
    most = asked.preferences.max_affected
    try:
        runs = find_runs(asked.caller, asked.bound, MAX_FOUND, hidden=hidden)
    except RefusedError as refusal:
        if refusal.code is Code.TOO_MANY and most is not None and most <= MAX_FOUND:
            raise _refuse_affected(f"more than {MAX_FOUND}") from None
        raise
    if most is not None and len(runs) > most:
        raise _refuse_affected(str(len(runs)))
    return runs


def retell(run: Run, changes: Mapping[str, Any], counts: bool | None, relation: Relation) -> Retelling:
    """Make of what changes in a row what is told of its run; what is there already is not told again.

    Raises
    ------
    RefusedError
        The row would not be one of the relation, or is to be another run's.
    """
    before = job_row(run)
    check_row({**before, **changes}, relation)
    news = {name for name, value in changes.items() if value != before[name]}
    for name in _FIXED:
        if name in news:
            raise refuse_feature(f"Changing {name}", "A run keeps its number and its job. Write a new row.")
    told = {FIELDS[name]: changes[name] for name in FIELDS if name in news}
    if "message" in changes:
        # Also the same: a correction would otherwise drop what the ledger itself said of the run.
        told["message"] = changes["message"]
    if counts is not None:
        told["counts"] = counts
    return Retelling(run, told, OUTCOME_OF[changes["status"]] if "status" in changes else None)


def _refuse_affected(found: str) -> RefusedError:
    return RefusedError(
        Code.MAX_AFFECTED,
        "Query result exceeds max-affected preference constraint",
        details=f"The query affects {found} rows",
    )
