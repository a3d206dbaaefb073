"""Requests on users, roles and tokens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hdb.errors import WrongPasswordError
from hdb.fields import Reader
from hdb.grants import read_permission
from jobruns.grants import Grants


@dataclass(frozen=True, slots=True)
class Login:
    """Who a token is for; ``None`` where it is whoever the request's own credential is of."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user that is to be made."""

    username: str
    password: str = field(repr=False)
    role: str
    active: bool


@dataclass(frozen=True, slots=True)
class ChangedUser:
    """What is to be otherwise about a user; ``None`` stays as it is."""

    username: str
    password: str | None = field(repr=False)
    role: str | None
    active: bool | None


@dataclass(frozen=True, slots=True)
class NamedUser:
    """A user by name."""

    username: str


@dataclass(frozen=True, slots=True)
class WrittenRole:
    """A role that is to be made or changed: its permission as it was sent, and as it is understood."""

    role: str
    permission: Mapping[str, Any]
    grants: Grants


@dataclass(frozen=True, slots=True)
class NamedRole:
    """A role by its id, which is its name."""

    role: str


def read_login(fields: Mapping[str, Any]) -> Login | None:
    """Read ``create_authentication_tokens``; ``None`` where neither member is there.

    Raises
    ------
    WrongPasswordError
        Only one of them is there, or they are no texts.
    """
    username, password = fields.get("username"), fields.get("password")
    if username is None and password is None:
        return None
    if not isinstance(username, str) or not isinstance(password, str):
        raise WrongPasswordError
    return Login(username, password)


def read_new_user(fields: Mapping[str, Any]) -> NewUser:
    """Read ``add_user``.

    Raises
    ------
    InvalidRequestError
        Members are wrong.
    """
    reader = Reader(fields, ",")
    username = reader.plain_name(("username",))
    password, role = reader.plain_text("password"), reader.plain_text("role")
    active = fields.get("active")
    if active is None:
        reader.fail("Active can't be blank")
    return reader.finish(lambda: NewUser(username, password, role, _read_flag(active, reader)))


def read_changed_user(fields: Mapping[str, Any]) -> ChangedUser:
    """Read ``alter_user``.

    Raises
    ------
    InvalidRequestError
        Members are wrong.
    """
    reader = Reader(fields, ",")
    username = reader.plain_name(("username",))
    password, role = (None if fields.get(name) is None else reader.plain_text(name) for name in ("password", "role"))
    active = None if fields.get("active") is None else _read_flag(fields["active"], reader)
    return reader.finish(lambda: ChangedUser(username, password, role, active))


def read_named_user(fields: Mapping[str, Any]) -> NamedUser:
    """Read ``drop_user``.

    Raises
    ------
    InvalidRequestError
        There is no name.
    """
    reader = Reader(fields, ",")
    username = reader.plain_text("username")
    return reader.finish(lambda: NamedUser(username))


def read_new_role(fields: Mapping[str, Any]) -> WrittenRole:
    """Read ``add_role``.

    Raises
    ------
    InvalidRequestError
        Members are wrong.
    """
    return _read_role(fields, "role")


def read_changed_role(fields: Mapping[str, Any]) -> WrittenRole:
    """Read ``alter_role``.

    Raises
    ------
    InvalidRequestError
        Members are wrong.
    """
    return _read_role(fields, "id")


def read_named_role(fields: Mapping[str, Any]) -> NamedRole:
    """Read ``drop_role``.

    Raises
    ------
    InvalidRequestError
        There is no id.
    """
    reader = Reader(fields, ",")
    role = reader.plain_text("id")
    return reader.finish(lambda: NamedRole(role))


def _read_role(fields: Mapping[str, Any], name: str) -> WrittenRole:
    reader = Reader(fields, ",")
    role = reader.plain_name((name,))
    permission = fields.get("permission")
    if permission is None:
        reader.fail("Permission can't be blank")
    elif not isinstance(permission, Mapping):
        reader.fail("Permission must be an object")
    given = permission if isinstance(permission, Mapping) else {}
    grants = read_permission(given, reader)
    return reader.finish(lambda: WrittenRole(role, given, grants))


def _read_flag(value: Any, reader: Reader) -> bool:
    if isinstance(value, bool):
        return value
    reader.fail("Active must be a boolean")
    return reader.finish(lambda: False)
