"""JSON 1.1, the protocol of Glue's clients: reads requests out of API Gateway's events and writes answers into them.

Bodies are never compressed, as boto3 asks for that and then does not undo it. Times are seconds as numbers, since that
alone is understood by every SDK.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glue.errors import Fault, UnreadableBodyError
from jobruns.errors import InvalidInputError, UnreadableJsonError
from jobruns.signatures import SignedRequest
from jobruns.strict_json import read_object

CONTENT_TYPE = "application/x-amz-json-1.1"
MAX_BODY_BYTES = 1024 * 1024
MAX_OPERATION_BYTES = {"StartJobRun": 180 * 1024}
"""Where AWS itself draws a narrower line."""

_TARGET_PREFIX = "AWSGlue."
_PATH_END = "/glue"


@dataclass(frozen=True, slots=True)
class Call:
    """A request, and the operation that it asks for; ``None`` when it asks for none of Glue's."""

    operation: str | None
    request: SignedRequest


def read_call(event: Mapping[str, Any]) -> Call:
    """Read an event of API Gateway in payload format 2.0.

    A body is base64-coded there whenever the gateway does not take its type for text; both are served.

    Raises
    ------
    UnreadableBodyError
        The body is said to be base64 and is not.
    """
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    request = SignedRequest(
        method=event["requestContext"]["http"]["method"],
        path=event["rawPath"],
        query=event.get("rawQueryString") or "",
        headers=headers,
        body=_read_body(event),
    )
    return Call(_read_operation(request), request)


def read_parameters(call: Call) -> dict[str, Any]:
    """Read a request's body, a JSON object; no body is an empty one.

    Raises
    ------
    InvalidInputError
        It is larger than this operation's may be.
    UnreadableBodyError
        It is no JSON, no object, or holds what JSON text in UTF-8 cannot: NaN, infinities, half characters.
    """
    limit = MAX_OPERATION_BYTES.get(call.operation or "", MAX_BODY_BYTES)
    body = call.request.body
    if len(body) > limit:
        raise InvalidInputError(f"the request has {len(body)} bytes; it may have {limit}")
    try:
        return read_object(body)
    except UnreadableJsonError as error:
        raise UnreadableBodyError(error.message) from None


def write_answer(document: Mapping[str, Any], request_id: str) -> dict[str, Any]:
    """Make the answer to a request that was served."""
    return _answer(200, document, request_id)


def write_fault(fault: Fault, request_id: str) -> dict[str, Any]:
    """Make the answer to a request that was not.

    boto3 takes the exception's name from the body and never from a header, other SDKs the other way round. Glue's text
    is in ``Message``, and what is common to AWS's services in ``message``; each has clients that look nowhere else.
    """
    status, name, text = fault
    document = {"__type": name, "Message": text, "message": text}
    return _answer(status, document, request_id, **{"x-amzn-ErrorType": name})


def _read_operation(request: SignedRequest) -> str | None:
    target = request.headers.get("x-amz-target", "")
    # A stage's name or a domain's mapping may come before, and clients keep a slash that an endpoint's URL ends with.
    here = request.method == "POST" and request.path.rstrip("/").endswith(_PATH_END)
    return target.removeprefix(_TARGET_PREFIX) if here and target.startswith(_TARGET_PREFIX) else None


def _read_body(event: Mapping[str, Any]) -> bytes:
    body: str = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return body.encode(errors="surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except ValueError:
        raise UnreadableBodyError("the body is not base64, as the event says") from None


def _answer(status: int, document: Mapping[str, Any], request_id: str, **headers: str) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"Content-Type": CONTENT_TYPE, "x-amzn-RequestId": request_id, **headers},
        "body": json.dumps(document, allow_nan=False),
        "isBase64Encoded": False,
    }
