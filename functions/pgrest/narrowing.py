"""Narrows columns by conditions: which values can be in the rows that pass, so that no others need to be read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pgrest.binding import Bound, Junction, Predicate
from pgrest.columns import ColumnType, Value
from pgrest.syntax import Connective, Operator, Quantifier, Truth

_STEPPED = frozenset({ColumnType.INTEGER, ColumnType.BIGINT, ColumnType.TIMESTAMPTZ})
"""Types whose values each have a next one, so that every range can be told by the values at its ends."""

_RANGES = frozenset({Operator.GT, Operator.GTE, Operator.LT, Operator.LTE})


@dataclass(frozen=True, slots=True)
class Span:
    """What can be in a column: one of some values; or else what lies between two bounds, both included.

    ``null`` tells of a column without values or bounds whether it has to be null or must not be.
    """

    values: frozenset[Any] | None = None
    low: Any = None
    high: Any = None
    null: bool | None = None

    @property
    def empty(self) -> bool:
        """Whether no value can be in the column."""
        return self.values is not None and not self.values

    @property
    def ranged(self) -> bool:
        """Whether there is a bound."""
        return self.low is not None or self.high is not None

    @property
    def single(self) -> bool:
        """Whether all rows have the same value in the column."""
        return self.null is True or (self.values is not None and len(self.values) == 1)

    def meet(self, other: "Span") -> "Span":
        """Narrow by another one."""
        low = max((bound for bound in (self.low, other.low) if bound is not None), default=None)
        high = min((bound for bound in (self.high, other.high) if bound is not None), default=None)
        nulls = {span.nullness for span in (self, other)} - {None}
        if len(nulls) > 1 or (low is not None and high is not None and low > high):
            return NOTHING
        sets = [span.values for span in (self, other) if span.values is not None]
        if not sets:
            ranged = low is not None or high is not None
            return Span(None, low, high, None if ranged or not nulls else nulls.pop())
        values = frozenset.intersection(*sets)
        return Span(
            frozenset(value for value in values if (low is None or value >= low) and (high is None or value <= high))
        )

    @property
    def nullness(self) -> bool | None:
        """Whether the column has to be null, or must not be."""
        return False if self.ranged or self.values is not None else self.null


NOTHING = Span(frozenset())
ANYTHING = Span()


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What conditions say of each column by itself.

    ``covered`` is whether they say nothing else: a row passes then if, and only if, each cell is within its span.
    """

    spans: Mapping[str, Span] = field(default_factory=dict)
    covered: bool = True

    def __getitem__(self, column: str) -> Span:
        """Give what can be in a column."""
        return self.spans.get(column, ANYTHING)

    @property
    def empty(self) -> bool:
        """Whether no row can pass."""
        return any(span.empty for span in self.spans.values())

    def covered_by(self, *columns: str) -> bool:
        """Tell whether rows whose cells in these columns are within their spans pass all conditions."""
        return self.covered and self.spans.keys() <= set(columns)


def narrow(conditions: Iterable[Bound]) -> Narrowed:
    """Narrow columns by conditions that all have to hold."""
    spans: dict[str, Span] = {}
    covered = True
    for narrowed in map(_narrow_one, conditions):
        covered = covered and narrowed.covered
        for name, span in narrowed.spans.items():
            spans[name] = spans[name].meet(span) if name in spans else span
    return Narrowed(spans, covered)


_UNKNOWN = Narrowed(covered=False)


def _narrow_one(condition: Bound) -> Narrowed:
    if isinstance(condition, Junction):
        if condition.negated:
            return _UNKNOWN
        if condition.connective is Connective.AND:
            return narrow(condition.members)
        return _join([_narrow_one(member) for member in condition.members])
    column = condition.column
    span = None if column.type is ColumnType.JSONB else _span(condition)
    if span is None:
        return _UNKNOWN
    if not column.nullable and span.null is not None:
        return Narrowed({column.name: NOTHING} if span.null else {})
    return Narrowed({column.name: span})


def _join(members: Sequence[Narrowed]) -> Narrowed:
    """Join what members say of which one has to hold: the values of each, where all name some of the same column."""
    possible = [member for member in members if not member.empty]
    if len(possible) < 2:
        return possible[0] if possible else members[0]
    columns = set.intersection(*(set(member.spans) for member in possible))
    spans = {}
    for name in columns:
        sets = [member[name].values for member in possible]
        if None not in sets:
            spans[name] = Span(frozenset(value for values in sets for value in values or ()))
    covered = all(member.covered and member.spans.keys() == spans.keys() for member in possible) and len(spans) == 1
    return Narrowed(spans, covered)


def _span(predicate: Predicate) -> Span | None:
    """Find the span a predicate leaves to its column; ``None`` where what it says is no span."""
    if predicate.truth is not None:
        return _span_of_truth(predicate.truth, negated=predicate.negated)
    if predicate.negated:
        return None
    values = frozenset(value for value in predicate.operands if value is not None)
    match predicate.operator:
        case Operator.IN | Operator.EQ if predicate.quantifier is not Quantifier.ALL:
            return Span(values)
        case operator if operator in _RANGES and predicate.quantifier is None:
            (bound,) = predicate.operands
            return _span_of_range(operator, bound) if predicate.column.type in _STEPPED else None
    return None


def _span_of_truth(truth: Truth, *, negated: bool) -> Span | None:
    null = {Truth.NULL: True, Truth.UNKNOWN: True, Truth.NOT_NULL: False}.get(truth)
    if null is not None:
        return Span(null=null is not negated)
    return None if negated else Span(frozenset({truth is Truth.TRUE}))


def _span_of_range(operator: Operator, bound: Value | None) -> Span:
    match operator:
        case Operator.GTE:
            return Span(low=bound)
        case Operator.LTE:
            return Span(high=bound)
    try:
        step: Any = timedelta(microseconds=1) if isinstance(bound, datetime) else 1
        beside: Any = bound
        return Span(low=beside + step) if operator is Operator.GT else Span(high=beside - step)
    except OverflowError:  # there is no time before the first or after the last
        return NOTHING
