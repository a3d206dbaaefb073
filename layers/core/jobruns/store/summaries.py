"""Reads of runs by what became of them and when: of a job from its local indexes, of an org from the global ones."""

from functools import partial
from typing import Any

from pynamodb.constants import COUNT
from pynamodb.expressions.condition import Condition

from jobruns.run import RunState, RunSummary
from jobruns.run_order import Moment, RunOrder
from jobruns.service.store_ports import Page, SummaryPage
from jobruns.store import keys
from jobruns.store.merging import FIRST, Stream, batch_size, bounds_behind, merge
from jobruns.store.positions import read_position, write_position
from jobruns.store.queries import RunReads
from jobruns.store.run_items import RunItem, read_summary

MAX_COUNTED_PAGES = 40
"""Of a megabyte each, some 2,000 runs. A partition gives twelve a second where they are read consistently."""

LAST = "~~"
"""Behind `keys.NEVER`, and so behind everything."""


class SummarizedRuns(RunReads):
    """Reads what became of runs."""

    def summaries(self, org: str, job: str, order: RunOrder, *, limit: int, position: str | None = None) -> SummaryPage:
        """Read a page of a job's numbered runs, consistently: one query for each outcome asked for, or a few of each.

        Beside the page itself at most a batch of each outcome is read for nothing, whatever the number of runs.
        """
        scope = f"summaries {org} {job} {order}"
        behind = None if position is None else read_position(scope, position)
        courses = _courses(order)
        found: list[RunSummary] = []
        last: str | None = None
        for low, high in _segments(order, behind):
            left = limit - len(found)
            batch = batch_size(left, len(courses))
            streams = [_of_course(org, job, course, order, low, high, batch) for course in courses]
            items, point, _ = merge(streams, left, ascending=order.ascending)
            found += [read_summary(item) for item in items]
            last = point or last
            if len(found) == limit:
                return SummaryPage(found, write_position(scope, str(last)))
        return SummaryPage(found, None)

    def count_summaries(self, org: str, job: str, order: RunOrder) -> int | None:
        """Count what `summaries` gives in all, consistently: at least one query for each outcome asked for.

        Returns
        -------
        int or None
            ``None`` where that takes more than `MAX_COUNTED_PAGES` queries.
        """
        index, sort_key = _index_of(order)
        ranges = [
            sort_key.between(f"{course}#{low}", f"{course}#{high}")
            for course in _courses(order)
            for low, high in _segments(order, None)
            if low <= high  # DynamoDB refuses the others
        ]
        counted = 0
        behind: dict[str, Any] | None = None
        for _ in range(MAX_COUNTED_PAGES):
            if not ranges:
                return counted
            count, behind = _count_page(index, keys.job_pk(org, job), ranges[0], behind)
            counted += count
            if behind is None:
                ranges.pop(0)
        return None if ranges else counted

    def last_success(self, org: str, job: str, *, by_end: bool) -> RunSummary | None:
        """Read a job's last success that counts, by its start or by its end: one consistent query of one item."""
        by = Moment.END if by_end else Moment.START
        page = self.summaries(org, job, RunOrder.of_successes(by), limit=1)
        return page.summaries[0] if page.summaries else None

    def org_runs(self, org: str, order: RunOrder, *, limit: int, position: str | None = None) -> Page:
        """Read a page of an org's runs by their start: queries of an index of keys, and one batch.

        A run may be missing for the moment it takes an index to follow, but what is shown is as it is now: one that
        has come to another outcome meanwhile is left out, so that a page may have fewer runs than were asked for.
        """
        scope = f"org {org} {order}"
        low, high = _bounds(order)
        if position is not None:
            low, high = bounds_behind(read_position(scope, position), low, high, ascending=order.ascending)
        states = sorted(state for state in RunState if state.outcome in order.outcomes)
        count = 1 if order.everything else len(states)
        stream = partial(_of_org, low=low, high=high, ascending=order.ascending, batch=batch_size(limit, count))
        if order.everything:
            streams = [stream(RunItem.gsi_time, keys.time_pk(org), "time_sk")]
        else:
            streams = [stream(RunItem.gsi_state, keys.state_pk(org, state), "state_sk") for state in states]
        items, last, more = merge(streams, limit, ascending=order.ascending)
        runs = [run for run in self._batch([(item.pk, item.sk) for item in items]) if order.takes(run)]
        return Page(runs, write_position(scope, str(last)) if more else None)


def _segments(order: RunOrder, behind: str | None) -> list[tuple[str, str]]:
    """Give the ranges of points to read, one after the other: runs without an end come first, last, or not at all."""
    low, high = _bounds(order)
    if order.by is Moment.START or order.since is not None or order.until is not None:
        segments = [(low, high)]
    elif order.endless_first in (None, not order.ascending):
        segments = [(low, LAST)]  # the index has them in this order
    else:
        segments = [(low, keys.NEVER), (keys.NEVER, LAST)]
        if order.endless_first:
            segments.reverse()
    if behind is None:
        return segments
    place = next((place for place, (start, end) in enumerate(segments) if start <= behind <= end), len(segments))
    rest = segments[place:]
    return [bounds_behind(behind, *rest[0], ascending=order.ascending), *rest[1:]] if rest else []


def _bounds(order: RunOrder) -> tuple[str, str]:
    low = keys.instant(order.since) if order.since else FIRST
    # "$" follows "#": the whole of that microsecond is in.
    return low, keys.instant(order.until) + "$" if order.until else keys.NEVER


def _courses(order: RunOrder) -> list[str]:
    return [
        keys.course(outcome, counts=counts)
        for outcome in sorted(order.outcomes)
        for counts in ((True, False) if order.counts is None else (order.counts,))
    ]


def _index_of(order: RunOrder) -> tuple[Any, Any]:
    """Give the index that has a job's runs in an order, and its sort key."""
    if order.by is Moment.START:
        return RunItem.lsi_start, RunItem.start_sk
    return RunItem.lsi_end, RunItem.end_sk


def _of_course(org: str, job: str, course: str, order: RunOrder, low: str, high: str, batch: int) -> Stream:
    index, sort_key = _index_of(order)
    query = partial(_query, index, keys.job_pk(org, job), consistent=True)
    return Stream(query, sort_key.attr_name, sort_key, f"{course}#", low, high, ascending=order.ascending, batch=batch)


def _of_org(index: Any, pk: str, name: str, *, low: str, high: str, ascending: bool, batch: int) -> Stream:
    query = partial(_query, index, pk, consistent=False)
    return Stream(query, name, getattr(RunItem, name), "", low, high, ascending=ascending, batch=batch)


def _query(index: Any, pk: str, between: Condition, ascending: bool, limit: int, *, consistent: bool) -> list[Any]:
    found = index.query(
        pk, between, consistent_read=consistent, scan_index_forward=ascending, limit=limit, page_size=limit
    )
    return list(found)


def _count_page(
    index: Any, pk: str, condition: Condition, behind: dict[str, Any] | None
) -> tuple[int, dict[str, Any] | None]:
    """Count the runs in a part of an index, consistently: as many as one query goes through.

    Returns
    -------
    tuple of int and dict or None
        How many, and the key behind which more may follow.
    """
    page = RunItem._get_connection().query(  # noqa: SLF001 - PynamoDB has no public way to count a page at a time
        pk,
        range_key_condition=condition,
        index_name=index.Meta.index_name,
        exclusive_start_key=behind,
        consistent_read=True,
        select=COUNT,
    )
    return int(page["Count"]), page.get("LastEvaluatedKey")
