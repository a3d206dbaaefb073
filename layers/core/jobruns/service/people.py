"""What the use cases of users and roles stand on, and what they share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from jobruns.access import Permission, Principal
from jobruns.errors import AccessDeniedError, NotFoundError
from jobruns.user import User, UserRole, built_in_roles, is_built_in, is_role_name, normalize_name

MAX_TRIES = 5


class PeopleStore(Protocol):
    """Where users and roles are; see `jobruns.store.people` for what each method promises."""

    def get(self, name: str) -> User | None: ...  # noqa: D102
    def of_org(self, org: str) -> list[User]: ...  # noqa: D102
    def add(self, user: User, by: Principal) -> None: ...  # noqa: D102
    def change(self, user: User, was: User, by: Principal) -> bool: ...  # noqa: D102
    def remove(self, user: User, by: Principal) -> bool: ...  # noqa: D102
    def role(self, org: str, name: str) -> UserRole | None: ...  # noqa: D102
    def roles(self, org: str) -> list[UserRole]: ...  # noqa: D102
    def add_role(self, role: UserRole, by: Principal) -> None: ...  # noqa: D102
    def change_role(self, role: UserRole, was: UserRole, by: Principal) -> bool: ...  # noqa: D102
    def remove_role(self, role: UserRole, by: Principal) -> bool: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class PeoplePorts:
    """What the use cases of users and roles stand on.

    Parameters
    ----------
    people : PeopleStore
        Where users and roles are.
    master : callable
        Gives the stack's master secret.
    clock : callable
        Gives the time, aware.
    """

    people: PeopleStore
    master: Callable[[], str]
    clock: Callable[[], datetime]


def find_role(ports: PeoplePorts, org: str, name: str) -> UserRole:
    """Read a role, of every org or of this one.

    Raises
    ------
    NotFoundError
        There is none of this name.
    """
    name = normalize_name(name)
    if is_built_in(name):
        return next(role for role in built_in_roles(org) if role.name == name)
    role = ports.people.role(org, name) if is_role_name(name) else None
    if role is None:
        raise NotFoundError(f"there is no role {name[:128]!r}", field="role")
    return role


def require_admin(principal: Principal) -> None:
    """Let only who may do everything pass: whoever makes users could make itself one of any role.

    Raises
    ------
    AccessDeniedError
        The caller may not.
    """
    principal.require(Permission.ADMINISTER)
    if not principal.rights.everything:  # one that was cleared for a step with tables is no admin
        raise AccessDeniedError("only who may do everything administers users and roles")
