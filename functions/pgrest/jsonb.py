"""JSON as PostgreSQL's type jsonb has it: what of it can be reached, how it compares, and its text."""

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NoReturn

from pgrest.errors import Code, RefusedError
from pgrest.syntax import Arrows


class _Null:
    """JSON's null, which is a value; ``None`` is SQL's, where there is none."""

    def __repr__(self) -> str:
        return "NULL"


NULL: Final = _Null()

Comparable = tuple[Any, ...]
"""What stands for JSON in comparisons."""

# Among each other: null is the least, an object the greatest. An empty list that is all there is comes before null,
# for what PostgreSQL calls historical reasons; one inside of something does not.
_EMPTY, _NULL, _TEXT, _NUMBER, _TRUTH, _LIST, _OBJECT = range(-1, 6)

_MAX_EXPONENT = 131_072  # digits before the point that a number of PostgreSQL has at most
_SHOWN = 80  # characters of a text that an error repeats


def follow(document: Any, arrows: Arrows) -> Any:
    """Go to what is meant in a document.

    Returns
    -------
    Any
        JSON, with `NULL` for its null; a text, where the last arrow asks for one. ``None`` where there is nothing.
    """
    for arrow in arrows:
        if document is None:
            return None
        document = _step(document, arrow.step)
        if arrow.as_text:
            return _to_text(document)
    return document


def _step(document: Any, step: str | int) -> Any:
    if isinstance(step, str):
        if not isinstance(document, dict) or step not in document:
            return None
        found = document[step]
    else:
        if isinstance(document, dict):
            return None
        # To PostgreSQL anything else is a list of one, if it is not a list.
        elements = document if isinstance(document, list) else [document]
        if not -len(elements) <= step < len(elements):
            return None
        found = elements[step]
    return NULL if found is None else found


def _to_text(value: Any) -> str | None:
    if value is None or value is NULL:
        return None
    return value if isinstance(value, str) else write_text(value)


def write_text(value: Any) -> str:
    """Write JSON as jsonb is written: with blanks behind commas and colons, shorter names first, numbers in full."""
    match value:
        case _Null():
            return "null"
        case float() | Decimal():
            return format(_number(value), "f")
        case list():
            return f"[{', '.join(map(write_text, value))}]"
        case dict():
            members = (f"{_write_scalar(name)}: {write_text(value[name])}" for name in _names(value))
            return f"{{{', '.join(members)}}}"
    return _write_scalar(value)


def _write_scalar(value: str | bool | int | None) -> str:
    return json.dumps(value, ensure_ascii=False)


def _names(value: Mapping[str, Any]) -> list[str]:
    """Give the names of an object's members in the order in which jsonb keeps them."""
    return sorted(value, key=lambda name: (len(encoded := name.encode()), encoded))


def _number(value: int | float | Decimal) -> Decimal:
    # By its shortest decimal form: that is what was written, not the binary fraction nearest to it.
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    return number or number.copy_abs()


def order_key(value: Any) -> Comparable | None:
    """Make of JSON what compares as it does; ``None`` is not JSON, and stays itself."""
    return None if value is None else _order_key(value)


def _order_key(value: Any) -> Comparable:
    return (_EMPTY,) if value == [] else _key(value)


def _key(value: Any) -> Comparable:
    match value:
        case None | _Null():
            return (_NULL,)
        case bool():
            return _TRUTH, value
        case int() | float() | Decimal():
            return _NUMBER, _number(value)
        case list():
            return _LIST, len(value), tuple(map(_key, value))
        case dict():
            return _OBJECT, len(value), tuple((name, _key(value[name])) for name in _names(value))
    return _TEXT, value


def parse_comparable(text: str) -> Comparable:
    """Read JSON, and give what compares as it does.

    Raises
    ------
    RefusedError
        It is none; or it has what jsonb cannot hold.
    """
    try:
        value = json.loads(text, parse_float=_parse_number, parse_int=_parse_number, parse_constant=_refuse_constant)
        if _UNTOLD in text:
            _check_texts(value)
        return _order_key(value)
    except RecursionError:
        raise _refuse(text, "It nests too deep.") from None
    except ValueError as error:
        raise _refuse(text, str(error)) from None


_UNTOLD = "\\u"  # what is written so may be no character


def _parse_number(text: str) -> Decimal:
    number = Decimal(text)
    if number and number.adjusted() >= _MAX_EXPONENT:
        raise RefusedError(Code.OUT_OF_RANGE, "value overflows numeric format")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f'Token "{name}" is invalid.')


def _check_texts(value: Any) -> None:
    """Check that all characters are some: JSON can name halves of them, and one that PostgreSQL does not keep."""
    if isinstance(value, str):
        value.encode()
        if "\0" in value:
            raise RefusedError(Code.UNTRANSLATABLE, "unsupported Unicode escape sequence")
    elif isinstance(value, list):
        for element in value:
            _check_texts(element)
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_texts(name)
            _check_texts(member)


def _refuse(text: str, details: str) -> RefusedError:
    return RefusedError(
        Code.BAD_LITERAL, f'invalid input syntax for type json: "{text[:_SHOWN]}"', details=details[:200]
    )


def make_finite(value: Any) -> Any:
    """Make of what Python reads as JSON what is JSON: numbers that are none become null."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case list():
            return [make_finite(element) for element in value]
        case dict():
            return {name: make_finite(member) for name, member in value.items()}
    return value
