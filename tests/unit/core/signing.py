"""Requests signed as AWS describes it, written without botocore, and a door to send them to."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jobruns.access import AccessKey, Role, key_secret, new_key_id
from jobruns.authentication import Authenticator
from jobruns.signatures import SignedRequest

MASTER = "m" * 64
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
STAMP = "20261121T120000Z"
REGION, SERVICE = "us-east-1", "glue"
KEY = AccessKey(key_id=new_key_id(), org="acme", role=Role.OPERATOR, created_at=NOW)
SECRET = key_secret(MASTER, KEY.key_id)
BOTO3 = ("content-type", "host", "x-amz-date", "x-amz-target")
JAVASCRIPT = (
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "content-length",
    "content-type",
    "host",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-target",
    "x-amz-user-agent",
)


def sent_headers(body: bytes, **changed: str) -> dict[str, str]:
    """Every header that some client sends, plus what a gateway adds, in no order."""
    return {
        "host": "a1b2c3.execute-api.us-east-1.amazonaws.com",
        "content-type": "application/x-amz-json-1.1",
        "content-length": str(len(body)),
        "x-amz-target": "AWSGlue.GetJobs",
        "x-amz-date": STAMP,
        "x-amz-content-sha256": hashlib.sha256(body).hexdigest(),
        "x-amz-user-agent": "aws-sdk-js/3.1075.0",
        "user-agent": "Boto3/1.43",
        "amz-sdk-invocation-id": "3a7f4c8e-0f0f-4c6c-8c4f-6b1d1f9a2e11",
        "amz-sdk-request": "attempt=1; max=3",
        "x-forwarded-for": "192.0.2.1",
        "x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793",
        **changed,
    }


def sign(
    headers: Mapping[str, str],
    names: Sequence[str],
    *,
    body: bytes = b"{}",
    path: str = "/glue",
    query: str = "",
    secret: str = SECRET,
    key_id: str = KEY.key_id,
    region: str = REGION,
    service: str = SERVICE,
    day: str | None = None,
    method: str = "POST",
) -> str:
    """Make an Authorization as AWS describes it, written without botocore; `path` and `query` are canonical already."""
    stamp = headers["x-amz-date"]
    scope = "/".join([day or stamp[:8], region, service, "aws4_request"])
    lines = [f"{name}:{' '.join(headers[name].split())}\n" for name in names]
    hashed = hashlib.sha256(body).hexdigest()
    canonical = "\n".join([method, path, query, "".join(lines), ";".join(names), hashed])
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return f"AWS4-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={';'.join(names)}, Signature={signature}"


def request_of(body: bytes = b"{}", *, names: Sequence[str] = BOTO3, path: str = "/glue", **how: Any) -> SignedRequest:
    headers = sent_headers(body)
    headers["authorization"] = sign(headers, names, body=body, path=path, **how)
    return SignedRequest("POST", path, "", headers, body)


def changed(request: SignedRequest, **headers: str | None) -> SignedRequest:
    """Change headers of a request that is signed already; None takes one away. Names have underscores for dashes."""
    new = {name.replace("_", "-"): value for name, value in headers.items()}
    kept = {name: value for name, value in {**request.headers, **new}.items() if value is not None}
    return SignedRequest(request.method, request.path, request.query, kept, request.body)


class KeyStore:
    def __init__(self, *keys: AccessKey) -> None:
        self.keys = {key.key_id: key for key in keys}

    def get(self, key_id: str) -> AccessKey | None:
        return self.keys.get(key_id)


def make_door(*keys: AccessKey, now: datetime = NOW) -> Authenticator:
    return Authenticator(KeyStore(*keys), lambda: MASTER, lambda: now)


def enter(request: SignedRequest, door: Authenticator | None = None) -> str:
    door = door or make_door(KEY)
    return door.authenticate_signed(request, region=REGION, service=SERVICE, must_sign={"x-amz-target"}).name
