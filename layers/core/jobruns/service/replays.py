"""Use cases of who looks after deliveries: look at them, ask for them again, try an endpoint."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from jobruns.access import Principal
from jobruns.delivery import KEPT_DAYS, PING, Delivery, DeliveryState
from jobruns.endpoint import Endpoint
from jobruns.errors import ConflictError, InvalidInputError, NotFoundError
from jobruns.ids import new_id
from jobruns.service.endpoints import find_endpoint
from jobruns.service.event_ports import DeliveryMessage, EventPorts

MAX_PAGE = 100
MAX_REPLAYED = 1000
"""Deliveries that are asked for again at once; who has more missed asks again."""

MISSED = frozenset({DeliveryState.DEAD, DeliveryState.SKIPPED})


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Some deliveries, the newest first, and the id behind which more follow; ``None`` at the end."""

    deliveries: list[Delivery]
    behind: str | None


def list_deliveries(
    ports: EventPorts, principal: Principal, name: str, *, limit: int = 20, behind: str | None = None
) -> DeliveryPage:
    """Read deliveries to an endpoint, by the time of what they tell, the latest first.

    Raises
    ------
    NotFoundError
        There is no such endpoint.
    InvalidInputError
        The limit is not 1 to 100.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInputError(f"a page has 1 to {MAX_PAGE} deliveries", field="limit")
    endpoint = find_endpoint(ports, principal, name)
    found = ports.deliveries.page(endpoint.org, endpoint.endpoint_id, limit=limit, behind=behind)
    return DeliveryPage(found, found[-1].delivery_id if len(found) == limit else None)


def find_delivery(ports: EventPorts, principal: Principal, name: str, delivery_id: str) -> Delivery:
    """Read a delivery to an endpoint.

    Raises
    ------
    NotFoundError
        There is no such endpoint, or no such delivery to it.
    """
    return _find(ports, find_endpoint(ports, principal, name), delivery_id)


def replay_delivery(ports: EventPorts, principal: Principal, name: str, delivery_id: str) -> Delivery:
    """Have something told once more, whether it was taken or not: by the same id, and all tries begin anew.

    Raises
    ------
    NotFoundError
        There is no such endpoint, or no such delivery to it.
    ConflictError
        The endpoint is switched off, or the delivery is being tried right now.
    """
    endpoint = find_endpoint(ports, principal, name)
    _require_enabled(endpoint)
    return _replay(ports, _find(ports, endpoint, delivery_id))


def replay_missed(ports: EventPorts, principal: Principal, name: str, since: datetime) -> list[Delivery]:
    """Have told again what an endpoint missed since then, the latest first: at most `MAX_REPLAYED` deliveries.

    Raises
    ------
    NotFoundError
        There is no such endpoint.
    ConflictError
        It is switched off.
    """
    endpoint = find_endpoint(ports, principal, name)
    _require_enabled(endpoint)
    asked: list[Delivery] = []
    behind: str | None = None
    # Nothing is kept for longer, so the pages end.
    since = max(since, ports.clock() - timedelta(days=KEPT_DAYS))
    while len(asked) < MAX_REPLAYED:
        page = ports.deliveries.page(endpoint.org, endpoint.endpoint_id, limit=MAX_PAGE, behind=behind)
        for delivery in page:
            if delivery.state in MISSED and delivery.created_at >= since and len(asked) < MAX_REPLAYED:
                asked.append(_replay(ports, delivery))
        if len(page) < MAX_PAGE or page[-1].created_at < since:
            break
        behind = page[-1].delivery_id
    return asked


def ping_endpoint(ports: EventPorts, principal: Principal, name: str) -> Delivery:
    """Have an endpoint told that it is being tried, as it is told everything else.

    Raises
    ------
    NotFoundError
        There is no such endpoint.
    ConflictError
        It is switched off.
    """
    endpoint = find_endpoint(ports, principal, name)
    _require_enabled(endpoint)
    now = ports.clock()
    delivery = Delivery.new(
        now,
        delivery_id=new_id(now),
        org=endpoint.org,
        endpoint_id=endpoint.endpoint_id,
        announcement_id=new_id(now),
        status=PING,
    )
    ports.deliveries.add(delivery)
    ports.queue.send([DeliveryMessage.next_of(delivery)])
    return delivery


def _replay(ports: EventPorts, delivery: Delivery) -> Delivery:
    now = ports.clock()
    again = delivery.reopened(now)
    if not ports.deliveries.reopen(again, now):
        raise ConflictError("the delivery is being tried right now; look at how that went")
    ports.queue.send([DeliveryMessage.next_of(again)])
    return again


def _find(ports: EventPorts, endpoint: Endpoint, delivery_id: str) -> Delivery:
    found = ports.deliveries.get(endpoint.org, endpoint.endpoint_id, delivery_id)
    if found is None:
        raise NotFoundError(f"there is no delivery {delivery_id[:100]!r}", field="delivery")
    return found


def _require_enabled(endpoint: Endpoint) -> None:
    if not endpoint.enabled:
        raise ConflictError(f"the endpoint {endpoint.name!r} is switched off: {endpoint.disabled_because}")
