"""What a flow is linked to, as it is told when that changes: its source, its target, and connectors.

hotglue tells of it and does not say in which words. Here the document has the members of `job_details` that fit, all of
them always there, and never a setting of a tap or target:

===============  =======================================================================================
``env_id``       environment
``flow_id``      flow
``tenant``       null: what a flow is linked to is the same for all of its tenants
``connection``   ``source``, ``target`` or ``connector``
``connector_id`` name of the connector, where it is one
``tap``          name of the source; of the connector's tap, where it has one
``target``       name of the target; of the connector's target, where it has one
``status``       one of `CONNECTION_STATUSES`
``message``      the same as a sentence
``last_updated`` when it happened
``changed_by``   access key of who did it
===============  =======================================================================================
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from typing import Any, Final
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from jobruns.ids import derived_id
from jobruns_events.cloud_events import NAMESPACE, TYPE_SUFFIX
from jobruns_events.details import write_time
from jobruns_events.statuses import DOOR

__all__ = ["CONNECTION", "CONNECTION_STATUSES", "Connection", "LinkChange", "Outcome", "connection_event"]

CONNECTION: Final = "connection"
"""What may be subscribed to, by hotglue's name."""

_TYPE_PREFIX: Final = f"{NAMESPACE}connection."


@unique
class Connection(StrEnum):
    """Kinds of what a flow is linked to."""

    SOURCE = "source"
    TARGET = "target"
    CONNECTOR = "connector"


@unique
class Outcome(StrEnum):
    """What became of it."""

    CREATED = "CREATED"
    OVERWRITTEN = "OVERWRITTEN"
    REMOVED = "REMOVED"


CONNECTION_STATUSES: Final = tuple(f"{kind.upper()}_{outcome}" for kind in Connection for outcome in Outcome)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""What is told of a flow is numbered by its time: one that is deleted and made again begins with version 1 again."""

_SENTENCES: Final = {
    Outcome.CREATED: "has been linked to the flow",
    Outcome.OVERWRITTEN: "has been changed",
    Outcome.REMOVED: "is not linked to the flow any more",
}


class LinkChange(BaseModel):
    """A change of one thing that a flow is linked to; ``tap`` and ``target`` are names."""

    model_config = ConfigDict(frozen=True)

    connection: Connection
    outcome: Outcome
    connector_id: str | None = None
    tap: str | None = None
    target: str | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        return str(self.connector_id or self.tap or self.target)

    @property
    def status(self) -> str:
        """The word of `CONNECTION_STATUSES` for it."""
        return f"{self.connection.upper()}_{self.outcome}"


def connection_event(
    change: LinkChange, *, org: str, env_id: str, flow_id: str, version: int, at: datetime, changed_by: str
) -> dict[str, Any]:
    """Write a change as a CloudEvent, as `jobruns_events.cloud_events` writes what happened to a run.

    Parameters
    ----------
    change : LinkChange
        What changed.
    org, env_id, flow_id : str
        Where.
    version : int
        Of the flow, after the change.
    at : datetime
        When, aware: with the version and the change this makes the id, which so is always the same.
    changed_by : str
        Who did it.
    """
    status = change.status
    event_id = derived_id(at, CONNECTION, org, env_id, flow_id, str(version), status, change.name)
    details = {
        "env_id": env_id,
        "flow_id": flow_id,
        "tenant": None,
        **change.model_dump(mode="json", exclude={"outcome"}),
        "status": status,
        "message": f"the {change.connection} {change.name!r} {_SENTENCES[change.outcome]}",
        "last_updated": write_time(at),
        "changed_by": changed_by,
    }
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": f"/env/{quote(env_id, safe='')}/flows/{quote(flow_id, safe='')}",
        "type": f"{_TYPE_PREFIX}{status.lower()}{TYPE_SUFFIX}",
        "subject": f"{change.connection}/{quote(change.name, safe='')}",
        "time": write_time(at),
        "datacontenttype": "application/json",
        "sequence": str((at - _EPOCH) // timedelta(milliseconds=1)),
        "org": org,
        "door": DOOR,
        "status": status,
        "notice": CONNECTION,
        "step": True,
        "document": f"{org}/{env_id}/connections/{event_id}.json",
        "data": details,
    }
