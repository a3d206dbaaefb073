"""Use cases of access keys: make, list, revoke.

All but `list_own_keys` ask for no permission. Keys are made by whoever holds the deployment's AWS credentials, never
through a door.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from jobruns.access import AccessKey, Principal, Role, key_secret, new_key_id
from jobruns.errors import InvalidInputError, NotFoundError

MAX_LIFETIME = timedelta(days=3650)
MAX_DESCRIPTION_CHARACTERS = 256

_ORG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_ONE_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*")


class KeyStore(Protocol):
    """Where keys are; see `jobruns.store.access_keys` for what each method promises."""

    def add(self, key: AccessKey) -> None: ...  # noqa: D102
    def revoke(self, key_id: str, at: datetime) -> bool: ...  # noqa: D102
    def all(self) -> list[AccessKey]: ...  # noqa: D102
    def of_org(self, org: str) -> list[AccessKey]: ...  # noqa: D102


def create_key(
    keys: KeyStore,
    master: str,
    clock: Callable[[], datetime],
    *,
    org: str,
    role: Role,
    description: str | None = None,
    lifetime: timedelta | None = None,
) -> tuple[AccessKey, str]:
    """Make a key.

    Parameters
    ----------
    keys : KeyStore
        Where it is kept.
    master : str
        The stack's master secret, which the key's own is derived from.
    clock : callable
        Gives the time, aware.
    org : str
        Whose key it is. An org exists by having a key. A UUID is kept in lower case, as uploads are compared to it.
    role : Role
        What it may do.
    description : str, optional
        For people who look through the keys: one line.
    lifetime : timedelta, optional
        After this the key opens nothing; without one it does not expire.

    Returns
    -------
    tuple of AccessKey and str
        The key and its secret, which is kept nowhere.

    Raises
    ------
    InvalidInputError
        The org's name, the description or the lifetime is not one a key may have.
    """
    org = spell_org(org)
    if description is not None and (
        len(description) > MAX_DESCRIPTION_CHARACTERS or not _ONE_LINE.fullmatch(description)
    ):
        raise InvalidInputError(
            f"a description is one line of at most {MAX_DESCRIPTION_CHARACTERS} characters", field="description"
        )
    if lifetime is not None and not timedelta(0) < lifetime <= MAX_LIFETIME:
        raise InvalidInputError(f"a key lives more than 0 and at most {MAX_LIFETIME.days} days", field="lifetime")
    now = clock()
    key = AccessKey(
        key_id=new_key_id(),
        org=org,
        role=role,
        description=description or None,
        created_at=now,
        expires_at=None if lifetime is None else now + lifetime,
    )
    keys.add(key)
    return key, key_secret(master, key.key_id)


def spell_org(org: str) -> str:
    """Let the name of an org pass, spelled the one way it is kept: a UUID in lower case.

    Raises
    ------
    InvalidInputError
        No org is named so.
    """
    if not _ORG.fullmatch(org):
        raise InvalidInputError(
            "an org is named by 1 to 64 letters, digits, dots, dashes and underscores, the first a letter or a digit",
            field="org",
        )
    return org.lower() if _UUID.fullmatch(org) else org


def list_keys(keys: KeyStore, *, org: str | None = None) -> list[AccessKey]:
    """Read the keys of an org, or of all, oldest first; revoked and expired ones too."""
    found = keys.all() if org is None else keys.of_org(org)
    return sorted(found, key=lambda key: (key.created_at, key.key_id))


def list_own_keys(keys: KeyStore, clock: Callable[[], datetime], principal: Principal) -> list[AccessKey]:
    """Read the keys that a caller may act as, oldest first: an admin as each of its org's, all others as their own.

    Keys that open nothing any more are left out.
    """
    now = clock()
    return [
        key
        for key in list_keys(keys, org=principal.org)
        if key.usable(now) and (principal.role is Role.ADMIN or key.key_id == principal.name)
    ]


def revoke_key(keys: KeyStore, clock: Callable[[], datetime], key_id: str) -> None:
    """End a key. Doors that saw it lately let it in for up to half a minute more.

    Raises
    ------
    NotFoundError
        There is no such key.
    """
    if not keys.revoke(key_id, clock()):
        raise NotFoundError(f"no key has the id {key_id[:64]!r}", field="key_id")
