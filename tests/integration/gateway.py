"""What API Gateway and Lambda hand to a door's handler."""

import base64
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

HOST = "api.example.test"
TEXT_TYPES = ("application/json", "text/")


class Context:
    """What Lambda tells a function of its call."""

    memory_limit_in_mb = 512

    def __init__(self, function_name: str) -> None:
        self.function_name = function_name
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function_name}"
        self.aws_request_id = str(uuid.uuid4())


def make_event(route: str, verb: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> dict[str, Any]:
    """Make an event in payload format 2.0.

    Parameters
    ----------
    route : str
        Path of the route in the template.
    verb, target : str
        The request's method, and its path and query.
    body : bytes or None
        In base64 where the content type does not say that it is text, as the gateway does it.
    headers : mapping
        By names in any case, and in lower case in the event.
    """
    parts = urlsplit(target)
    sent = {"host": HOST, "x-forwarded-proto": "https"} | {name.lower(): value for name, value in headers.items()}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"ANY {route}",
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": sent,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3",
            "domainName": HOST,
            "domainPrefix": "api",
            "http": {
                "method": verb,
                "path": parts.path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": sent.get("user-agent", "python-requests/2.34.2"),
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": f"ANY {route}",
            "stage": "$default",
            "time": "21/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1795262400000,
        },
        "isBase64Encoded": False,
    }
    if "{proxy+}" in route:
        event["pathParameters"] = {"proxy": parts.path.removeprefix(route.removesuffix("{proxy+}"))}
    if parts.query:
        event["queryStringParameters"] = dict(parse_qsl(parts.query, keep_blank_values=True))
    if body:
        binary = not sent.get("content-type", "application/json").startswith(TEXT_TYPES)
        event["isBase64Encoded"] = binary
        event["body"] = base64.b64encode(body).decode() if binary else body.decode("utf-8", "surrogateescape")
    return event
