"""Accesses to the ledger: each reads the runs of one index between two bounds, page by page."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from jobruns.run import Run, RunSummary
from jobruns.run_order import RunOrder
from jobruns.service.lookups import MAX_PAGE, find_runs
from jobruns.service.views import (
    MAX_NUMBER,
    count_summaries,
    find_numbered_runs,
    list_numbered_runs,
    list_org_runs,
    list_summaries,
)
from pgrest.admission import Caller
from pgrest.plans import Access, Meter

AnyRun = TypeVar("AnyRun", bound=RunSummary)

MAX_BATCH = 100
"""Runs that are read by their keys at a time: as many as one call of DynamoDB takes."""


def page_sizes(batch: int) -> Iterator[int]:
    """Size page after page: the first as large as is probably enough, the others larger as there is more to read."""
    size = min(max(batch, 1), MAX_PAGE)
    while True:
        yield size
        size = min(2 * size, MAX_PAGE)


def read_pages(
    fetch: Callable[[int, str | None], tuple[Sequence[AnyRun], str | None]],
    meter: Meter,
    batch: int,
    most: int = MAX_PAGE,
) -> Iterator[AnyRun]:
    """Read page after page, each when it is asked for.

    Parameters
    ----------
    fetch : callable
        Gives a page of at most so many runs from a position on, and the position of the next page. A page with fewer
        runs need not be the last: some that its index led to may have been left out.
    meter : Meter
        To be told of what is read.
    batch : int
        How many runs will probably be enough.
    most : int
        The size of the largest page.
    """
    position = None
    for size in page_sizes(batch):
        limit = min(size, most)
        runs, position = fetch(limit, position)
        meter.examine(len(runs) if position is None else limit)
        yield from runs
        if position is None:
            return


@dataclass(frozen=True, slots=True)
class ByNumbers:
    """The runs with some numbers, in this order: two batches for each `MAX_BATCH` of them, consistently."""

    numbers: tuple[int, ...]

    def read(self, caller: Caller, meter: Meter, batch: int) -> Iterator[Run]:
        """Read the runs."""
        numbers = iter(self.numbers)
        for size in page_sizes(batch):
            wanted = list(islice(numbers, min(size, MAX_BATCH)))
            if not wanted:
                return
            meter.examine(len(wanted))
            found = find_numbered_runs(caller.ports, caller.principal, wanted)
            yield from (found[number] for number in wanted if number in found)


@dataclass(frozen=True, slots=True)
class NumberRange:
    """The runs with numbers between two bounds, both included, in the order of the numbers, consistently."""

    low: int = 1
    high: int = MAX_NUMBER
    ascending: bool = True

    def read(self, caller: Caller, meter: Meter, batch: int) -> Iterator[Run]:
        """Read the runs."""

        def fetch(limit: int, position: str | None) -> tuple[list[Run], str | None]:
            page = list_numbered_runs(
                caller.ports,
                caller.principal,
                low=self.low,
                high=self.high,
                ascending=self.ascending,
                limit=limit,
                position=position,
            )
            return page.runs, page.next_token

        return read_pages(fetch, meter, batch, MAX_BATCH)


@dataclass(frozen=True, slots=True)
class OfJob:
    """What became of a job's runs, by start or by end, consistently."""

    job: str
    order: RunOrder

    def read(self, caller: Caller, meter: Meter, batch: int) -> Iterator[RunSummary]:
        """Read the runs."""

        def fetch(limit: int, position: str | None) -> tuple[list[RunSummary], str | None]:
            page = list_summaries(caller.ports, caller.principal, self.job, self.order, limit=limit, position=position)
            return page.summaries, page.position

        return read_pages(fetch, meter, batch)

    def count(self, caller: Caller) -> int | None:
        """Count the runs."""
        return count_summaries(caller.ports, caller.principal, self.job, self.order)


@dataclass(frozen=True, slots=True)
class OfOrg:
    """An org's runs by start, also those that have no number; a moment late, but as they are now."""

    order: RunOrder

    def read(self, caller: Caller, meter: Meter, batch: int) -> Iterator[Run]:
        """Read the runs."""

        def fetch(limit: int, position: str | None) -> tuple[list[Run], str | None]:
            page = list_org_runs(caller.ports, caller.principal, self.order, limit=limit, position=position)
            return page.runs, page.next_token

        return read_pages(fetch, meter, batch, MAX_BATCH)


@dataclass(frozen=True, slots=True)
class Whole:
    """The runs another access reads, in its order, each with all that there is of it, consistently."""

    access: Access

    def read(self, caller: Caller, meter: Meter, batch: int) -> Iterator[Run]:
        """Read the runs."""
        found = self.access.read(caller, meter, batch)
        for size in page_sizes(batch):
            some = list(islice(found, min(size, MAX_BATCH)))
            if not some:
                return
            yield from whole_runs(caller, some)


def whole_runs(caller: Caller, runs: Sequence[RunSummary]) -> list[Run]:
    """Read runs whole, in the same order, consistently; those that are gone are left out."""
    refs = dict.fromkeys((run.job, run.run_id) for run in runs)
    found = find_runs(caller.ports, caller.principal, refs) if refs else {}
    return [found[run.run_id] for run in runs if run.run_id in found]
