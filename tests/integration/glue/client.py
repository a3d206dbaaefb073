"""An unmodified boto3 client whose requests go to the door's handler instead of into the network.

What boto3 is about to send becomes the event that API Gateway would make of it, and the handler's answer the response,
so that boto3's own validation, signature, retries, paginators and parsing are all in play.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MethodType
from typing import Any

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.config import Config
from mypy_boto3_glue import GlueClient
from urllib3 import HTTPResponse

from glue.app import handler
from jobruns.access import key_secret
from tests.contract.glue.answers import check_answer
from tests.integration.gateway import Context, make_event

URL = "https://api.example.test/glue"
REGION = "us-east-1"
MASTER = "a master secret of the tests"

Event = dict[str, Any]

# Kept from before any fixture replaces it: requests to the door are neither counted nor queued with those to AWS.
_make_api_call = BaseClient._make_api_call
# One session, because each loads the description of Glue anew.
_session = boto3.Session()


def http_event(method: str, target: str, body: bytes, headers: dict[str, str]) -> Event:
    """Make the event of a request."""
    return make_event("/glue", method, target, body, headers)


@dataclass
class Answer:
    """An answer as it is on the wire."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def error(self) -> str:
        """The name of the exception; the two places that it is told in must agree."""
        assert self.body["__type"] == self.headers["x-amzn-ErrorType"]
        return str(self.body["__type"])


def play(event: Event) -> Answer:
    """Serve one event."""
    raw = handler(json.loads(json.dumps(event)), Context("glue"))
    assert raw["isBase64Encoded"] is False
    return Answer(raw["statusCode"], json.loads(raw["body"]), raw["headers"])


@dataclass
class Wire:
    """Carries a client's requests to the door, keeps them, and checks every answer against Glue's description of it.

    Parameters
    ----------
    tamper : callable
        What becomes of an event on its way.
    """

    tamper: Callable[[Event], Event] = lambda event: event
    events: list[Event] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    def carry(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        headers = {name: _text(value) for name, value in request.headers.items()}
        body = request.body or b""
        event = self.tamper(
            http_event(request.method, request.url, body.encode() if isinstance(body, str) else body, headers)
        )
        self.events.append(event)
        answer = play(event)
        self.answers.append(answer)
        if answer.status == 200:
            check_answer(event["headers"]["x-amz-target"].removeprefix("AWSGlue."), answer.body)
        raw = HTTPResponse(io.BytesIO(json.dumps(answer.body).encode()), preload_content=False)
        return AWSResponse(request.url, answer.status, answer.headers, raw)


@dataclass(frozen=True)
class Key:
    """A key id and its secret."""

    key_id: str

    @property
    def secret(self) -> str:
        return key_secret(MASTER, self.key_id)

    @property
    def token(self) -> str:
        return f"{self.key_id}.{self.secret}"


def connect(
    key: Key,
    *,
    wire: Wire | None = None,
    secret: str | None = None,
    session_token: str | None = None,
    region: str = REGION,
    url: str = URL,
    tries: int = 1,
) -> GlueClient:
    """Make a client; what is not said is as it should be."""
    client: GlueClient = _session.client(
        "glue",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=key.key_id,
        aws_secret_access_key=secret or key.secret,
        aws_session_token=session_token,
        config=Config(retries={"total_max_attempts": tries, "mode": "standard"}),
    )
    client.meta.events.register("before-send.glue", (wire or Wire()).carry)
    vars(client)["_make_api_call"] = MethodType(_make_api_call, client)
    return client


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
