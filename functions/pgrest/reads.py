"""Reads rows: along the best path first, in the order asked for, and no further than needed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import merge
from itertools import chain, islice
from json import dumps
from typing import Any

from aws_lambda_powertools import Logger

from jobruns.run import Run
from pgrest.accesses import whole_runs
from pgrest.admission import Caller
from pgrest.binding import BoundQuery, Ordering
from pgrest.conditions import compile_conditions
from pgrest.errors import Code, RefusedError
from pgrest.narrowing import narrow
from pgrest.ordering import Match, first_matches, merge_key, order_groups, order_matches
from pgrest.plans import (
    MAX_EXAMINED,
    MAX_SECONDS,
    Access,
    CountedAccess,
    Meter,
    Path,
    Source,
    TooMuchError,
    count_served,
    named_order,
)
from pgrest.projection import project_row
from pgrest.ranges import Window
from pgrest.representations import write_json
from pgrest.sources import SOURCES
from pgrest.watermarks import asks_watermark, look_back

MAX_ROWS = 5000
"""Of an answer: what the City's service gave."""

MAX_BYTES = 5_000_000
"""Of the rows of an answer. Lambda takes 6 MB, in which the body is a text within JSON."""

MAX_FOUND = 500
"""Runs that one write changes."""

_MIN_BATCH = 100
"""Runs that are read at a time where it is not known how many of them pass."""

_MAX_BATCH = 1000

_HEAVY = 4096
"""Characters of a message; a run counts once more for each time that many, so that what is held has its bound."""

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Found:
    """Rows as they are to be shown: by label, in order.

    ``total`` is the number of rows that pass, where it was asked for. ``headers`` belong to the answer. ``cut`` is
    whether there was no room for all rows of the window.
    """

    rows: list[dict[str, Any]]
    total: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


def read_rows(
    caller: Caller, bound: BoundQuery, window: Window, *, counted: bool = False, max_bytes: int = MAX_BYTES
) -> Found:
    """Read the rows a query shows.

    Parameters
    ----------
    caller : Caller
        Who asks.
    bound : BoundQuery
        What is asked, of any relation.
    window : Window
        Which rows of those that pass.
    counted : bool
        Whether all rows that pass are to be counted.
    max_bytes : int
        Of the rows as JSON, as Lambda counts them. Rows that are beyond are left out, but for the first.

    Raises
    ------
    RefusedError
        The query would read too much.
    """
    if not window.limit and not counted:
        return Found([])
    source = SOURCES[bound.relation.name]
    for path, meter in _try_paths(source, bound, counted=counted):
        try:
            return _read_window(_Walk(caller, source, bound, path, meter), window, counted=counted, most=max_bytes)
        except TooMuchError:
            logger.info("a path was too long", extra={"path": path.name, "relation": bound.relation.name})
    raise _refuse(source)


def find_runs(caller: Caller, bound: BoundQuery, most: int = MAX_FOUND, *, hidden: bool = False) -> list[Run]:
    """Find the runs whose rows pass a query's conditions, to change them: whole, as they are now, in the query's order.

    Parameters
    ----------
    caller : Caller
        Who asks.
    bound : BoundQuery
        What is asked, of any relation.
    most : int
        How many there may be.
    hidden : bool
        Whether runs are found that the relation does not show.

    Raises
    ------
    RefusedError
        There are more (54000), or finding them would read too much (57014).
    """
    source = SOURCES[bound.relation.name]
    if hidden:
        source = source.with_hidden()
    unordered = replace(bound, ordered=False)
    for path, meter in _try_paths(source, unordered, counted=True):
        walk = _Walk(caller, source, unordered, path, meter)
        try:
            matches = list(islice(walk.matches(_MIN_BATCH), most + 1))
        except TooMuchError:
            logger.info("a path was too long", extra={"path": path.name, "relation": bound.relation.name})
            continue
        if len(matches) > most:
            raise RefusedError(
                Code.TOO_MANY,
                f"More than {most} rows would be changed",
                hint="Nothing has been changed. Change fewer at a time: add a filter, as on id.",
            )
        return walk.read_whole(matches, bound.order if bound.ordered else ())
    raise _refuse(source)


def _try_paths(source: Source, bound: BoundQuery, *, counted: bool) -> Iterator[tuple[Path, Meter]]:
    """Give each path with what it may read: half of what is left, but for the last."""
    paths = source.find_paths(bound, counted=counted)
    meter = Meter(MAX_EXAMINED, MAX_SECONDS)
    for place, path in enumerate(paths, 1):
        yield path, meter if place == len(paths) else meter.share(2)


def _refuse(source: Source) -> RefusedError:
    return RefusedError(
        Code.TOO_MUCH, "canceling statement: it would read more runs than one request can", hint=source.hint
    )


class _Walk:
    """Goes along a path, and counts the rows that pass."""

    def __init__(self, caller: Caller, source: Source, bound: BoundQuery, path: Path, meter: Meter) -> None:
        self._caller, self._source, self._meter = caller, source, meter
        self._passes = compile_conditions(bound.conditions)
        self.bound, self.path = bound, path
        self.passed = 0

    def matches(self, batch: int) -> Iterator[Match]:
        """Give the rows that pass, in the path's order."""
        seen: set[str] = set()
        for match in self._merged([self._read(access, batch) for access in self.path.accesses]):
            # A run that moves on while several indexes are read may be in two of them.
            if match.run.run_id not in seen:
                seen.add(match.run.run_id)
                if self._passes(match.row):
                    self.passed += 1
                    yield match

    def count(self) -> int | None:
        """Count the rows that pass by counts alone, where that can be done."""
        if not self.path.covered:
            return None
        total = 0
        for access in self.path.accesses:
            counted = access.count(self._caller) if isinstance(access, CountedAccess) else None
            if counted is None:
                return None
            total += counted
        return total

    def read_whole(self, matches: Sequence[Match], order: Sequence[Ordering]) -> list[Run]:
        """Read the runs of matches, but for those whose rows do not pass any more."""
        runs = [match.run for match in matches]
        whole = [run for run in runs if isinstance(run, Run)]
        if len(whole) < len(runs):
            whole = whole_runs(self._caller, runs)
        found = [Match(run, self._source.row(run)) for run in whole if self._source.holds(run)]
        passed = [match for match in found if self._passes(match.row)]
        return [match.run for match in order_matches(passed, order) if isinstance(match.run, Run)]

    def _read(self, access: Access, batch: int) -> Iterator[Match]:
        share = batch if len(self.path.accesses) == 1 else max(min(batch, 10), -(-batch // len(self.path.accesses)))
        for run in access.read(self._caller, self._meter, share):
            if self._source.holds(run):
                self._meter.examine(len(run.message or "") // _HEAVY)
                yield Match(run, self._source.row(run))

    def _merged(self, streams: Sequence[Iterator[Match]]) -> Iterable[Match]:
        order = self.path.order
        if len(streams) < 2 or not order:
            return chain.from_iterable(streams)
        return merge(*streams, key=merge_key(order), reverse=order[0].descending)


def _read_window(walk: _Walk, window: Window, *, counted: bool, most: int) -> Found:
    bound, path = walk.bound, walk.path
    order = named_order(bound, narrow(bound.conditions))
    served = count_served(path.order, order)
    needed = window.offset + window.limit
    total = walk.count() if counted and (served or not order) else None
    to_the_end = counted and total is None
    if served == len(order):
        ordered: Iterable[Match] = walk.matches(_size_batch(needed, path, to_the_end=to_the_end))
    elif served:
        # To know that the last of a group has come, one more is read.
        matches = walk.matches(_size_batch(needed + 1, path, to_the_end=to_the_end))
        ordered = order_groups(matches, served, order)
    else:
        ordered = first_matches(walk.matches(_MAX_BATCH), order, needed)
    ordered = iter(ordered)
    wanted = islice(ordered, window.offset, needed) if window.limit else iter(())
    found = _show(bound, window, wanted, most)
    if to_the_end:
        for _ in ordered:
            pass
        total = walk.passed
    return replace(found, total=total)


def _size_batch(needed: int, path: Path, *, to_the_end: bool) -> int:
    if to_the_end:
        return _MAX_BATCH
    return needed if path.covered else max(needed, _MIN_BATCH)


def _show(bound: BoundQuery, window: Window, matches: Iterable[Match], most: int) -> Found:
    """Show rows, as many as there is room for."""
    rows: list[dict[str, Any]] = []
    headers: Mapping[str, str] = {}
    size = 0
    back = asks_watermark(bound, window)
    for run, row in matches:
        earlier, headers = look_back(run, row) if back else (row, {})
        shown = project_row(earlier, bound.shown, bound.zone)
        size += len(dumps(write_json(shown)))
        if size > most and rows:
            return Found(rows, headers=headers, cut=True)
        rows.append(shown)
    return Found(rows, headers=headers)
