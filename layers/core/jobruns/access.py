"""Who calls: keys, roles and short-lived tokens.

A key's secret is not stored. It is derived from the key id and the stack's master secret by HMAC-SHA256, so that the
ledger table gives nothing away and a signature over a request can still be checked, which a one-way hash of the secret
would make impossible. Whoever can read the master secret can forge any key; its policy is the thing to guard.

Users, who choose their passwords, call in the same ways but for signatures: see `jobruns.user`.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from enum import StrEnum, unique
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from jobruns.errors import (
    AccessDeniedError,
    ExpiredCredentialError,
    MalformedCredentialError,
    MissingCredentialError,
    MissingRightsError,
    NotAuthenticatedError,
)
from jobruns.grants import ALL_RIGHTS, LOAD_RIGHTS, Grants, Need, Right, describe_missing, missing
from jobruns.tokens import (
    EXPIRED,
    REFUSED,
    TOKEN_SECONDS,
    Claims,
    Party,
    Purpose,
    read_claims,
    sign_claims,
)

KEY_ID_PREFIX = "JRAK"


@unique
class Role(StrEnum):
    """What a key may do."""

    ADMIN = "admin"
    OPERATOR = "operator"
    REPORTER = "reporter"
    READER = "reader"


@unique
class Permission(StrEnum):
    """A kind of action."""

    READ = "read"
    REPORT = "report"
    START = "start"
    STOP = "stop"
    DEFINE = "define"
    ADMINISTER = "administer"


_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.READER: frozenset({Permission.READ}),
    Role.REPORTER: frozenset({Permission.READ, Permission.REPORT, Permission.START}),
    Role.OPERATOR: frozenset({Permission.READ, Permission.REPORT, Permission.START, Permission.STOP}),
    Role.ADMIN: frozenset(Permission),
}

_GRANTS: dict[Role, Grants] = {
    Role.READER: Grants(everywhere=frozenset({Right.READ})),
    Role.REPORTER: Grants(everywhere=LOAD_RIGHTS | {Right.READ}),
    Role.OPERATOR: Grants(everywhere=ALL_RIGHTS),
    Role.ADMIN: Grants(everything=True),
}


def grants_of(role: Role) -> Grants:
    """Give what may be done with tables by whoever has a role."""
    return _GRANTS[role]


def role_of(grants: Grants) -> Role:
    """Give the role by which all else is decided for whoever holds grants.

    Runs and jobs are of the org, not of tables, so only rights on every table say something of them: who may do
    everything with all rows may start and stop what does it, and who may load any table may start loads and report
    them. Rights on single tables let nobody start what may be a load of another; who holds such sees the org's runs,
    as every caller does, and starts operations where `Principal.cleared` is asked for the table.
    """
    if grants.everything:
        return Role.ADMIN
    for role in (Role.OPERATOR, Role.REPORTER):
        if grants.everywhere >= _GRANTS[role].everywhere:
            return role
    return Role.READER


class AccessKey(BaseModel):
    """One credential of an org."""

    model_config = ConfigDict(frozen=True)

    key_id: str
    org: str
    role: Role
    description: str | None = None
    created_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    revoked_at: AwareDatetime | None = None

    def usable(self, now: datetime) -> bool:
        """Whether the key opens anything at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class Principal(BaseModel):
    """Who is calling, on behalf of which org, with which role.

    ``name`` is a key's id or a user's name. ``user_role`` is the name of a user's role, ``None`` of all others, and
    ``grants`` what it grants; without any, `role` says what may be done with tables.
    """

    model_config = ConfigDict(frozen=True)

    org: str
    name: str
    role: Role
    user_role: str | None = None
    grants: Grants | None = None

    @property
    def rights(self) -> Grants:
        """What the caller may do with tables."""
        return grants_of(self.role) if self.grants is None else self.grants

    def require(self, permission: Permission) -> None:
        """Let the caller pass if its role allows `permission`.

        Raises
        ------
        AccessDeniedError
            It does not.
        """
        if permission not in _PERMISSIONS[self.role]:
            who = f"key with the role {self.role}" if self.user_role is None else f"user with the role {self.user_role}"
            raise AccessDeniedError(f"a {who} may not {permission}; use one whose role allows it")

    def require_rights(self, *needs: Need) -> None:
        """Let the caller pass if it may do all this with tables.

        Raises
        ------
        MissingRightsError
            It may not; the error lists what is missing.
        """
        if gaps := missing(self.rights, needs):
            raise MissingRightsError(describe_missing(gaps), gaps)

    def cleared(self, need: Need, *needs: Need) -> Self:
        """Give the caller as an operator, for a step that it has these rights on tables for.

        The use cases of runs ask for permissions that who has rights on single tables has not. What is given here is
        for calling those, about these tables, and for nothing else.

        Raises
        ------
        MissingRightsError
            The rights are missing; the error lists which.
        """
        self.require_rights(need, *needs)
        return self._lifted(Role.OPERATOR)

    def cleared_to_shape(self, project: str | None) -> Self:
        """Give the caller as an admin, for making or dropping tables in a project, or with ``None`` a new project.

        It is for that and for nothing else, as `cleared` is.

        Raises
        ------
        AccessDeniedError
            It may not make or drop tables there.
        """
        if not self.rights.may_shape(project):
            where = "new projects" if project is None else f"the project {project!r}"
            raise AccessDeniedError(f"the caller's role does not allow to make or drop tables in {where}")
        return self._lifted(Role.ADMIN)

    def _lifted(self, role: Role) -> Self:
        """Give the caller with another role, if that is a higher one, and with the rights on tables it has."""
        if _PERMISSIONS[self.role] >= _PERMISSIONS[role]:
            return self
        return self.model_copy(update={"role": role, "grants": self.rights})


def system_principal(org: str, name: str) -> Principal:
    """Name the service itself as the caller, for what it does on its own (an upload's run, a retry)."""
    return Principal(org=org, name=f"jobruns:{name}", role=Role.ADMIN)


def is_key_id(name: str) -> bool:
    """Whether a credential with this name is a key's; all others are users'."""
    return name.startswith(KEY_ID_PREFIX)


def new_key_id() -> str:
    """Allot a key id: 20 upper-case letters and digits, the shape that AWS clients accept."""
    return KEY_ID_PREFIX + base64.b32encode(secrets.token_bytes(10)).decode()


def key_secret(master: str, key_id: str) -> str:
    """Derive the secret of a key.

    Parameters
    ----------
    master : str
        The stack's master secret.
    key_id : str
        The key's id.

    Returns
    -------
    str
        43 characters of the URL-safe base64 alphabet.
    """
    digest = hmac.new(master.encode(), f"key:{key_id}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def key_token(master: str, key_id: str) -> str:
    """Join key id and secret into the one string that serves as Bearer token and ``x-api-key``."""
    return f"{key_id}.{key_secret(master, key_id)}"


def secret_matches(master: str, key_id: str, secret: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(key_secret(master, key_id).encode(), secret.encode())


def issue_token(
    master: str, key: AccessKey, now: datetime, seconds: float = TOKEN_SECONDS, *, actor: Party | None = None
) -> str:
    """Sign a short-lived token (JWT, HS256) that stands for `key`.

    Parameters
    ----------
    master : str
        The stack's master secret.
    key : AccessKey
        Whose rights the token gives.
    now : datetime
        Aware.
    seconds : float
        How long it lives.
    actor : Party, optional
        Who asked for the token, where that is another.

    Returns
    -------
    str
        The token; it ends with the key, and with the actor.
    """
    claims = Claims(
        subject=Party(name=key.key_id),
        expires_at=now + timedelta(seconds=seconds),
        actor=actor,
    )
    return sign_claims(master, claims, now)


class Credential(BaseModel):
    """What a request presented: a key's id or a user's name with a secret, or what a signed token says.

    ``generation``, ``expires_at``, ``purpose`` and ``actor``, by whose leave a token stands for another, are a token's.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    secret: str | None = Field(default=None, repr=False)
    generation: str | None = None
    expires_at: AwareDatetime | None = None
    purpose: Purpose = Purpose.OPERATION
    actor: Party | None = None

    @classmethod
    def from_token(cls, text: str, master: str, now: datetime) -> "Credential":
        """Read a Bearer or ``x-api-key`` string, either ``<key id>.<secret>`` or a signed token.

        Raises
        ------
        ExpiredCredentialError
            It is a token whose time is over.
        NotAuthenticatedError
            It is neither, or the token's signature is wrong.
        """
        key_id, dot, secret = text.partition(".")
        if dot and key_id.startswith(KEY_ID_PREFIX):
            return cls(name=key_id, secret=secret)
        claims = read_claims(master, text, now)
        return cls(
            name=claims.subject.name,
            generation=claims.subject.generation,
            expires_at=claims.expires_at,
            purpose=claims.purpose,
            actor=claims.actor,
        )

    @classmethod
    def from_basic(cls, encoded: str) -> "Credential":
        """Read the part of a Basic header after the scheme.

        Raises
        ------
        MalformedCredentialError
            It is not base64 of ``<key id>:<secret>`` or ``<user>:<password>``.
        """
        try:
            name, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            colon = ""
        if not colon:
            raise MalformedCredentialError("the Authorization header must be Basic with base64 of <key id>:<secret>")
        return cls(name=name, secret=secret)


def read_credential(headers: dict[str, str], master: str, now: datetime) -> Credential:
    """Find the credential of a request.

    Parameters
    ----------
    headers : dict of str to str
        With lower-case names.
    master : str
        The stack's master secret.
    now : datetime
        Aware.

    Raises
    ------
    MissingCredentialError
        There is none.
    ExpiredCredentialError
        It is a token whose time is over.
    NotAuthenticatedError
        It cannot be read, or is a token whose signature is wrong.
    """
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return Credential.from_token(rest.strip(), master, now)
        case "basic":
            return Credential.from_basic(rest.strip())
    if api_key := headers.get("x-api-key"):
        return Credential.from_token(api_key.strip(), master, now)
    raise MissingCredentialError("send a key as Authorization: Bearer, as Authorization: Basic, or as x-api-key")


def admit(key: AccessKey | None, credential: Credential, master: str, now: datetime) -> Principal:
    """Turn a credential into a principal.

    `key` is what the store holds for the credential's key id, ``None`` if nothing. A token was checked when it was
    read; a secret is compared here, also when the key is unknown, so that the answer's timing tells nothing.

    Raises
    ------
    ExpiredCredentialError
        The key has expired, and whoever calls holds its secret or a token of it.
    NotAuthenticatedError
        Unknown or revoked key, or a wrong secret.
    """
    genuine = credential.secret is None or secret_matches(master, credential.name, credential.secret)
    if key is None or not genuine or key.revoked_at is not None:
        raise NotAuthenticatedError(REFUSED)
    if not key.usable(now):
        raise ExpiredCredentialError(EXPIRED.format("key"))
    return Principal(org=key.org, name=key.key_id, role=key.role)
