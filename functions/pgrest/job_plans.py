"""Plans reads of the relation ``jobs``: by number, of some jobs by start or end, of all jobs by start or number."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jobruns.job import NAME
from jobruns.run import Outcome, RunSummary
from jobruns.run_order import EVERY_OUTCOME, Moment, RunOrder
from jobruns.service.views import MAX_NUMBER
from pgrest.accesses import ByNumbers, NumberRange, OfJob, OfOrg
from pgrest.binding import BoundQuery, Ordering
from pgrest.columns import Relation, Row
from pgrest.job_rows import OUTCOME_OF, is_shown, job_row
from pgrest.jobs import JOBS
from pgrest.narrowing import Narrowed, narrow
from pgrest.plans import Access, Path, Source, named_order

MAX_NAMES = 20
"""Jobs that are read one beside the other; each takes up to five queries for the first rows."""

_FIRST_TIME = datetime.min.replace(tzinfo=UTC)
_TIMES = {"start_date": Moment.START, "end_date": Moment.END}
_COLUMNS = {moment: column for column, moment in _TIMES.items()}


@dataclass(frozen=True, slots=True)
class JobSource:
    """The rows of ``jobs``; ``hidden`` is whether successes that do not count are among them."""

    hidden: bool = False

    @property
    def relation(self) -> Relation:
        """The relation."""
        return JOBS

    @property
    def hint(self) -> str:
        """What makes a query read less."""
        return (
            "Name the job (name=eq.X), or bound id, start_date or, of a job, end_date; "
            "and where the order does not matter, name none."
        )

    def with_hidden(self) -> Source:
        """Give the source that has all successes."""
        return JobSource(hidden=True)

    def holds(self, run: RunSummary) -> bool:
        """Tell whether a run is a row."""
        return is_shown(run) or (self.hidden and run.number is not None)

    def row(self, run: RunSummary) -> Row:
        """Make the row of a run."""
        return job_row(run)

    def find_paths(self, bound: BoundQuery, *, counted: bool) -> Sequence[Path]:
        """Find the ways to the rows."""
        narrowed = narrow(bound.conditions)
        outcomes = _find_outcomes(narrowed)
        if narrowed.empty or not outcomes:
            return [Path("nothing", (), covered=True)]
        order = named_order(bound, narrowed)
        if narrowed["id"].values is not None:
            return [_by_numbers(narrowed["id"].values, order)]
        names = narrowed["name"].values
        if names is not None and len(names) <= MAX_NAMES:
            return self._of_jobs(
                [name for name in sorted(names) if NAME.match(name)], narrowed, outcomes, order, counted=counted
            )
        return self._of_all(narrowed, outcomes, order, counted=counted)

    def _of_jobs(
        self,
        names: Sequence[str],
        narrowed: Narrowed,
        outcomes: frozenset[Outcome],
        order: Sequence[Ordering],
        *,
        counted: bool,
    ) -> list[Path]:
        paths = {moment: self._by_time(names, narrowed, outcomes, order, moment) for moment in Moment}
        ranged = [moment for moment in Moment if narrowed[_COLUMNS[moment]].ranged]
        first = order[0].column.name if order else None
        narrowest = Moment.END if ranged == [Moment.END] else Moment.START
        if first not in _TIMES:
            found = [paths[narrowest]]
            if first == JOBS.key:
                # Many runs of few jobs are found in the order of all numbers, few runs in that of their job.
                found.insert(0 if narrowed[JOBS.key].ranged else 1, _number_range(narrowed, order))
            return found
        moment = _TIMES[first]
        if narrowest is moment or not ranged or moment in ranged:
            return [paths[moment]]
        # To count, all that pass are read; else the first ones by this order may come long before.
        found = [paths[moment], paths[narrowest]]
        return found[::-1] if counted else found

    def _by_time(
        self,
        names: Sequence[str],
        narrowed: Narrowed,
        outcomes: frozenset[Outcome],
        order: Sequence[Ordering],
        moment: Moment,
    ) -> Path:
        column = _COLUMNS[moment]
        ordering = _ordering(column, order)
        span = narrowed[column]
        since = span.low
        if moment is Moment.END and span.null is False and not span.ranged:
            since = _FIRST_TIME  # what has no end is in no bounds
        accesses: list[Access] = []
        for name in names:
            for counts in (True, False):
                shown = outcomes if counts or self.hidden else outcomes - {Outcome.SUCCEEDED}
                run_order = RunOrder(
                    by=moment,
                    outcomes=shown,
                    counts=counts,
                    since=since,
                    until=span.high,
                    ascending=not ordering.descending,
                    endless_first=ordering.nulls_first if moment is Moment.END else None,
                )
                if shown:
                    accesses.append(OfJob(name, run_order))
        return Path(
            f"jobs by {moment}",
            tuple(accesses),
            (ordering, _ordering(JOBS.key, descending=ordering.descending)),
            covered=narrowed.covered_by("name", "status", column) and span.null is not True,
        )

    def _of_all(
        self,
        narrowed: Narrowed,
        outcomes: frozenset[Outcome],
        order: Sequence[Ordering],
        *,
        counted: bool,
    ) -> list[Path]:
        first = order[0].column.name if order else None
        by_start, by_number = _by_start(narrowed, outcomes, order), _number_range(narrowed, order)
        few_starts = outcomes != EVERY_OUTCOME or narrowed["start_date"].ranged
        few_numbers = narrowed[JOBS.key].ranged
        if outcomes == {Outcome.GOING}:
            begin_with_start = True  # what goes on is never much
        elif counted and few_starts != few_numbers:
            begin_with_start = few_starts
        elif first in {"start_date", JOBS.key}:
            begin_with_start = first == "start_date"
        else:
            begin_with_start = few_starts and not few_numbers
        if begin_with_start:
            return [by_start, by_number] if few_numbers or first == JOBS.key else [by_start]
        return [by_number, by_start] if few_starts or first == "start_date" else [by_number]


def _find_outcomes(narrowed: Narrowed) -> frozenset[Outcome]:
    """Find what may have become of the runs whose rows pass."""
    statuses = narrowed["status"].values
    outcomes = EVERY_OUTCOME
    if statuses is not None:
        outcomes = frozenset(OUTCOME_OF[status] for status in statuses if status in OUTCOME_OF)
    if narrowed["end_date"].null is True:
        outcomes &= {Outcome.GOING}  # what has ended has an end
    return outcomes


def _ordering(name: str, order: Sequence[Ordering] = (), *, descending: bool = False) -> Ordering:
    """Give the first term of an order where it is by this column; else one of its own."""
    if order and order[0].column.name == name:
        return order[0]
    return Ordering(JOBS.column(name), descending, descending)


def _by_numbers(numbers: Iterable[Any], order: Sequence[Ordering]) -> Path:
    ordering = _ordering(JOBS.key, order)
    return Path("numbers", (ByNumbers(tuple(sorted(numbers, reverse=ordering.descending))),), (ordering,))


def _number_range(narrowed: Narrowed, order: Sequence[Ordering]) -> Path:
    ordering, span = _ordering(JOBS.key, order), narrowed[JOBS.key]
    low = 1 if span.low is None else max(span.low, 1)
    high = MAX_NUMBER if span.high is None else min(span.high, MAX_NUMBER)
    access = NumberRange(low, high, not ordering.descending)
    return Path("number range", (access,), (ordering,), covered=narrowed.covered_by(JOBS.key))


def _by_start(narrowed: Narrowed, outcomes: frozenset[Outcome], order: Sequence[Ordering]) -> Path:
    ordering, span = _ordering("start_date", order), narrowed["start_date"]
    run_order = RunOrder(
        by=Moment.START,
        outcomes=outcomes,
        counts=None,
        since=span.low,
        until=span.high,
        ascending=not ordering.descending,
    )
    # Runs that began at the same moment do not come by number: some had none yet when their start was written.
    return Path("all by start", (OfOrg(run_order),), (ordering,), covered=narrowed.covered_by("status", "start_date"))
