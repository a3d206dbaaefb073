"""Users at the doors: by password, by tokens, and until when."""

import base64
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobruns.access import AccessKey, Principal, Role, key_secret, key_token, new_key_id
from jobruns.authentication import MEMORY_SECONDS, Authenticator, Tokens
from jobruns.errors import (
    AccessDeniedError,
    ExpiredCredentialError,
    InactiveUserError,
    InvalidInputError,
    NotAuthenticatedError,
)
from jobruns.grants import Grants, Right, TableGrant
from jobruns.passwords import Cost, hash_password
from jobruns.tokens import REFRESH_SECONDS, TOKEN_SECONDS, Claims, Party, Purpose, sign_claims
from jobruns.user import User, UserRole, check_role_name, check_user_name, new_generation

MASTER = "m" * 64
NOW = datetime(2026, 11, 21, tzinfo=UTC)
CHEAP = Cost(4, 1, 1)
PASSWORD = "correct horse"
STORED = hash_password(MASTER, PASSWORD, CHEAP)
KEEPER = UserRole(
    name="keeper", org="o", grants=Grants(tables={"dev": {"dog": TableGrant(rights={Right.READ, Right.INSERT})}})
)


class People:
    """Users and roles in dictionaries, counting reads."""

    def __init__(self, *users: User) -> None:
        self.users = {user.name: user for user in users}
        self.roles_held = {KEEPER.name: KEEPER}
        self.reads: list[str] = []

    def get(self, name: str) -> User | None:
        self.reads.append(f"user {name}")
        return self.users.get(name)

    def role(self, org: str, name: str) -> UserRole | None:
        self.reads.append(f"role {org}/{name}")
        return self.roles_held.get(name) if org == "o" else None

    def alter(self, name: str, **changes: object) -> None:
        self.users[name] = self.users[name].model_copy(update=changes)


class Keys:
    """Keys in a dictionary."""

    def __init__(self, *keys: AccessKey) -> None:
        self.keys = {key.key_id: key for key in keys}

    def get(self, key_id: str) -> AccessKey | None:
        return self.keys.get(key_id)


class Doors(Authenticator):
    """An authenticator with what it stands on at hand."""

    def __init__(self, *people: User | AccessKey) -> None:
        self.people = People(*(one for one in people if isinstance(one, User)))
        self.keys = Keys(*(one for one in people if isinstance(one, AccessKey)))
        self.now = NOW
        super().__init__(self.keys, lambda: MASTER, lambda: self.now, self.people)

    def pass_by(self, seconds: float = MEMORY_SECONDS) -> None:
        self.now += timedelta(seconds=seconds)

    def opens(self, header: dict[str, str]) -> bool:
        try:
            self.authenticate(header)
        except NotAuthenticatedError:
            return False
        return True


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobruns.passwords.COST", CHEAP)


def make_user(name: str = "ann", **fields: object) -> User:
    usual: dict[str, object] = {
        "name": name,
        "org": "o",
        "role": "keeper",
        "password": STORED,
        "generation": new_generation(),
        "created_at": NOW,
        "modified_at": NOW,
    }
    return User.model_validate({**usual, **fields})


def make_key(**fields: object) -> AccessKey:
    return AccessKey.model_validate(
        {"key_id": new_key_id(), "org": "o", "role": Role.ADMIN, "created_at": NOW, **fields}
    )


def basic(name: str, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_user_calls_by_name_and_password_with_what_its_role_grants() -> None:
    doors = Doors(make_user())
    assert doors.authenticate(basic("ann")) == Principal(
        org="o", name="ann", role=Role.READER, user_role="keeper", grants=KEEPER.grants
    )


@pytest.mark.parametrize("role", list(Role))
def test_the_roles_of_keys_are_roles_of_users_in_every_org(role: Role) -> None:
    doors = Doors(make_user(role=str(role), org="another"))
    principal = doors.authenticate(basic("ann"))
    assert (principal.org, principal.role, principal.user_role) == ("another", role, str(role))
    assert doors.people.reads == ["user ann"]


def test_a_password_may_have_colons_and_letters_of_any_alphabet() -> None:
    password = "a:b: пароль"
    doors = Doors(make_user("zoë@example.org", password=hash_password(MASTER, password, CHEAP)))
    assert doors.opens(basic("zoë@example.org", password))
    assert doors.opens(basic("zoe\u0308@example.org", password))
    assert not doors.opens(basic("zoë@example.org", "a"))


def test_wrong_password_unknown_user_and_user_of_no_role_are_told_alike() -> None:
    doors = Doors(make_user(), make_user("bob", role="gone"), make_user("cid", active=False))
    told = set()
    for name, password in (("ann", "battery staple"), ("eve", PASSWORD), ("bob", PASSWORD), ("cid", "wrong word")):
        with pytest.raises(NotAuthenticatedError) as refused:
            doors.authenticate(basic(name, password))
        told.add((type(refused.value), refused.value.message))
    assert len(told) == 1


def test_an_unknown_user_costs_a_comparison_as_a_known_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str | None] = []

    def compare(master: str, password: str, stored: str | None) -> bool:
        compared.append(stored)
        return False

    monkeypatch.setattr("jobruns.verifications.password_matches", compare)
    doors = Doors(make_user())
    for name in ("ann", "eve", "x" * 300, ""):
        assert not doors.opens(basic(name, "battery staple"))
    assert compared == [STORED, None, None, None]
    assert doors.people.reads == ["user ann", "user eve"]


def test_who_knows_the_password_of_an_inactive_user_is_told_so() -> None:
    with pytest.raises(InactiveUserError):
        Doors(make_user(active=False)).authenticate(basic("ann"))


def test_a_remembered_user_is_read_once_and_its_password_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    doors = Doors(make_user())
    for _ in range(10):
        doors.authenticate(basic("ann"))
    assert doors.people.reads == ["user ann", "role o/keeper"]
    monkeypatch.setattr("jobruns.verifications.password_matches", lambda *_: pytest.fail("compared again"))
    doors.pass_by()
    doors.authenticate(basic("ann"))
    assert doors.people.reads == 2 * ["user ann", "role o/keeper"]


def test_an_old_password_opens_nothing_after_half_a_minute_and_a_new_one_opens_at_once() -> None:
    doors = Doors(make_user())
    assert doors.opens(basic("ann"))
    doors.people.alter("ann", password=hash_password(MASTER, "battery staple", CHEAP), generation=new_generation())
    assert doors.opens(basic("ann"))
    assert doors.opens(basic("ann", "battery staple"))
    assert not doors.opens(basic("ann"))
    doors = Doors(make_user())
    assert doors.opens(basic("ann"))
    doors.people.alter("ann", password=hash_password(MASTER, "battery staple", CHEAP), generation=new_generation())
    doors.pass_by()
    assert not doors.opens(basic("ann"))


@pytest.mark.parametrize("change", [{"active": False}, {"role": "gone"}, None])
def test_who_is_switched_off_or_deleted_is_out_within_half_a_minute_and_back_at_once(
    change: dict[str, object] | None,
) -> None:
    doors = Doors(make_user())
    assert doors.opens(basic("ann"))
    was = doors.people.users["ann"]
    if change is None:
        del doors.people.users["ann"]
    else:
        doors.people.alter("ann", **change)
    doors.pass_by()
    assert not doors.opens(basic("ann"))
    doors.people.users["ann"] = was
    if change != {"role": "gone"}:
        assert doors.opens(basic("ann"))


def test_what_a_role_grants_now_holds_within_half_a_minute() -> None:
    doors = Doors(make_user())
    doors.authenticate(basic("ann"))
    doors.people.roles_held["keeper"] = KEEPER.model_copy(update={"grants": Grants(everything=True)})
    doors.pass_by()
    assert doors.authenticate(basic("ann")).role is Role.ADMIN


def tokens(doors: Doors, name: str = "ann") -> Tokens:
    return doors.log_in_for_long(name, PASSWORD)


def test_a_login_gives_a_token_for_a_day_and_one_that_prolongs_it_for_thirty() -> None:
    doors = Doors(make_user())
    got = tokens(doors)
    principal = doors.authenticate(basic("ann"))
    assert got.principal == principal
    assert doors.authenticate(bearer(got.operation)) == principal
    assert doors.authenticate({"X-Api-Key": got.operation}) == principal
    for _ in range(29):
        doors.pass_by(TOKEN_SECONDS)
        renewed = doors.refresh(bearer(got.refresh))
        assert doors.authenticate(bearer(renewed)) == principal
    with pytest.raises(ExpiredCredentialError):
        doors.authenticate(bearer(got.operation))
    doors.pass_by(REFRESH_SECONDS - 29 * TOKEN_SECONDS)
    for over in (renewed, got.refresh):
        with pytest.raises(ExpiredCredentialError):
            doors.refresh(bearer(over))


def test_lifetimes_are_as_asked_for_and_no_token_outlives_the_one_it_was_got_with() -> None:
    doors = Doors(make_user())
    got = doors.log_in_for_long("ann", PASSWORD, operation_seconds=60, refresh_seconds=90)
    more = doors.give_tokens(bearer(got.operation))
    doors.pass_by(59)
    assert doors.opens(bearer(got.operation))
    assert doors.opens(bearer(more.operation))
    late = doors.refresh(bearer(got.refresh))
    doors.pass_by(1)
    for over in (got.operation, more.operation):
        assert not doors.opens(bearer(over))
    with pytest.raises(ExpiredCredentialError):
        doors.refresh(bearer(more.refresh))
    assert doors.opens(bearer(late))
    doors.pass_by(30)
    assert not doors.opens(bearer(late))


def test_a_refresh_token_opens_nothing_and_no_other_refreshes() -> None:
    key = make_key()
    doors = Doors(make_user(), key)
    for got in (tokens(doors), doors.log_in_for_long(key.key_id, key_secret(MASTER, key.key_id))):
        for use in (doors.authenticate, doors.give_tokens, lambda headers: doors.delegate(headers, key.key_id)):
            with pytest.raises(NotAuthenticatedError):
                use(bearer(got.refresh))
        with pytest.raises(NotAuthenticatedError):
            doors.refresh(bearer(got.operation))
    for headers in (basic("ann"), bearer(key_token(MASTER, key.key_id))):
        with pytest.raises(NotAuthenticatedError):
            doors.refresh(headers)


@pytest.mark.parametrize(
    "change",
    [
        {"password": hash_password(MASTER, "battery staple", CHEAP), "generation": "another"},
        {"active": False, "generation": "another"},
        {"generation": "another"},
        None,
    ],
    ids=["another password", "switched off", "made again", "deleted"],
)
def test_both_tokens_end_with_the_password_the_activity_and_the_user(change: dict[str, object] | None) -> None:
    doors = Doors(make_user())
    got = tokens(doors)
    assert doors.opens(bearer(got.operation))
    if change is None:
        del doors.people.users["ann"]
    else:
        doors.people.alter("ann", **change)
    doors.pass_by()
    assert not doors.opens(bearer(got.operation))
    with pytest.raises(NotAuthenticatedError):
        doors.refresh(bearer(got.refresh))


def test_no_token_is_renewed_into_a_life_it_was_not_given_in() -> None:
    """The user is read anew between the acceptance and the issue, by then with another password."""
    doors = Doors(make_user())
    accept = doors._accept

    def accept_then_change(*arguments: object) -> object:
        accepted = accept(*arguments)  # type: ignore[arg-type]
        doors.people.alter("ann", generation="another")
        doors.pass_by()
        return accepted

    doors._accept = accept_then_change  # type: ignore[assignment, method-assign]
    got = tokens(doors)
    doors._accept = accept  # type: ignore[method-assign]
    assert not doors.opens(bearer(got.operation))


def test_a_key_logs_in_as_a_user_does_and_its_tokens_end_with_it() -> None:
    key = make_key(expires_at=NOW + timedelta(hours=1))
    doors = Doors(key)
    got = doors.log_in_for_long(key.key_id, key_secret(MASTER, key.key_id))
    assert doors.authenticate(bearer(got.operation)).name == key.key_id
    assert doors.opens(bearer(doors.refresh(bearer(got.refresh))))
    doors.pass_by(3600)
    with pytest.raises(ExpiredCredentialError):
        doors.refresh(bearer(got.refresh))


def test_a_user_does_not_become_another_by_a_token_of_its_own_making() -> None:
    doors = Doors(make_user(), make_user("bob"))
    claims = Claims(subject=Party(name="bob"), expires_at=NOW + timedelta(days=1))
    for forged in (
        sign_claims("guessed", claims, NOW),
        sign_claims(MASTER, claims, NOW),  # says no generation, as a key's would
        jwt.encode({"iss": "jobruns", "sub": "bob", "exp": NOW + timedelta(days=1)}, "", algorithm="none"),
    ):
        assert not doors.opens(bearer(forged))


def test_an_admin_gets_tokens_for_keys_that_end_with_its_rights() -> None:
    key = make_key(role=Role.OPERATOR)
    admin = make_user(role="admin")
    changes: list[dict[str, object]] = [{"role": "reader"}, {"active": False}, {"generation": "another"}]
    for change in changes:
        doors = Doors(admin, key)
        token = doors.delegate(basic("ann"), key.key_id)
        assert doors.authenticate(bearer(token)).name == key.key_id
        doors.people.alter("ann", **change)
        doors.pass_by()
        assert not doors.opens(bearer(token))
    with pytest.raises(AccessDeniedError):
        Doors(make_user(), key).delegate(basic("ann"), key.key_id)


def test_a_user_logs_in_where_keys_do() -> None:
    doors = Doors(make_user())
    principal, token = doors.log_in("ann", PASSWORD)
    assert doors.authenticate(bearer(token)) == principal
    with pytest.raises(NotAuthenticatedError):
        doors.log_in("ann", "battery staple")


@settings(max_examples=40)
@given(st.text(max_size=40), st.text(max_size=40))
def test_nonsense_in_a_login_is_refused_and_breaks_nothing(name: str, password: str) -> None:
    doors = Doors(make_user())
    with pytest.raises(NotAuthenticatedError):
        doors.log_in_for_long(name, password)


@pytest.mark.parametrize(
    "name", ["", " ann", "ann ", "a:b", "jobruns:cli", "a\nb", "\ud800", "x" * 129, "é" * 65, "JRAKANN", "a\u2028b"]
)
def test_no_user_has_a_name_like_this(name: str) -> None:
    with pytest.raises(InvalidInputError):
        check_user_name(name)


@pytest.mark.parametrize("name", ["ann", "Ann Lee", "a@b.org", "é" * 64, "x" * 128, "jrakann", "a#b/c", "名前"])
def test_any_other_name_is_a_users(name: str) -> None:
    assert check_user_name(name) == check_role_name(name) == name


def test_what_is_kept_of_a_password_is_not_shown() -> None:
    user = make_user()
    assert STORED not in repr(user)
    assert user.generation not in repr(user)
    doors = Doors(user)
    got = tokens(doors)
    assert got.operation not in repr(got)
    assert Purpose.REFRESH in jwt.decode(got.refresh, options={"verify_signature": False}).values()


def test_no_more_is_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobruns.memory.MAX_REMEMBERED", 3)
    monkeypatch.setattr("jobruns.verifications.MAX_REMEMBERED", 3)
    doors = Doors(*(make_user(f"user {number}") for number in range(8)))
    for number in range(8):
        assert doors.opens(basic(f"user {number}"))
        assert len(doors._seen_users._held) <= 3
        assert len(doors._verifications._remembered) <= 3
