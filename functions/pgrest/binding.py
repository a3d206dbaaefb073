"""Binds a query to a relation: columns looked up, literals read, operators known to be defined.

What comes out is what reads are planned on, and what rows are filtered, ordered and shown by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo

from pgrest import cells
from pgrest.casts import Caster, find_caster, find_type, write_value
from pgrest.columns import Column, ColumnType, Relation, Value
from pgrest.errors import Code, RefusedError
from pgrest.literals import parse_literal, split_array
from pgrest.patterns import Matcher, like, regular_expression
from pgrest.syntax import (
    Arrows,
    Condition,
    Connective,
    Group,
    Operator,
    Quantifier,
    Query,
    Selected,
    Term,
    Truth,
)

_PATTERNS = frozenset({Operator.LIKE, Operator.ILIKE, Operator.MATCH, Operator.IMATCH})
_BOOLEAN_TRUTHS = frozenset({Truth.TRUE, Truth.FALSE, Truth.UNKNOWN})
_SIGNS: Mapping[Operator, str] = {
    Operator.EQ: "=",
    Operator.NEQ: "<>",
    Operator.GT: ">",
    Operator.GTE: ">=",
    Operator.LT: "<",
    Operator.LTE: "<=",
    Operator.LIKE: "~~",
    Operator.ILIKE: "~~*",
    Operator.MATCH: "~",
    Operator.IMATCH: "~*",
    Operator.IN: "=",
    Operator.ISDISTINCT: "=",
}


@dataclass(frozen=True, slots=True)
class Predicate:
    """A comparison of one column, or of what `arrows` lead to in its JSON.

    ``operands`` are values of the column's type or, for a pattern, ``matchers`` stand for them. There is one, unless
    the operator is IN or there is a quantifier; none with IS, which has ``truth``. ``None`` is a null in an array.
    """

    column: Column
    operator: Operator
    operands: tuple[Value | None, ...] = ()
    matchers: tuple[Matcher | None, ...] = ()
    truth: Truth | None = None
    quantifier: Quantifier | None = None
    negated: bool = False
    arrows: Arrows = ()


@dataclass(frozen=True, slots=True)
class Junction:
    """Predicates of which all or one must hold."""

    connective: Connective
    members: tuple["Bound", ...]
    negated: bool = False


Bound = Predicate | Junction


@dataclass(frozen=True, slots=True)
class Shown:
    """A cell of the answer: its name, the column it comes from, and what makes it of the column's value."""

    label: str
    column: Column
    cast: str | None
    caster: Caster
    arrows: Arrows = ()


@dataclass(frozen=True, slots=True)
class Ordering:
    """A column rows are ordered by."""

    column: Column
    descending: bool
    nulls_first: bool
    arrows: Arrows = ()


@dataclass(frozen=True, slots=True)
class BoundQuery:
    """A query of a relation. All conditions have to hold; the last column of the order is the relation's key.

    ``ordered`` is whether the caller named an order; where it did not, rows may come in any that is always the same.
    """

    relation: Relation
    conditions: tuple[Bound, ...]
    shown: tuple[Shown, ...]
    order: tuple[Ordering, ...]
    zone: tzinfo = UTC
    ordered: bool = False


def bind_query(query: Query, relation: Relation, zone: tzinfo = UTC) -> BoundQuery:
    """Bind a query to the relation it asks.

    Parameters
    ----------
    query : Query
        What was asked.
    relation : Relation
        The table.
    zone : tzinfo
        The zone the caller prefers: of timestamps that name none, and of those the answer shows.

    Raises
    ------
    RefusedError
        A column is unknown, a literal is none of its type, or an operator or a cast is not defined for the type.
    """
    return BoundQuery(
        relation=relation,
        shown=_bind_select(query.select, relation),
        conditions=tuple(bind_condition(condition, relation, zone) for condition in query.conditions),
        order=bind_order(query.order, relation),
        zone=zone,
        ordered=bool(query.order),
    )


def bind_condition(condition: Condition, relation: Relation, zone: tzinfo = UTC) -> Bound:
    """Bind one condition."""
    if isinstance(condition, Group):
        members = tuple(bind_condition(member, relation, zone) for member in condition.members)
        return Junction(condition.connective, members, condition.negated)
    column, arrows = relation.column(condition.column), condition.arrows
    kind = cells.find_type(column, arrows)
    operator, operand = condition.operator, condition.operand
    if isinstance(operand, Truth):
        _check_truth(kind, operand)
        return Predicate(column, operator, truth=operand, negated=condition.negated, arrows=arrows)
    _check_operator(kind, operator)
    if condition.quantifier is None:
        texts: tuple[str | None, ...] = operand if isinstance(operand, tuple) else (operand,)
    else:
        texts = split_array(str(operand))
    if operator in _PATTERNS:
        matchers = tuple(None if text is None else _bind_pattern(operator, text) for text in texts)
        return Predicate(column, operator, (), matchers, None, condition.quantifier, condition.negated, arrows)
    values = tuple(None if text is None else parse_literal(kind, text, zone) for text in texts)
    return Predicate(column, operator, values, (), None, condition.quantifier, condition.negated, arrows)


def _bind_pattern(operator: Operator, text: str) -> Matcher:
    ignore_case = operator in {Operator.ILIKE, Operator.IMATCH}
    if operator in {Operator.LIKE, Operator.ILIKE}:
        return like(text, ignore_case=ignore_case)
    return regular_expression(text, ignore_case=ignore_case)


def _check_truth(kind: ColumnType, truth: Truth) -> None:
    if truth in _BOOLEAN_TRUTHS and kind is not ColumnType.BOOLEAN:
        raise RefusedError(
            Code.TYPE_MISMATCH,
            f"argument of IS {truth.upper()} must be type boolean, not type {kind}",
        )


def _check_operator(kind: ColumnType, operator: Operator) -> None:
    if operator in _PATTERNS and kind is not ColumnType.TEXT:
        raise RefusedError(
            Code.NO_OPERATOR,
            f"operator does not exist: {kind} {_SIGNS[operator]} unknown",
            hint="No operator matches the given name and argument types.",
        )


def bind_order(terms: Sequence[Term], relation: Relation) -> tuple[Ordering, ...]:
    """Bind an order, and end it with the relation's key in the direction of the last term: rows never tie."""
    order: dict[tuple[str, Arrows], Ordering] = {}
    key = (relation.key, ())
    for term in terms:
        column = relation.column(term.column)
        cells.find_type(column, term.arrows)
        nulls_first = term.descending if term.nulls_first is None else term.nulls_first
        # Rows that tie in a column tie in it again; and none tie in the key, so that nothing behind it counts.
        if key not in order:
            ordering = Ordering(column, term.descending, nulls_first, term.arrows)
            order.setdefault((column.name, term.arrows), ordering)
    descending = terms[-1].descending if terms else False
    order.setdefault(key, Ordering(relation.column(relation.key), descending, descending))
    return tuple(order.values())


def _bind_select(select: Sequence[Selected], relation: Relation) -> tuple[Shown, ...]:
    shown: dict[str, Shown] = {}
    for selected in select:
        if selected.column == "*":
            entries = [Shown(column.name, column, None, write_value) for column in relation.columns]
        else:
            target = find_type(selected.cast) if selected.cast else None
            column = relation.column(selected.column)
            kind = cells.find_type(column, selected.arrows)
            caster = find_caster(kind, target) if target else write_value
            entries = [Shown(selected.label, column, target, caster, selected.arrows)]
        for entry in entries:
            # An object cannot have a key twice; the same cell twice is harmless, as in "*,id".
            if shown.setdefault(entry.label, entry) != entry:
                raise RefusedError(Code.DUPLICATE_COLUMN, f'column "{entry.label}" specified more than once')
    return tuple(shown.values())
