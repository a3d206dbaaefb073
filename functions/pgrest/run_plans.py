"""Plans reads of the relation ``runs``: by id or number, of some jobs, of some states or all runs by start."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jobruns.job import NAME
from jobruns.run import Run, RunState, RunSummary
from jobruns.run_order import Moment, RunOrder
from jobruns.service.views import MAX_NUMBER
from pgrest.accesses import ByNumbers, NumberRange, OfJob, OfOrg
from pgrest.binding import BoundQuery, Ordering
from pgrest.columns import Relation, Row
from pgrest.job_rows import STATUS_OF
from pgrest.narrowing import Narrowed, Span, narrow
from pgrest.plans import Access, Path, Source, named_order
from pgrest.run_accesses import ByIds, NewestInState, NewestOfJob, WholeOfJob
from pgrest.run_rows import RunRow
from pgrest.runs import RUNS

MAX_JOBS = 20
"""Jobs that are read one beside the other."""

MAX_IDS = 100
"""Ids that are looked up one by one, two reads each; where the job is known they are read in batches, however many."""

_EVERY_STATE = frozenset(RunState)

_NUMBERED = frozenset({RunState.RUNNING, RunState.SUCCEEDED})
"""States that no run without a number is in: it gets its number when it begins."""

_TIMES = {"start_date": Moment.START, "end_date": Moment.END}


@dataclass(frozen=True, slots=True)
class RunSource:
    """The rows of ``runs``: all runs there are."""

    @property
    def relation(self) -> Relation:
        """The relation."""
        return RUNS

    @property
    def hint(self) -> str:
        """What makes a query read less."""
        return (
            "Name run_id, id or job, a state or a status, or bound start_date. Order by start_date; of a job by "
            "run_id.desc, or with id=not.is.null by start_date or end_date; or name no order where it does not matter."
        )

    def with_hidden(self) -> Source:
        """Give the source itself: it hides nothing."""
        return self

    def holds(self, run: RunSummary) -> bool:  # noqa: ARG002 - the source's signature
        """Tell whether a run is a row: every one is."""
        return True

    def row(self, run: RunSummary) -> Row:
        """Make the row of a run, which every path here reads whole."""
        assert isinstance(run, Run)  # noqa: S101 - this tells the type checker
        return RunRow(run)

    def find_paths(self, bound: BoundQuery, *, counted: bool) -> Sequence[Path]:
        """Find the ways to the rows."""
        narrowed = narrow(bound.conditions)
        states = _find_states(narrowed)
        if narrowed.empty or not states:
            return [Path("nothing", (), covered=True)]
        order = named_order(bound, narrowed)
        ids, numbers, jobs = (narrowed[name].values for name in ("run_id", "id", "job"))
        named = None if jobs is None else [name for name in sorted(jobs) if NAME.match(name)]
        if ids is not None and (len(ids) <= MAX_IDS or (named is not None and len(named) == 1)):
            return [_by_ids(ids, named, order)]
        if numbers is not None:
            return [_by_numbers(numbers, order)]
        if named is not None and len(named) <= MAX_JOBS:
            return _of_jobs(named, narrowed, states, order, counted=counted)
        return _of_all(narrowed, states, order)


def _find_states(narrowed: Narrowed) -> frozenset[RunState]:
    """Find the states the runs whose rows pass may be in."""
    named, statuses = narrowed["state"].values, narrowed["status"].values
    states = _EVERY_STATE
    if named is not None:
        states = frozenset(state for state in states if state.value in named)
    if statuses is not None:
        states = frozenset(state for state in states if STATUS_OF[state.outcome] in statuses)
    if narrowed["end_date"].null is True:
        states = frozenset(state for state in states if not state.terminal)  # what has ended has an end
    return states


def _excludes_null(span: Span) -> bool:
    return span.null is False or span.ranged or span.values is not None


def _ordering(name: str, order: Sequence[Ordering] = (), *, descending: bool = True) -> Ordering:
    """Give the first term of an order where it is by this column; else one of its own, by default the last first."""
    if order and order[0].column.name == name:
        return order[0]
    return Ordering(RUNS.column(name), descending, descending)


def _by_ids(ids: Iterable[str], jobs: Sequence[str] | None, order: Sequence[Ordering]) -> Path:
    ordering = _ordering("run_id", order, descending=False)
    job = jobs[0] if jobs is not None and len(jobs) == 1 else None
    access = ByIds(tuple(sorted(ids, reverse=ordering.descending)), job)
    return Path("ids", (access,), (ordering,))


def _by_numbers(numbers: Iterable[int], order: Sequence[Ordering]) -> Path:
    ordering = _ordering("id", order, descending=False)
    return Path("numbers", (ByNumbers(tuple(sorted(numbers, reverse=ordering.descending))),), (ordering,))


def _number_range(narrowed: Narrowed, order: Sequence[Ordering]) -> Path:
    ordering, span = _ordering("id", order), narrowed["id"]
    low = 1 if span.low is None else max(span.low, 1)
    high = MAX_NUMBER if span.high is None else min(span.high, MAX_NUMBER)
    access = NumberRange(low, high, not ordering.descending)
    return Path("number range", (access,), (ordering,), covered=narrowed.covered_by("id"))


def _of_jobs(
    jobs: Sequence[str],
    narrowed: Narrowed,
    states: frozenset[RunState],
    order: Sequence[Ordering],
    *,
    counted: bool,
) -> list[Path]:
    if states <= _NUMBERED or _excludes_null(narrowed["id"]):
        return _of_numbered(jobs, narrowed, states, order, counted=counted)
    newest = Path(
        "newest of jobs",
        tuple(NewestOfJob(job) for job in jobs),
        (_ordering("run_id"),),
        covered=narrowed.covered_by("job"),
    )
    # Where the job has more runs than can be read, it may have many of all those in that order, or in those states.
    return [newest, _by_start(narrowed, states, order)]


def _of_numbered(
    jobs: Sequence[str],
    narrowed: Narrowed,
    states: frozenset[RunState],
    order: Sequence[Ordering],
    *,
    counted: bool,
) -> list[Path]:
    """Read runs that have a number by the indexes of their jobs, which have no others."""
    bounded = [column for column in _TIMES if narrowed[column].ranged]
    first = order[0].column.name if order and order[0].column.name in _TIMES else None
    # To count, all that pass are read; else the first ones by the order asked for may come long before.
    columns = [*bounded, first] if counted else [first, *bounded]
    wanted = list(dict.fromkeys(column for column in columns if column)) or ["start_date"]
    return [_by_time(column, jobs, narrowed, states, order) for column in wanted]


def _by_time(
    column: str, jobs: Sequence[str], narrowed: Narrowed, states: frozenset[RunState], order: Sequence[Ordering]
) -> Path:
    ordering, span = _ordering(column, order), narrowed[column]
    counts = narrowed["counts"].values
    run_order = RunOrder(
        by=_TIMES[column],
        outcomes=frozenset(state.outcome for state in states),
        counts=next(iter(counts)) if counts and len(counts) == 1 else None,
        since=span.low,
        until=span.high,
        ascending=not ordering.descending,
        endless_first=ordering.nulls_first if column == "end_date" else None,
    )
    number = narrowed["id"]
    return Path(
        f"jobs by {run_order.by}",
        tuple(WholeOfJob(OfJob(job, run_order)) for job in jobs),
        (ordering, _ordering("id", descending=ordering.descending)),
        covered=narrowed.covered_by("job", "status", "state", "counts", "id", column)
        and _are_outcomes(states)
        and (span.null is None or span.ranged)
        and not (number.ranged or number.values is not None),
    )


def _of_all(narrowed: Narrowed, states: frozenset[RunState], order: Sequence[Ordering]) -> list[Path]:
    by_start = _by_start(narrowed, states, order)
    if not _excludes_null(narrowed["id"]):
        return [by_start]
    by_number = _number_range(narrowed, order)
    few_starts = states != _EVERY_STATE or narrowed["start_date"].ranged
    begin_with_number = narrowed["id"].ranged or (order and order[0].column.name == "id" and not few_starts)
    return [by_number, by_start] if begin_with_number else [by_start, by_number]


def _by_start(narrowed: Narrowed, states: frozenset[RunState], order: Sequence[Ordering]) -> Path:
    ordering, span = _ordering("start_date", order), narrowed["start_date"]
    accesses: tuple[Access, ...]
    if ordering.descending and not _are_outcomes(states):
        accesses = tuple(NewestInState(state, span.low, span.high) for state in sorted(states))
    else:
        outcomes = frozenset(state.outcome for state in states)
        run_order = RunOrder(
            outcomes=outcomes, counts=None, since=span.low, until=span.high, ascending=not ordering.descending
        )
        accesses = (OfOrg(run_order),)
    covered = narrowed.covered_by("status", "state", "start_date") and (_are_outcomes(states) or ordering.descending)
    # Runs that began at the same moment do not come by number: some had none yet when their start was written.
    return Path("all by start", accesses, (ordering,), covered=covered)


def _are_outcomes(states: frozenset[RunState]) -> bool:
    """Tell whether states are all of those that fold to some outcomes, which can be read for themselves."""
    outcomes = {state.outcome for state in states}
    return states == {state for state in RunState if state.outcome in outcomes}
