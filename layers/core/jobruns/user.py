"""Users and their roles: names with a password of their own choosing, beside keys whose secrets are derived.

A user has one role, by its name. Besides those that an org makes for itself there are four in every org, named as the
roles of access keys, which mean the same and cannot be changed.
"""

import secrets
import unicodedata
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from jobruns.access import KEY_ID_PREFIX, Principal, Role, grants_of, is_key_id, role_of
from jobruns.errors import InvalidInputError
from jobruns.grants import Grants

MAX_NAME_BYTES = 128
MAX_USERS = 500
"""Of one org."""
MAX_ROLES = 100
"""Of one org, beside those that are in every org."""
MAX_ROLE_BYTES = 64 * 1024
"""Of a role's grants and of what a door keeps with them, as JSON: an item of DynamoDB holds 400 KB."""


class User(BaseModel):
    """Somebody who calls by a name and a password.

    Parameters
    ----------
    name : str
        Unique in the stack, as a request says nothing of its org.
    org : str
        Whose user it is.
    role : str
        Name of the role, of every org or of this one.
    active : bool
        Whether it opens anything.
    password : str
        What is kept of the password; empty where users are listed.
    generation : str
        Another whenever the user's tokens are to end: with a new password, when it is switched off, and if it is
        deleted and made again. Empty where users are listed.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    org: str
    role: str
    active: bool = True
    password: str = Field(default="", repr=False)
    generation: str = Field(default="", repr=False)
    created_at: AwareDatetime
    modified_at: AwareDatetime
    version: int = 1

    def principal(self, grants: Grants) -> Principal:
        """Name the user as a caller, who may do what its role grants."""
        return Principal(org=self.org, name=self.name, role=role_of(grants), user_role=self.role, grants=grants)


class UserRole(BaseModel):
    """A named set of grants of an org. ``extra`` is a door's own, by the door's name."""

    model_config = ConfigDict(frozen=True)

    name: str
    org: str
    grants: Grants
    extra: dict[str, Any] = Field(default_factory=dict)
    created_at: AwareDatetime | None = None
    modified_at: AwareDatetime | None = None
    version: int = 1

    @property
    def built_in(self) -> bool:
        """Whether every org has it, and none can change it."""
        return is_built_in(self.name)


def is_built_in(role: str) -> bool:
    """Whether every org has a role of this name."""
    return role in frozenset(Role)


def built_in_roles(org: str) -> list[UserRole]:
    """Give the roles that every org has, as this org's."""
    return [UserRole(name=str(role), org=org, grants=grants_of(role)) for role in Role]


def new_generation() -> str:
    """Begin another life of a user's tokens."""
    return secrets.token_hex(8)


def normalize_name(name: str) -> str:
    """Spell a name the one way it is kept."""
    return unicodedata.normalize("NFC", name[: MAX_NAME_BYTES + 1])


def is_user_name(name: str) -> bool:
    """Whether a user may have this name: a credential with any other is not looked for."""
    # The service's own callers have a colon in their names.
    return _fault_of(name) is None and ":" not in name and not is_key_id(name)


def check_user_name(name: str) -> str:
    """Let a name of a user pass, spelled the one way it is kept.

    Raises
    ------
    InvalidInputError
        It is empty or too long, has characters that cannot be shown or a colon, or is like a key's id.
    """
    name = normalize_name(name)
    if fault := _fault_of(name):
        raise InvalidInputError(f"a user's name {fault}", field="name")
    if not is_user_name(name):
        raise InvalidInputError(
            f"a user's name has no colon, which would end it where it is sent, and does not begin with {KEY_ID_PREFIX}",
            field="name",
        )
    return name


def is_role_name(name: str) -> bool:
    """Whether a role may have this name: any other is not looked for."""
    return _fault_of(name) is None


def check_role_name(name: str) -> str:
    """Let a name of an org's own role pass, spelled the one way it is kept.

    Raises
    ------
    InvalidInputError
        It is empty or too long, or has characters that cannot be shown.
    """
    name = normalize_name(name)
    if fault := _fault_of(name):
        raise InvalidInputError(f"a role's name {fault}", field="role")
    return name


def _fault_of(name: str) -> str | None:
    if not name.isprintable() or name != name.strip() or not 0 < len(name.encode()) <= MAX_NAME_BYTES:
        return f"is 1 to {MAX_NAME_BYTES} bytes of characters that can be shown, with no space at its ends"
    return None
