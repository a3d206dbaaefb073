"""Users, roles and service accounts: keys, as those see them who may act as them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest

from jobruns.access import AccessKey, Role
from jobruns.store import Store
from tests.integration.doubles import Clock
from tests.integration.hydrolix.client import Client


def send(client: Client, method: str, path: str, body: Any = None) -> Any:
    answer = client.send(method, f"/config/v1/{path}", body)
    assert answer.status < 300, answer.body
    return answer.body


def names(client: Client) -> list[str]:
    return [account["name"] for account in send(client, "GET", "service_accounts/?pagination=False")]


@pytest.mark.parametrize("slash", ["", "/"])
def test_an_admin_sees_the_keys_of_its_org_and_no_secret(
    key: Callable[..., Client], door: Client, store: Store, clock: Clock, slash: str
) -> None:
    reader = key(Role.READER)
    key(Role.ADMIN, "other")
    for key_id, ends in (("JRAKREVOKED", {"revoked_at": clock()}), ("JRAKEXPIRED", {"expires_at": clock()})):
        store.access_keys.add(AccessKey(key_id=key_id, org="acme", role=Role.ADMIN, created_at=clock(), **ends))
    listed = send(door, "GET", f"service_accounts{slash}?pagination=False")
    assert [(account["name"], account["roles"]) for account in listed] == [
        ("JRAKADMINACME", ["admin"]),
        ("JRAKREADERACME", ["reader"]),
    ]
    assert send(door, "GET", f"service_accounts{slash}")["results"] == listed
    assert set(listed[0]) == {"uuid", "name", "description", "roles", "created", "expires"}
    assert reader.token.partition(".")[2] not in str(listed)
    assert send(door, "GET", f"service_accounts/{listed[1]['uuid']}{slash}") == listed[1]
    users = send(door, "GET", f"users{slash}?pagination=False")
    assert [(user["uuid"], user["roles"]) for user in users] == [(one["uuid"], one["roles"]) for one in listed]
    assert users[0] == send(door, "GET", "users/current")
    roles = send(door, "GET", f"roles{slash}?pagination=False")
    assert [role["name"] for role in roles] == ["admin", "operator", "reporter", "reader"]


@pytest.mark.parametrize("role", [Role.READER, Role.REPORTER, Role.OPERATOR])
def test_who_is_no_admin_sees_and_gets_tokens_for_itself_only(
    key: Callable[..., Client], door: Client, role: Role
) -> None:
    admin = send(door, "GET", "users/current")["uuid"]
    caller = key(role)
    assert names(caller) == [f"JRAK{role.upper()}ACME"]
    own = send(caller, "GET", "users/current")["uuid"]
    token = Client(send(caller, "POST", f"service_accounts/{own}/tokens/")["token"])
    assert send(token, "GET", "users/current")["roles"] == [role]
    for attempt in (caller, token):
        assert attempt.send("POST", f"/config/v1/service_accounts/{admin}/tokens/").status == 404


def test_a_token_is_a_jwt_that_lives_as_long_as_was_asked_for(
    key: Callable[..., Client], door: Client, clock: Clock
) -> None:
    key(Role.READER)
    account = send(door, "GET", "service_accounts")["results"][1]["uuid"]
    expiry = (clock() + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    answer = door.send("POST", f"/config/v1/service_accounts/{account.upper()}/tokens", {"expiry": expiry})
    assert (answer.status, list(answer.body)) == (201, ["token"])
    claims = jwt.decode(answer.body["token"], options={"verify_signature": False})
    assert 7190 <= claims["exp"] - claims["iat"] <= 7200
    reader = Client(answer.body["token"])
    assert reader("GET", "projects/").status == 200
    assert reader("POST", "projects/", {"name": "p"}).status == 403
    clock.sleep(7200)
    assert reader("GET", "projects/").status == 401


@pytest.mark.parametrize("expiry", ["soon", 5, "2199-01-01T00:00:00Z", "1999-01-01T00:00:00Z", "2026-01-01"])
def test_an_expiry_that_cannot_be_is_refused_by_its_name(door: Client, expiry: Any) -> None:
    account = send(door, "GET", "users/current")["uuid"]
    answer = door.send("POST", f"/config/v1/service_accounts/{account}/tokens", {"expiry": expiry})
    assert (answer.status, list(answer.body)) == (400, ["expiry"])


def test_keys_are_neither_made_nor_changed_nor_ended_through_the_door(door: Client) -> None:
    account = send(door, "GET", "users/current")["uuid"]
    for method, path in (
        ("POST", "service_accounts/"),
        ("DELETE", f"service_accounts/{account}"),
        ("PATCH", f"service_accounts/{account}/"),
        ("DELETE", f"service_accounts/{account}/tokens/"),
        ("POST", f"users/{account}/add_roles/"),
    ):
        answer = door.send(method, f"/config/v1/{path}", {"name": "x", "roles": ["admin"]})
        assert answer.status == 403, path
        assert "jobruns keys create" in answer.body["detail"]
    assert names(door) == ["JRAKADMINACME"]
