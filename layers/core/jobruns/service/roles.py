"""Use cases of an org's own roles: make, change, delete, look at."""

import json
from typing import Any

from jobruns.access import Principal
from jobruns.errors import AlreadyExistsError, ConflictError, InvalidInputError, StaleWriteError
from jobruns.grants import Grants
from jobruns.service.people import MAX_TRIES, PeoplePorts, find_role, require_admin
from jobruns.user import MAX_ROLE_BYTES, UserRole, built_in_roles, check_role_name, is_built_in, normalize_name


def add_role(
    ports: PeoplePorts, principal: Principal, name: str, grants: Grants, *, extra: dict[str, Any] | None = None
) -> UserRole:
    """Make a role of the caller's org: one transaction.

    Raises
    ------
    InvalidInputError
        The name is not one a role may have, or there is too much in it.
    AlreadyExistsError
        The org has a role of this name.
    ConflictError
        The org has as many roles as it may have.
    """
    require_admin(principal)
    name, now = check_role_name(name), ports.clock()
    if is_built_in(name):
        raise AlreadyExistsError(f"every org has the role {name!r}; choose another name", field="role")
    role = UserRole(name=name, org=principal.org, grants=grants, extra=extra or {}, created_at=now, modified_at=now)
    _check_size(role)
    ports.people.add_role(role, principal)
    return role


def alter_role(
    ports: PeoplePorts, principal: Principal, name: str, grants: Grants, *, extra: dict[str, Any] | None = None
) -> UserRole:
    """Replace what a role of the caller's org grants, and what a door keeps with it; ``None`` leaves that.

    It holds for all who have the role, after half a minute at the latest. What is so already is not written.

    Raises
    ------
    InvalidInputError
        There is too much in it.
    NotFoundError
        The org has no such role.
    ConflictError
        Every org has it as it is, or the caller would lock itself out.
    StaleWriteError
        A bounded number of tries all lost against other writers.
    """
    require_admin(principal)
    for _ in range(MAX_TRIES):
        was = _find_own(ports, principal, name)
        if was.name == principal.user_role and not grants.everything:
            raise ConflictError("an admin cannot lock itself out; ask another admin")
        changes = {"grants": grants, "extra": was.extra if extra is None else extra}
        if all(getattr(was, field) == value for field, value in changes.items()):
            return was
        role = was.model_copy(update={**changes, "version": was.version + 1, "modified_at": ports.clock()})
        _check_size(role)
        if ports.people.change_role(role, was, principal):
            return role
    raise StaleWriteError(f"the role {name[:128]!r} is being changed by others; try again")


def drop_role(ports: PeoplePorts, principal: Principal, name: str) -> UserRole:
    """Delete a role of the caller's org that no user has.

    Returns
    -------
    UserRole
        As it was at last.

    Raises
    ------
    NotFoundError
        The org has no such role.
    ConflictError
        A user has it, or every org has it.
    """
    require_admin(principal)
    role = _find_own(ports, principal, name)
    if role.name != principal.user_role and ports.people.remove_role(role, principal):
        return role
    _find_own(ports, principal, name)
    raise ConflictError(f"there are users with the role {role.name!r}; give them another first")


def show_role(ports: PeoplePorts, principal: Principal, name: str) -> UserRole:
    """Read a role; everybody may read its own.

    Raises
    ------
    AccessDeniedError
        It is another, and the caller is no admin.
    NotFoundError
        The org has no such role.
    """
    if normalize_name(name) != principal.user_role:
        require_admin(principal)
    return find_role(ports, principal.org, name)


def list_roles(ports: PeoplePorts, principal: Principal) -> list[UserRole]:
    """Read the roles that a user of the caller's org can have: those of every org, then its own by name."""
    require_admin(principal)
    return [*built_in_roles(principal.org), *ports.people.roles(principal.org)]


def _find_own(ports: PeoplePorts, principal: Principal, name: str) -> UserRole:
    role = find_role(ports, principal.org, name)
    if role.built_in:
        raise ConflictError(f"every org has the role {role.name!r}, and none can change it")
    return role


def _check_size(role: UserRole) -> None:
    size = len(json.dumps([role.grants.model_dump(mode="json"), role.extra]).encode())
    if size > MAX_ROLE_BYTES:
        raise InvalidInputError(f"a role takes {MAX_ROLE_BYTES} bytes at most; this one takes {size}", field="role")
