"""Who calls: keys, roles and short-lived tokens.

A key's secret is not stored. It is derived from the key id and the stack's master secret by HMAC-SHA256, so that the
ledger table gives nothing away and a signature over a request can still be checked, which a one-way hash of the secret
would make impossible. Whoever can read the master secret can forge any key; its policy is the thing to guard.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from typing import Any

import jwt
from pydantic import AwareDatetime, BaseModel, ConfigDict

from jobruns.errors import (
    AccessDeniedError,
    ExpiredCredentialError,
    MalformedCredentialError,
    MissingCredentialError,
    NotAuthenticatedError,
)

KEY_ID_PREFIX = "JRAK"
TOKEN_SECONDS = 86400
"""How long a token of a login lives; a day, as the clients of such logins expect."""

_JWT_ISSUER = "jobruns"
_REFUSED = "the credential is unknown, expired or revoked, or its secret is wrong"
_EXPIRED = "the {} has expired; get another"


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


_GRANTS: dict[Role, frozenset[Permission]] = {
    Role.READER: frozenset({Permission.READ}),
    Role.REPORTER: frozenset({Permission.READ, Permission.REPORT, Permission.START}),
    Role.OPERATOR: frozenset({Permission.READ, Permission.REPORT, Permission.START, Permission.STOP}),
    Role.ADMIN: frozenset(Permission),
}


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
    """Who is calling, on behalf of which org, with which role."""

    model_config = ConfigDict(frozen=True)

    org: str
    name: str
    role: Role

    def require(self, permission: Permission) -> None:
        """Let the caller pass if its role allows `permission`.

        Raises
        ------
        AccessDeniedError
            It does not.
        """
        if permission not in _GRANTS[self.role]:
            raise AccessDeniedError(
                f"a key with the role {self.role} may not {permission}; use one whose role allows it"
            )


def system_principal(org: str, name: str) -> Principal:
    """Name the service itself as the caller, for what it does on its own (an upload's run, a retry)."""
    return Principal(org=org, name=f"jobruns:{name}", role=Role.ADMIN)


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


def _token_key(master: str) -> bytes:
    return hmac.new(master.encode(), b"token", hashlib.sha256).digest()


def issue_token(
    master: str, key: AccessKey, now: datetime, seconds: float = TOKEN_SECONDS, *, actor: str | None = None
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
    actor : str, optional
        Id of the key that asked for the token, where that is another: RFC 8693's claim ``act``.

    Returns
    -------
    str
        The token; revoking the key, or the actor's, ends it too.
    """
    claims: dict[str, Any] = {
        "iss": _JWT_ISSUER,
        "sub": key.key_id,
        "iat": now,
        "exp": now + timedelta(seconds=seconds),
    }
    if actor is not None:
        claims["act"] = {"sub": actor}
    return jwt.encode(claims, _token_key(master), algorithm="HS256")


class Credential(BaseModel):
    """What a request presented: a key id with a secret, or a signed token.

    ``expires_at`` is a token's end. ``actor`` is the id of the key by whose leave a token stands for another.
    """

    model_config = ConfigDict(frozen=True)

    key_id: str
    secret: str | None = None
    expires_at: AwareDatetime | None = None
    actor: str | None = None

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
            return cls(key_id=key_id, secret=secret)
        try:
            claims: dict[str, Any] = jwt.decode(
                text,
                _token_key(master),
                algorithms=["HS256"],
                issuer=_JWT_ISSUER,
                options={"require": ["sub", "exp"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            raise NotAuthenticatedError(_REFUSED) from None
        # The clock is a parameter of ours, so the expiry is compared here rather than by the library.
        if now.timestamp() >= float(claims["exp"]):
            raise ExpiredCredentialError(_EXPIRED.format("token"))
        actor = claims.get("act", {}).get("sub")
        return cls(key_id=str(claims["sub"]), expires_at=datetime.fromtimestamp(float(claims["exp"]), UTC), actor=actor)

    @classmethod
    def from_basic(cls, encoded: str) -> "Credential":
        """Read the part of a Basic header after the scheme.

        Raises
        ------
        MalformedCredentialError
            It is not base64 of ``<key id>:<secret>``.
        """
        try:
            key_id, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            colon = ""
        if not colon:
            raise MalformedCredentialError("the Authorization header must be Basic with base64 of <key id>:<secret>")
        return cls(key_id=key_id, secret=secret)


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
    genuine = credential.secret is None or secret_matches(master, credential.key_id, credential.secret)
    if key is None or not genuine or key.revoked_at is not None:
        raise NotAuthenticatedError(_REFUSED)
    if not key.usable(now):
        raise ExpiredCredentialError(_EXPIRED.format("key"))
    return Principal(org=key.org, name=key.key_id, role=key.role)
