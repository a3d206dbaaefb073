"""Calls the door's handler with events of API Gateway, as the gateway would make them."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from hydrolix.app import handler
from tests.integration.gateway import Context, make_event


def http_event(method: str, target: str, *, body: bytes | None = None, **headers: str) -> dict[str, Any]:
    """Make the event of a request."""
    return make_event("/config/v1/{proxy+}", method, target, body, headers)


@dataclass
class Answer:
    """An answer as a client sees it."""

    status: int
    body: Any
    headers: dict[str, str]


def call(event: dict[str, Any]) -> Answer:
    """Serve one event."""
    raw = handler(event, Context("hydrolix"))
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
