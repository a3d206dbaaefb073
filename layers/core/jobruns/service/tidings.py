"""Use cases of what is told to one endpoint and happened in no run: find who listens, and have it told.

It goes the way of everything else that is told: the same tries, signatures, dead letters, log and replay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobruns.access import Permission, Principal
from jobruns.delivery import Delivery
from jobruns.endpoint import Endpoint
from jobruns.ids import derived_id
from jobruns.service.endpoint_records import find_by_name
from jobruns.service.event_ports import DeliveryMessage, EventPorts


@dataclass(frozen=True, slots=True)
class Tiding:
    """Something that happened, as it is told.

    Parameters
    ----------
    tiding_id : str
        The same however often it is told.
    at : datetime
        When it happened.
    sequence : int
        Its place among what is told of the same thing.
    status : str
        What the outside calls it.
    document : str
        Where all of it is to be written down, among the files of runs.
    event : mapping
        All of it, as who writes what is sent reads it.
    """

    tiding_id: str
    at: datetime
    sequence: int
    status: str
    document: str
    event: Mapping[str, Any]


def find_listener(ports: EventPorts, principal: Principal, name: str) -> Endpoint | None:
    """Find the endpoint of a name; ``None`` where there is none, or where it is told nothing now."""
    principal.require(Permission.DEFINE)
    found = find_by_name(ports, principal.org, name)
    return found if found is not None and found.enabled else None


def tell_endpoint(
    ports: EventPorts, principal: Principal, endpoint: Endpoint, tidings: Sequence[Tiding]
) -> list[Delivery]:
    """Have an endpoint told what it wants to hear of this. May be repeated: each is told by one id.

    Each costs a write of its document and one of its delivery, and all of them a message of the queue for every ten.

    Returns
    -------
    list of Delivery
        What is delivered now, or was before.

    Raises
    ------
    UnavailableError
        Not all of it is on its way.
    """
    principal.require(Permission.DEFINE)
    now, wanted = ports.clock(), endpoint.selection.statuses
    deliveries: list[Delivery] = []
    for tiding in tidings:
        if wanted and tiding.status not in wanted:
            continue
        ports.files.put_json(tiding.document, tiding.event)
        delivery = Delivery.new(
            now,
            delivery_id=derived_id(tiding.at, "delivery", endpoint.endpoint_id, tiding.tiding_id),
            org=endpoint.org,
            endpoint_id=endpoint.endpoint_id,
            announcement_id=tiding.tiding_id,
            sequence=tiding.sequence,
            status=tiding.status,
            document=tiding.document,
        )
        ports.deliveries.add(delivery)
        deliveries.append(delivery)
    ports.queue.send([DeliveryMessage.next_of(delivery) for delivery in deliveries])
    return deliveries
