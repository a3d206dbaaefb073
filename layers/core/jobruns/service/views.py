"""Use cases that read runs as rows: by number, by what became of them, by when they started or ended."""

from collections.abc import Iterable

from jobruns.access import Permission, Principal
from jobruns.errors import InvalidInputError, NotFoundError
from jobruns.run import Run, RunSummary
from jobruns.run_order import Moment, RunOrder
from jobruns.service.lookups import MAX_PAGE
from jobruns.service.ports import Ports
from jobruns.service.store_ports import Page, SummaryPage

MAX_NUMBER = 9_999_999_999
"""The highest number that sorts among the others."""


def find_numbered_run(ports: Ports, principal: Principal, number: int) -> Run:
    """Read a run by its number, consistently: two reads.

    Raises
    ------
    NotFoundError
        The org has no such run.
    """
    principal.require(Permission.READ)
    run = ports.runs.by_number(principal.org, number) if 1 <= number <= MAX_NUMBER else None
    if run is None:
        raise NotFoundError(f"no run has the number {number}", field="number")
    return run


def find_numbered_runs(ports: Ports, principal: Principal, numbers: Iterable[int]) -> dict[int, Run]:
    """Read the runs with the given numbers, by number, consistently: two batches. What is not there is left out."""
    principal.require(Permission.READ)
    wanted = [number for number in dict.fromkeys(numbers) if 1 <= number <= MAX_NUMBER]
    _check_size(max(len(wanted), 1))
    return ports.runs.by_numbers(principal.org, wanted)


def list_numbered_runs(
    ports: Ports,
    principal: Principal,
    *,
    low: int = 1,
    high: int = MAX_NUMBER,
    ascending: bool = True,
    limit: int = 100,
    position: str | None = None,
) -> Page:
    """Read a page of the org's runs in the order of their numbers, consistently: one query and one batch.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs READ.
    low, high : int
        The bounds, both included.
    ascending : bool
        Whether the lowest number comes first.
    limit : int
        How many at most. The page after a full one may be empty.
    position : str, optional
        Where the page begins, as the page before says.

    Raises
    ------
    InvalidInputError
        The limit is out of range, or the position is another list's.
    """
    principal.require(Permission.READ)
    return ports.runs.number_range(
        principal.org,
        low=max(low, 1),
        high=min(high, MAX_NUMBER),
        ascending=ascending,
        limit=_check_size(limit),
        position=position,
    )


def list_summaries(
    ports: Ports, principal: Principal, job: str, order: RunOrder, *, limit: int = 100, position: str | None = None
) -> SummaryPage:
    """Read a page of what became of a job's runs that have begun, consistently.

    Where several outcomes are asked for, a bounded part of a page more is read of each, whatever the number of runs.

    Raises
    ------
    InvalidInputError
        The limit is out of range, or the position is another list's.
    """
    principal.require(Permission.READ)
    return ports.runs.summaries(principal.org, job, order, limit=_check_size(limit), position=position)


def count_summaries(ports: Ports, principal: Principal, job: str, order: RunOrder) -> int | None:
    """Count a job's runs that have begun, consistently, without reading more of them than that they are there.

    Returns
    -------
    int or None
        How many `list_summaries` gives in all; ``None`` where there are more than one call may go through.
    """
    principal.require(Permission.READ)
    return ports.runs.count_summaries(principal.org, job, order)


def find_last_success(ports: Ports, principal: Principal, job: str, by: Moment = Moment.END) -> RunSummary | None:
    """Read a job's last success that counts, consistently: one query of one item."""
    principal.require(Permission.READ)
    return ports.runs.last_success(principal.org, job, by_end=by is Moment.END)


def list_org_runs(
    ports: Ports, principal: Principal, order: RunOrder, *, limit: int = 100, position: str | None = None
) -> Page:
    """Read a page of an org's runs by their start, also those that have never begun.

    What is shown is as it is now, but a run may be missing for the moment an index takes to follow; and one that has
    just come to another outcome is left out, so that a page may be shorter than the limit and not be the last.

    Raises
    ------
    InvalidInputError
        The order is one of ends, which only a job's runs have; the limit is out of range, or the position is another
        list's.
    """
    principal.require(Permission.READ)
    if order.by is not Moment.START:
        raise InvalidInputError("the runs of all jobs are in order by their start only; name a job", field="by")
    return ports.runs.org_runs(principal.org, order, limit=_check_size(limit), position=position)


def _check_size(limit: int) -> int:
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInputError(f"a page has 1 to {MAX_PAGE} entries", field="limit")
    return limit
