"""HTTP as API Gateway hands it over: reads requests out of its events and writes answers into them.

The path is taken from the gateway's ``proxy`` parameter, which is decoded once, everywhere. ``rawPath`` is decoded too
in AWS, where decoding it again would make another tenant of one that has a percent sign in its name.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from jobruns.errors import InvalidInputError

MAX_BODY_BYTES = 5 * 1024 * 1024
"""A function is called with 6 MB at most, in which the body may be base64."""

NEXT_TOKEN = "x-next-token"  # noqa: S105
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

_PREFLIGHT_SECONDS = 86400
_SENT_HEADERS = "authorization, content-type, idempotency-key, x-api-key"


@dataclass(frozen=True, slots=True)
class Request:
    """A request: its method, the names that its path is made of, its query, headers by names in lower case, and body.

    Of a parameter that is there several times all values are in the query, joined with commas.
    """

    verb: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; a document goes as JSON, a text as it is."""

    document: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def read_request(event: Mapping[str, Any]) -> Request:
    """Read an event of API Gateway in payload format 2.0.

    Raises
    ------
    InvalidInputError
        The body is said to be base64 and is not, or there is too much of it.
    """
    path = (event.get("pathParameters") or {}).get("proxy") or ""
    query = parse_qs(event.get("rawQueryString") or "", keep_blank_values=True)
    return Request(
        verb=event["requestContext"]["http"]["method"],
        path=tuple(path.strip("/").split("/")) if path.strip("/") else (),
        query={name: ",".join(values) for name, values in query.items()},
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        body=_read_body(event),
    )


def write_answer(answer: Answer, verb: str) -> dict[str, Any]:
    """Make the event of an answer. One to HEAD has no body, and the headers of the one to GET."""
    text = answer.document if isinstance(answer.document, str) else json.dumps(answer.document, ensure_ascii=False)
    kind = TEXT if isinstance(answer.document, str) else JSON
    shared = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": NEXT_TOKEN}
    return {
        "statusCode": answer.status,
        "headers": {"Content-Type": kind, **shared, **answer.headers},
        "body": "" if verb == "HEAD" else text,
        "isBase64Encoded": False,
    }


def answer_options(verbs: list[str]) -> Answer:
    """Make the answer to OPTIONS, which browsers ask before they send what a page wants to send."""
    allowed = {
        "Allow": ", ".join(verbs),
        "Access-Control-Allow-Methods": ", ".join(verbs),
        "Access-Control-Allow-Headers": _SENT_HEADERS,
        "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
    }
    return Answer("", headers=allowed)


def _read_body(event: Mapping[str, Any]) -> bytes:
    text: str = event.get("body") or ""
    try:
        encoded = event.get("isBase64Encoded", False)
        body = base64.b64decode(text, validate=True) if encoded else text.encode(errors="surrogatepass")
    except ValueError:
        raise InvalidInputError("the body is not base64, as the event says") from None
    if len(body) > MAX_BODY_BYTES:
        raise InvalidInputError(f"the body has {len(body)} bytes; it may have {MAX_BODY_BYTES}")
    return body
