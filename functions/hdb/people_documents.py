"""Users, roles and tokens as answers show them; never a password."""

from collections.abc import Mapping
from typing import Any

from jobruns.access import Role

_OF_ROLES: Mapping[Role, Mapping[str, bool]] = {
    role: {"super_user": role is Role.ADMIN, "structure_user": False} for role in Role
}


def write_role(role: str, permission: Mapping[str, Any]) -> dict[str, Any]:
    """Write a role; its id is its name."""
    return {"id": role, "role": role, "permission": dict(permission)}


def write_key_role(role: Role) -> dict[str, Any]:
    """Write the role of an access key, which no request has made."""
    return write_role(role.value, _OF_ROLES[role])


def write_user(username: str, role: Mapping[str, Any], *, active: bool = True) -> dict[str, Any]:
    """Write a user with its role, as `write_role` gives it."""
    return {"username": username, "active": active, "role": dict(role)}


def write_tokens(operation_token: str, refresh_token: str | None = None) -> dict[str, Any]:
    """Write tokens: both where they are asked for, the first alone where it is refreshed."""
    refreshing = {} if refresh_token is None else {"refresh_token": refresh_token}
    return {"operation_token": operation_token, **refreshing}
