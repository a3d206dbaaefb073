"""Users, roles and tokens."""

from collections.abc import Mapping
from typing import Any

from hdb import messages
from hdb.admission import DOOR, Caller, give_tokens, log_in, refresh_token
from hdb.errors import NoRoleError, UserExistsError
from hdb.people import ChangedUser, Login, NamedRole, NamedUser, NewUser, WrittenRole
from hdb.people_documents import write_key_role, write_role, write_tokens, write_user
from hdb.tables import Everything
from jobruns.access import Role
from jobruns.errors import AlreadyExistsError, NotFoundError
from jobruns.service import roles, users
from jobruns.user import User, UserRole, is_built_in


def create_tokens(headers: Mapping[str, str], request: Login | None) -> dict[str, Any]:
    """Give tokens for a user and its password, or for whoever sends the request."""
    given = give_tokens(headers) if request is None else log_in(request.username, request.password)
    return write_tokens(given.operation, given.refresh)


def refresh_operation_token(headers: Mapping[str, str]) -> dict[str, Any]:
    """Give another operation token for a refresh token."""
    return write_tokens(refresh_token(headers))


def show_self(caller: Caller, request: Everything) -> dict[str, Any]:
    """Show who calls: a user, or a key."""
    principal = caller.principal
    if principal.user_role is None:
        return write_user(principal.name, write_key_role(principal.role))
    return write_user(principal.name, _write_role(roles.show_role(caller.people, principal, principal.user_role)))


def add_user(caller: Caller, request: NewUser) -> dict[str, Any]:
    """Make a user."""
    try:
        users.add_user(
            caller.people,
            caller.principal,
            request.username,
            password=request.password,
            role=request.role,
            active=request.active,
        )
    except NotFoundError:
        raise NoRoleError(request.role) from None
    except AlreadyExistsError:
        raise UserExistsError(request.username) from None
    return {"message": messages.user_added(request.username)}


def alter_user(caller: Caller, request: ChangedUser) -> dict[str, Any]:
    """Change a user."""
    try:
        users.alter_user(
            caller.people,
            caller.principal,
            request.username,
            password=request.password,
            role=request.role,
            active=request.active,
        )
    except NotFoundError as error:
        raise (NoRoleError(request.role or "") if error.field == "role" else _no_user(request.username)) from None
    return {"message": messages.user_changed()}


def drop_user(caller: Caller, request: NamedUser) -> dict[str, Any]:
    """Delete a user."""
    try:
        users.drop_user(caller.people, caller.principal, request.username)
    except NotFoundError:
        raise _no_user(request.username) from None
    return {"message": messages.dropped(request.username)}


def list_users(caller: Caller, request: Everything) -> list[dict[str, Any]]:
    """List the users, each with its role."""
    known = {role.name: role for role in roles.list_roles(caller.people, caller.principal)}
    return [_write_user(user, known) for user in users.list_users(caller.people, caller.principal)]


def add_role(caller: Caller, request: WrittenRole) -> dict[str, Any]:
    """Make a role, and keep its permission as it was sent beside what it grants."""
    extra = {DOOR: dict(request.permission)}
    try:
        role = roles.add_role(caller.people, caller.principal, request.role, request.grants, extra=extra)
    except AlreadyExistsError:
        raise AlreadyExistsError(f"A role with name '{request.role}' already exists") from None
    return _write_role(role)


def alter_role(caller: Caller, request: WrittenRole) -> dict[str, Any]:
    """Replace a role's permission."""
    extra = {DOOR: dict(request.permission)}
    try:
        return _write_role(roles.alter_role(caller.people, caller.principal, request.role, request.grants, extra=extra))
    except NotFoundError:
        raise NoRoleError(request.role) from None


def drop_role(caller: Caller, request: NamedRole) -> dict[str, Any]:
    """Delete a role that no user has."""
    try:
        roles.drop_role(caller.people, caller.principal, request.role)
    except NotFoundError:
        raise NoRoleError(request.role) from None
    return {"message": messages.dropped(request.role)}


def list_roles(caller: Caller, request: Everything) -> list[dict[str, Any]]:
    """List the roles that users can have: those of access keys first."""
    return [_write_role(role) for role in roles.list_roles(caller.people, caller.principal)]


def _no_user(username: str) -> NotFoundError:
    return NotFoundError(f"User {username} does not exist")


def _write_user(user: User, known: Mapping[str, UserRole]) -> dict[str, Any]:
    role = known.get(user.role)
    shown = write_role(user.role, {}) if role is None else _write_role(role)
    return write_user(user.name, shown, active=user.active)


def _write_role(role: UserRole) -> dict[str, Any]:
    if is_built_in(role.name):
        return write_key_role(Role(role.name))
    return write_role(role.name, role.extra.get(DOOR, {}))
