"""Filters rows as SQL does: a comparison with null is neither true nor false, and only what is true passes."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pgrest.binding import Bound, Junction, Predicate
from pgrest.cells import comparable
from pgrest.columns import Row
from pgrest.syntax import Connective, Operator, Quantifier, Truth

Test = Callable[[Row], bool | None]
"""Tells of a row whether a condition holds; ``None`` where SQL does not know."""

_COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: operator.eq,
    Operator.NEQ: operator.ne,
    Operator.GT: operator.gt,
    Operator.GTE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LTE: operator.le,
    Operator.IN: operator.eq,
}


def compile_conditions(conditions: Sequence[Bound]) -> Callable[[Row], bool]:
    """Make what tells whether a row passes all conditions."""
    tests = [compile_condition(condition) for condition in conditions]
    return lambda row: all(test(row) is True for test in tests)


def compile_condition(condition: Bound) -> Test:
    """Make what evaluates one condition."""
    test = _compile_junction(condition) if isinstance(condition, Junction) else _compile_predicate(condition)
    return (lambda row: _not(test(row))) if condition.negated else test


def _compile_junction(junction: Junction) -> Test:
    tests = [compile_condition(member) for member in junction.members]
    combine = all_of if junction.connective is Connective.AND else any_of
    return lambda row: combine(test(row) for test in tests)


def _compile_predicate(predicate: Predicate) -> Test:
    read = comparable(predicate.column, predicate.arrows)
    if predicate.truth is not None:
        is_so = _TRUTHS[predicate.truth]
        return lambda row: is_so(read(row))
    if predicate.operator is Operator.ISDISTINCT:
        # A literal is never null, so this is never unknown.
        return lambda row: read(row) != predicate.operands[0]
    tests = [_compile_operand(predicate, index) for index in range(len(predicate.operands or predicate.matchers))]
    if predicate.quantifier is None and predicate.operator is not Operator.IN:
        only = tests[0]
        return lambda row: only(read(row))
    combine = all_of if predicate.quantifier is Quantifier.ALL else any_of

    def test_each(row: Row) -> bool | None:
        value = read(row)
        return combine(test(value) for test in tests)

    return test_each


def _compile_operand(predicate: Predicate, index: int) -> Callable[[Any], bool | None]:
    if predicate.matchers:
        matcher = predicate.matchers[index]
        return lambda value: None if value is None or matcher is None else matcher(value)
    operand = predicate.operands[index]
    compare = _COMPARE[predicate.operator]
    return lambda value: None if value is None or operand is None else compare(value, operand)


_TRUTHS: Mapping[Truth, Callable[[Any], bool]] = {
    Truth.NULL: lambda value: value is None,
    Truth.NOT_NULL: lambda value: value is not None,
    Truth.TRUE: lambda value: value is True,
    Truth.FALSE: lambda value: value is False,
    Truth.UNKNOWN: lambda value: value is None,
}


def all_of(answers: Iterable[bool | None]) -> bool | None:
    """Combine as SQL's AND does: false if one is, else unknown if one is; none at all are true."""
    known = True
    for answer in answers:
        if answer is False:
            return False
        known = known and answer is not None
    return True if known else None


def any_of(answers: Iterable[bool | None]) -> bool | None:
    """Combine as SQL's OR does: true if one is, else unknown if one is; none at all are false."""
    known = True
    for answer in answers:
        if answer:
            return True
        known = known and answer is not None
    return False if known else None


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer
