"""What a value is where nobody has declared it: every cell of a table may be of another kind.

A column of values is a mapping of `Values`: one array for each kind that occurs, null where the value is of another
kind. A row that is null in all of them has no value.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "ARROW_TYPES",
    "Kind",
    "Values",
    "any_texts",
    "compact_json",
    "kinds_by_weight",
    "other_values",
    "python_values",
    "type_texts",
    "type_values",
]


class Kind(StrEnum):
    """Kinds of value. Moments have milliseconds; what is JSON is an object or an array."""

    NUMBER = "num"
    TEXT = "text"
    BOOLEAN = "bool"
    MOMENT = "date"
    JSON = "json"


Values = Mapping[Kind, pa.Array]

ARROW_TYPES: Final[Mapping[Kind, pa.DataType]] = {
    Kind.NUMBER: pa.float64(),
    Kind.TEXT: pa.string(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.MOMENT: pa.timestamp("us", tz="UTC"),
    Kind.JSON: pa.string(),
}

_WORDS: Final = {"true": True, "TRUE": True, "false": False, "FALSE": False}
_NOTHING: Final = ("null", "NULL", "undefined", "NaN")

NUMBER_PATTERN: Final = r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)"
"""Decimal, without a leading zero and without an exponent: 007 and 1e3 are texts."""

# The years are those that stay four digits long whatever the zone is.
_MOMENT_PATTERN: Final = (
    r"(?:[1-8]\d{3}|9(?:[0-8]\d\d|9[0-8]\d|99[0-8]))-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)"
)
_IS_NUMBER: Final = rf"^(?:{NUMBER_PATTERN})$"
_IS_MOMENT: Final = rf"^(?:{_MOMENT_PATTERN})$"
_MAY_BE_ELSE: Final = r"^(?:[tTfFnNu{\[]|\d{4}-\d\d-\d\dT)"
"""Whatever is neither this nor a number is a text, and most texts are not."""

_SHORT: Final = 1e21  # from here on JavaScript writes an exponent
_ESCAPED: Final = r'[\x00-\x1f"\\]'


def type_texts(texts: pa.Array, *, structures: bool) -> dict[Kind, pa.Array]:
    """Say of each text what it stands for.

    Parameters
    ----------
    texts : pa.Array of shape (rows,)
        Strings; null where there is no value.
    structures : bool
        Whether a text in braces or brackets that is JSON is taken for it.
    """
    numbers = _numbers(texts)
    if numbers.null_count == 0 and len(texts):
        return {Kind.NUMBER: numbers}
    rest = texts if numbers.null_count == len(texts) else pc.if_else(pc.is_valid(numbers), None, texts)
    found: dict[Kind, pa.Array] = {Kind.NUMBER: numbers}
    else_where = pc.match_substring_regex(rest, _MAY_BE_ELSE)
    if pc.any(else_where).as_py():
        rest = _special(rest, else_where, found, structures=structures)
    found[Kind.TEXT] = rest
    return _occurring(found)


def type_values(values: Sequence[Any]) -> dict[Kind, pa.Array]:
    """Say of each JSON value what it is; texts stay texts whatever they look like."""
    columns: dict[Kind, list[Any]] = {}
    for row, value in enumerate(values):
        kind, stored = _kind_of(value)
        if kind is not None:
            if kind not in columns:
                columns[kind] = [None] * len(values)
            columns[kind][row] = stored
    return {kind: pa.array(column, ARROW_TYPES[kind]) for kind, column in columns.items()}


def kinds_by_weight(values: Values) -> list[Kind]:
    """Name the kinds that occur, the most frequent first; empty texts are the last to decide what a column is."""

    def weight(kind: Kind) -> int:
        array = values[kind]
        if kind is Kind.TEXT and len(values) > 1:
            return int(pc.sum(pc.not_equal(array, "")).as_py() or 0)
        return len(array) - int(array.null_count)

    return sorted((kind for kind, array in values.items() if array.null_count < len(array)), key=weight, reverse=True)


def any_texts(kind: Kind, array: pa.Array) -> pa.Array:
    """Write values of one kind as JSON."""
    if kind is Kind.NUMBER or kind is Kind.BOOLEAN:
        return pc.cast(array, pa.string())
    if kind is Kind.MOMENT:
        return pc.strftime(pc.cast(array, pa.timestamp("ms", tz="UTC"), safe=False), '"%Y-%m-%dT%H:%M:%SZ"')
    if kind is Kind.JSON:
        return array
    if pc.any(pc.match_substring_regex(array, _ESCAPED)).as_py():
        return _mapped(array, lambda text: json.dumps(text, ensure_ascii=False), pa.string())
    return pc.binary_join_element_wise('"', array, '"', "")


def python_values(kind: Kind, array: pa.Array) -> list[Any]:
    """Give stored values as JSON has them: whole numbers without a fraction, moments as normalised texts."""
    if kind is Kind.NUMBER:
        return [_number(value) for value in array.to_pylist()]
    if kind is Kind.MOMENT:
        array = pc.strftime(pc.cast(array, pa.timestamp("ms", tz="UTC"), safe=False), "%Y-%m-%dT%H:%M:%SZ")
    if kind is Kind.JSON:
        return [None if text is None else json.loads(text) for text in array.to_pylist()]
    values: list[Any] = array.to_pylist()
    return values


def other_values(values: Values, others: pa.Array) -> dict[Kind, pa.Array]:
    """Add values that are written as JSON, in rows where there is no value yet."""
    if others.null_count == len(others):
        return dict(values)
    added = type_values([None if text is None else json.loads(text) for text in others.to_pylist()])
    return {
        **values,
        **{kind: pc.coalesce(values[kind], array) if kind in values else array for kind, array in added.items()},
    }


def compact_json(value: object) -> str:
    """Write a value as it is stored."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _number(value: float | None) -> float | int | None:
    return int(value) if value is not None and value.is_integer() and abs(value) < _SHORT else value


def _numbers(texts: pa.Array) -> pa.Array:
    are = pc.match_substring_regex(texts, _IS_NUMBER)
    if not pc.any(are).as_py():
        return pa.nulls(len(texts), pa.float64())
    all_are = texts.null_count == 0 and pc.all(are).as_py()
    numbers = pc.cast(texts if all_are else pc.if_else(are, texts, None), pa.float64())
    # Three hundred digits are no number a client could read.
    finite = pc.is_finite(numbers)
    return numbers if pc.all(finite).as_py() else pc.if_else(finite, numbers, None)


def _special(rest: pa.Array, may_be: pa.Array, found: dict[Kind, pa.Array], *, structures: bool) -> pa.Array:
    """Find what is neither number nor text, and give the texts that are left."""
    words = pc.index_in(rest, value_set=pa.array(list(_WORDS)))
    if words.null_count < len(words):
        found[Kind.BOOLEAN] = pc.take(pa.array(list(_WORDS.values())), words)
    taken = pc.or_(pc.is_valid(words), pc.is_in(rest, value_set=pa.array(_NOTHING)))
    moments = _moments(rest)
    if moments is not None:
        found[Kind.MOMENT] = moments
        taken = pc.or_(taken, pc.is_valid(moments))
    if structures:
        shaped = pc.and_(pc.fill_null(may_be, False), pc.match_substring_regex(rest, r"(?s)^(?:\{.*\}|\[.*\])$"))
        if pc.any(shaped).as_py():
            found[Kind.JSON] = _mapped(pc.if_else(shaped, rest, None), _structure, pa.string())
            taken = pc.or_(taken, pc.is_valid(found[Kind.JSON]))
    return pc.if_else(taken, None, rest)


def _moments(texts: pa.Array) -> pa.Array | None:
    are = pc.match_substring_regex(texts, _IS_MOMENT)
    if not pc.any(are).as_py():
        return None
    # What is finer than milliseconds is cut off; Arrow would refuse it.
    candidates = pc.replace_substring_regex(pc.if_else(are, texts, None), r"(\.\d{3})\d+", r"\1")
    kind = ARROW_TYPES[Kind.MOMENT]
    try:
        return pc.cast(candidates, kind)
    except pa.ArrowInvalid:  # the thirtieth of February, say
        return _mapped(candidates, lambda text: _moment(text, kind), kind)


def _moment(text: str, kind: pa.DataType) -> object:
    try:
        return pc.cast(pa.scalar(text), kind).as_py()
    except pa.ArrowInvalid:
        return None


def _structure(text: str) -> str | None:
    try:
        return compact_json(json.loads(text, parse_constant=_refuse))
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _kind_of(value: Any) -> tuple[Kind | None, Any]:
    match value:
        case None:
            return None, None
        case bool():
            return Kind.BOOLEAN, value
        case str():
            return Kind.TEXT, _storable(value)
        case int() | float():
            try:
                number = float(value)
            except OverflowError:
                return None, None
            return (Kind.NUMBER, number) if math.isfinite(number) else (None, None)
        case dict() | list():
            return Kind.JSON, _storable(compact_json(value))
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _storable(text: str) -> str:
    # JSON may hold half of a pair of surrogates, which UTF-8 has no bytes for.
    return text if text.isascii() else re.sub("[\ud800-\udfff]", "\ufffd", text)


def _mapped(array: pa.Array, change: Callable[[str], object], kind: pa.DataType) -> pa.Array:
    return pa.array([None if value is None else change(value) for value in array.to_pylist()], kind)


def _occurring(found: Mapping[Kind, pa.Array]) -> dict[Kind, pa.Array]:
    return {kind: array for kind, array in found.items() if array.null_count < len(array)}
