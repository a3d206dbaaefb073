"""Several sorted partitions read as one: nothing twice, nothing left out, little read for nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jobruns.store import keys
from jobruns.store.merging import FIRST, Stream, batch_size, bounds_behind, merge

EPOCH = datetime(1, 1, 1, tzinfo=UTC)
times = st.one_of(st.none(), st.integers(0, 5), st.integers(0, 10**14))
points = st.builds(
    lambda time, number: keys.point(None if time is None else EPOCH + timedelta(microseconds=time), number),
    times,
    st.integers(1, 10**10 - 1),
)


@dataclass(frozen=True)
class Item:
    sk: str


class SortKey:
    """Stands for the attribute: a condition on it is the pair of its bounds."""

    def between(self, low: str, high: str) -> Any:
        assert low <= high, "which DynamoDB refuses"
        return low, high


class Partition:
    def __init__(self, prefix: str, mine: list[str]) -> None:
        self.sort_keys = sorted(prefix + point for point in mine)
        self.read = 0

    def query(self, between: Any, ascending: bool, limit: int) -> list[Item]:
        low, high = between
        found = [text for text in self.sort_keys if low <= text <= high]
        taken = (found if ascending else found[::-1])[:limit]
        self.read += len(taken)
        return [Item(text) for text in taken]


@settings(max_examples=400, deadline=None)
@given(st.sets(points, max_size=40), st.integers(1, 4), st.integers(1, 9), st.booleans(), st.randoms())
def test_pages_of_merged_partitions_are_all_their_points_in_order(
    every: set[str], count: int, limit: int, ascending: bool, chance: Any
) -> None:
    mine: list[list[str]] = [[] for _ in range(count)]
    for point in every:
        chance.choice(mine).append(point)
    partitions = [Partition(f"{place}#", some) for place, some in enumerate(mine)]
    bounds, seen, more = (FIRST, "~~"), [], True
    while more:
        streams = [
            Stream(
                partition.query,
                "sk",
                SortKey(),
                f"{place}#",
                *bounds,
                ascending=ascending,
                batch=batch_size(limit, count),
            )
            for place, partition in enumerate(partitions)
        ]
        for partition in partitions:
            partition.read = 0
        items, last, more = merge(streams, limit, ascending=ascending)
        assert len(items) == limit or not more
        assert sum(partition.read for partition in partitions) <= len(items) + count * batch_size(limit, count)
        seen += [item.sk[2:] for item in items]
        if last is not None:
            assert last == seen[-1]
            bounds = bounds_behind(last, *bounds, ascending=ascending)
    assert seen == sorted(every, reverse=not ascending)


@settings(max_examples=400, deadline=None)
@given(points, points, st.booleans())
def test_behind_a_point_is_what_comes_after_it_and_not_the_point(one: str, other: str, ascending: bool) -> None:
    low, high = bounds_behind(one, FIRST, "~~", ascending=ascending)
    assert (low <= other <= high) == (other > one if ascending else other < one)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_text_order_of_times_is_their_order_in_every_year(one: datetime, other: datetime) -> None:
    assert (keys.instant(one) < keys.instant(other)) == (one < other)
    assert len(keys.instant(one)) == 27
