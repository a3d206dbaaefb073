"""Reads how a task or an execution of RunLifecycle ended, in the words of Step Functions."""

import json
from typing import Any

from jobruns.causes import read_cause
from jobruns.lifecycle import Event, Failed, PhaseReached, Succeeded, TimedOut
from jobruns.run import Executor, RunState

_TIMEOUTS = frozenset({"States.Timeout", "States.HeartbeatTimeout"})
_SANDBOX_GONE = "Runtime.ExitError"
MAX_RETURNED_CHARACTERS = 1000


def read_outcome(event: dict[str, Any]) -> Event:
    """Read the input of Settle.

    Parameters
    ----------
    event : dict
        The state's input: the execution's input, with ``failure`` (``Error``, ``Cause``) where a task failed, with
        ``result`` where it ended. ``result`` holds what was ``returned``: anything by a user's function, how the script
        ended by the function that runs scripts.

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
        if event.get("executor") in (Executor.PYTHON_SCRIPT, Executor.SINGER):
            return _read_ending(returned)
        message = None if returned is None else json.dumps(returned, ensure_ascii=False)[:MAX_RETURNED_CHARACTERS]
        return Succeeded(message)
    return Failed("its executor ended without saying how the work went", "NoOutcome")


def read_phases(event: dict[str, Any]) -> list[PhaseReached]:
    """Read how far the work had come before it ended, where it goes through phases: the input of Settle again."""
    result = event.get("result")
    returned = result.get("returned") if isinstance(result, dict) else None
    if event.get("executor") != Executor.SINGER or not isinstance(returned, dict):
        return []
    return [PhaseReached(phase["phase"], phase["rank"], phase.get("message")) for phase in returned["phases"]]


def _read_ending(ending: dict[str, Any]) -> Event:
    """Read what ``scripts.endings`` or ``singer.endings`` wrote."""
    message, metrics = ending["message"], ending.get("metrics")
    match ending["state"]:
        case RunState.SUCCEEDED:
            return Succeeded(message, metrics)
        case RunState.TIMEOUT:
            return TimedOut(message)
    # STOPPED too: a run that nobody asked to stop and whose programs were killed all the same has failed.
    return Failed(message, ending["error_code"], metrics)


def _read_failure(error: str, cause: str, event: dict[str, Any]) -> Event:
    if error in _TIMEOUTS:
        # An emulator reports a missed heartbeat as States.Timeout, so the text names both limits.
        beat = event.get("heartbeat_seconds")
        limit = f"it did not end within {event['timeout_seconds']} seconds"
        return TimedOut(f"{limit}, or sent no heartbeat for {beat} seconds" if beat else limit)
    message = read_cause(cause) or error
    match event.get("executor"):
        case Executor.SPARK:
            message = _spark_details(cause) or message
        case Executor.PYTHON_SCRIPT | Executor.SINGER if error == _SANDBOX_GONE:
            what = "script" if event["executor"] == Executor.PYTHON_SCRIPT else "sync"
            message = f"what ran the {what} was killed, as happens when memory runs out: {message}"
    return Failed(message, error or "Failed")


def _spark_details(cause: str) -> str | None:
    """Give EMR's own words: the cause of a job that failed is the job run, as GetJobRun describes it."""
    try:
        job_run = json.loads(cause)
    except ValueError:
        return None
    if not isinstance(job_run, dict) or "State" not in job_run:
        return None
    return str(
        job_run.get("StateDetails") or f"the Spark job run {job_run.get('JobRunId')} ended as {job_run['State']}"
    )
