"""Lets a request in: who calls. The only way to the ports."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_lambda_powertools import Logger

from jobruns.access import Permission, Principal
from jobruns.bootstrap import load_authenticator, load_ports
from jobruns.service.ports import Ports

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
    """
    principal = load_authenticator().authenticate(headers)
    logger.append_keys(org=principal.org, key_id=principal.name)
    principal.require(Permission.READ)
    return Caller(principal, load_ports())
