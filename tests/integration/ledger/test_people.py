"""Users and roles in the ledger: what is written, what each step costs, and that nobody is locked out."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3
import pytest

from jobruns.access import AccessKey, Principal, Role, key_secret, new_key_id, system_principal
from jobruns.authentication import MEMORY_SECONDS, Authenticator
from jobruns.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    ConflictError,
    InvalidInputError,
    JobrunsError,
    NotAuthenticatedError,
    NotFoundError,
)
from jobruns.grants import ALL_RIGHTS, Grants, Right, TableGrant
from jobruns.passwords import Cost
from jobruns.service.people import PeoplePorts
from jobruns.service.roles import add_role, alter_role, drop_role, list_roles, show_role
from jobruns.service.users import add_user, alter_user, drop_user, find_user, list_users
from jobruns.store import Store
from jobruns.user import User
from tests.integration.doubles import Clock
from tests.integration.ledger_table import TABLE

MASTER = "m" * 64
PASSWORD = "correct horse"
GRANTS = Grants(tables={"dev": {"dog": TableGrant(rights={Right.READ}, attributes={"name": {Right.READ}})}})
Calls = Callable[[], Counter[str]]


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobruns.passwords.COST", Cost(4, 1, 1))


@pytest.fixture
def people(store: Store, clock: Clock) -> PeoplePorts:
    return PeoplePorts(store.people, lambda: MASTER, clock)


@pytest.fixture
def key(store: Store, clock: Clock) -> AccessKey:
    key = AccessKey(key_id=new_key_id(), org="acme", role=Role.ADMIN, created_at=clock.now)
    store.access_keys.add(key)
    return key


@pytest.fixture
def admin(key: AccessKey) -> Principal:
    return Principal(org=key.org, name=key.key_id, role=key.role)


def doors(store: Store, clock: Clock) -> Authenticator:
    return Authenticator(store.access_keys, lambda: MASTER, clock, store.people)


def enter(store: Store, clock: Clock, name: str, password: str = PASSWORD) -> Principal:
    return doors(store, clock).log_in(name, password)[0]


def items() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = boto3.client("dynamodb").scan(TableName=TABLE)["Items"]
    return found


def test_a_user_comes_is_changed_and_goes_and_the_ledger_is_as_before(
    people: PeoplePorts, admin: Principal, store: Store, clock: Clock
) -> None:
    before = len(items())
    add_role(people, admin, "keeper", GRANTS)
    made = add_user(people, admin, "ann", password=PASSWORD, role="keeper")
    principal = enter(store, clock, "ann")
    assert (principal.org, principal.user_role, principal.grants) == ("acme", "keeper", GRANTS)
    changed = alter_user(people, admin, "ann", password="battery staple", role="operator")
    assert (changed.role, changed.created_at, changed.version) == ("operator", made.created_at, 2)
    assert enter(store, clock, "ann", "battery staple").role is Role.OPERATOR
    with pytest.raises(NotAuthenticatedError):
        enter(store, clock, "ann")
    assert find_user(people, admin, "ann") == changed
    drop_user(people, admin, "ann")
    drop_role(people, admin, "keeper")
    with pytest.raises(NotAuthenticatedError):
        enter(store, clock, "ann", "battery staple")
    assert len(items()) == before + 1  # how many there are
    assert [item["users"]["N"] for item in items() if item["sk"]["S"] == "HEADCOUNT"] == ["0"]


def test_every_step_costs_what_it_must_and_no_more(
    people: PeoplePorts, admin: Principal, store: Store, clock: Clock, calls: Calls
) -> None:
    write, change = {"TransactWriteItems": 1}, {"GetItem": 1, "TransactWriteItems": 1}
    # PynamoDB describes a table once.
    store.people.get("nobody")
    steps: list[tuple[Callable[[], object], dict[str, int]]] = [
        (lambda: add_role(people, admin, "keeper", GRANTS), write),
        (lambda: add_user(people, admin, "ann", password=PASSWORD, role="keeper"), write),
        (lambda: alter_user(people, admin, "ann", role="reader", password=PASSWORD), change),
        (lambda: alter_user(people, admin, "ann", role="keeper", active=False), change),
        (lambda: alter_user(people, admin, "ann", role="keeper", active=False), {"GetItem": 1}),
        (lambda: alter_role(people, admin, "keeper", Grants()), change),
        (lambda: alter_role(people, admin, "keeper", Grants()), {"GetItem": 1}),
        (lambda: find_user(people, admin, "ann"), {"GetItem": 1}),
        (lambda: list_users(people, admin), {"Query": 1}),
        (lambda: list_roles(people, admin), {"Query": 1}),
        (lambda: drop_user(people, admin, "ann"), change),
        (lambda: drop_role(people, admin, "keeper"), change),
    ]
    for step, cost in steps:
        calls()
        step()
        assert calls() == cost


def test_who_calls_is_found_out_by_two_reads_at_first_and_none_afterwards(
    people: PeoplePorts, admin: Principal, store: Store, clock: Clock, calls: Calls
) -> None:
    add_role(people, admin, "keeper", GRANTS)
    for name, role in (("ann", "keeper"), ("bob", "reader")):
        add_user(people, admin, name, password=PASSWORD, role=role)
    door = doors(store, clock)
    calls()
    tokens = door.log_in_for_long("ann", PASSWORD)
    assert calls() == {"GetItem": 2}
    for _ in range(5):
        door.log_in_for_long("ann", PASSWORD)
        door.authenticate({"Authorization": f"Bearer {tokens.operation}"})
        door.refresh({"Authorization": f"Bearer {tokens.refresh}"})
    assert calls() == {}
    door.log_in("bob", PASSWORD)
    assert calls() == {"GetItem": 1}
    with pytest.raises(NotAuthenticatedError):
        door.log_in("eve", PASSWORD)
    assert calls() == {"GetItem": 1}
    clock.now += timedelta(seconds=MEMORY_SECONDS)
    door.authenticate({"Authorization": f"Bearer {tokens.operation}"})
    assert calls() == {"GetItem": 2}
    assert door.log_in(admin.name, key_secret(MASTER, admin.name))[0] == admin
    assert calls() == {"GetItem": 1}


def test_neither_password_nor_anything_to_log_in_with_is_in_the_ledger_or_in_lists(
    people: PeoplePorts, admin: Principal
) -> None:
    add_user(people, admin, "ann", password=PASSWORD, role="reader")
    assert PASSWORD not in str(items())
    holders = [item["pk"]["S"] for item in items() if "password" in item or "generation" in item]
    assert holders == ["USER#ann"]
    assert [(user.password, user.generation) for user in list_users(people, admin)] == [("", "")]


def test_names_are_unique_in_the_stack_and_users_are_their_orgs(
    people: PeoplePorts, admin: Principal, clock: Clock
) -> None:
    other = system_principal("other", "cli")
    add_user(people, admin, "ann", password=PASSWORD, role="reader")
    add_user(people, other, "zed", password=PASSWORD, role="reader")
    for principal in (admin, other):
        with pytest.raises(AlreadyExistsError) as refused:
            add_user(people, principal, "ann", password="battery staple", role="reader")
        assert "acme" not in refused.value.message
    with pytest.raises(NotFoundError) as unknown:
        find_user(people, other, "nobody")
    for step in (find_user, drop_user, alter_user):
        with pytest.raises(NotFoundError) as hidden:
            step(people, other, "ann")
        assert hidden.value.message == unknown.value.message.replace("nobody", "ann")
    assert [user.name for user in list_users(people, other)] == ["zed"]


def test_the_roles_of_an_org_are_its_own(people: PeoplePorts, admin: Principal) -> None:
    other = system_principal("other", "cli")
    add_role(people, admin, "keeper", GRANTS, extra={"door": {"as": "sent"}})
    assert show_role(people, admin, "keeper").extra == {"door": {"as": "sent"}}
    with pytest.raises(NotFoundError, match="no role 'keeper'"):
        add_user(people, other, "zed", password=PASSWORD, role="keeper")
    with pytest.raises(NotFoundError):
        drop_role(people, other, "keeper")
    assert [role.name for role in list_roles(people, other)] == ["admin", "operator", "reporter", "reader"]
    assert [role.name for role in list_roles(people, admin)][4:] == ["keeper"]


def test_a_role_that_is_not_there_is_given_to_nobody(people: PeoplePorts, admin: Principal) -> None:
    add_user(people, admin, "ann", password=PASSWORD, role="reader")
    for role in ("nobody's", "", "\ud800", "x" * 500):
        with pytest.raises(NotFoundError):
            add_user(people, admin, "bob", password=PASSWORD, role=role)
        with pytest.raises(NotFoundError):
            alter_user(people, admin, "ann", role=role)
        with pytest.raises(NotFoundError):
            show_role(people, admin, role)


def test_a_role_that_somebody_has_is_not_deleted(people: PeoplePorts, admin: Principal) -> None:
    add_role(people, admin, "keeper", GRANTS)
    for name in ("ann", "bob"):
        add_user(people, admin, name, password=PASSWORD, role="keeper")
    add_user(people, admin, "cid", password=PASSWORD, role="reader")
    for leave in (
        lambda: drop_user(people, admin, "ann"),
        lambda: alter_user(people, admin, "bob", role="reader"),
        lambda: alter_user(people, admin, "cid", role="reader"),
    ):
        with pytest.raises(ConflictError, match="users with the role"):
            drop_role(people, admin, "keeper")
        leave()
        alter_user(people, admin, "cid", role="keeper")
    alter_user(people, admin, "cid", role="operator")
    assert drop_role(people, admin, "keeper").name == "keeper"
    with pytest.raises(NotFoundError):
        drop_role(people, admin, "keeper")


def test_what_every_org_has_cannot_be_changed(people: PeoplePorts, admin: Principal) -> None:
    with pytest.raises(AlreadyExistsError):
        add_role(people, admin, "admin", Grants())
    with pytest.raises(ConflictError):
        alter_role(people, admin, "admin", Grants())
    with pytest.raises(ConflictError):
        drop_role(people, admin, "reader")
    add_role(people, admin, "keeper", GRANTS)
    with pytest.raises(AlreadyExistsError):
        add_role(people, admin, "keeper", GRANTS)


def test_only_admins_administer_and_all_others_see_themselves(people: PeoplePorts, admin: Principal) -> None:
    add_user(people, admin, "bob", password=PASSWORD, role="reader")
    for role in (Role.OPERATOR, Role.REPORTER, Role.READER):
        ann = add_user(people, admin, f"ann {role}", password=PASSWORD, role=str(role))
        caller = ann.principal(Grants(everywhere=ALL_RIGHTS)).model_copy(update={"role": role})
        shaper = ann.principal(Grants(shapes=True)).cleared_to_shape("dev")
        for step in (*administration(people, caller), *administration(people, shaper)):
            with pytest.raises(AccessDeniedError):
                step()
        assert find_user(people, caller, ann.name) == ann
        assert show_role(people, caller, str(role)).name == role


def administration(people: PeoplePorts, caller: Principal) -> list[Callable[[], object]]:
    return [
        lambda: add_user(people, caller, "eve", password=PASSWORD, role="admin"),
        lambda: alter_user(people, caller, caller.name, role="admin"),
        lambda: drop_user(people, caller, "bob"),
        lambda: find_user(people, caller, "bob"),
        lambda: list_users(people, caller),
        lambda: add_role(people, caller, "r", Grants(everything=True)),
        lambda: alter_role(people, caller, "r", Grants(everything=True)),
        lambda: drop_role(people, caller, "r"),
        lambda: show_role(people, caller, "admin"),
        lambda: list_roles(people, caller),
    ]


def make_admin(people: PeoplePorts, by: Principal, name: str, role: str = "admin") -> Principal:
    made: User = add_user(people, by, name, password=PASSWORD, role=role)
    return made.principal(Grants(everything=True))


def test_an_admin_does_not_lock_itself_out(people: PeoplePorts, admin: Principal) -> None:
    add_role(people, admin, "chief", Grants(everything=True))
    chief = make_admin(people, admin, "ann", "chief")
    steps: list[Callable[[], object]] = [
        lambda: drop_user(people, chief, "ann"),
        lambda: alter_user(people, chief, "ann", role="reader"),
        lambda: alter_user(people, chief, "ann", active=False),
        lambda: alter_role(people, chief, "chief", GRANTS),
        lambda: drop_role(people, chief, "chief"),
    ]
    for step in steps:
        with pytest.raises(ConflictError):
            step()
    alter_user(people, chief, "ann", password="battery staple", role="chief", active=True)
    alter_role(people, chief, "chief", Grants(everything=True), extra={"door": 1})
    drop_user(people, admin, "ann")


def last_resorts(people: PeoplePorts, fallen: Principal, friend: str) -> list[Callable[[], object]]:
    """All that an admin may try that is none any more."""
    return [
        lambda: add_user(people, fallen, "eve", password=PASSWORD, role="admin"),
        lambda: add_user(people, fallen, "eve", password=PASSWORD, role="chief"),
        lambda: alter_user(people, fallen, fallen.name, role="admin"),
        lambda: alter_user(people, fallen, fallen.name, password="battery staple"),
        lambda: alter_user(people, fallen, friend, role="lesser"),
        lambda: add_role(people, fallen, "mine", Grants(everything=True)),
        lambda: alter_role(people, fallen, "lesser", GRANTS),
        lambda: alter_role(people, fallen, "chief", Grants(everything=True), extra={"door": friend}),
        lambda: drop_role(people, fallen, "keeper"),
        lambda: drop_user(people, fallen, friend),
    ]


def test_an_admin_no_more_administers_nothing_not_even_while_it_is_remembered(
    people: PeoplePorts, admin: Principal, store: Store, clock: Clock, key: AccessKey
) -> None:
    add_role(people, admin, "chief", Grants(everything=True))
    add_role(people, admin, "lesser", Grants(everything=True))
    add_role(people, admin, "keeper", GRANTS)
    falls: list[Callable[[str], object]] = [
        lambda name: alter_user(people, admin, name, role="reader"),
        lambda name: alter_user(people, admin, name, active=False),
        lambda name: drop_user(people, admin, name),
        lambda name: alter_role(people, admin, "chief", GRANTS),
    ]
    for number, fall in enumerate(falls):
        fallen = make_admin(people, admin, f"ann{number}", "chief")
        add_user(people, admin, f"bob{number}", password=PASSWORD, role="chief")
        fall(fallen.name)
        for step in last_resorts(people, fallen, f"bob{number}"):
            with pytest.raises((AccessDeniedError, ConflictError, NotFoundError)):
                step()
    assert not {user.name for user in list_users(people, admin)} & {"eve"}
    assert show_role(people, admin, "lesser").grants.everything
    store.access_keys.revoke(key.key_id, clock())
    with pytest.raises(AccessDeniedError, match="no admin any more"):
        add_user(people, admin, "eve", password=PASSWORD, role="admin")


def test_two_admins_that_demote_each_other_do_not_both_succeed(people: PeoplePorts, admin: Principal) -> None:
    for turn in range(3):
        pair = [make_admin(people, admin, f"{name}{turn}") for name in ("ann", "bob")]
        done: list[str] = []

        def demote(by: Principal, other: Principal, done: list[str] = done) -> None:
            try:
                alter_user(people, by, other.name, role="reader")
            except JobrunsError:
                return
            done.append(by.name)

        threads = [threading.Thread(target=demote, args=turned) for turned in (pair, pair[::-1])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(done) == 1


def test_users_made_at_once_under_one_name_are_one(people: PeoplePorts, admin: Principal) -> None:
    add_role(people, admin, "keeper", GRANTS)
    made: list[User] = []

    def make(number: int) -> None:
        try:
            made.append(add_user(people, admin, "ann", password=f"{PASSWORD} {number}", role="keeper"))
        except AlreadyExistsError:
            return

    threads = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [find_user(people, admin, "ann")] == made
    drop_user(people, admin, "ann")
    drop_role(people, admin, "keeper")


def test_changes_of_one_user_by_several_all_land(people: PeoplePorts, admin: Principal) -> None:
    add_user(people, admin, "ann", password=PASSWORD, role="reader")
    changes: list[dict[str, Any]] = [{"role": "operator"}, {"password": "battery staple"}, {"active": False}]
    threads = [threading.Thread(target=alter_user, args=(people, admin, "ann"), kwargs=change) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ann = find_user(people, admin, "ann")
    assert (ann.role, ann.active, ann.version) == ("operator", False, 4)
    assert [(user.role, user.active) for user in list_users(people, admin)] == [("operator", False)]


def test_an_org_has_so_many_users_and_roles_and_a_role_so_much_in_it(
    people: PeoplePorts, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobruns.store.people._LIMITS", {"users": 1, "roles": 1})
    add_role(people, admin, "keeper", GRANTS)
    with pytest.raises(ConflictError, match="at most 1 roles"):
        add_role(people, admin, "second", GRANTS)
    add_user(people, admin, "ann", password=PASSWORD, role="keeper")
    with pytest.raises(ConflictError, match="at most 1 users"):
        add_user(people, admin, "bob", password=PASSWORD, role="keeper")
    drop_user(people, admin, "ann")
    add_user(people, admin, "bob", password=PASSWORD, role="keeper")
    with pytest.raises(InvalidInputError, match="65536 bytes at most"):
        alter_role(people, admin, "keeper", GRANTS, extra={"door": "x" * 65536})


def test_tokens_end_when_the_user_is_switched_off_and_stay_ended(
    people: PeoplePorts, admin: Principal, store: Store, clock: Clock
) -> None:
    add_user(people, admin, "ann", password=PASSWORD, role="reader")
    ends: list[Callable[[], object]] = [
        lambda: alter_user(people, admin, "ann", active=False),
        lambda: alter_user(people, admin, "ann", password=PASSWORD),
        lambda: drop_user(people, admin, "ann"),
    ]
    for end in ends:
        tokens = doors(store, clock).log_in_for_long("ann", PASSWORD)
        alter_user(people, admin, "ann", role="operator")
        alter_user(people, admin, "ann", role="reader")
        assert doors(store, clock).refresh({"Authorization": f"Bearer {tokens.refresh}"})
        end()
        try:
            alter_user(people, admin, "ann", active=True)
        except NotFoundError:
            add_user(people, admin, "ann", password=PASSWORD, role="reader")
        door = doors(store, clock)
        with pytest.raises(NotAuthenticatedError):
            door.authenticate({"Authorization": f"Bearer {tokens.operation}"})
        with pytest.raises(NotAuthenticatedError):
            door.refresh({"Authorization": f"Bearer {tokens.refresh}"})
