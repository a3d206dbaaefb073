"""The two shapes of a list: the bare array, complete, and the envelope, page by page.

A list asked for with ``pagination=False`` is a bare array. Otherwise the lists that have always been bare stay so
until a ``page_size`` is asked for, and the others are envelopes.

A page that is no number is a wrong request; one past the end is not found, as clients that count up expect.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from hydrolix.admission import Caller
from hydrolix.errors import InvalidDocumentError, PageNotFoundError

DEFAULT_SIZE = 100
MAX_SIZE = 1000
_OFF = frozenset({"false", "0"})
_DIGITS = 9
"""A number of more is as good as any."""

ItemT = TypeVar("ItemT")


def answer_list(
    caller: Caller, items: Sequence[ItemT], render: Callable[[Sequence[ItemT]], list[dict[str, Any]]], *, bare: bool
) -> list[dict[str, Any]] | dict[str, Any]:
    """Make the answer to a request for a list.

    Parameters
    ----------
    caller : Caller
        With the request and its query.
    items : sequence
        The whole list.
    render : callable
        Makes documents of those items that are shown.
    bare : bool
        Whether the list is a bare array unless pages are asked for.

    Raises
    ------
    PageNotFoundError
        There is no such page.
    InvalidDocumentError
        ``page`` or ``page_size`` is no number.
    """
    query = caller.event.query_string_parameters
    complete = query.get("pagination", "").lower() in _OFF
    if complete or (bare and "page_size" not in query):
        return render(items)
    size = _page_size(query)
    pages = max(math.ceil(len(items) / size), 1)
    page = _page(query, pages)
    return {
        "count": len(items),
        "next": _page_url(caller, query, page + 1) if page < pages else None,
        "previous": _page_url(caller, query, page - 1) if page > 1 else None,
        "current": page,
        "num_pages": pages,
        "results": render(items[(page - 1) * size : page * size]),
    }


def _page(query: Mapping[str, str], pages: int) -> int:
    page = _number(query, "page", 1)
    if page > pages:
        raise PageNotFoundError
    return page


def _page_size(query: Mapping[str, str]) -> int:
    return min(_number(query, "page_size", DEFAULT_SIZE), MAX_SIZE)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and int(text[:_DIGITS])):
        raise InvalidDocumentError([((name,), f"must be a whole number from 1 on, not {text[:64]!r}")])
    return int(text[:_DIGITS]) if len(text) <= _DIGITS else 10**_DIGITS


def _page_url(caller: Caller, query: Mapping[str, str], page: int) -> str:
    return f"{caller.host_url}{caller.event.raw_path}?{urlencode({**query, 'page': page})}"
