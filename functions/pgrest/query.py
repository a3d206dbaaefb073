"""Query strings: which parameters there are, and what each says."""

from collections.abc import Iterable, Sequence
from urllib.parse import quote, unquote_to_bytes

from pgrest.errors import Code, RefusedError
from pgrest.grammar import parse_filter, parse_logic, parse_names, parse_number, parse_order, parse_select
from pgrest.syntax import Condition, Query

_LOGIC = frozenset({"and", "or", "not.and", "not.or"})
_ONCE = frozenset({"select", "order", "limit", "offset", "columns", "on_conflict"})
_OF_EMBEDDED = frozenset({"select", "order", "limit", "offset", "and", "or"})

Parameter = tuple[str, str]


def split_query(raw: str) -> tuple[Parameter, ...]:
    """Take a query string apart.

    Parameters
    ----------
    raw : str
        As it was sent. API Gateway's parameters, where repeated keys are joined, will not do.

    Raises
    ------
    RefusedError
        A key has no value, or there are bytes that are no text.
    """
    parameters = []
    for piece in raw.split("&"):
        if not piece:
            continue
        key, equals, value = piece.partition("=")
        if not equals:
            raise RefusedError(Code.SYNTAX, f'"{_decode(key)[:80]}" has no value', hint="Write key=value.")
        parameters.append((_decode(key), _decode(value)))
    return tuple(parameters)


def read_query(parameters: Iterable[Parameter]) -> Query:
    """Read parameters. One that is none of the reserved ones compares a column.

    Raises
    ------
    RefusedError
        One cannot be read, or is there twice and may not be, or asks for what is not served.
    """
    conditions: list[Condition] = []
    once: dict[str, str] = {}
    for key, value in parameters:
        if key in _LOGIC:
            conditions.append(parse_logic(key, value))
        elif key in _ONCE:
            if key in once:
                raise RefusedError(Code.SYNTAX, f'"{key}" is there more than once')
            once[key] = value
        elif "." in key and key.rpartition(".")[2] in _OF_EMBEDDED:
            embedded = key.partition(".")[0]
            raise RefusedError(Code.NOT_EMBEDDED, f"'{embedded}' is not an embedded resource in this request")
        else:
            conditions.append(parse_filter(key, value))
    limit = parse_number("limit", once["limit"]) if "limit" in once else None
    if limit is not None and limit < 0:
        raise RefusedError(
            Code.RANGE, "Requested range not satisfiable", details="Limit should be greater than or equal to zero."
        )
    return Query(
        conditions=tuple(conditions),
        select=parse_select(once.get("select", "")),
        order=parse_order(once["order"]) if "order" in once else (),
        limit=limit,
        offset=max(parse_number("offset", once["offset"]), 0) if "offset" in once else None,
        columns=parse_names("columns", once["columns"]) if "columns" in once else None,
        on_conflict=parse_names("on_conflict", once["on_conflict"]) if "on_conflict" in once else None,
    )


def write_location(relation: str, parameters: Sequence[Parameter]) -> str:
    """Write the address of what was read, the same for the same parameters in another order."""
    encoded = "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in sorted(parameters))
    return f"/{relation}?{encoded}" if encoded else f"/{relation}"


def _decode(piece: str) -> str:
    try:
        text = unquote_to_bytes(piece.replace("+", " ")).decode()
    except UnicodeError:
        text = "\0"
    if "\0" in text:
        raise RefusedError(Code.CHARACTER, "The query string has bytes that are no text in UTF-8")
    return text
