"""Paths to rows of ``runs``: whatever path is taken, the rows are those that filtering all of them gives."""

from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any

import pytest

from jobruns.run import Run, RunState
from jobruns.service.store_ports import Page
from pgrest.accesses import ByNumbers, NumberRange, OfJob, OfOrg
from pgrest.binding import bind_query
from pgrest.conditions import compile_conditions
from pgrest.errors import Code, RefusedError
from pgrest.ordering import order_rows
from pgrest.plans import Path
from pgrest.projection import project_row
from pgrest.query import read_query, split_query
from pgrest.ranges import Window
from pgrest.reads import MAX_ROWS, Found, find_runs, read_rows
from pgrest.run_accesses import ByIds, NewestInState, NewestOfJob, WholeOfJob
from pgrest.run_plans import RunSource
from pgrest.run_rows import RunRow
from pgrest.runs import RUNS
from tests.unit.pgrest.ledgers import MOMENTS, NAMES, STATUSES, MemoryRuns, make_caller, make_runs

pytestmark = pytest.mark.usefixtures("deployed")


class WholeMemory(MemoryRuns):
    """What more the relation ``runs`` reads of a ledger's runs."""

    def find(self, org: str, run_id: str) -> Run | None:
        return next(iter(self._note(run for run in self.runs.values() if run.run_id == run_id)), None)

    def of_job(self, org: str, job: str, *, limit: int, token: str | None = None) -> Page:
        found = sorted((run for run in self.runs.values() if run.job == job), key=_run_id, reverse=True)
        return Page(*self._page(found, limit, token))

    def of_org(
        self,
        org: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        state: RunState | None = None,
        limit: int,
        token: str | None = None,
    ) -> Page:
        found = [run for run in self.runs.values() if state in {None, run.state}]
        found = [run for run in found if since is None or run.start_at >= since]
        found = [run for run in found if until is None or run.start_at <= until]
        found.sort(key=lambda run: (run.start_at, run.number or 0, run.run_id), reverse=True)
        return Page(*self._page(found, limit, token))


def _run_id(run: Run) -> str:
    return run.run_id


def read(raw: str, runs: MemoryRuns, *, counted: bool = False) -> Found:
    query = read_query(split_query(raw))
    window = Window(query.offset or 0, MAX_ROWS if query.limit is None else query.limit)
    return read_rows(make_caller(runs), bind_query(query, RUNS), window, counted=counted)


def _some(random: Random, values: list[str]) -> str:
    if random.random() < 0.7:
        return f"eq.{random.choice(values)}"
    return f"in.({','.join(random.sample(values, random.randint(0, min(4, len(values)))))})"


def _between(random: Random, values: list[str]) -> str:
    return f"{random.choice(['gt', 'gte', 'lt', 'lte', 'eq', 'neq', 'not.gt'])}.{random.choice(values)}"


def _make_filter(random: Random, runs: list[Run]) -> str:
    numbers = [str(run.number) for run in runs if run.number is not None] or ["1"]
    moments = [moment.isoformat().replace("+00:00", "Z") for moment in MOMENTS]
    kinds: list[tuple[str, Callable[[], str]]] = [
        ("job", lambda: _some(random, [f'"{name}"' if "," in name else name for name in NAMES] + ["nonesuch"])),
        ("job", lambda: f"eq.{random.choice(NAMES)}"),
        ("status", lambda: _some(random, [*STATUSES, "nonesuch"])),
        ("state", lambda: _some(random, [*RunState, "ASLEEP"])),
        ("state", lambda: f"not.eq.{random.choice(list(RunState))}"),
        (random.choice(["state", "job", "counts", "start_date"]), lambda: random.choice(["is.null", "not.is.null"])),
        (
            "run_id",
            lambda: _some(random, [random.choice(runs).run_id for _ in range(3)] + ["x", runs[0].run_id.upper()]),
        ),
        ("id", lambda: _some(random, numbers)),
        ("id", lambda: _between(random, numbers)),
        ("id", lambda: random.choice(["is.null", "not.is.null", "is.not_null"])),
        ("start_date", lambda: _between(random, moments)),
        ("end_date", lambda: _between(random, moments)),
        ("end_date", lambda: random.choice(["is.null", "not.is.null"])),
        ("counts", lambda: random.choice(["is.true", "eq.false", "not.is.true"])),
        ("executor", lambda: "eq.external"),
        ("tags->>team", lambda: random.choice(["eq.a", "is.null", "neq.b"])),
        ("metrics->rows", lambda: _between(random, ["1", "2.5", '"x"', "null"])),
    ]
    column, make = random.choice(kinds)
    return f"{column}={make()}"


def _make_order(random: Random) -> str:
    columns = ["start_date", "end_date", "id", "run_id", "job", "state", "submitted_at", "message", "metrics->rows"]
    terms = (
        random.choice(columns) + random.choice(["", ".desc"]) + random.choice(["", "", ".nullsfirst", ".nullslast"])
        for _ in range(random.choice([1, 1, 2]))
    )
    return ",".join(terms)


def _decorate(random: Random, run: Run) -> Run:
    return run.model_copy(
        update={
            "tags": random.choice([{}, {"team": "a"}, {"team": "b"}]),
            "metrics": random.choice([{}, {"rows": 1}, {"rows": 2.5}, {"rows": "x"}, {"rows": None}, {"rows": [1]}]),
        }
    )


@pytest.mark.parametrize("seed", range(3))
def test_planned_reads_give_what_filtering_all_rows_gives(seed: int) -> None:
    random = Random(seed)
    found_some = 0
    for _ in range(8):
        runs = [_decorate(random, run) for run in make_runs(random, random.choice([5, 60, 60]))]
        ledger = WholeMemory(runs)
        for _ in range(60):
            parameters = [_make_filter(random, runs) for _ in range(random.choice([0, 1, 1, 2, 2, 3]))]
            ordered = random.random() < 0.6
            if ordered:
                parameters.append(f"order={_make_order(random)}")
            if random.random() < 0.6:
                parameters.append(f"limit={random.choice([0, 1, 2, 5, 20])}&offset={random.choice([0, 0, 1, 7, 50])}")
            raw = "&".join(parameters)
            counted = random.random() < 0.3
            found_some += _check(raw, runs, ledger, counted=counted)
    assert found_some > 200


def _check(raw: str, runs: list[Run], ledger: WholeMemory, *, counted: bool) -> bool:
    query = read_query(split_query(raw))
    bound = bind_query(query, RUNS)
    passes = compile_conditions(bound.conditions)
    passed = order_rows((row for row in map(RunRow, runs) if passes(row)), bound.order)
    first = query.offset or 0
    wanted = passed[first:] if query.limit is None else passed[first : first + query.limit]
    found = read(raw, ledger, counted=counted)
    if bound.ordered:
        assert [row["run_id"] for row in found.rows] == [row["run_id"] for row in wanted], raw
    else:
        assert len(found.rows) == len(wanted), raw
        assert {row["run_id"] for row in found.rows} <= {row["run_id"] for row in passed}, raw
    assert found.total == (len(passed) if counted else None), raw
    assert {run.run_id for run in find_runs(make_caller(ledger), bound)} == {row["run_id"] for row in passed}, raw
    return bool(found.rows)


def plan(raw: str, *, counted: bool = False) -> list[Path]:
    return list(RunSource().find_paths(bind_query(read_query(split_query(raw)), RUNS), counted=counted))


@pytest.mark.parametrize(
    ("raw", "accesses"),
    [
        ("run_id=eq.x", [ByIds]),
        ("run_id=in.(x,y)&job=eq.a", [ByIds]),
        ("id=eq.5", [ByNumbers]),
        ("id=in.(5,6)&state=eq.FAILED", [ByNumbers]),
        ("id=gt.5", [NumberRange]),
        ("order=id&id=not.is.null", [NumberRange]),
        ("job=eq.a", [NewestOfJob]),
        ("job=in.(a,b)&executor=eq.external", [NewestOfJob, NewestOfJob]),
        ("job=eq.a&status=eq.success", [WholeOfJob]),
        ("job=eq.a&state=eq.RUNNING", [WholeOfJob]),
        ("job=eq.a&id=not.is.null&order=start_date.desc", [WholeOfJob]),
        ("job=eq.a&status=eq.error", [NewestOfJob]),
        ("", [OfOrg]),
        ("status=eq.error", [OfOrg]),
        ("status=eq.error&order=start_date", [OfOrg]),
        ("state=eq.TIMEOUT", [NewestInState]),
        ("state=in.(TIMEOUT,STOPPED)&start_date=gte.2024-03-10", [NewestInState, NewestInState]),
        ("state=eq.TIMEOUT&order=start_date", [OfOrg]),
        ("state=eq.SUCCEEDED", [OfOrg]),
        ("executor=eq.ingest", [OfOrg]),
        ("state=eq.ASLEEP", []),
        ("status=eq.success&state=eq.FAILED", []),
        ("job=in.()", []),
        ("job=eq.a&state=is.null", []),
    ],
)
def test_the_narrowest_index_is_read_first(raw: str, accesses: list[type]) -> None:
    best = plan(raw)[0]
    assert [type(access) for access in best.accesses] == accesses


def test_a_job_is_read_by_the_time_that_bounds_it() -> None:
    (path,) = plan("job=eq.a&status=eq.success&end_date=gte.2024-03-10&end_date=lt.2024-03-11")
    (access,) = path.accesses
    assert isinstance(access, WholeOfJob)
    assert isinstance(access.indexed, OfJob)
    assert access.indexed.order.by == "end"
    assert access.indexed.order.since is not None
    assert path.covered
    first, second = plan("job=eq.a&status=eq.success&end_date=gte.2024-03-10&order=start_date.desc")
    assert (first.name, second.name) == ("jobs by start", "jobs by end")
    counted, _ = plan("job=eq.a&status=eq.success&end_date=gte.2024-03-10&order=start_date.desc", counted=True)
    assert counted.name == "jobs by end"


def test_a_page_of_a_jobs_runs_reads_little_more_than_itself() -> None:
    runs = WholeMemory(run.model_copy(update={"job": "etl_a"}) for run in make_runs(Random(2), 1000))
    for raw in ("job=eq.etl_a&limit=20", "job=eq.etl_a&order=run_id.desc&limit=20", "limit=20"):
        before = runs.read
        assert len(read(raw, runs).rows) == 20
        assert runs.read - before <= 21, raw


def test_what_would_read_too_much_is_refused_with_a_hint() -> None:
    run = make_runs(Random(2), 1)[0]
    many = (run.model_copy(update={"run_id": f"{number}", "number": number}) for number in range(10_100))
    with pytest.raises(RefusedError) as refusal:
        read("metrics->rows=gt.5", WholeMemory(many))
    assert refusal.value.code is Code.TOO_MUCH
    assert "job" in (refusal.value.hint or "")


def test_rows_are_shown_by_what_is_in_their_json() -> None:
    run = make_runs(Random(1), 1)[0].model_copy(update={"metrics": {"rows": 7, "by": {"eu": [1, 2]}}, "tags": {}})
    raw = "select=metrics->rows,text:metrics->>rows,metrics->by->eu->-1,number:metrics->>rows::int,tags->>team"
    shown: dict[str, Any] = project_row(RunRow(run), bind_query(read_query(split_query(raw)), RUNS).shown)
    assert shown == {"rows": 7, "text": "7", "eu": 2, "number": 7, "team": None}
