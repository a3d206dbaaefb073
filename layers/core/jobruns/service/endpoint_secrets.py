"""The secrets of endpoints: derived ones are kept nowhere, given ones in a store of secrets, the last two of each."""

import json
from datetime import datetime
from typing import Any

from jobruns.endpoint import Endpoint, derive_secret
from jobruns.errors import NotFoundError
from jobruns.service.endpoint_records import find_by_id
from jobruns.service.event_ports import EventPorts


def signing_secrets(ports: EventPorts, endpoint: Endpoint) -> tuple[tuple[str, ...], bool]:
    """Give the secrets that sign for an endpoint now, and whether anybody has been told them.

    Returns
    -------
    tuple of tuple of str and bool
        The newest first. Where nobody knows them, a signature proves nothing to anyone yet.
    """
    signer = _signer(ports, endpoint)
    generations = signer.generations(ports.clock())
    given = given_secrets(ports, signer) if signer.own_secret else {}
    texts = [given.get(number) or derive_secret(ports.master(), signer, number) for number in generations]
    return tuple(texts), signer.shown or signer.own_secret


def given_secrets(ports: EventPorts, endpoint: Endpoint) -> dict[int, str]:
    """Read the secrets that somebody gave for an endpoint, by generation."""
    try:
        kept: dict[str, str] = json.loads(ports.secrets.get(secret_name(endpoint)))
    except NotFoundError:
        return {}
    return {int(number): text for number, text in kept.items()}


def keep_secret(ports: EventPorts, endpoint: Endpoint, secret: str, generation: int) -> None:
    """Keep a secret as that of a generation, and the one before; it signs once the endpoint says so.

    It is written first: an endpoint never names a generation whose secret is not there.
    """
    before = given_secrets(ports, endpoint) if endpoint.own_secret else {}
    kept = {str(number): text for number, text in before.items() if number == generation - 1}
    ports.secrets.put(secret_name(endpoint), json.dumps({**kept, str(generation): secret}))


def next_generation(endpoint: Endpoint, until: datetime, *, given: bool) -> dict[str, Any]:
    """Say what changes of an endpoint that gets another secret; the one before signs until then."""
    return {
        "generation": endpoint.generation + 1,
        "previous_until": until,
        "own_secret": given,
        "shown": True,
    }


def secret_name(endpoint: Endpoint) -> str:
    """Name what is kept of an endpoint's secrets."""
    return f"{endpoint.org}/{endpoint.endpoint_id}"


def _signer(ports: EventPorts, endpoint: Endpoint) -> Endpoint:
    if endpoint.signs_as is None:
        return endpoint
    return find_by_id(ports, endpoint.org, endpoint.signs_as) or endpoint
