"""Who gets in through the door, and what everybody else is told."""

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_glue import GlueClient

from glue.admission import Caller
from glue.operations import OPERATIONS
from jobruns.access import Principal, Role, new_key_id
from jobruns.store import Store
from tests.integration.glue.client import URL, Event, Key, Wire, connect, http_event, play
from tests.integration.glue.conftest import DoorClock

ARN = "arn:aws:glue:us-east-1:123456789012:job/nightly"


@pytest.fixture
def callers(monkeypatch: pytest.MonkeyPatch) -> list[Caller]:
    """Who came through to an operation that does nothing else."""
    seen: list[Caller] = []

    def note(caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
        seen.append(caller)
        return {"Tags": {}}

    monkeypatch.setitem(OPERATIONS, "GetTags", note)
    return seen


def refusal(client: GlueClient) -> str:
    with pytest.raises(ClientError) as refused:
        client.get_tags(ResourceArn=ARN)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert refused.value.response["Error"]["Message"]
    return refused.value.response["Error"]["Code"]


@pytest.mark.parametrize("url", [URL, f"{URL}/", "https://api.example.test/prod/glue"])
def test_a_signed_request_is_let_in(key: Callable[..., Key], callers: list[Caller], url: str) -> None:
    wire = Wire()
    connect(key(Role.READER, "globex"), wire=wire, url=url).get_tags(ResourceArn=ARN)
    [caller] = callers
    assert caller.principal == Principal(org="globex", name="JRAKREADERGLOBEX", role=Role.READER)
    assert caller.settings.aws_region == "us-east-1"
    assert caller.token == wire.events[0]["headers"]["amz-sdk-invocation-id"]


def altered(event: Event) -> Event:
    body = base64.b64decode(event["body"]).replace(b"nightly", b"monthly")
    return {**event, "body": base64.b64encode(body).decode()}


def retargeted(event: Event) -> Event:
    return {**event, "headers": {**event["headers"], "x-amz-target": "AWSGlue.GetTags "}}


def unsigned(event: Event) -> Event:
    return {**event, "headers": {k: v for k, v in event["headers"].items() if k != "authorization"}}


def cut(event: Event) -> Event:
    half = event["headers"]["authorization"].partition(", Signature")[0]
    return {**event, "headers": {**event["headers"], "authorization": half}}


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"secret": "not the secret"}, "InvalidSignatureException"),
        ({"region": "eu-west-1"}, "InvalidSignatureException"),
        ({"wire": Wire(altered)}, "InvalidSignatureException"),
        ({"wire": Wire(unsigned)}, "MissingAuthenticationTokenException"),
        ({"wire": Wire(cut)}, "IncompleteSignatureException"),
        ({"session_token": "FwoGZXIvYXdzE"}, "UnrecognizedClientException"),
    ],
)
def test_who_is_refused(key: Callable[..., Key], callers: list[Caller], how: dict[str, Any], error: str) -> None:
    assert refusal(connect(key(), **how)) == error
    assert callers == []


def test_a_signature_for_another_service(key: Callable[..., Key], callers: list[Caller]) -> None:
    client = connect(key())
    client._request_signer._signing_name = "execute-api"  # type: ignore[attr-defined]
    assert refusal(client) == "InvalidSignatureException"
    assert callers == []


@pytest.mark.parametrize("secret", ["guessed", None])
def test_an_unknown_key(key: Callable[..., Key], callers: list[Caller], secret: str | None) -> None:
    key()
    assert refusal(connect(Key(new_key_id()), secret=secret)) == "UnrecognizedClientException"
    assert callers == []


def test_a_revoked_key(key: Callable[..., Key], callers: list[Caller], store: Store, door_clock: DoorClock) -> None:
    revoked = key()
    store.access_keys.revoke(revoked.key_id, door_clock())
    assert refusal(connect(revoked)) == "UnrecognizedClientException"
    assert callers == []


@pytest.mark.parametrize("hours", [1, -1])
def test_a_request_sent_again_after_an_hour_or_signed_by_a_wrong_clock(
    key: Callable[..., Key], callers: list[Caller], door_clock: DoorClock, hours: int
) -> None:
    wire = Wire()
    connect(key(), wire=wire).get_tags(ResourceArn=ARN)
    assert play(wire.events[0]).status == 200
    door_clock.ahead = timedelta(hours=hours)
    answer = play(wire.events[0])
    assert (answer.status, answer.error) == (400, "InvalidSignatureException")
    assert ("expired" if hours > 0 else "not yet valid") in answer.body["Message"]
    assert len(callers) == 2


def test_the_same_key_in_every_other_way(key: Callable[..., Key], callers: list[Caller]) -> None:
    held = key()
    basic = base64.b64encode(f"{held.key_id}:{held.secret}".encode()).decode()
    ways = [{"authorization": f"Bearer {held.token}"}, {"authorization": f"Basic {basic}"}, {"x-api-key": held.token}]
    for way in ways:
        event = http_event(
            "POST", "/glue", f'{{"ResourceArn": "{ARN}"}}'.encode(), way | {"X-Amz-Target": "AWSGlue.GetTags"}
        )
        assert play(event).status == 200
        wrong = {name: f"{value[:-8]}AAAAAAAA" for name, value in way.items()}
        assert play({**event, "headers": {**event["headers"], **wrong}}).error in {
            "UnrecognizedClientException",
            "IncompleteSignatureException",
        }
    assert {caller.principal.name for caller in callers} == {held.key_id}
    assert len(callers) == 3
    assert callers[0].token is None


def test_a_known_operation_is_refused_before_its_body_is_looked_at(
    key: Callable[..., Key], callers: list[Caller]
) -> None:
    key()
    answer = play(http_event("POST", "/glue", b"{", {"X-Amz-Target": "AWSGlue.GetTags"}))
    assert answer.error == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("sent", ["", "x" * 129, "späßchen", "a b", "\n"])
def test_a_token_that_no_sdk_makes_is_no_token(key: Callable[..., Key], callers: list[Caller], sent: str) -> None:
    headers = {"X-Api-Key": key().token, "X-Amz-Target": "AWSGlue.GetTags", "amz-sdk-invocation-id": sent}
    assert play(http_event("POST", "/glue", f'{{"ResourceArn": "{ARN}"}}'.encode(), headers)).status == 200
    assert callers[0].token is None


def test_a_key_is_read_once_for_many_requests(
    key: Callable[..., Key], callers: list[Caller], calls: Callable[[], dict[str, int]]
) -> None:
    client = connect(key())
    calls()
    for _ in range(5):
        client.get_tags(ResourceArn=ARN)
    assert calls() == {"GetItem": 1}
