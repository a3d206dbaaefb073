"""Short-lived tokens: JWTs (HS256) under a key that is derived from the stack's master secret.

A token of the purpose ``operation`` opens what its owner may open. One of the purpose ``refresh`` opens nothing: it is
exchanged for another of the first kind.
"""

import hashlib
import hmac
from datetime import UTC, datetime
from enum import StrEnum, unique
from typing import Any

import jwt
from pydantic import AwareDatetime, BaseModel, ConfigDict

from jobruns.errors import ExpiredCredentialError, NotAuthenticatedError

TOKEN_SECONDS = 86400
"""How long a token of a login lives; a day, as the clients of such logins expect."""

REFRESH_SECONDS = 30 * 86400
"""How long such a login can be prolonged without its secret."""

REFUSED = "the credential is unknown, expired or revoked, or its secret is wrong"
EXPIRED = "the {} has expired; get another"

_JWT_ISSUER = "jobruns"


@unique
class Purpose(StrEnum):
    """What a token is for."""

    OPERATION = "operation"
    REFRESH = "refresh"


class Party(BaseModel):
    """Somebody a token speaks of: a key by its id, or a user by its name.

    ``generation`` is a user's: it changes when the user's tokens are to end.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    generation: str | None = None


class Claims(BaseModel):
    """What a token says.

    Parameters
    ----------
    subject : Party
        Whose rights it gives.
    expires_at : datetime
        When it ends.
    purpose : Purpose
        What it is for.
    actor : Party, optional
        Who asked for it, where that is another: RFC 8693's claim ``act``.
    """

    model_config = ConfigDict(frozen=True)

    subject: Party
    expires_at: AwareDatetime
    purpose: Purpose = Purpose.OPERATION
    actor: Party | None = None


def sign_claims(master: str, claims: Claims, now: datetime) -> str:
    """Make a token of claims.

    Parameters
    ----------
    master : str
        The stack's master secret.
    claims : Claims
        What it says.
    now : datetime
        Aware.
    """
    signed: dict[str, Any] = {
        "iss": _JWT_ISSUER,
        **_write(claims.subject),
        "iat": now,
        "exp": claims.expires_at,
        "use": str(claims.purpose),
    }
    if claims.actor is not None:
        signed["act"] = _write(claims.actor)
    return jwt.encode(signed, _token_key(master), algorithm="HS256")


def read_claims(master: str, token: str, now: datetime) -> Claims:
    """Read a token.

    Raises
    ------
    ExpiredCredentialError
        Its time is over.
    NotAuthenticatedError
        It is none, or its signature is wrong.
    """
    try:
        signed: dict[str, Any] = jwt.decode(
            token,
            _token_key(master),
            algorithms=["HS256"],
            issuer=_JWT_ISSUER,
            options={"require": ["sub", "exp"], "verify_exp": False, "verify_iat": False},
        )
    except jwt.InvalidTokenError:
        raise NotAuthenticatedError(REFUSED) from None
    # The clock is a parameter of ours, so the expiry is compared here rather than by the library.
    if now.timestamp() >= float(signed["exp"]):
        raise ExpiredCredentialError(EXPIRED.format("token"))
    actor = signed.get("act")
    return Claims(
        subject=_read(signed),
        expires_at=datetime.fromtimestamp(float(signed["exp"]), UTC),
        # Tokens of before there were two kinds do not say which they are.
        purpose=Purpose(signed.get("use", Purpose.OPERATION)),
        actor=None if actor is None else _read(actor),
    )


def _write(party: Party) -> dict[str, str]:
    generation = {} if party.generation is None else {"gen": party.generation}
    return {"sub": party.name, **generation}


def _read(claims: dict[str, Any]) -> Party:
    return Party(name=str(claims["sub"]), generation=claims.get("gen"))


def _token_key(master: str) -> bytes:
    return hmac.new(master.encode(), b"token", hashlib.sha256).digest()
