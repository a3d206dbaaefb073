"""Lets a request in: who calls. The only way to the ports."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from jobruns.access import Permission, Principal
from jobruns.bootstrap import load_authenticator, load_ports
from jobruns.service.ports import Ports
from pgrest.errors import Code, RefusedError

DOOR = "postgrest"

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what its use cases stand on."""

    principal: Principal
    ports: Ports


def admit(headers: Mapping[str, str]) -> Caller:
    """Find out who calls.

    Raises
    ------
    NotAuthenticatedError
        Nobody we know.
    AccessDeniedError
        The key may not even read.
    RefusedError
        The secret by which keys are checked cannot be read.
    """
    try:
        principal = load_authenticator().authenticate(headers)
    except GetParameterError as error:
        raise RefusedError(Code.NO_SECRET, "Server lacks the secret to check keys with") from error
    logger.append_keys(org=principal.org, key_id=principal.name)
    principal.require(Permission.READ)
    return Caller(principal, load_ports())
