"""Plans: the ways to the rows of a relation, and what a way has to be able to do.

A relation's `Source` finds the paths that lead to all rows a query may show, the best one first. What comes along a
path is compared with every condition of the query once more, so that a path may be a slow one but never a wrong one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Protocol, runtime_checkable

from jobruns.run import RunSummary
from pgrest.admission import Caller
from pgrest.binding import BoundQuery, Ordering
from pgrest.columns import Relation, Row
from pgrest.narrowing import Narrowed

MAX_EXAMINED = 10_000
"""Runs that one request looks at, at most; read whole, they take 2 s of a processor, and 8 s of a small function."""

MAX_SECONDS = 20.0
"""Of reading; API Gateway gives up after 30."""


class TooMuchError(Exception):
    """A path is longer than one request can go."""


class Meter:
    """Counts what a request reads.

    Parameters
    ----------
    most : int
        Runs that may be looked at.
    seconds : float
        How long that may take.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._left = most
        self._until = monotonic() + seconds

    def share(self, parts: int) -> "Meter":
        """Make a meter of one of so many parts of what is left, and take that away from this one."""
        part = self._left // parts
        self._left -= part
        return Meter(part, self._until - monotonic())

    def examine(self, count: int) -> None:
        """Count what has been read, the entries of an index that lead nowhere among it.

        Raises
        ------
        TooMuchError
            That was too much, or has taken too long.
        """
        self._left -= count
        if self._left < 0 or monotonic() > self._until:
            raise TooMuchError


class Access(Protocol):
    """Reads some runs, in some order; immutable, and equal to another that reads the same."""

    def read(self, caller: Caller, meter: Meter, batch: int) -> Iterator[RunSummary]:
        """Read the runs one after the other, as they are asked for.

        Parameters
        ----------
        caller : Caller
            Who asks.
        meter : Meter
            To be told of everything that is read, before any of it is handed on.
        batch : int
            How many runs will probably be enough, 1 or more. A page of so many is read first, greater ones after it.
        """


@runtime_checkable
class CountedAccess(Access, Protocol):
    """An access whose runs can be counted without reading them."""

    def count(self, caller: Caller) -> int | None:
        """Count the runs; ``None`` where there are too many."""


@dataclass(frozen=True, slots=True)
class Path:
    """A way to rows.

    Parameters
    ----------
    name : str
        What it goes by, for the log.
    accesses : tuple of Access
        What is read; no run comes from two of them. None at all: no row can pass.
    order : tuple of Ordering
        The order the rows of each access come in, and so those of all of them; empty where it is none that has a name.
    covered : bool
        Whether every run that comes along passes all conditions, if the relation shows it. What an access counts has
        to be runs that the relation shows.
    """

    name: str
    accesses: tuple[Access, ...]
    order: tuple[Ordering, ...] = ()
    covered: bool = False


class Source(Protocol):
    """Where the rows of a relation come from."""

    @property
    def relation(self) -> Relation:
        """The relation."""

    @property
    def hint(self) -> str:
        """What makes a query read less, for the caller whose query would read too much."""

    def find_paths(self, bound: BoundQuery, *, counted: bool) -> Sequence[Path]:
        """Find the ways to all rows that may pass the query's conditions, the best first; at least one. Pure.

        Where the query names an order and a path has another one, the rows are put in order afterwards. To count them,
        all have to be read that pass, and not only those to show.
        """

    def holds(self, run: RunSummary) -> bool:
        """Tell whether a run is a row of the relation."""

    def row(self, run: RunSummary) -> Row:
        """Make the row of a run; cells may be made when they are looked at."""

    def with_hidden(self) -> "Source":
        """Give the source of the same rows, and of those that the relation has and does not show."""


def named_order(bound: BoundQuery, narrowed: Narrowed) -> tuple[Ordering, ...]:
    """Give the order that a query names, without what cannot make a difference; nothing where it names none."""
    if not bound.ordered:
        return ()
    return tuple(ordering for ordering in bound.order if ordering.arrows or not narrowed[ordering.column.name].single)


def count_served(order: Sequence[Ordering], wanted: Sequence[Ordering]) -> int:
    """Tell how many of the first terms of a wanted order rows are in already."""
    served = 0
    for there, asked in zip(order, wanted, strict=False):
        nulls_agree = there.nulls_first == asked.nulls_first or not there.column.nullable
        same = (there.column, there.arrows, there.descending) == (asked.column, asked.arrows, asked.descending)
        if not same or not nulls_agree:
            break
        served += 1
    return served
