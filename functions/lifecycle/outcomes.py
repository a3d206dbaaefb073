"""Reads how a task or an execution of RunLifecycle ended, in the words of Step Functions."""

import json
from typing import Any

from jobruns.causes import read_cause
from jobruns.lifecycle import Event, Failed, Succeeded, TimedOut

_TIMEOUTS = frozenset({"States.Timeout", "States.HeartbeatTimeout"})
MAX_RETURNED_CHARACTERS = 1000


def read_outcome(event: dict[str, Any]) -> Event:
    """Read the input of Settle.

    Parameters
    ----------
    event : dict
        The state's input: the execution's input, with ``failure`` (``Error``, ``Cause``) where a task failed, with
        ``result`` where it ended. For a user's function ``result`` holds what it ``returned``.

    Returns
    -------
    Event
        What the run is told, unless the ledger knows better already.
    """
    failure = event.get("failure")
    if failure is not None:
        return _read_failure(str(failure.get("Error", "")), str(failure.get("Cause", "")), event)
    result = event.get("result")
    if isinstance(result, dict) and "returned" in result:
        returned = result["returned"]
        message = None if returned is None else json.dumps(returned, ensure_ascii=False)[:MAX_RETURNED_CHARACTERS]
        return Succeeded(message)
    return Failed("its executor ended without saying how the work went", "NoOutcome")


def _read_failure(error: str, cause: str, event: dict[str, Any]) -> Event:
    if error in _TIMEOUTS:
        # An emulator reports a missed heartbeat as States.Timeout, so the text names both limits.
        beat = event.get("heartbeat_seconds")
        limit = f"it did not end within {event['timeout_seconds']} seconds"
        return TimedOut(f"{limit}, or sent no heartbeat for {beat} seconds" if beat else limit)
    return Failed(read_cause(cause) or error, error or "Failed")
