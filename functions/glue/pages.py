"""Pages of lists: how much fits into an answer, and the tokens of lists that are sorted by name.

A token is opaque to clients, and good for one list of one org only.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from glue.admission import Caller
from glue.job_documents import MAX_NAME_CHARACTERS
from jobruns.errors import InvalidInputError

Members = dict[str, Any]

DEFAULT_PAGE = 100
"""AWS does not say how large a page is that nobody asked the size of."""

MAX_PAGE_BYTES = 5 * 1024 * 1024
"""Lambda answers with 6 MB at most. A page that would have more ends early; there is always a next one."""

# No name has it, and no name of an org.
_SEPARATOR = "\n"


class Named(Protocol):
    """What is listed."""

    @property
    def name(self) -> str:
        """By which the list is sorted."""


NamedT = TypeVar("NamedT", bound=Named)


def read_token(caller: Caller, kind: str, token: str | None) -> str | None:
    """Read after which name the list goes on.

    Raises
    ------
    InvalidInputError
        No list of this kind gave the token out to this org.
    """
    if not token:
        return None
    head = _head(caller, kind)
    try:
        text = base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, ValueError):
        text = ""
    name = text.removeprefix(head)
    if not text.startswith(head) or not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        raise InvalidInputError("NextToken: it is not one of this list's; begin again without it")
    return name


def cut_page(caller: Caller, kind: str, found: Sequence[NamedT], size: int) -> tuple[list[NamedT], str | None]:
    """Cut a page off a list that was read with more entries than the page has, and give the token for the next."""
    page = list(found[:size])
    if len(found) <= size:
        return page, None
    return page, base64.urlsafe_b64encode(f"{_head(caller, kind)}{page[-1].name}".encode()).decode()


def count_fitting(documents: Iterable[Mapping[str, Any]]) -> int:
    """Count how many of the documents, taken from the first, fit into one answer; one always does."""
    count = size = 0
    for document in documents:
        size += len(json.dumps(document, default=str))
        if count and size > MAX_PAGE_BYTES:
            break
        count += 1
    return count


def write_page(
    caller: Caller, kind: str, found: Sequence[NamedT], limit: int, write: Callable[[NamedT], Members]
) -> tuple[list[Members], str | None]:
    """Write a page of at most `limit` entries, or as many as fit into one answer, and give the token for the next."""
    documents = [write(entry) for entry in found[:limit]]
    page, token = cut_page(caller, kind, found, count_fitting(documents))
    return documents[: len(page)], token


def write_named(
    member: str, names: Iterable[str], found: Mapping[str, NamedT], write: Callable[[NamedT], Members]
) -> tuple[list[Members], list[str]]:
    """Write what was found by its name, each once and in the order asked for, and tell which names nothing has.

    Raises
    ------
    InvalidInputError
        It is too much for an answer, which has no next page; the request's `member` asks for it.
    """
    unique = list(dict.fromkeys(names))
    documents = [write(found[name]) for name in unique if name in found]
    if (count := count_fitting(documents)) < len(documents):
        raise InvalidInputError(f"{member}: only {count} of these {len(documents)} fit into an answer; ask for fewer")
    return documents, [name for name in unique if name not in found]


def _head(caller: Caller, kind: str) -> str:
    return f"{caller.principal.org}{_SEPARATOR}{kind}{_SEPARATOR}"
