"""Use cases around the states of Singer taps: look at one, set or clear it, hand it over, move on with a success."""

import json
import uuid
from typing import Any

from aws_lambda_powertools import Logger

from jobruns.access import Permission, Principal
from jobruns.errors import InvalidInputError, StaleWriteError
from jobruns.run import Run, RunState
from jobruns.run_file import files_prefix
from jobruns.service.ports import Ports
from jobruns.service.store_ports import StoredSyncState
from jobruns.sync_state import GIVEN_FILE, LEFT_FILES, SyncState, read_left_state

MAX_TRIES = 8
"""Each lost race is another's progress."""

MAX_INLINE_BYTES = 4096
MAX_STATE_BYTES = 16 * 1024 * 1024
"""A state that is larger is none of a tap: some targets leave a record of every row in such a file."""

logger = Logger(child=True)


def find_sync_state(ports: Ports, principal: Principal, key: str) -> SyncState | None:
    """Read the state that is kept under a key of the caller's org; ``None`` where there is nothing to take up from."""
    principal.require(Permission.READ)
    state = _read(ports, principal.org, key)
    return None if state.empty else state


def set_sync_state(ports: Ports, principal: Principal, key: str, value: Any) -> SyncState:
    """Put a state in place of what is kept. A run that is going does not move it any more.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs STOP: who may end the work of others may also have it done again.
    key : str
        Which.
    value : Any
        The state, any JSON.

    Raises
    ------
    InvalidInputError
        It is larger than `MAX_STATE_BYTES`.
    StaleWriteError
        It moved all the while.
    """
    principal.require(Permission.STOP)
    for _ in range(MAX_TRIES):
        state = _read(ports, principal.org, key).moved(value, ports.clock())
        if _replace(ports, state):
            return state
    raise StaleWriteError(f"the state {key} is being moved by others; try again")


def clear_sync_state(ports: Ports, principal: Principal, key: str) -> SyncState:
    """Forget the state that is kept, so that the next sync begins anew; see `set_sync_state`."""
    return set_sync_state(ports, principal, key, None)


def has_sync_state(ports: Ports, org: str, key: str) -> bool:
    """Tell whether there is a state that a sync would take up from: one read, however large it is."""
    stored = ports.sync_states.get(org, key)
    return stored is not None and (stored.document_key is not None or not stored.state.empty)


def read_version(ports: Ports, run: Run) -> SyncState | None:
    """Read the state that a run begins by; ``None`` for a run that has nothing to do with one."""
    return None if run.sync_state is None else _read(ports, run.org, run.sync_state.key)


def hand_over_state(ports: Ports, run: Run, state: SyncState) -> None:
    """Lay a state where the run's worker finds it, if the run is to take up from it. May be repeated.

    Parameters
    ----------
    ports : Ports
        The outside.
    run : Run
        RUNNING.
    state : SyncState
        As it was read when the run began.
    """
    use = run.sync_state
    if use is None or not use.given or state.empty or use.version != state.version:
        return
    ports.run_objects.put_json(files_prefix(run) + GIVEN_FILE, state.value)


def conclude_sync_state(ports: Ports, run: Run) -> None:
    """Move the state to where a run's success has come. May be repeated.

    A run that left none keeps what was there. One that was overtaken, by another run or by a person, moves nothing:
    what is there is newer than what it began by.

    Raises
    ------
    StaleWriteError
        It moved all the while.
    """
    use = run.sync_state
    if use is None or run.state is not RunState.SUCCEEDED:
        return
    value = _left_state(ports, run)
    if value is None:
        return
    for _ in range(MAX_TRIES):
        current = _read(ports, run.org, use.key)
        if current.run_id == run.run_id:
            return
        # A report of the end may come before the dispatcher: such a run has read no version.
        if use.version is not None and current.version != use.version:
            logger.warning("the state has moved since the run began", extra={"state": use.key, "run_id": run.run_id})
            return
        if _replace(ports, current.moved(value, ports.clock(), run.run_id)):
            return
    raise StaleWriteError(f"the state {use.key} is being moved by others; try again")


def _left_state(ports: Ports, run: Run) -> Any:
    for path in LEFT_FILES:
        key = files_prefix(run) + path
        found = [file for file in ports.run_objects.listed(key, 1) if not file.path]
        if not found or (found[0].size or 0) > MAX_STATE_BYTES:
            continue
        value = read_left_state(ports.run_objects.get(key))
        if value is not None:
            return value
    return None


def _read(ports: Ports, org: str, key: str) -> SyncState:
    stored = ports.sync_states.get(org, key)
    if stored is None:
        return SyncState(org=org, key=key)
    if stored.document_key is None:
        return stored.state
    return stored.state.model_copy(update={"value": ports.objects.get_json(stored.document_key)})


def _replace(ports: Ports, state: SyncState) -> bool:
    size = len(json.dumps(state.value))
    if size <= MAX_INLINE_BYTES:
        return ports.sync_states.replace(StoredSyncState(state))
    if size > MAX_STATE_BYTES:
        raise InvalidInputError(f"a state has at most {MAX_STATE_BYTES} bytes", field="state")
    # Kept as long as the state is: not below runs/, where documents expire.
    document_key = f"bookmarks/{state.org}/states/{uuid.uuid4()}"
    ports.objects.put_json(document_key, state.value)
    return ports.sync_states.replace(StoredSyncState(state.model_copy(update={"value": None}), document_key))
