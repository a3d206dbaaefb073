"""Use cases of whoever does the work of a run: report how it ended, and give signs of life."""

from collections.abc import Mapping
from typing import Any

from jobruns.access import Permission, Principal
from jobruns.errors import IllegalTransitionError, InvalidInputError
from jobruns.lifecycle import Event, Failed, Stopped, StopRequested, Succeeded, TimedOut, Told
from jobruns.run import Run, RunState
from jobruns.service.ports import Ports
from jobruns.service.transitions import end, move

MAX_MESSAGE_CHARACTERS = 4096


def report_run(
    ports: Ports,
    principal: Principal,
    run: Run,
    state: RunState,
    *,
    message: str | None = None,
    metrics: Mapping[str, Any] | None = None,
    told: Told | None = None,
    error_code: str | None = None,
) -> Run:
    """Report how a run ended.

    A report that repeats what is known already changes nothing and is no error, so that a worker may send it again. A
    run that is STOPPING becomes STOPPED, whatever its worker says.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs REPORT.
    run : Run
        As read.
    state : RunState
        SUCCEEDED, FAILED, TIMEOUT or STOPPED.
    message : str, optional
        What to tell people; cut after 4,096 characters.
    metrics : mapping, optional
        Figures of the work, kept on the run.
    told : Told, optional
        What else is told of the run, as `jobruns.service.telling.read_told` gives it; a message in it is kept whole.
    error_code : str, optional
        What kind of failure it was, in one word.

    Returns
    -------
    Run
        As it is now.

    Raises
    ------
    InvalidInputError
        `state` is not one a run ends in.
    IllegalTransitionError
        The run has ended another way, or waits for a slot.
    """
    principal.require(Permission.REPORT)
    text = message[:MAX_MESSAGE_CHARACTERS] if message else None
    if state is RunState.STOPPED and run.state in (RunState.STARTING, RunState.RUNNING):
        # Whoever stopped the worker need not have asked here; and if somebody did, it may be after the run was read.
        asked = StopRequested(message=text or f"stopped, as {principal.name} reports")
        run = move(ports, run, asked, principal.name).after
    decision = end(ports, run, _outcome(state, text, metrics, told or {}, error_code), principal.name)
    after = decision.after
    if after.state.terminal:
        # Also when the report came again: the first may have died before it told the state machine.
        ports.machine.end_task(after)
        if not decision.applied and after.state not in (state, RunState.STOPPED):
            raise IllegalTransitionError(f"the run has ended as {after.state} already; what has ended is not changed")
    elif not decision.applied:
        raise IllegalTransitionError(decision.reason or f"the run is {after.state}")
    return after


def beat_run(ports: Ports, principal: Principal, run: Run) -> Run:
    """Give a sign of life of a run's worker.

    Returns
    -------
    Run
        As it is now: a worker that reads STOPPING or an end stops its work.
    """
    principal.require(Permission.REPORT)
    now = ports.clock()
    if ports.runs.beat(run, now):
        ports.machine.beat(run)
        return run.model_copy(update={"heartbeat_at": now})
    return ports.runs.get(run.org, run.job, run.run_id) or run


def _outcome(
    state: RunState, message: str | None, metrics: Mapping[str, Any] | None, told: Told, error_code: str | None
) -> Event:
    match state:
        case RunState.SUCCEEDED:
            return Succeeded(message, metrics, told)
        case RunState.FAILED:
            why = message or "the worker reported a failure without saying why"
            return Failed(why, error_code or "Failed", metrics=metrics, told=told)
        case RunState.TIMEOUT:
            return TimedOut(message or "the worker reported that it ran out of time", told)
        case RunState.STOPPED:
            return Stopped(message, told)
    raise InvalidInputError(f"a run ends as SUCCEEDED, FAILED, TIMEOUT or STOPPED, not as {state}", field="state")
