"""Users, roles and tokens in answers."""

from hdb.people_documents import write_key_role, write_role, write_tokens, write_user
from jobruns.access import Role


def test_a_role_is_echoed_with_its_name_as_id() -> None:
    role = write_role("dev", {"super_user": False, "dev": {"tables": {}}})
    assert role == {"id": "dev", "role": "dev", "permission": {"super_user": False, "dev": {"tables": {}}}}
    assert write_user("rw", role, active=False) == {"username": "rw", "active": False, "role": role}


def test_of_the_keys_roles_the_admin_is_the_super_user() -> None:
    assert [role for role in Role if write_key_role(role)["permission"]["super_user"]] == [Role.ADMIN]


def test_tokens_are_two_or_one() -> None:
    assert write_tokens("a", "b") == {"operation_token": "a", "refresh_token": "b"}
    assert write_tokens("a") == {"operation_token": "a"}
