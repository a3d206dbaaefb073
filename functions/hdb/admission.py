"""Lets a request in: who calls. The only way to the ports."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_lambda_powertools import Logger

from hdb.errors import WrongPasswordError
from jobruns.access import Permission, Principal
from jobruns.authentication import Tokens
from jobruns.bootstrap import load_authenticator, load_people_ports, load_ports
from jobruns.errors import InactiveUserError, MissingCredentialError, NotAuthenticatedError
from jobruns.grants import Grants
from jobruns.service.people import PeoplePorts
from jobruns.service.ports import Ports
from jobruns.settings import Settings, load_settings

DOOR = "harperdb"

DAY_SECONDS = 24 * 3600
REFRESH_SECONDS = 30 * DAY_SECONDS
"""As long as tokens of the reference live where nobody has configured it."""

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what its use cases stand on."""

    principal: Principal
    ports: Ports

    @property
    def grants(self) -> Grants:
        """What the caller may do with tables."""
        return self.principal.rights

    @property
    def people(self) -> PeoplePorts:
        """What the use cases of users and roles stand on."""
        return load_people_ports()

    @property
    def settings(self) -> Settings:
        """What the deployment says."""
        return load_settings()

    def to_shape(self, schema: str) -> Principal:
        """Give the caller as one that makes and drops tables.

        Raises
        ------
        AccessDeniedError
            It may not, in this database.
        """
        return self.principal.cleared_to_shape(schema)


def admit(headers: Mapping[str, str]) -> Caller | None:
    """Find out who calls; ``None`` where the request says nothing of it.

    Raises
    ------
    NotAuthenticatedError
        What it says is wrong.
    """
    try:
        principal = load_authenticator().authenticate(headers)
    except MissingCredentialError:
        return None
    logger.append_keys(org=principal.org, key_id=principal.name)
    principal.require(Permission.READ)
    return Caller(principal, load_ports())


def log_in(username: str, password: str) -> Tokens:
    """Exchange a user's name and password for tokens.

    Raises
    ------
    WrongPasswordError
        They do not belong together.
    InactiveUserError
        They do, and the user is switched off.
    """
    try:
        return load_authenticator().log_in_for_long(
            username, password, operation_seconds=DAY_SECONDS, refresh_seconds=REFRESH_SECONDS
        )
    except InactiveUserError:
        raise
    except NotAuthenticatedError:
        raise WrongPasswordError from None


def give_tokens(headers: Mapping[str, str]) -> Tokens:
    """Give tokens to whom the request's own credential is of.

    Raises
    ------
    NotAuthenticatedError
        Nobody we know.
    """
    return load_authenticator().give_tokens(headers, operation_seconds=DAY_SECONDS, refresh_seconds=REFRESH_SECONDS)


def refresh_token(headers: Mapping[str, str]) -> str:
    """Give an operation token for the refresh token that the request was sent with.

    Raises
    ------
    NotAuthenticatedError
        It was sent with none.
    """
    return load_authenticator().refresh(headers, operation_seconds=DAY_SECONDS)
