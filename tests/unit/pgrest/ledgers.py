"""A ledger in memory, runs made at random, and queries that its indexes can answer."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from jobruns.access import Principal, Role
from jobruns.ids import derived_id
from jobruns.run import Run, RunState, RunSummary
from jobruns.run_order import Moment, RunOrder
from jobruns.service.ports import Ports
from jobruns.service.store_ports import Page, SummaryPage
from pgrest.admission import Caller
from pgrest.jobs import JOBS
from pgrest.syntax import Comparison, Condition, Connective, Group, Operator, Quantifier, Query, Term, Truth
from tests.unit.core.runs import make_run

NAMES = ("etl_a", "etl_b", "Etl_A", "a,b", "é")
STATUSES = ("in_progress", "success", "error")
NOON = datetime(2024, 3, 10, 12, tzinfo=UTC)
MOMENTS = tuple(NOON + timedelta(seconds=offset) for offset in (-90_061, -3600, -0.5, 0, 0.000001, 1, 3600, 40_000))
ORG = "acme"


def make_runs(random: Random, count: int) -> list[Run]:
    """Make runs of few jobs that begin and end at few moments: many tie."""
    numbers = random.sample(range(1, count * 3), count)
    return [_make_run(random, place, number) for place, number in enumerate(sorted(numbers))]


def _make_run(random: Random, place: int, number: int) -> Run:
    numbered = random.random() < 0.9
    state = random.choice(list(RunState) if numbered else [RunState.WAITING, RunState.STARTING, RunState.STOPPED])
    start = random.choice(MOMENTS)
    run_id = derived_id(NOON, "run", str(place))
    return make_run(
        state,
        org=ORG,
        job=random.choice(NAMES),
        run_id=run_id,
        root_run_id=run_id,
        number=number if numbered else None,
        counts=random.random() < 0.75,
        source=random.choice([None, "knack", ""]),
        destination=random.choice([None, "socrata"]),
        records=random.choice([None, 0, 12, 3_000_000_000]),
        message=random.choice([None, "", "done", "etl_a: done\nwell"]),
        look_back_seconds=random.choice([0, 0, 600]),
        submitted_at=start,
        reported_start_at=random.choice([None, random.choice(MOMENTS)]),
        reported_end_at=random.choice(MOMENTS) if random.random() < (0.5 if state.terminal else 0.1) else None,
        ended_at=random.choice(MOMENTS) if state.terminal else None,
    )


class MemoryRuns:
    """What the views read of a ledger's runs."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self.runs = {run.run_id: run for run in runs}
        self.read = 0

    def many(self, org: str, refs: Iterable[tuple[str, str]]) -> dict[str, Run]:
        found = [self.runs[run_id] for _, run_id in refs if run_id in self.runs]
        return {run.run_id: run for run in self._note(found)}

    def by_number(self, org: str, number: int) -> Run | None:
        return self.by_numbers(org, [number]).get(number)

    def by_numbers(self, org: str, numbers: Iterable[int]) -> dict[int, Run]:
        wanted = set(numbers)
        return {run.number: run for run in self._note(run for run in self._numbered() if run.number in wanted)}

    def number_range(
        self, org: str, *, low: int, high: int, ascending: bool, limit: int, position: str | None = None
    ) -> Page:
        found = [run for run in self._numbered() if low <= run.number <= high]
        found.sort(key=lambda run: run.number, reverse=not ascending)
        return Page(*self._page(found, limit, position))

    def summaries(self, org: str, job: str, order: RunOrder, *, limit: int, position: str | None = None) -> SummaryPage:
        page, last = self._page(self._of_job(job, order), limit, position)
        return SummaryPage([_summarize(run) for run in page], last)

    def count_summaries(self, org: str, job: str, order: RunOrder) -> int | None:
        return len(self._of_job(job, order))

    def org_runs(self, org: str, order: RunOrder, *, limit: int, position: str | None = None) -> Page:
        found = [run for run in self.runs.values() if order.takes(run) and _within(run.start_at, order)]
        # As in the index: by the number that a run had when it was made.
        found.sort(key=lambda run: (run.start_at, run.number or 0, run.run_id), reverse=not order.ascending)
        return Page(*self._page(found, limit, position))

    def _of_job(self, job: str, order: RunOrder) -> list[Run]:
        time: Callable[[RunSummary], datetime | None] = (
            (lambda run: run.start_at) if order.by is Moment.START else (lambda run: run.end_at)
        )
        mine = [run for run in self._numbered() if run.job == job and order.takes(run)]
        mine.sort(key=lambda run: (time(run) is not None, time(run) or NOON, run.number), reverse=not order.ascending)
        ended = [run for run in mine if _within(time(run), order)]
        endless = [run for run in mine if time(run) is None]
        if order.since is not None or order.until is not None:
            return ended
        first = not order.ascending if order.endless_first is None else order.endless_first
        return [*endless, *ended] if first else [*ended, *endless]

    def _numbered(self) -> list[Any]:
        return [run for run in self.runs.values() if run.number is not None]

    def _note(self, runs: Iterable[Run]) -> list[Any]:
        found = list(runs)
        self.read += len(found)
        return found

    def _page(self, found: Sequence[Run], limit: int, position: str | None) -> tuple[list[Any], str | None]:
        first = int(position or 0)
        page = self._note(found[first : first + limit])
        return page, str(first + limit) if len(page) == limit else None


def _summarize(run: Run) -> RunSummary:
    return RunSummary.model_construct(**{name: getattr(run, name) for name in RunSummary.model_fields})


def _within(at: datetime | None, order: RunOrder) -> bool:
    return at is not None and (order.since is None or at >= order.since) and (order.until is None or at <= order.until)


def make_caller(runs: MemoryRuns) -> Caller:
    """Make who reads a ledger in memory."""
    ports = cast("Ports", SimpleNamespace(runs=runs))
    return Caller(Principal(org=ORG, name="JRAKREADER", role=Role.READER), ports)


def make_question(random: Random, numbers: Sequence[int]) -> Query:
    """Make a query that asks for what an index has, and for what none has, in all kinds of order."""
    count = random.choice([0, 1, 1, 2, 2, 3])
    conditions = [_condition(random, numbers) for _ in range(count)]
    if random.random() < 0.3:
        conditions.append(_compare(random, "name", random.choice(NAMES)))
    limited = random.random() < 0.6
    return Query(
        conditions=tuple(conditions),
        order=tuple(_term(random) for _ in range(random.choice([0, 1, 1, 1, 2, 3]))),
        limit=random.choice([0, 1, 1, 2, 5, 20, 1000]) if limited else None,
        offset=random.choice([0, 1, 7, 50]) if limited and random.random() < 0.5 else None,
    )


def _term(random: Random) -> Term:
    names = ["id", "start_date", "end_date", "end_date", *(column.name for column in JOBS.columns)]
    return Term(random.choice(names), random.random() < 0.5, random.choice([None, None, True, False]))


def _condition(random: Random, numbers: Sequence[int], depth: int = 0) -> Condition:
    if depth < 2 and random.random() < 0.2:
        members = [_condition(random, numbers, depth + 1) for _ in range(random.randint(1, 3))]
        if random.random() < 0.3:
            members = [_compare(random, "name", random.choice(NAMES)) for _ in members]
        return Group(random.choice(list(Connective)), tuple(members), random.random() < 0.2)
    match random.choice(["name", "status", "id", "start_date", "end_date", "end_date", "other"]):
        case "name":
            return _compare(random, "name", random.choice([*NAMES, "nonesuch", "", "x" * 300]))
        case "status":
            return _compare(random, "status", random.choice([*STATUSES, "success", "nonesuch"]))
        case "id":
            return _compare(random, "id", str(random.choice([*numbers, 0, -5, 2147483647])))
        case "other":
            name, text = random.choice([("message", "done"), ("source", ""), ("records_processed", "2147483647")])
            return _compare(random, name, text)
        case name:
            moment = random.choice(MOMENTS)
            text = random.choice([moment.isoformat(), moment.isoformat(), "9999-12-31 23:59:59.999999Z", "0001-01-02"])
            return _compare(random, name, text)


_RANGES = (Operator.GT, Operator.GTE, Operator.LT, Operator.LTE)


def _compare(random: Random, name: str, text: str) -> Comparison:
    negated = random.random() < 0.1
    kind = random.random()
    if kind < 0.45:
        operator = random.choice(_RANGES) if name not in {"name", "status"} else Operator.EQ
        return Comparison(name, operator, text, None, negated)
    if kind < 0.7:
        return Comparison(name, random.choice([Operator.EQ, Operator.EQ, Operator.NEQ]), text, None, negated)
    if kind < 0.8:
        truth = random.choice([Truth.NULL, Truth.NOT_NULL])
        return Comparison(name, Operator.IS, truth, None, negated)
    if kind < 0.9:
        quantifier = random.choice(list(Quantifier))
        quoted = '{"' + text.replace('"', '\\"') + '"}'
        return Comparison(name, random.choice([Operator.EQ, *_RANGES]), quoted, quantifier, negated)
    others = {"name": NAMES, "status": STATUSES}.get(name, ())
    return Comparison(name, Operator.IN, (text, *random.sample(others, min(len(others), 1))), None, negated)
