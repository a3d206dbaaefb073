"""Use cases of the state of a tap or connector: what the next sync takes up from."""

from collections.abc import Mapping
from typing import Any

from hotglue.admission import Caller
from hotglue.flow_documents import Flow
from hotglue.names import Lane, read_connector
from hotglue.settings import find_flow
from jobruns.errors import InvalidInputError, NotFoundError
from jobruns.service.sync_states import clear_sync_state, find_sync_state, set_sync_state
from jobruns.sync_state import SyncState
from jobruns_events.details import write_time

STATE = "state"


def show_state(caller: Caller, lane: Lane, query: Mapping[str, str]) -> dict[str, Any]:
    """Read a state; an empty one where there is none.

    Raises
    ------
    NotFoundError
        There is no such environment, flow or connector.
    InvalidInputError
        It is not said whose state.
    """
    return _show(find_sync_state(caller.ports, caller.principal, _key(caller, lane, query)))


def put_state(caller: Caller, lane: Lane, query: Mapping[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Set a state; the next sync takes up from there.

    Raises
    ------
    InvalidInputError
        It is not said whose state, or there is none in the body.
    """
    state = body.get(STATE)
    if not isinstance(state, dict):
        raise InvalidInputError("state: must be an object", field=STATE)
    return _show(set_sync_state(caller.ports, caller.principal, _key(caller, lane, query), state))


def clear_state(caller: Caller, lane: Lane, query: Mapping[str, str]) -> dict[str, Any]:
    """Clear a state; the next sync begins anew."""
    return _show(clear_sync_state(caller.ports, caller.principal, _key(caller, lane, query)))


def _key(caller: Caller, lane: Lane, query: Mapping[str, str]) -> str:
    flow, _ = find_flow(caller, lane.env_id, lane.flow_id)
    if flow.version == 1:
        named = query.get("tap") or query.get("connector_id") or (flow.tap.name if flow.tap else None)
        if named is None:
            raise InvalidInputError("tap: the flow names no tap of its own; say which is meant", field="tap")
        return lane.state_key(read_connector(named, "tap"))
    return lane.state_key(_linked(flow, query))


def _linked(flow: Flow, query: Mapping[str, str]) -> str:
    connector_id = query.get("connector_id")
    if not connector_id:
        raise InvalidInputError("connector_id: say which connector is meant", field="connector_id")
    if flow.connectors and connector_id not in flow.connectors:
        raise NotFoundError(f"the flow has no connector {connector_id[:100]!r}", field="connector_id")
    return read_connector(connector_id)


def _show(state: SyncState | None) -> dict[str, Any]:
    if state is None or state.value is None:
        return {"state": {}, "version": state.version if state else 0, "last_updated": None}
    modified = write_time(state.modified_at) if state.modified_at else None
    return {"state": state.value, "version": state.version, "last_updated": modified}
