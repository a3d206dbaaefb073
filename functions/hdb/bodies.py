"""Bodies of requests: which types are read, and the operation that a body names.

What is checked here comes before anybody asks who calls, as clients of the reference know it.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hdb.errors import BodyTooLargeError, NoOperationError, UnreadableBodyError, UnsupportedTypeError
from jobruns.errors import UnreadableJsonError
from jobruns.strict_json import read_json

MAX_BODY_BYTES = 6 * 1024 * 1024
"""What a function can be called with; the gateway alone would take 10 MB."""

_JSON = "application/json"
_TEXT = "text/plain"
_TOO_LARGE = (
    "Request body is too large: {size} bytes, and {limit} are the limit. "
    "Load larger data with csv_url_load or import_from_s3"
)


@dataclass(frozen=True, slots=True)
class Call:
    """A request: the operation as it was named, and all members of the body, which may be secrets."""

    name: str
    fields: Mapping[str, Any] = field(repr=False)


def read_bytes(body: str | None, *, encoded: bool) -> bytes:
    """Give the body of an event of API Gateway.

    Raises
    ------
    UnreadableBodyError
        It is said to be base64 and is not.
    """
    if not encoded:
        return (body or "").encode(errors="surrogatepass")
    try:
        return base64.b64decode(body or "", validate=True)
    except ValueError:
        raise UnreadableBodyError("the body is not base64, as the event says") from None


def read_call(content_type: str | None, body: bytes) -> Call:
    """Read a request's body.

    Parameters
    ----------
    content_type : str or None
        The header.
    body : bytes
        As it was sent.

    Raises
    ------
    UnsupportedTypeError
        The type is not served, or not said.
    BodyTooLargeError
        There is more of it than can be served.
    UnreadableBodyError
        It is empty or no JSON.
    NoOperationError
        It names no operation.
    """
    check_size(len(body))
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind == _TEXT:
        raise NoOperationError(empty=True)
    if kind != _JSON:
        raise UnsupportedTypeError(content_type)
    return read_operation(_read_json(body))


def check_size(size: int) -> None:
    """Check that a body of so many bytes can be served.

    Raises
    ------
    BodyTooLargeError
        It cannot.
    """
    if size > MAX_BODY_BYTES:
        raise BodyTooLargeError(_TOO_LARGE.format(size=size, limit=MAX_BODY_BYTES))


def read_operation(document: Any) -> Call:
    """Find the operation that a body names.

    Raises
    ------
    NoOperationError
        It names none, or with something that is no text.
    """
    if not isinstance(document, dict) or not document:
        raise NoOperationError(empty=True)
    name = document.get("operation")
    if not isinstance(name, str):
        raise NoOperationError
    return Call(name, document)


def _read_json(body: bytes) -> Any:
    if not body:
        raise UnreadableBodyError(f"Body cannot be empty when content-type is set to '{_JSON}'")
    try:
        return read_json(body)
    except UnreadableJsonError as error:
        told = error.syntax
        raise UnreadableBodyError(
            f"{told.msg} in JSON at position {told.pos}" if told is not None else error.message
        ) from None
