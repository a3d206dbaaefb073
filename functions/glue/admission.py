"""Lets a request in: who calls, and for which org. The only way to the ports."""

import re
from dataclasses import dataclass

from aws_lambda_powertools import Logger

from jobruns.access import Permission, Principal
from jobruns.bootstrap import load_authenticator, load_ports
from jobruns.service.ports import Ports
from jobruns.settings import Settings, load_settings
from jobruns.signatures import SignedRequest, is_signed

DOOR = "glue"
SIGNING_NAME = "glue"
"""The service that Glue's clients sign for."""

_MUST_SIGN = frozenset({"x-amz-target"})
"""The operation is in this header, so a signature that leaves it out would be good for any operation."""

_TOKEN = re.compile(r"[!-~]{1,128}")

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what its use cases stand on.

    Parameters
    ----------
    principal : Principal
        Who.
    ports : Ports
        What the use cases stand on.
    settings : Settings
        How this service was deployed.
    token : str or None
        The same for every try that an SDK makes of one call. It is a hint, as most SDKs do not sign it.
    """

    principal: Principal
    ports: Ports
    settings: Settings
    token: str | None


def admit(request: SignedRequest) -> Caller:
    """Find out who calls.

    A request may be signed, as Glue's clients do it, or carry a key in any other way that the doors know.

    Raises
    ------
    NotAuthenticatedError
        Nobody we know; which of its subclasses says why.
    AccessDeniedError
        The key may not even read.
    """
    authenticator, settings = load_authenticator(), load_settings()
    if is_signed(request.headers):
        principal = authenticator.authenticate_signed(
            request, region=settings.aws_region, service=SIGNING_NAME, must_sign=_MUST_SIGN
        )
    else:
        principal = authenticator.authenticate(request.headers)
    logger.append_keys(org=principal.org, key_id=principal.name)
    principal.require(Permission.READ)
    token = request.headers.get("amz-sdk-invocation-id", "")
    return Caller(principal, load_ports(), settings, token if _TOKEN.fullmatch(token) else None)
