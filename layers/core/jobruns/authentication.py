"""Finds out who calls, by the key store and the stack's master secret; both are remembered for a short while.

Remembering a key saves a read on every request. The price is that a revoked key opens the doors for `MEMORY_SECONDS`
more, in a process that saw it before.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from jobruns.access import (
    TOKEN_SECONDS,
    AccessKey,
    Credential,
    Principal,
    Role,
    admit,
    issue_token,
    key_secret,
    read_credential,
)
from jobruns.errors import AccessDeniedError, InvalidInputError, NotFoundError, UnknownKeyError, WrongSignatureError
from jobruns.signatures import SignedRequest, read_claim

MEMORY_SECONDS = 30
MAX_REMEMBERED = 1000


class AccessKeyStore(Protocol):
    """Reads keys; see `jobruns.store.access_keys`."""

    def get(self, key_id: str) -> AccessKey | None: ...  # noqa: D102


class Authenticator:
    """Turns the headers of a request into a principal.

    Parameters
    ----------
    keys : AccessKeyStore
        Where keys are.
    master : callable
        Gives the stack's master secret.
    clock : callable
        Gives the time, aware.
    """

    def __init__(self, keys: AccessKeyStore, master: Callable[[], str], clock: Callable[[], datetime]) -> None:
        self._keys = keys
        self._master = master
        self._clock = clock
        self._remembered: dict[str, tuple[datetime, AccessKey]] = {}

    def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """Find out who sent a request.

        Parameters
        ----------
        headers : mapping of str to str
            Names in any case.

        Raises
        ------
        NotAuthenticatedError
            Nobody we know.
        """
        return self.accept(self._read(headers))

    def authenticate_signed(
        self, request: SignedRequest, *, region: str, service: str, must_sign: Collection[str] = ()
    ) -> Principal:
        """Find out who signed a request with AWS Signature Version 4.

        An unknown key takes the same steps as a known one: a secret is derived and the signatures are compared.

        Parameters
        ----------
        request : SignedRequest
            As it was sent.
        region, service : str
            What it must be signed for.
        must_sign : collection of str
            Lower-case names of headers that must be signed beside those that always must.

        Raises
        ------
        NotAuthenticatedError
            Nobody we know; which of its subclasses says why.
        """
        now = self._clock()
        claim = read_claim(request, region=region, service=service, now=now, must_sign=must_sign)
        key = self._key(claim.key_id)
        holds = claim.holds(key_secret(self._master(), claim.key_id))
        if key is None or not key.usable(now):
            raise UnknownKeyError("the key that signed the request is unknown, expired or revoked")
        if not holds:
            raise WrongSignatureError(
                "the signature does not fit the request; check the secret, and that nothing changes requests on the way"
            )
        return Principal(org=key.org, name=key.key_id, role=key.role)

    def accept(self, credential: Credential) -> Principal:
        """Find out whose a credential is.

        Raises
        ------
        NotAuthenticatedError
            Nobody's that we know.
        """
        if credential.actor is not None:
            admit(self._key(credential.actor), Credential(key_id=credential.actor), self._master(), self._clock())
        return admit(self._key(credential.key_id), credential, self._master(), self._clock())

    def log_in(self, key_id: str, secret: str) -> tuple[Principal, str]:
        """Exchange key id and secret for a short-lived token.

        Returns
        -------
        tuple of Principal and str
            Who it is, and the token.

        Raises
        ------
        NotAuthenticatedError
            Unknown key or wrong secret.
        """
        principal = self.accept(Credential(key_id=key_id, secret=secret))
        key = self._key(key_id)
        assert key is not None  # noqa: S101 - accepted above
        return principal, issue_token(self._master(), key, self._clock())

    def delegate(self, headers: Mapping[str, str], key_id: str, expires_at: datetime | None = None) -> str:
        """Give the sender of a request a token for a key of its org, without that key's secret.

        Nobody comes by more than it has: a token is for the sender's own key or, if that is an admin's, for another's;
        it lives a day at most, and not longer than the token that the request was sent with; and it ends with either
        key. A token for another's key gives none for a third.

        Parameters
        ----------
        headers : mapping of str to str
            Of the request, names in any case.
        key_id : str
            The key that the token is to stand for.
        expires_at : datetime, optional
            When the token is to end; as late as may be where none is given.

        Raises
        ------
        NotAuthenticatedError
            Nobody we know.
        NotFoundError
            The sender's org has no such key that still opens anything.
        AccessDeniedError
            The sender may not act as that key.
        InvalidInputError
            The token would live longer than it may, or not at all.
        """
        credential, now = self._read(headers), self._clock()
        principal, key = self.accept(credential), self._key(key_id)
        if key is None or key.org != principal.org or not key.usable(now):
            raise NotFoundError(f"no key has the id {key_id[:64]!r}", field="key_id")
        another = key_id != principal.name
        if another and (principal.role is not Role.ADMIN or credential.actor is not None):
            raise AccessDeniedError("only an admin's key gets tokens for other keys, and gets them by itself")
        ends = [now + timedelta(seconds=TOKEN_SECONDS), credential.expires_at, key.expires_at]
        latest = min(end for end in ends if end is not None)
        if expires_at is not None and not now < expires_at <= latest:
            raise InvalidInputError(
                f"the token may end at {latest.isoformat()} at the latest, and not before now; "
                "ask for less, or name no end",
                field="expires_at",
            )
        seconds = ((expires_at or latest) - now).total_seconds()
        actor = principal.name if another else credential.actor
        return issue_token(self._master(), key, now, seconds, actor=actor)

    def _read(self, headers: Mapping[str, str]) -> Credential:
        lower = {name.lower(): value for name, value in headers.items()}
        return read_credential(lower, self._master(), self._clock())

    def _key(self, key_id: str) -> AccessKey | None:
        now = self._clock()
        remembered = self._remembered.get(key_id)
        if remembered and now - remembered[0] < timedelta(seconds=MEMORY_SECONDS):
            return remembered[1]
        key = self._keys.get(key_id) if len(key_id) <= 128 else None
        if key is None:
            self._remembered.pop(key_id, None)
            return None
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[key_id] = (now, key)
        return key
