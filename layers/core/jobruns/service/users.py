"""Use cases of users: make, change, delete, look at.

Whoever administers users stays able to: an admin can neither delete itself, nor switch itself off, nor give itself
another role, and every write demands that its caller is still what it was let in as. So however many admins there are
and whatever they do to each other at once, the last one is left. The command line, under the deployment's own AWS
credentials, may do it all.
"""

from typing import Any

from jobruns.access import Principal
from jobruns.errors import AccessDeniedError, ConflictError, NotFoundError, StaleWriteError
from jobruns.passwords import check_password, hash_password
from jobruns.service.people import MAX_TRIES, PeoplePorts, require_admin
from jobruns.user import User, check_user_name, is_role_name, is_user_name, new_generation, normalize_name


def add_user(
    ports: PeoplePorts, principal: Principal, name: str, *, password: str, role: str, active: bool = True
) -> User:
    """Make a user of the caller's org: one transaction.

    Raises
    ------
    InvalidInputError
        The name or the password is not one a user may have.
    NotFoundError
        The org has no such role.
    AlreadyExistsError
        The name is taken. Names are unique in the stack, so it may be by another org's user; which is not told.
    ConflictError
        The org has as many users as it may have.
    """
    require_admin(principal)
    name, now = check_user_name(name), ports.clock()
    check_password(password)
    user = User(
        name=name,
        org=principal.org,
        role=_spell_role(role),
        active=active,
        password=hash_password(ports.master(), password),
        generation=new_generation(),
        created_at=now,
        modified_at=now,
    )
    ports.people.add(user, principal)
    return user


def alter_user(
    ports: PeoplePorts,
    principal: Principal,
    name: str,
    *,
    password: str | None = None,
    role: str | None = None,
    active: bool | None = None,
) -> User:
    """Change a user of the caller's org; what is not given stays.

    Another password, and being switched off, end the user's tokens. Doors that saw the user lately may let it in as it
    was for half a minute more. What is so already is not written.

    Raises
    ------
    InvalidInputError
        The password is not one a user may have.
    NotFoundError
        The org has no such user, or no such role.
    ConflictError
        The caller would lock itself out.
    StaleWriteError
        A bounded number of tries all lost against other writers.
    """
    require_admin(principal)
    changes: dict[str, Any] = {} if role is None else {"role": _spell_role(role)}
    if active is not None:
        changes["active"] = active
    if password is not None:
        check_password(password)
        changes |= {"password": hash_password(ports.master(), password), "generation": new_generation()}
    for _ in range(MAX_TRIES):
        was = _find(ports, principal, name)
        _check_self(principal, was)
        news = {field: value for field, value in changes.items() if getattr(was, field) != value}
        if not news:
            return was
        if was.name == principal.name and news.keys() & {"role", "active"}:
            raise ConflictError("an admin cannot lock itself out; ask another admin")
        if news.get("active") is False:
            news["generation"] = new_generation()
        user = was.model_copy(update={**news, "version": was.version + 1, "modified_at": ports.clock()})
        if ports.people.change(user, was, principal):
            return user
    raise StaleWriteError(f"the user {name[:128]!r} is being changed by others; try again")


def drop_user(ports: PeoplePorts, principal: Principal, name: str) -> User:
    """Delete a user of the caller's org, which ends its tokens, and free its name.

    Returns
    -------
    User
        As it was at last.

    Raises
    ------
    NotFoundError
        The org has no such user.
    ConflictError
        It is the caller itself.
    StaleWriteError
        A bounded number of tries all lost against other writers.
    """
    require_admin(principal)
    for _ in range(MAX_TRIES):
        user = _find(ports, principal, name)
        if user.name == principal.name:
            raise ConflictError("an admin cannot delete itself; ask another admin")
        if ports.people.remove(user, principal):
            return user
    raise StaleWriteError(f"the user {name[:128]!r} is being changed by others; try again")


def find_user(ports: PeoplePorts, principal: Principal, name: str) -> User:
    """Read a user of the caller's org; everybody may read itself.

    Raises
    ------
    AccessDeniedError
        It is another, and the caller is no admin.
    NotFoundError
        The org has no such user.
    """
    if normalize_name(name) != principal.name:
        require_admin(principal)
    return _find(ports, principal, name)


def list_users(ports: PeoplePorts, principal: Principal) -> list[User]:
    """Read the users of the caller's org, by name."""
    require_admin(principal)
    return ports.people.of_org(principal.org)


def _find(ports: PeoplePorts, principal: Principal, name: str) -> User:
    spelled = normalize_name(name)
    user = ports.people.get(spelled) if is_user_name(spelled) else None
    if user is None or user.org != principal.org:
        raise NotFoundError(f"there is no user {name[:128]!r}", field="name")
    return user


def _spell_role(role: str) -> str:
    spelled = normalize_name(role)
    if not is_role_name(spelled):
        raise NotFoundError(f"there is no role {role[:128]!r}", field="role")
    return spelled


def _check_self(principal: Principal, user: User) -> None:
    """Let a caller that changes itself pass only if it is still what it was let in as."""
    if user.name == principal.name and (user.role != principal.user_role or not user.active):
        raise AccessDeniedError("the caller is no admin any more")
