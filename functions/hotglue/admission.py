"""Lets a request in: who calls. The only way to the ports."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from aws_lambda_powertools import Logger

from jobruns.access import Permission, Principal
from jobruns.bootstrap import load_authenticator, load_event_ports, load_flow_secrets, load_ports
from jobruns.service.event_ports import EventPorts
from jobruns.service.ports import Ports
from jobruns.settings import load_settings

DOOR = "hotglue"

logger = Logger(child=True)


class FlowSecrets(Protocol):
    """Keeps the configs of flows, by name."""

    def put(self, name: str, text: str) -> None:
        """Keep a text, or put it in place of the one that is kept."""

    def get(self, name: str) -> str:
        """Read a text."""

    def remove(self, name: str) -> None:
        """Forget a text; one that is not there counts as forgotten."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what its use cases stand on."""

    principal: Principal
    ports: Ports

    @property
    def flow_secrets(self) -> FlowSecrets:
        """Where the configs of flows are kept."""
        return load_flow_secrets()

    @property
    def region(self) -> str:
        """Where the work is done."""
        return load_settings().aws_region

    @property
    def event_ports(self) -> EventPorts:
        """What the use cases of webhooks stand on."""
        return load_event_ports()


def admit(headers: Mapping[str, str]) -> Caller:
    """Find out who calls.

    Raises
    ------
    NotAuthenticatedError
        Nobody we know.
    AccessDeniedError
        The key may not even read.
    """
    principal = load_authenticator().authenticate(headers)
    logger.append_keys(org=principal.org, key_id=principal.name)
    principal.require(Permission.READ)
    return Caller(principal, load_ports())
