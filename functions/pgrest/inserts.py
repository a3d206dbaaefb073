"""POST and PUT: new rows, and rows that are there merged with what is sent."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobruns.access import Permission
from jobruns.run import Outcome, Run
from jobruns.service.corrections import Retelling, check_retellings, retell_runs
from jobruns.service.reported_starts import RunReport, report_starts
from jobruns.service.views import find_numbered_runs
from pgrest.admission import DOOR
from pgrest.answers import answer_write, check_answer
from pgrest.asking import Asked, read_counts
from pgrest.errors import Code, RefusedError
from pgrest.job_rows import OUTCOME_OF, job_row
from pgrest.preferences import Representation, Resolution
from pgrest.updates import FIELDS, retell
from pgrest.verbs import check_put_row, find_put_key
from pgrest.wire import Answer
from pgrest.writes import check_row, make_rows

MAX_INSERTED = 1000
"""Rows of one POST: some twenty are written at a time, in a tenth of a second."""

MAX_STARTED = 250
"""Rows of them that go on: an execution is started for each, which takes some 50 ms."""

TOKEN_HEADER = "idempotency-key"  # noqa: S105 - the name of a header
_TOKEN = re.compile(r"[ -~]{1,255}")

_MAX_NAME = 255
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LOST_IN_URLS = re.compile(r"[+&#]|%[0-9A-Fa-f]{2}")
"""What clients that put a name into a URL as it is do not find again: ``tdutils`` does."""

_UNNUMBERED = 0
"""Stands for the number a row will get."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What becomes of the rows of a body, by their places: new runs, and runs told otherwise. Others are left out."""

    reports: Mapping[int, RunReport]
    retellings: Mapping[int, Retelling]


def insert_rows(asked: Asked) -> Answer:
    """Write new rows, and do with those that are there what the caller prefers; all checked before any is written."""
    caller, preferences = asked.caller, asked.preferences
    caller.principal.require(Permission.START)
    token = _read_token(asked.request.headers)
    plan, rows = _plan_rows(asked, _make_rows(asked), preferences.resolution)
    check_answer(asked, rows)
    retellings = check_retellings(caller.principal, list(plan.retellings.values())) if plan.retellings else []
    new = report_starts(caller.ports, caller.principal, list(plan.reports.values()), door=DOOR, token=token)
    told = retell_runs(caller.ports, caller.principal, retellings) if retellings else []
    runs = _in_their_places(plan, new, told)
    merged = preferences.resolution is Resolution.MERGE and not new
    status = 200 if merged else 201
    headers = {"Content-Range": f"*/{len(runs) if preferences.counts else '*'}"}
    if preferences.representation is Representation.HEADERS_ONLY and len(runs) == 1:
        headers["Location"] = f"/{asked.relation.name}?{asked.relation.key}=eq.{runs[0].number}"
    return answer_write(asked, runs, status=status, quiet_status=status, headers=headers)


def put_row(asked: Asked) -> Answer:
    """Write one row over the one that has its key."""
    caller = asked.caller
    key = find_put_key(asked.bound.conditions, asked.relation)
    caller.principal.require(Permission.REPORT)
    row = check_put_row(_make_rows(asked), key, asked.relation)
    plan, rows = _plan_rows(asked, [row], Resolution.MERGE)
    check_answer(asked, rows)
    after = retell_runs(caller.ports, caller.principal, list(plan.retellings.values()))
    return answer_write(asked, after, status=200, quiet_status=204)


def _make_rows(asked: Asked) -> list[dict[str, Any]]:
    if len(asked.payload.rows) > MAX_INSERTED:
        raise RefusedError(
            Code.TOO_MANY,
            f"The body has {len(asked.payload.rows)} rows; there may be {MAX_INSERTED}",
            hint="Send them in several requests.",
        )
    return make_rows(
        asked.payload,
        asked.relation,
        asked.columns,
        asked.caller.ports.clock(),
        missing_default=asked.preferences.missing_default,
        zone=asked.preferences.zone,
    )


def _plan_rows(
    asked: Asked, rows: Sequence[Mapping[str, Any]], resolution: Resolution | None
) -> tuple[_Plan, list[dict[str, Any]]]:
    """Find out what becomes of the rows of a body, and what they will be, as far as that is known before.

    Raises
    ------
    RefusedError
        A row may not be written.
    """
    counts = read_counts(asked.request.headers)
    key = asked.relation.key
    for row in rows:
        check_row({key: _UNNUMBERED, **row}, asked.relation)
    _check_started(sum(OUTCOME_OF[row["status"]] is Outcome.GOING for row in rows if key not in row))
    ids = [row[key] for row in rows if key in row]
    there = find_numbered_runs(asked.caller.ports, asked.caller.principal, ids) if ids else {}
    reports: dict[int, RunReport] = {}
    retellings: dict[int, Retelling] = {}
    after: list[dict[str, Any]] = []
    met = set[int]()
    for place, row in enumerate(rows):
        number = row.get(key)
        if number is None:
            reports[place] = _report(row, counts is not False)
            after.append({key: _UNNUMBERED, **row})
            continue
        run = _check_number(number, there, resolution)
        if resolution is Resolution.IGNORE:
            continue
        if number in met:
            raise RefusedError(
                Code.CARDINALITY,
                "ON CONFLICT DO UPDATE command cannot affect row a second time",
                details=f"The body has {key} {number} twice.",
            )
        met.add(number)
        changes = {column.name: row[column.name] for column in asked.columns}
        retellings[place] = retell(run, changes, counts, asked.relation)
        after.append({**job_row(run), **changes})
    return _Plan(reports, retellings), after


def _check_started(count: int) -> None:
    if count > MAX_STARTED:
        raise RefusedError(
            Code.TOO_MANY,
            f"The body starts {count} runs; it may start {MAX_STARTED}",
            hint="Send them in several requests. Those that are over do not count.",
        )


def _check_number(number: int, there: Mapping[int, Run], resolution: Resolution | None) -> Run:
    """Give the run that has a number which a body names."""
    if (run := there.get(number)) is None:
        raise RefusedError(
            Code.GENERATED,
            'cannot insert a non-DEFAULT value into column "id"',
            details=f"There is no row with the id {number}.",
            hint="Leave id out: the ledger gives it.",
        )
    if resolution is None:
        raise RefusedError(
            Code.DUPLICATE,
            'duplicate key value violates unique constraint "jobs_pkey"',
            details=f"Key (id)=({number}) already exists.",
            hint="Prefer: resolution=merge-duplicates changes the row, resolution=ignore-duplicates leaves it.",
        )
    return run


def _report(row: Mapping[str, Any], counts: bool) -> RunReport:
    _check_name(row["name"])
    told = {field: row[column] for column, field in FIELDS.items()}
    return RunReport(job=row["name"], outcome=OUTCOME_OF[row["status"]], counts=counts, **told)


def _check_name(name: str) -> None:
    if len(name) > _MAX_NAME:
        raise RefusedError(
            Code.TOO_LONG,
            "value too long for column name",
            details=f"It has {len(name)} characters; there may be {_MAX_NAME}.",
        )
    if not name or _CONTROLS.search(name):
        hint = "A name is a line of text."
    elif lost := _LOST_IN_URLS.search(name):
        hint = f'Clients that put the name into a URL as it is would not find it again, because of "{lost[0]}".'
    else:
        return
    raise RefusedError(Code.CHECK, 'new row for relation "jobs" violates check constraint "jobs_name_check"', hint=hint)


def _read_token(headers: Mapping[str, str]) -> str | None:
    token = headers.get(TOKEN_HEADER)
    if token is not None and not _TOKEN.fullmatch(token):
        raise RefusedError(
            Code.PARAMETER, "invalid value for Idempotency-Key", hint="It is 1 to 255 printable characters of ASCII."
        )
    return token


def _in_their_places(plan: _Plan, new: Sequence[Run], told: Sequence[Run]) -> list[Run]:
    """Put the runs written in the order of the body; one that was deleted meanwhile has no place."""
    written = dict(zip(plan.reports, new, strict=True))
    by_id = {run.run_id: run for run in told}
    for place, retelling in plan.retellings.items():
        if (run := by_id.get(retelling.run.run_id)) is not None:
            written[place] = run
    return [written[place] for place in sorted(written)]
