"""What a flow is linked to: its source, its target and its connectors, and who hears that this changes.

The flow is written first, and with it what is to be told of it; then that is told, and then forgotten. Whoever dies or
fails in between leaves it in the flow's document, and the next request to change or delete the flow tells it first, by
the same ids. So each change is told, and once.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hotglue.admission import Caller
from hotglue.flow_documents import Configs, Connector, Flow, find_config, read_body
from hotglue.names import webhook_name
from jobruns.documents import Document
from jobruns.endpoint import Endpoint
from jobruns.service.tidings import Tiding, find_listener, tell_endpoint
from jobruns_events.connections import CONNECTION, Connection, LinkChange, Outcome, connection_event

UNTOLD = "untold"
MARKS = "config_marks"

Body = Mapping[str, Any]
"""The body of a flow's document: ``flow``, and beside it what is known of its configs and what is to be told of it."""


@dataclass(frozen=True, slots=True)
class _Link:
    """One thing that a flow is linked to: if any of this differs it is not the same any more."""

    connection: Connection
    sides: Mapping[str, Connector | None]
    marks: tuple[str | None, ...]
    connector_id: str | None = None

    def told(self, outcome: Outcome) -> LinkChange:
        names = {side: connector.name for side, connector in self.sides.items() if connector is not None}
        return LinkChange(connection=self.connection, outcome=outcome, connector_id=self.connector_id, **names)


def mark_configs(flow: Flow, configs: Configs, salt: str) -> dict[str, str]:
    """Give a mark for each config of a flow: another config has another one, and it says nothing of what is in it."""
    marks = {}
    for place, _ in flow.sides():
        if (config := find_config(configs, place)) is not None:
            text = json.dumps(config, sort_keys=True).encode()
            marks["/".join(place)] = hmac.new(salt.encode(), text, hashlib.sha256).hexdigest()
    return marks


def find_changes(before: Body | None, after: Body | None) -> list[LinkChange]:
    """Find what changed between two bodies of a flow; ``None`` is for a flow that is not there.

    A source or target of another name is another one. What is removed comes first.
    """
    was, now = _links(before), _links(after)
    removed = [was[key].told(Outcome.REMOVED) for key in was if key not in now]
    return removed + [
        link.told(Outcome.OVERWRITTEN if key in was else Outcome.CREATED)
        for key, link in now.items()
        if was.get(key) != link
    ]


def write_untold(caller: Caller, changes: list[LinkChange]) -> dict[str, Any]:
    """Write what is to be told, as a flow's document keeps it until it is."""
    told = [change.model_dump(mode="json", exclude_none=True) for change in changes]
    return {UNTOLD: {"changed_by": caller.principal.name, "changes": told}}


def find_webhook(caller: Caller, env_id: str) -> Endpoint | None:
    """Find the webhook of an environment that is told of changes; ``None`` where nothing is told."""
    return find_listener(caller.event_ports, caller.principal, webhook_name(env_id, CONNECTION))


def tell_untold(caller: Caller, env_id: str, document: Document, webhook: Endpoint | None) -> None:
    """Have told what a flow's document says is untold. May be repeated.

    Raises
    ------
    UnavailableError
        Not all of it is on its way.
    """
    if webhook is None:
        return
    untold = document.body[UNTOLD]
    tidings = []
    for told in untold["changes"]:
        event = connection_event(
            LinkChange.model_validate(told),
            org=document.org,
            env_id=env_id,
            flow_id=document.document_id,
            version=document.version,
            at=document.modified_at,
            changed_by=untold["changed_by"],
        )
        tidings.append(
            Tiding(
                tiding_id=event["id"],
                at=document.modified_at,
                sequence=int(event["sequence"]),
                status=event["status"],
                document=event["document"],
                event=event,
            )
        )
    tell_endpoint(caller.event_ports, caller.principal, webhook, tidings)


def _links(body: Body | None) -> dict[tuple[Connection, str], _Link]:
    """Give all that a flow is linked to by kind and name."""
    if body is None:
        return {}
    flow, marks = read_body(body["flow"]), body.get(MARKS, {})
    links: dict[tuple[Connection, str], _Link] = {}
    for kind, side, connector in ((Connection.SOURCE, "tap", flow.tap), (Connection.TARGET, "target", flow.target)):
        if connector is not None:
            links[kind, connector.name] = _Link(kind, {side: connector}, (marks.get(side),))
    for name, linked in flow.connectors.items():
        sides = {"tap": linked.tap, "target": linked.target}
        own = tuple(marks.get(f"connectors/{name}/{side}") for side in sides)
        links[Connection.CONNECTOR, name] = _Link(Connection.CONNECTOR, sides, own, name)
    return links
