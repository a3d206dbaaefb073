"""Finds out who calls, by keys and users and the stack's master secret; all are remembered for a short while.

Remembering a key saves a read on every request. The price is that a revoked key opens the doors for `MEMORY_SECONDS`
more, in a process that saw it before; and so does a user that was switched off or deleted, or an old password, and so
long may a user do what its role granted before. What was remembered too long refuses nobody: before a user is refused
it is read again.
"""

import hmac
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from jobruns.access import (
    AccessKey,
    Credential,
    Principal,
    Role,
    admit,
    grants_of,
    is_key_id,
    issue_token,
    key_secret,
    read_credential,
)
from jobruns.errors import (
    AccessDeniedError,
    InactiveUserError,
    InvalidInputError,
    NotAuthenticatedError,
    NotFoundError,
    UnknownKeyError,
    WrongSignatureError,
)
from jobruns.grants import Grants
from jobruns.memory import Memory
from jobruns.signatures import SignedRequest, read_claim
from jobruns.tokens import REFRESH_SECONDS, REFUSED, TOKEN_SECONDS, Claims, Party, Purpose, sign_claims
from jobruns.user import User, UserRole, is_built_in, is_user_name, normalize_name
from jobruns.verifications import Verifications

MEMORY_SECONDS = 30


class AccessKeyStore(Protocol):
    """Reads keys; see `jobruns.store.access_keys`."""

    def get(self, key_id: str) -> AccessKey | None: ...  # noqa: D102


class UserStore(Protocol):
    """Reads users and their roles; see `jobruns.store.people`."""

    def get(self, name: str) -> User | None: ...  # noqa: D102
    def role(self, org: str, name: str) -> UserRole | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login gives: a token to work with, and one to get further of those with."""

    principal: Principal
    operation: str = field(repr=False)
    refresh: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Accepted:
    """Whose a credential is: as a caller, and as a token would name it, by what was read when it was accepted."""

    principal: Principal
    party: Party
    ends_at: datetime | None = None


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
    users : UserStore, optional
        Where users are; without it there are none.
    """

    def __init__(
        self,
        keys: AccessKeyStore,
        master: Callable[[], str],
        clock: Callable[[], datetime],
        users: UserStore | None = None,
    ) -> None:
        self._keys = keys
        self._users = users
        self._master = master
        self._clock = clock
        self._seen_keys: Memory[AccessKey] = Memory(clock, MEMORY_SECONDS)
        self._seen_users: Memory[User] = Memory(clock, MEMORY_SECONDS)
        self._seen_roles: Memory[UserRole] = Memory(clock, MEMORY_SECONDS)
        self._verifications = Verifications(master, clock)

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
        return self._accept(credential).principal

    def log_in(self, name: str, secret: str) -> tuple[Principal, str]:
        """Exchange a key's id and secret, or a user's name and password, for a short-lived token.

        Returns
        -------
        tuple of Principal and str
            Who it is, and the token.

        Raises
        ------
        NotAuthenticatedError
            Unknown key or user, or a wrong secret.
        """
        credential = Credential(name=name, secret=secret)
        accepted = self._accept(credential)
        return accepted.principal, self._issue(accepted, credential, Purpose.OPERATION, TOKEN_SECONDS)

    def log_in_for_long(
        self,
        name: str,
        secret: str,
        *,
        operation_seconds: float = TOKEN_SECONDS,
        refresh_seconds: float = REFRESH_SECONDS,
    ) -> Tokens:
        """Exchange a key's id and secret, or a user's name and password, for two tokens.

        Raises
        ------
        NotAuthenticatedError
            Unknown key or user, or a wrong secret.
        """
        return self._give(Credential(name=name, secret=secret), operation_seconds, refresh_seconds)

    def give_tokens(
        self,
        headers: Mapping[str, str],
        *,
        operation_seconds: float = TOKEN_SECONDS,
        refresh_seconds: float = REFRESH_SECONDS,
    ) -> Tokens:
        """Give the sender of a request two tokens, which live no longer than a token it was sent with.

        Raises
        ------
        NotAuthenticatedError
            Nobody we know, or a token that is for refreshing only.
        """
        return self._give(self._read(headers), operation_seconds, refresh_seconds)

    def refresh(self, headers: Mapping[str, str], *, operation_seconds: float = TOKEN_SECONDS) -> str:
        """Give whoever sends a refresh token another to work with, which lives no longer than that.

        Raises
        ------
        NotAuthenticatedError
            It is no such token, or whom it was given to is gone, switched off or has another password.
        """
        credential = self._read(headers)
        accepted = self._accept(credential, Purpose.REFRESH)
        return self._issue(accepted, credential, Purpose.OPERATION, operation_seconds)

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
        accepted, key = self._accept(credential), self._key(key_id)
        principal = accepted.principal
        if key is None or key.org != principal.org or not key.usable(now):
            raise NotFoundError(f"no key has the id {key_id[:64]!r}", field="key_id")
        another = key_id != principal.name
        if another and (principal.role is not Role.ADMIN or credential.actor is not None):
            raise AccessDeniedError("only an admin gets tokens for other keys, and gets them by itself")
        ends = [now + timedelta(seconds=TOKEN_SECONDS), credential.expires_at, key.expires_at]
        latest = min(end for end in ends if end is not None)
        if expires_at is not None and not now < expires_at <= latest:
            raise InvalidInputError(
                f"the token may end at {latest.isoformat()} at the latest, and not before now; "
                "ask for less, or name no end",
                field="expires_at",
            )
        # A token for another's key stays with whoever asked for the first.
        actor = accepted.party if another else credential.actor
        return issue_token(self._master(), key, now, ((expires_at or latest) - now).total_seconds(), actor=actor)

    def _read(self, headers: Mapping[str, str]) -> Credential:
        lower = {name.lower(): value for name, value in headers.items()}
        return read_credential(lower, self._master(), self._clock())

    def _accept(self, credential: Credential, purpose: Purpose = Purpose.OPERATION) -> _Accepted:
        if credential.purpose is not purpose:
            raise NotAuthenticatedError(REFUSED)
        if credential.actor is not None:
            self._accept_actor(credential.actor)
        if not is_key_id(credential.name):
            return self._accept_user(credential)
        key = self._key(credential.name)
        principal = admit(key, credential, self._master(), self._clock())
        return _Accepted(principal, Party(name=credential.name), key.expires_at if key else None)

    def _accept_actor(self, actor: Party) -> None:
        principal = self._accept(Credential(name=actor.name, generation=actor.generation)).principal
        # A key's role is for ever; a user may have lost the one by which it acted.
        if principal.user_role is not None and principal.role is not Role.ADMIN:
            raise NotAuthenticatedError(REFUSED)

    def _accept_user(self, credential: Credential) -> _Accepted:
        name = normalize_name(credential.name)
        remembered = self._seen_users.has(name)
        user = self._user(name)
        genuine = self._is_genuine(credential, user)
        if remembered and not (genuine and user and user.active):
            # It may have been switched on, or have got another password, since it was read.
            self._seen_users.forget(name)
            user = self._user(name)
            genuine = self._is_genuine(credential, user)
        if user is None or not genuine:
            raise NotAuthenticatedError(REFUSED)
        if not user.active:
            raise InactiveUserError("the user is inactive; ask an admin of your org")
        return _Accepted(user.principal(self._grants(user)), Party(name=name, generation=user.generation))

    def _is_genuine(self, credential: Credential, user: User | None) -> bool:
        if credential.secret is not None:
            stored = user.password if user else None
            return self._verifications.holds(credential.name, credential.secret, stored)
        return user is not None and hmac.compare_digest(user.generation, credential.generation or "")

    def _grants(self, user: User) -> Grants:
        if is_built_in(user.role):
            return grants_of(Role(user.role))
        role = self._seen_roles.get(f"{user.org}/{user.role}", lambda: self._role(user))
        if role is None:
            raise NotAuthenticatedError(REFUSED)
        return role.grants

    def _role(self, user: User) -> UserRole | None:
        return self._users.role(user.org, user.role) if self._users else None

    def _user(self, name: str) -> User | None:
        users = self._users
        if users is None or not is_user_name(name):
            return None
        return self._seen_users.get(name, lambda: users.get(name))

    def _key(self, key_id: str) -> AccessKey | None:
        return self._seen_keys.get(key_id, lambda: self._keys.get(key_id) if len(key_id) <= 128 else None)

    def _give(self, credential: Credential, operation_seconds: float, refresh_seconds: float) -> Tokens:
        accepted = self._accept(credential)
        return Tokens(
            accepted.principal,
            self._issue(accepted, credential, Purpose.OPERATION, operation_seconds),
            self._issue(accepted, credential, Purpose.REFRESH, refresh_seconds),
        )

    def _issue(self, accepted: _Accepted, credential: Credential, purpose: Purpose, seconds: float) -> str:
        now = self._clock()
        ends = (now + timedelta(seconds=seconds), credential.expires_at, accepted.ends_at)
        claims = Claims(
            subject=accepted.party,
            expires_at=min(end for end in ends if end is not None),
            purpose=purpose,
            actor=credential.actor,
        )
        return sign_claims(self._master(), claims, now)
