"""HTTP as API Gateway hands it over: reads requests out of its events and writes answers into them.

The query string is taken raw: among the gateway's own parameters those that are there twice are joined with commas,
which changes what ``in.(a,b)`` and two bounds of one column say.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pgrest.errors import Code, RefusedError
from pgrest.representations import write_json

_PREFIX = re.compile(r".*?/postgrest(?=/|\Z)", re.DOTALL)
"""What comes before the door's own paths: names of stages and mappings of domains first."""

_EXPOSED = (
    "Content-Range, Content-Location, Location, Preference-Applied, Content-Profile, Proxy-Status, Jobruns-Look-Back"
)
_HEADER_NAMES = re.compile(r"[\w-]+(?: *, *[\w-]+)*", re.ASCII)
_PREFLIGHT_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class Request:
    """A request.

    Parameters
    ----------
    verb : str
        Its method.
    prefix, path : str
        Where the door is, by which it was called, and what comes after: ``/stage/postgrest`` and ``/jobs``.
    query : str
        As it was sent.
    headers : mapping
        By their names in lower case.
    body : bytes
        As it was sent.
    """

    verb: str
    prefix: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; ``content_type`` is ``None`` where there is nothing to show."""

    status: int
    content_type: str | None = None
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def read_request(event: Mapping[str, Any]) -> Request:
    """Read an event of API Gateway in payload format 2.0.

    Raises
    ------
    RefusedError
        The body is said to be base64 and is not.
    """
    path = event["rawPath"]
    match = _PREFIX.match(path)
    prefix = match[0] if match else ""
    return Request(
        verb=event["requestContext"]["http"]["method"],
        prefix=prefix,
        path=path.removeprefix(prefix),
        query=event.get("rawQueryString") or "",
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        body=_read_body(event),
    )


def write_answer(answer: Answer, verb: str) -> dict[str, Any]:
    """Make the event of an answer. One to HEAD has no body, and the headers of the one to GET."""
    typed = {} if answer.content_type is None else {"Content-Type": answer.content_type}
    shared = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": _EXPOSED}
    return {
        "statusCode": answer.status,
        "headers": {**typed, **shared, **answer.headers},
        "body": "" if verb == "HEAD" else answer.body,
        "isBase64Encoded": False,
    }


def answer_refusal(refusal: RefusedError) -> Answer:
    """Make the answer to a request that is not served."""
    return Answer(refusal.status, "application/json; charset=utf-8", write_json(refusal.document), refusal.headers)


def answer_options(verbs: list[str], headers: Mapping[str, str]) -> Answer:
    """Make the answer to OPTIONS, which browsers ask before they send what a page wants to send."""
    allowed = {"Allow": ",".join(verbs)}
    if "access-control-request-method" in headers:
        asked = headers.get("access-control-request-headers", "")
        allowed |= {
            "Access-Control-Allow-Methods": ", ".join(verbs),
            "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
        }
        if _HEADER_NAMES.fullmatch(asked):
            # A star would not stand for Authorization.
            allowed["Access-Control-Allow-Headers"] = asked
    return Answer(200, headers=allowed)


def _read_body(event: Mapping[str, Any]) -> bytes:
    body: str = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body.encode(errors="surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except ValueError:
        raise RefusedError(Code.BODY, "Empty or invalid body", details="The event's body is not base64.") from None
