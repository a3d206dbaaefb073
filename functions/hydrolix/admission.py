"""Lets a request in: who calls, and for which org. The only way to the ports."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler.api_gateway import Router
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from jobruns.access import AccessKey, Permission, Principal
from jobruns.bootstrap import load_authenticator, load_ports, load_store
from jobruns.errors import AccessDeniedError
from jobruns.service.keys import list_own_keys
from jobruns.service.ports import Ports

DOOR = "hydrolix"
_USERS = uuid.UUID("5f0f1c1e-8d0c-5d60-9e04-6a2f4a54c3d1")
"""Namespace of the uuids this door shows for keys, which have none of their own."""

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, with which request, and what its use cases stand on."""

    principal: Principal
    ports: Ports
    event: APIGatewayProxyEventV2

    @property
    def host_url(self) -> str:
        """Scheme and host by which we were called."""
        headers = self.event.headers
        host = headers.get("host") or self.event.request_context.domain_name
        return f"{headers.get('x-forwarded-proto', 'https')}://{host}"

    @property
    def org_url(self) -> str:
        """URL of the caller's org, without a slash at the end.

        An API has stages beside the default one; their names come first in the paths by which they are called.
        """
        stage = self.event.request_context.stage
        prefix = "" if stage == "$default" else f"/{stage}"
        return f"{self.host_url}{prefix}/config/v1/orgs/{self.principal.org}"


def current(router: Router) -> APIGatewayProxyEventV2:
    """Give the request being served, in the one format this door is deployed with."""
    return cast("APIGatewayProxyEventV2", router.current_event)


def admit(router: Router, org: str | None = None) -> Caller:
    """Find out who calls, and that it may look into `org`, the one in the path.

    Raises
    ------
    NotAuthenticatedError
        Nobody we know.
    AccessDeniedError
        The org is another than the caller's. Whether there is such an org is not told.
    """
    event = current(router)
    principal = load_authenticator().authenticate(event.headers)
    logger.append_keys(org=principal.org, key_id=principal.name)
    if org is not None and org.lower() != principal.org.lower():
        raise AccessDeniedError("You do not have permission to look into this organization.")
    principal.require(Permission.READ)
    return Caller(principal, load_ports(), event)


def log_in(key_id: str, secret: str) -> tuple[Principal, str]:
    """Exchange an access key for a short-lived token.

    Raises
    ------
    NotAuthenticatedError
        Unknown key or wrong secret.
    """
    return load_authenticator().log_in(key_id, secret)


def list_keys(caller: Caller) -> list[AccessKey]:
    """Read the access keys that the caller may act as."""
    return list_own_keys(load_store().access_keys, caller.ports.clock, caller.principal)


def delegate(caller: Caller, key_id: str, expires_at: datetime | None) -> str:
    """Give the caller a token for a key, its own or another's; see `jobruns.authentication.Authenticator.delegate`."""
    return load_authenticator().delegate(caller.event.headers, key_id, expires_at)


def user_id(key_id: str) -> str:
    """Give the uuid that stands for a key where a client expects a user's."""
    return str(uuid.uuid5(_USERS, key_id))
