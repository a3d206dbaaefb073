"""Calls the door's handler with events of API Gateway, as the gateway would make them."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from hydrolix.app import handler

TEXT_TYPES = ("application/json", "text/plain")


class Context:
    """What Lambda tells a function of its call."""

    function_name = "hydrolix"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:hydrolix"
    aws_request_id = "7f6f2f0e-7d0a-4d3b-8f0c-0b6a3c1d2e4f"


def http_event(method: str, target: str, *, body: bytes | None = None, **headers: str) -> dict[str, Any]:
    """Make an event in payload format 2.0; `target` is path and query."""
    parts = urlsplit(target)
    sent = {"host": "api.example.test", "x-forwarded-proto": "https", **headers}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "ANY /config/v1/{proxy+}",
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": sent,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3",
            "domainName": "api.example.test",
            "domainPrefix": "api",
            "http": {
                "method": method,
                "path": parts.path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "python-requests/2.34.2",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "ANY /config/v1/{proxy+}",
            "stage": "$default",
            "time": "21/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1795262400000,
        },
        "pathParameters": {"proxy": parts.path.removeprefix("/config/v1/")},
        "isBase64Encoded": False,
    }
    if parts.query:
        event["queryStringParameters"] = dict(parse_qsl(parts.query, keep_blank_values=True))
    if body:
        binary = not sent.get("content-type", "application/json").startswith(TEXT_TYPES)
        event["isBase64Encoded"] = binary
        event["body"] = base64.b64encode(body).decode() if binary else body.decode("utf-8", "surrogateescape")
    return event


@dataclass
class Answer:
    """An answer as a client sees it."""

    status: int
    body: Any
    headers: dict[str, str]


def call(event: dict[str, Any]) -> Answer:
    """Serve one event."""
    raw = handler(event, Context())
    text = raw.get("body") or ""
    if raw.get("isBase64Encoded"):
        return Answer(raw["statusCode"], base64.b64decode(text), raw["headers"])
    return Answer(raw["statusCode"], json.loads(text) if text else None, raw["headers"])


@dataclass
class Client:
    """Calls the door with one key, relative to its org."""

    token: str
    org: str = "acme"
    last: Answer | None = field(default=None, repr=False)

    def send(self, method: str, target: str, json_body: Any = None, **headers: str) -> Answer:
        body = None if json_body is None else json.dumps(json_body).encode()
        typed = {"content-type": "application/json"} if body else {}
        auth = {"authorization": f"Bearer {self.token}"}
        return call(http_event(method, target, body=body, **{**typed, **auth, **headers}))

    def __call__(self, method: str, path: str, json_body: Any = None, **headers: str) -> Answer:
        """Call a path of the org."""
        self.last = self.send(method, f"/config/v1/orgs/{self.org}/{path}", json_body, **headers)
        return self.last
