"""Who is let in, and what is answered where something is wrong with the request itself."""

import base64
from typing import Any

import pytest
from pynamodb.exceptions import GetError

from hotglue import admission
from hotglue.app import handler
from jobruns.errors import StaleWriteError, UnavailableError
from tests.integration.gateway import Context
from tests.integration.hotglue.door import Door, http_event


def test_a_key_is_sent_as_the_reference_does_or_as_at_the_other_doors(door: Door) -> None:
    key_id, _, secret = door.token.partition(".")
    basic = base64.b64encode(f"{key_id}:{secret}".encode()).decode()
    nobody = Door("", door.principal, door.cloud)
    for headers in (
        {"x_api_key": door.token},
        {"authorization": f"Bearer {door.token}"},
        {"authorization": f"Basic {basic}"},
    ):
        assert nobody.send("GET", f"{door.lane}/jobs", **headers).status == 200


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({}, "missing_credential"),
        ({"x_api_key": "JRAKNOBODY.secret"}, "not_authenticated"),
        ({"x_api_key": "rubbish"}, "not_authenticated"),
        ({"authorization": "Basic !"}, "not_authenticated"),
    ],
)
def test_nobody_is_let_in_without_a_key(door: Door, headers: dict[str, str], kind: str) -> None:
    nobody = Door("", door.principal, door.cloud)
    answer = nobody.send("GET", f"{door.lane}/jobs", **headers)
    assert (answer.status, answer.kind) == (401, kind)
    assert "WWW-Authenticate" in answer.headers


def test_paths_that_lead_nowhere_and_methods_that_are_none(door: Door) -> None:
    assert door.send("GET", "/nothing/of/the/kind").status == 404
    assert door.send("GET", "").status == 404
    answer = door.send("PATCH", f"{door.lane}/jobs")
    assert (answer.status, answer.kind) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, POST"


def test_browsers_are_told_what_they_may_send(door: Door) -> None:
    nobody = Door("", door.principal, door.cloud)
    answer = nobody.send("OPTIONS", f"{door.lane}/jobs", origin="https://app.example")
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert "x-api-key" in answer.headers["Access-Control-Allow-Headers"]
    assert nobody.send("OPTIONS", "/nothing/of/the/kind").status == 404


def test_head_is_answered_without_a_body(door: Door) -> None:
    job = door.start()
    answer = door.send("HEAD", f"{door.lane}/jobs/status?job_root={job['s3_root']}")
    assert (answer.status, answer.body) == (200, "")


def test_what_is_not_there_is_named(door: Door) -> None:
    answers = {
        "PUT /hotglue/nowhere.example/settings": door.send("POST", "/nowhere.example/f/t/jobs", {}),
        f"PUT /hotglue/{door.env_id}/settings/flows/none": door.send("POST", f"/{door.env_id}/none/t/jobs", {}),
    }
    for told, answer in answers.items():
        assert (answer.status, answer.kind) == (404, "not_found")
        assert told in answer.body["message"]


@pytest.mark.parametrize("path", ["/v2/f/t/jobs", "/e/f/t/jobs/status", "/-e/jobs"])
def test_names_that_cannot_be_are_refused(door: Door, path: str) -> None:
    assert door.send("GET", path).status in (400, 404)


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff", b'{"a": NaN}', b'{"a": "\\ud800"}', b"[" * 100_000])
def test_bodies_that_cannot_be_read_are_refused(door: Door, body: bytes) -> None:
    answer = door.send("POST", f"{door.lane}/jobs", body)
    assert (answer.status, answer.kind) == (400, "invalid_request")


def test_a_body_that_is_too_large_is_refused(door: Door) -> None:
    answer = door.send("POST", f"{door.lane}/jobs", b" " * (5 * 1024 * 1024 + 1))
    assert (answer.status, answer.kind) == (400, "invalid_request")


def test_a_body_in_base64_is_read(door: Door) -> None:
    event = http_event("POST", f"/hotglue{door.lane}/jobs", None, {"x-api-key": door.token})
    event |= {"body": base64.b64encode(b'{"job_name": "mine"}').decode(), "isBase64Encoded": True}
    answer = handler(event, Context("hotglue"))  # type: ignore[arg-type]
    assert '"job_name": "mine"' in answer["body"]
    answer = handler({**event, "body": "!"}, Context("hotglue"))  # type: ignore[arg-type]
    assert answer["statusCode"] == 400


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (UnavailableError("later"), 503, "unavailable"),
        (StaleWriteError("later"), 503, "busy"),
        (GetError(cause=ConnectionError("down")), 500, "bug"),
        (RuntimeError("s3cret"), 500, "bug"),
    ],
)
def test_outages_and_bugs_are_told_as_such(
    door: Door, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, kind: str
) -> None:
    def fail() -> Any:
        raise error

    monkeypatch.setattr(admission, "load_ports", fail)
    answer = door.send("GET", f"{door.lane}/jobs")
    assert (answer.status, answer.kind) == (status, kind)
    assert "s3cret" not in str(answer.body)
    assert ("Retry-After" in answer.headers) == (status == 503)
