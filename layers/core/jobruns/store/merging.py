"""Reads several sorted runs of an index as one, a little at a time."""

from collections.abc import Callable, Sequence
from typing import Any

from pynamodb.expressions.condition import Condition

FIRST = "0"
"""Before all that begins with a date."""

MIN_BATCH = 10

Query = Callable[[Condition, bool, int], Sequence[Any]]
"""Reads at most so many items of one partition by a condition on their sort key, upwards or downwards."""


class Stream:
    """Items of one partition whose sort keys begin with a prefix, in order, read in batches.

    Parameters
    ----------
    query : callable
        Reads a batch.
    name : str
        The attribute that is the sort key.
    sort_key : Attribute
        The same, of the model.
    prefix : str
        What is left of the point by which streams are merged.
    low, high : str
        Between which points.
    ascending : bool
        In which order.
    batch : int
        How many items are read at a time.
    """

    def __init__(
        self,
        query: Query,
        name: str,
        sort_key: Any,
        prefix: str,
        low: str,
        high: str,
        *,
        ascending: bool,
        batch: int,
    ) -> None:
        self._query, self._name, self._sort_key, self._prefix = query, name, sort_key, prefix
        self._low, self._high, self._ascending, self._batch = low, high, ascending, batch
        self._waiting: list[Any] = []
        self._exhausted = False

    @property
    def may_have_more(self) -> bool:
        """Whether it is not known to have come to its end."""
        return bool(self._waiting) or not self._exhausted

    def head(self) -> str | None:
        """Give the point of the next item; ``None`` at the end."""
        if not self._waiting and not self._exhausted:
            self._read()
        return self._point(self._waiting[0]) if self._waiting else None

    def pop(self) -> Any:
        """Give the next item."""
        return self._waiting.pop(0)

    def _read(self) -> None:
        if self._low > self._high:  # which DynamoDB refuses
            self._exhausted = True
            return
        between = self._sort_key.between(self._prefix + self._low, self._prefix + self._high)
        self._waiting = list(self._query(between, self._ascending, self._batch))
        self._exhausted = len(self._waiting) < self._batch
        if self._waiting:
            self._low, self._high = bounds_behind(
                self._point(self._waiting[-1]), self._low, self._high, ascending=self._ascending
            )

    def _point(self, item: Any) -> str:
        text: str = getattr(item, self._name)
        return text.removeprefix(self._prefix)


def batch_size(limit: int, streams: int) -> int:
    """Tell how many items each of some streams reads at a time, so that little is read for nothing and in few calls."""
    return limit if streams == 1 else max(min(limit, MIN_BATCH), -(-limit // 4))


def merge(streams: Sequence[Stream], limit: int, *, ascending: bool) -> tuple[list[Any], str | None, bool]:
    """Take the first items of several streams in their common order.

    Returns
    -------
    tuple of list, str or None, and bool
        The items, the point of the last one, and whether more may follow.
    """
    found: list[Any] = []
    last: str | None = None
    while len(found) < limit:
        heads = [(head, place) for place, stream in enumerate(streams) if (head := stream.head()) is not None]
        if not heads:
            return found, last, False
        last, place = min(heads) if ascending else max(heads)
        found.append(streams[place].pop())
    return found, last, any(stream.may_have_more for stream in streams)


def bounds_behind(point: str, low: str, high: str, *, ascending: bool) -> tuple[str, str]:
    """Narrow bounds to what comes behind a point. No point is the beginning of another."""
    if ascending:
        return max(low, point + "$"), high
    return low, min(high, f"{point[:-1]}{chr(ord(point[-1]) - 1)}~")
