"""Use case of what is told: find the endpoints that want to hear it, and have it delivered to each.

Messages come at least once. A delivery is written once, by its id, and asked for each time: whoever tries it sees that
it has been tried. So nothing is lost between the two steps, and nothing is told twice for having been announced twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobruns.announcement import Announcement
from jobruns.delivery import Delivery
from jobruns.endpoint import Endpoint
from jobruns.errors import UnavailableError
from jobruns.run import Outcome, RunState, RunSummary
from jobruns.run_order import Moment, RunOrder
from jobruns.service.endpoint_records import endpoints_of, find_by_id
from jobruns.service.event_ports import DeliveryMessage, EventPorts

LOOKED_BACK = 10
"""How many of a job's latest unsuccessful runs are looked through for one that failed, and was not just stopped."""

_BAD = frozenset({RunState.FAILED, RunState.TIMEOUT})


@dataclass(slots=True)
class Routed:
    """What became of a batch: how many deliveries were asked for, how many were kept quiet, and what must come again.

    ``unsent`` has the places of announcements in the batch.
    """

    deliveries: int = 0
    quiet: int = 0
    unsent: set[int] = field(default_factory=set)


def route(ports: EventPorts, told: Sequence[Announcement]) -> Routed:
    """Have announcements delivered to all endpoints that want them: one query for the endpoints of each org."""
    routed = Routed()
    endpoints: dict[str, list[Endpoint]] = {}
    wanted: list[tuple[int, DeliveryMessage]] = []
    for place, one in enumerate(told):
        try:
            if one.org not in endpoints:
                endpoints[one.org] = [found for found in endpoints_of(ports, one.org) if found.enabled]
            for endpoint in _listeners(ports, one, endpoints[one.org]):
                if endpoint.selection.quiet_seconds and not ports.deliveries.keep_quiet(endpoint, one, ports.clock()):
                    routed.quiet += 1
                    continue
                delivery = Delivery.of(one, endpoint.endpoint_id, ports.clock())
                ports.deliveries.add(delivery)
                wanted.append((place, DeliveryMessage.next_of(delivery)))
        except UnavailableError:
            routed.unsent.add(place)
    try:
        ports.queue.send([message for _, message in wanted])
    except UnavailableError:
        routed.unsent |= {place for place, _ in wanted}
    else:
        routed.deliveries = len(wanted)
    return routed


def _listeners(ports: EventPorts, told: Announcement, endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    redirect = find_by_id(ports, told.org, told.redirect) if told.redirect is not None else None
    asked: dict[str, bool] = {}

    def recovered() -> bool:
        if "recovered" not in asked:
            asked["recovered"] = is_recovery(ports, told)
        return asked["recovered"]

    found = [
        endpoint
        for endpoint in endpoints
        if endpoint.format in (told.asked_formats if endpoint.selection.asks_for(told) else told.formats)
        and not (endpoint.stands_back and redirect is not None)
        and endpoint.selection.takes(told, recovered)
    ]
    if redirect is not None and redirect.enabled and redirect.format in told.formats:
        found.append(redirect)
    return found


def is_recovery(ports: EventPorts, told: Announcement) -> bool:
    """Tell whether a run's success is its job's first since a failure: three consistent reads.

    What is asked is how the job's runs ended before this one did, so that asking again later gives the same.
    """
    run = ports.runs.get(told.org, told.job, told.run_id)
    if run is None or run.end_at is None:
        return False

    def last(outcome: Outcome, states: frozenset[RunState]) -> RunSummary | None:
        order = RunOrder(by=Moment.END, outcomes=frozenset({outcome}), counts=None, until=run.end_at)
        found = ports.runs.summaries(told.org, told.job, order, limit=LOOKED_BACK).summaries
        return next((one for one in found if one.state in states and one.run_id != told.run_id), None)

    failure = last(Outcome.FAILED, _BAD)
    if failure is None or failure.end_at is None:
        return False
    success = last(Outcome.SUCCEEDED, frozenset({RunState.SUCCEEDED}))
    return success is None or success.end_at is None or failure.end_at > success.end_at
