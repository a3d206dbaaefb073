"""Users and roles.

A user is written together with its line in the list of its org's users, and with the count of those who have its role,
so that a role goes only when nobody has it. Every write that somebody calls for also demands that the caller still
may: an admin that was demoted a moment ago is one no more, and two that demote each other do not both succeed.
"""

from typing import Any

from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition

from jobruns.access import Principal, is_key_id
from jobruns.errors import AccessDeniedError, AlreadyExistsError, ConflictError, NotFoundError
from jobruns.grants import Grants
from jobruns.store import keys
from jobruns.store.people_items import AccessKeyItem, HeadcountItem, RoleItem, UserItem
from jobruns.store.transaction import RefusedError, Transaction, TransactionalStore
from jobruns.user import MAX_ROLES, MAX_USERS, User, UserRole, is_built_in

_SECRETS = {"password", "generation"}
_LIMITS = {"users": MAX_USERS, "roles": MAX_ROLES}


class People(TransactionalStore):
    """Reads and writes users and roles."""

    def get(self, name: str) -> User | None:
        """Read a user, consistently: one read."""
        try:
            return _read_user(UserItem.get(keys.user_pk(name), "USER", consistent_read=True))
        except DoesNotExist:
            return None

    def of_org(self, org: str) -> list[User]:
        """Read the users of an org by name, consistently, without what is kept of their passwords."""
        found = UserItem.query(keys.users_pk(org), consistent_read=True, limit=MAX_USERS)
        return [_read_user(item) for item in found]

    def role(self, org: str, name: str) -> UserRole | None:
        """Read a role of an org's own, consistently: one read."""
        try:
            return _read_role(RoleItem.get(keys.roles_pk(org), name, consistent_read=True))
        except DoesNotExist:
            return None

    def roles(self, org: str) -> list[UserRole]:
        """Read an org's own roles by name, consistently."""
        found = RoleItem.query(keys.roles_pk(org), consistent_read=True, limit=MAX_ROLES)
        return [_read_role(item) for item in found]

    def add(self, user: User, by: Principal) -> None:
        """Write a new user.

        Raises
        ------
        NotFoundError
            The org has no such role.
        AlreadyExistsError
            The name is taken, in this org or another.
        ConflictError
            The org has as many users as it may have.
        AccessDeniedError
            The caller is an admin no more.
        """
        change = _Change(self._begin(), user.org, by)
        change.add_user(user)
        change.hold_role(user.role, 1)
        change.count("users", 1)
        change.commit()

    def change(self, user: User, was: User, by: Principal) -> bool:
        """Replace a user.

        Returns
        -------
        bool
            False when it is not as `was` any more; nothing was written.

        Raises
        ------
        NotFoundError
            The org has no such role.
        AccessDeniedError
            The caller is an admin no more.
        """
        change = _Change(self._begin(), user.org, by)
        change.change_user(user, was)
        if user.role != was.role:
            change.hold_role(user.role, 1)
            change.hold_role(was.role, -1)
        return change.commit()

    def remove(self, user: User, by: Principal) -> bool:
        """Delete a user and free its name.

        Returns
        -------
        bool
            False when it is not as `user` any more; nothing was deleted.

        Raises
        ------
        AccessDeniedError
            The caller is an admin no more.
        """
        change = _Change(self._begin(), user.org, by)
        change.delete_user(user)
        change.hold_role(user.role, -1)
        change.count("users", -1)
        return change.commit()

    def add_role(self, role: UserRole, by: Principal) -> None:
        """Write a new role.

        Raises
        ------
        AlreadyExistsError
            The org has one of this name.
        ConflictError
            The org has as many roles as it may have.
        AccessDeniedError
            The caller is an admin no more.
        """
        change = _Change(self._begin(), role.org, by)
        change.add_role(role)
        change.count("roles", 1)
        change.commit()

    def change_role(self, role: UserRole, was: UserRole, by: Principal) -> bool:
        """Replace what a role grants; who has it keeps it.

        Returns
        -------
        bool
            False when it is not as `was` any more; nothing was written.

        Raises
        ------
        AccessDeniedError
            The caller is an admin no more.
        """
        change = _Change(self._begin(), role.org, by)
        change.change_role(role, was)
        return change.commit()

    def remove_role(self, role: UserRole, by: Principal) -> bool:
        """Delete a role that no user has.

        Returns
        -------
        bool
            False when a user has it, or it is gone; nothing was deleted.

        Raises
        ------
        AccessDeniedError
            The caller is an admin no more.
        """
        change = _Change(self._begin(), role.org, by)
        change.delete_role(role)
        change.count("roles", -1)
        return change.commit()


class _Change:
    """One transaction on an org's people, with what must hold of whoever calls for it.

    DynamoDB takes an item once in a transaction, so what must hold of the caller's own role is demanded where that is
    written, and looked at by itself where it is not. A caller's own user is written on the condition that it is as it
    was read, and the use cases have looked at it.
    """

    def __init__(self, transaction: Transaction, org: str, by: Principal) -> None:
        self._transaction = transaction
        self._org = org
        self._by = by
        self._written: set[str] = set()

    def add_user(self, user: User) -> None:
        self._written.add(f"user {user.name}")
        self._transaction.put("name", _user_item(user), UserItem.pk.does_not_exist())
        self._transaction.put("line", _line_item(user))

    def change_user(self, user: User, was: User) -> None:
        self._written.add(f"user {user.name}")
        self._transaction.put("user", _user_item(user), _is_as(was))
        self._transaction.put("line", _line_item(user))

    def delete_user(self, user: User) -> None:
        self._written.add(f"user {user.name}")
        self._transaction.delete("user", _user_item(user), _is_as(user))
        self._transaction.delete("line", _line_item(user))

    def hold_role(self, name: str, more: int) -> None:
        if is_built_in(name):
            return
        actions = [RoleItem.holders.add(more)]
        condition = self._and_mine(name, RoleItem.pk.exists())
        self._transaction.update(f"holders {name}", _role_key(self._org, name), actions, condition)

    def add_role(self, role: UserRole) -> None:
        self._written.add(f"role {role.name}")
        self._transaction.put("role", _role_item(role), RoleItem.pk.does_not_exist())

    def change_role(self, role: UserRole, was: UserRole) -> None:
        item = _role_item(role)
        actions = [
            RoleItem.grants.set(item.grants),
            RoleItem.everything.set(item.everything),
            RoleItem.extra.set(item.extra),
            RoleItem.version.set(item.version),
            RoleItem.modified_at.set(item.modified_at),
        ]
        as_it_was = (RoleItem.version == was.version) & (RoleItem.created_at == was.created_at)
        condition = self._and_mine(role.name, as_it_was)
        self._transaction.update("change", _role_key(self._org, role.name), actions, condition)

    def delete_role(self, role: UserRole) -> None:
        self._written.add(f"role {role.name}")
        self._transaction.delete("change", _role_key(self._org, role.name), RoleItem.holders == 0)

    def count(self, what: str, more: int) -> None:
        counted: Any = getattr(HeadcountItem, what)
        room = counted.does_not_exist() | (counted < _LIMITS[what])
        item = HeadcountItem(pk=keys.headcount_pk(self._org), sk="HEADCOUNT")
        actions = [counted.add(more), HeadcountItem.kind.set("headcount")]
        self._transaction.update(f"room {what}", item, actions, room if more > 0 else None)

    def commit(self) -> bool:
        """Write everything; False where what was to be changed is not as it was."""
        self._check_caller()
        try:
            self._transaction.commit()
        except RefusedError as refusal:
            return self._explain(refusal)
        return True

    def _and_mine(self, role: str, condition: Condition) -> Condition:
        """Demand of a role that is written also, if it is the caller's, that it grants everything."""
        self._written.add(f"role {role}")
        return condition & (RoleItem.everything == True) if role == self._by.user_role else condition  # noqa: E712

    def _check_caller(self) -> None:
        name, role = self._by.name, self._by.user_role
        if is_key_id(name):
            usable = AccessKeyItem.pk.exists() & AccessKeyItem.revoked_at.does_not_exist()
            self._transaction.check("caller", AccessKeyItem(pk=keys.key_pk(name), sk="KEY"), usable)
        if role is None:
            return
        if f"user {name}" not in self._written:
            still = (UserItem.org == self._by.org) & (UserItem.role == role) & (UserItem.active == True)  # noqa: E712
            self._transaction.check("caller", UserItem(pk=keys.user_pk(name), sk="USER"), still)
        if not is_built_in(role) and f"role {role}" not in self._written:
            condition = RoleItem.everything == True  # noqa: E712
            self._transaction.check("caller's role", _role_key(self._org, role), condition)

    def _explain(self, refusal: RefusedError) -> bool:
        parts = refusal.parts
        holders = {part.partition(" ")[2]: met for part, met in parts.items() if part.startswith("holders ")}
        # A role that is there was refused for what is demanded of the caller's own.
        if any(holders.values()) or "caller" in parts or "caller's role" in parts:
            raise AccessDeniedError("the caller is no admin any more") from None
        for role in holders:
            raise NotFoundError(f"there is no role {role!r}", field="role") from None
        for what, most in _LIMITS.items():
            if f"room {what}" in parts:
                raise ConflictError(f"an org has at most {most} {what}; delete some first") from None
        if "name" in parts:
            raise AlreadyExistsError("the name is taken; choose another", field="name") from None
        if "role" in parts:
            raise AlreadyExistsError("the org has a role of this name; choose another", field="role") from None
        return False


def _is_as(user: User) -> Condition:
    condition: Condition = (UserItem.version == user.version) & (UserItem.generation == user.generation)
    return condition


def _user_item(user: User) -> UserItem:
    return UserItem(pk=keys.user_pk(user.name), sk="USER", kind="user", **user.model_dump())


def _line_item(user: User) -> UserItem:
    return UserItem(pk=keys.users_pk(user.org), sk=user.name, kind="user", **user.model_dump(exclude=_SECRETS))


def _role_key(org: str, name: str) -> RoleItem:
    return RoleItem(pk=keys.roles_pk(org), sk=name)


def _role_item(role: UserRole) -> RoleItem:
    return RoleItem(
        pk=keys.roles_pk(role.org),
        sk=role.name,
        kind="role",
        name=role.name,
        org=role.org,
        grants=role.grants.model_dump(mode="json"),
        everything=role.grants.everything,
        extra=role.extra,
        holders=0,
        version=role.version,
        created_at=role.created_at,
        modified_at=role.modified_at,
    )


def _read_user(item: UserItem) -> User:
    return User(
        name=item.name,
        org=item.org,
        role=item.role,
        active=item.active,
        password=item.password or "",
        generation=item.generation or "",
        created_at=item.created_at,
        modified_at=item.modified_at,
        version=int(item.version),
    )


def _read_role(item: RoleItem) -> UserRole:
    return UserRole(
        name=item.name,
        org=item.org,
        grants=Grants.model_validate(item.grants),
        extra=item.extra or {},
        created_at=item.created_at,
        modified_at=item.modified_at,
        version=int(item.version),
    )
