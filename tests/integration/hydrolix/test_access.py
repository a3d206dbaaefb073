"""Who may do what through the door."""

from collections.abc import Callable
from typing import Any

import pytest

from jobruns.access import Role
from tests.integration.doubles import Clock
from tests.integration.hydrolix.client import Answer, Client, call, http_event
from tests.integration.hydrolix.conftest import Site, batch


def log_in(body: bytes, **headers: str) -> Answer:
    return call(http_event("POST", "/config/v1/login", body=body, **headers))


@pytest.mark.parametrize("slash", ["", "/"])
def test_login_exchanges_a_key_for_a_token(door: Client, clock: Clock, slash: str) -> None:
    key_id, secret = door.token.split(".")
    sent = f'{{"username": "{key_id}", "password": "{secret}"}}'.encode()
    answer = call(http_event("POST", f"/config/v1/login{slash}", body=sent, **{"content-type": "application/json"}))
    assert answer.status == 200
    issued = answer.body["auth_token"]
    assert (issued["expires_in"], issued["token_type"]) == (86400, "Bearer")
    assert answer.body["orgs"] == [
        {"uuid": "acme", "name": "acme", "type": "config", "cloud": "aws", "kubernetes": False}
    ]
    assert {"uuid", "email", "emailVerified", "roles"} <= answer.body.keys()
    session = Client(issued["access_token"])
    assert session.send("GET", "/config/v1/users/current/").body["uuid"] == answer.body["uuid"]
    assert session("GET", "projects/").status == 200
    clock.sleep(86400)
    assert session("GET", "projects/").status == 401


def test_login_by_form(door: Client) -> None:
    key_id, secret = door.token.split(".")
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert log_in(f"username={key_id}&password={secret}".encode(), **form).status == 200


def test_login_by_a_form_in_parts(door: Client) -> None:
    fields = dict(zip(("username", "password"), door.token.split("."), strict=True))
    parts = [f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{fields[name]}\r\n' for name in fields]
    form = {"content-type": "multipart/form-data; boundary=b"}
    assert log_in("".join([*parts, "--b--\r\n"]).encode(), **form).status == 200
    for wrong in (b"", b"--b--", b"--b\r\n\r\nx\r\n--b--", "".join(parts * 20).encode(), b"--b\r\nx\xff\r\n"):
        assert log_in(wrong, **form).status == 400
    assert log_in(b"--b", **{"content-type": "multipart/form-data"}).status == 400
    nested = "".join(
        f"--b{'x' * n}\r\ncontent-type: multipart/mixed; boundary=b{'x' * (n + 1)}\r\n\r\n" for n in range(400)
    )
    assert log_in(nested.encode(), **form).status == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"username": "JRAKADMINACME", "password": "wrong"}', 401),
        (b'{"username": "nobody", "password": "x"}', 401),
        (b'{"username": "nobody"}', 400),
        (b'{"username": 1, "password": []}', 400),
        (b"", 400),
        (b"{", 400),
    ],
)
def test_login_refused(door: Client, body: bytes, status: int) -> None:
    answer = log_in(body)
    assert answer.status == status
    assert answer.body


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer nonsense"},
        {"authorization": "Bearer JRAKADMINACME.wrong"},
        {"authorization": "Basic nonsense"},
        {"authorization": "Digest x"},
        {"x-api-key": "JRAKNOBODY.x"},
    ],
)
def test_without_a_good_key(door: Client, headers: dict[str, str]) -> None:
    for path in ("orgs/acme/jobs/batch", "orgs/other/jobs/batch", "orgs/", "users/current"):
        answer = call(http_event("GET", f"/config/v1/{path}", **headers))
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.body["detail"]


def test_another_orgs_path_is_forbidden_and_its_things_do_not_exist(
    key: Callable[..., Client], door: Client, site: Site
) -> None:
    job = door("POST", "jobs/batch", batch()).body["uuid"]
    stranger = key(org="other")
    paths = ["jobs/batch", f"jobs/batch/{job}", "projects", site.table, f"{site.table}/transforms"]
    for path in paths:
        assert Client(stranger.token, "acme")("GET", path).status == 403, path
    assert Client(stranger.token, "acme")("POST", f"jobs/batch/{job}/cancel").status == 403
    for path in (f"jobs/batch/{job}", site.project, site.table, site.transform):
        assert stranger("GET", path).status == 404, path
    assert stranger("GET", "jobs/batch?pagination=False").body == []
    assert stranger("POST", "jobs/batch", batch()).status == 404


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.READER, []),
        (Role.REPORTER, ["start"]),
        (Role.OPERATOR, ["start", "cancel", "delete"]),
        (Role.ADMIN, ["start", "cancel", "delete", "define"]),
    ],
)
def test_roles(key: Callable[..., Client], door: Client, site: Site, role: Role, allowed: list[str]) -> None:
    job = door("POST", "jobs/batch", batch()).body["uuid"]
    caller = key(role)
    assert caller("GET", f"jobs/batch/{job}").status == 200
    attempts: dict[str, tuple[str, str, Any]] = {
        "start": ("POST", "jobs/batch", batch("second")),
        "cancel": ("POST", f"jobs/batch/{job}/cancel", None),
        "delete": ("DELETE", f"jobs/batch/{job}", None),
        "define": ("POST", "projects", {"name": "mine"}),
    }
    passed = [what for what, attempt in attempts.items() if caller(*attempt).status < 300]
    assert passed == allowed
    refused = next((attempt for what, attempt in attempts.items() if what not in allowed), None)
    if refused:
        answer = caller(*refused)
        assert answer.status == 403
        assert role in answer.body["detail"]
