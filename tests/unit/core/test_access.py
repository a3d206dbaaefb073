"""Who gets in, and with what."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns.access import (
    KEY_ID_PREFIX,
    AccessKey,
    Permission,
    Principal,
    Role,
    issue_token,
    key_secret,
    key_token,
    new_key_id,
)
from jobruns.authentication import MEMORY_SECONDS, Authenticator
from jobruns.errors import (
    AccessDeniedError,
    ExpiredCredentialError,
    InvalidInputError,
    NotAuthenticatedError,
    NotFoundError,
)

MASTER = "m" * 64
NOW = datetime(2026, 11, 21, tzinfo=UTC)


class KeyStore:
    """Keys in a dictionary, counting reads."""

    def __init__(self, *keys: AccessKey) -> None:
        self.keys = {key.key_id: key for key in keys}
        self.reads = 0

    def get(self, key_id: str) -> AccessKey | None:
        self.reads += 1
        return self.keys.get(key_id)


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def make_key(**fields: object) -> AccessKey:
    given: dict[str, object] = {"key_id": new_key_id(), "org": "o", "role": Role.OPERATOR, "created_at": NOW}
    return AccessKey.model_validate({**given, **fields})


def make_door(*keys: AccessKey) -> tuple[Authenticator, KeyStore, Clock]:
    store, clock = KeyStore(*keys), Clock()
    return Authenticator(store, lambda: MASTER, clock), store, clock


def basic(key_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{key_id}:{secret}".encode()).decode()


def test_one_key_opens_the_door_as_bearer_as_basic_and_as_api_key() -> None:
    key = make_key()
    door, _, _ = make_door(key)
    secret, token = key_secret(MASTER, key.key_id), key_token(MASTER, key.key_id)
    for headers in (
        {"Authorization": f"Bearer {token}"},
        {"authorization": f"bearer {token}"},
        {"Authorization": basic(key.key_id, secret)},
        {"X-Api-Key": token},
    ):
        assert door.authenticate(headers) == Principal(org="o", name=key.key_id, role=Role.OPERATOR)


def test_a_login_gives_a_token_that_ends() -> None:
    key = make_key()
    door, _, clock = make_door(key)
    principal, token = door.log_in(key.key_id, key_secret(MASTER, key.key_id))
    assert door.authenticate({"authorization": f"Bearer {token}"}) == principal
    clock.now += timedelta(days=1)
    with pytest.raises(ExpiredCredentialError):
        door.authenticate({"authorization": f"Bearer {token}"})


def test_who_holds_the_secret_of_an_expired_key_or_a_token_of_it_is_told_so_and_nobody_else() -> None:
    key = make_key(expires_at=NOW + timedelta(hours=1))
    revoked = make_key(expires_at=NOW, revoked_at=NOW)
    door, _, clock = make_door(key, revoked)
    _, token = door.log_in(key.key_id, key_secret(MASTER, key.key_id))
    clock.now += timedelta(hours=1)
    for bearer in (key_token(MASTER, key.key_id), token):
        with pytest.raises(ExpiredCredentialError, match="has expired"):
            door.authenticate({"authorization": f"Bearer {bearer}"})
    for bearer in (f"{key.key_id}.guess", key_token(MASTER, revoked.key_id), issue_token("other", key, NOW, -1)):
        with pytest.raises(NotAuthenticatedError) as refused:
            door.authenticate({"authorization": f"Bearer {bearer}"})
        assert type(refused.value) is NotAuthenticatedError


def test_wrong_secret_unknown_key_expired_key_and_revoked_key_are_told_alike() -> None:
    good, expired = make_key(), make_key(expires_at=NOW)
    revoked = make_key(revoked_at=NOW)
    door, _, _ = make_door(good, expired, revoked)
    messages = set()
    for key_id, secret in (
        (good.key_id, key_secret("other", good.key_id)),
        (new_key_id(), "x"),
        (expired.key_id, key_secret("other", expired.key_id)),
        (revoked.key_id, key_secret(MASTER, revoked.key_id)),
    ):
        with pytest.raises(NotAuthenticatedError) as refused:
            door.authenticate({"authorization": basic(key_id, secret)})
        messages.add(refused.value.message)
    assert len(messages) == 1


def test_a_token_signed_with_another_secret_is_refused() -> None:
    key = make_key()
    door, _, _ = make_door(key)
    with pytest.raises(NotAuthenticatedError):
        door.authenticate({"authorization": f"Bearer {issue_token('other', key, NOW)}"})


def test_revoking_a_key_closes_the_door_within_its_memory_and_ends_its_tokens() -> None:
    key = make_key()
    door, store, clock = make_door(key)
    _, token = door.log_in(key.key_id, key_secret(MASTER, key.key_id))
    store.keys[key.key_id] = key.model_copy(update={"revoked_at": NOW})
    clock.now += timedelta(seconds=MEMORY_SECONDS)
    for bearer in (token, key_token(MASTER, key.key_id)):
        with pytest.raises(NotAuthenticatedError):
            door.authenticate({"authorization": f"Bearer {bearer}"})


def test_a_key_is_read_once_for_many_requests() -> None:
    key = make_key()
    door, store, _ = make_door(key)
    for _ in range(10):
        door.authenticate({"x-api-key": key_token(MASTER, key.key_id)})
    assert store.reads == 1


@given(st.dictionaries(st.sampled_from(["authorization", "x-api-key", "cookie"]), st.text(max_size=80)))
def test_nonsense_is_refused_and_breaks_nothing(headers: dict[str, str]) -> None:
    door, _, _ = make_door(make_key())
    with pytest.raises(NotAuthenticatedError):
        door.authenticate(headers)


@given(st.text(max_size=60))
def test_nonsense_after_a_known_scheme_is_refused(rest: str) -> None:
    door, _, _ = make_door(make_key())
    for scheme in ("Bearer", "Basic", f"Bearer {KEY_ID_PREFIX}X.", "Digest"):
        with pytest.raises(NotAuthenticatedError):
            door.authenticate({"authorization": f"{scheme} {rest}"})


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.READER, {Permission.READ}),
        (Role.REPORTER, {Permission.READ, Permission.REPORT, Permission.START}),
        (Role.OPERATOR, {Permission.READ, Permission.REPORT, Permission.START, Permission.STOP}),
        (Role.ADMIN, set(Permission)),
    ],
)
def test_a_role_allows_what_it_says_and_nothing_else(role: Role, allowed: set[Permission]) -> None:
    principal = Principal(org="o", name="k", role=role)
    for permission in Permission:
        if permission in allowed:
            principal.require(permission)
        else:
            with pytest.raises(AccessDeniedError, match=str(permission)):
                principal.require(permission)


def delegated(door: Authenticator, key: AccessKey, token: str) -> Principal:
    principal = door.authenticate({"authorization": f"Bearer {token}"})
    assert (principal.name, principal.org, principal.role) == (key.key_id, key.org, key.role)
    return principal


def bearer(key: AccessKey) -> dict[str, str]:
    return {"authorization": f"Bearer {key_token(MASTER, key.key_id)}"}


@pytest.mark.parametrize("role", list(Role))
def test_every_key_gets_tokens_for_itself_and_only_an_admins_for_others(role: Role) -> None:
    key, other = make_key(role=role), make_key(role=Role.READER)
    door, _, _ = make_door(key, other)
    delegated(door, key, door.delegate(bearer(key), key.key_id))
    if role is Role.ADMIN:
        delegated(door, other, door.delegate(bearer(key), other.key_id))
    else:
        with pytest.raises(AccessDeniedError):
            door.delegate(bearer(key), other.key_id)


def test_a_token_is_for_a_good_key_of_the_same_org() -> None:
    admin = make_key(role=Role.ADMIN)
    others = [make_key(org="another"), make_key(revoked_at=NOW), make_key(expires_at=NOW)]
    door, _, _ = make_door(admin, *others)
    for key_id in (*(key.key_id for key in others), new_key_id(), "x" * 300):
        with pytest.raises(NotFoundError):
            door.delegate(bearer(admin), key_id)


def test_a_token_for_another_ends_with_either_key_and_gives_none_for_a_third() -> None:
    admin, second, third = (make_key(role=Role.ADMIN) for _ in range(3))
    door, store, clock = make_door(admin, second, third)
    token = door.delegate(bearer(admin), second.key_id)
    headers = {"authorization": f"Bearer {token}"}
    with pytest.raises(AccessDeniedError):
        door.delegate(headers, third.key_id)
    renewed = door.delegate(headers, second.key_id)
    delegated(door, second, renewed)
    store.keys[admin.key_id] = admin.model_copy(update={"revoked_at": NOW})
    clock.now += timedelta(seconds=MEMORY_SECONDS)
    for stale in (token, renewed):
        with pytest.raises(NotAuthenticatedError):
            door.authenticate({"authorization": f"Bearer {stale}"})


def test_no_token_outlives_a_day_the_token_it_was_asked_for_with_or_its_key() -> None:
    lasting, brief = make_key(role=Role.ADMIN), make_key(expires_at=NOW + timedelta(hours=1))
    door, _, clock = make_door(lasting, brief)
    _, session = door.log_in(lasting.key_id, key_secret(MASTER, lasting.key_id))
    clock.now += timedelta(hours=20)
    renewed = door.delegate({"authorization": f"Bearer {session}"}, lasting.key_id)
    clock.now += timedelta(hours=4)
    with pytest.raises(NotAuthenticatedError):
        door.authenticate({"authorization": f"Bearer {renewed}"})
    clock.now = NOW
    ends = {
        lasting.key_id: NOW + timedelta(days=1),
        brief.key_id: NOW + timedelta(hours=1),
    }
    for key_id, end in ends.items():
        clock.now = NOW
        for wrong in (NOW, NOW - timedelta(days=1), end + timedelta(seconds=1)):
            with pytest.raises(InvalidInputError):
                door.delegate(bearer(lasting), key_id, wrong)
        for token in (door.delegate(bearer(lasting), key_id), door.delegate(bearer(lasting), key_id, end)):
            clock.now = end - timedelta(seconds=1)
            assert door.authenticate({"authorization": f"Bearer {token}"}).name == key_id
            clock.now = end
            with pytest.raises(NotAuthenticatedError):
                door.authenticate({"authorization": f"Bearer {token}"})
            clock.now = NOW
