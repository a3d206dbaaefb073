"""The one place that moves a run: decide by the lifecycle, write on condition, decide again if somebody was faster.

A run that has no number yet gets one when it begins, which it may do by ending: a report may overtake the dispatcher.
One that never begins gets none. What is taken from the counter by whoever is too late is a gap.
"""

import uuid
from dataclasses import replace
from datetime import datetime
from typing import Any

from jobruns.errors import StaleWriteError
from jobruns.lifecycle import TELLABLE, Amended, Corrected, Decision, Event, Stopped, apply
from jobruns.run import Run, RunEvent, RunState
from jobruns.service.ports import Ports

_RETOLD = {*TELLABLE, "state", "error_code"}

MAX_TRIES = 8
"""A run has at most a handful of writers at a moment; each lost race is another's progress."""


def run_event(
    run: Run, kind: str, at: datetime, actor: str, *, applied: bool = True, message: str | None = None
) -> RunEvent:
    """Compose the history entry of what happened to `run`, which is as it is after it."""
    return RunEvent(
        org=run.org,
        job=run.job,
        run_id=run.run_id,
        sequence=run.version,
        kind=kind,
        state=run.state,
        at=at,
        actor=actor,
        applied=applied,
        message=message,
    )


def move(ports: Ports, run: Run, event: Event, actor: str, *, slots: int | None = None) -> Decision:
    """Apply an event to a run and write it; an event that comes too late is recorded as ignored.

    Parameters
    ----------
    ports : Ports
        The outside.
    run : Run
        As last read. It may be out of date: then the event is decided again on what is stored.
    event : Event
        What happened.
    actor : str
        Who says so.
    slots : int, optional
        The job's limit, for an event that takes a run from the queue.

    Returns
    -------
    Decision
        The decision that was written, or that the event was ignored.

    Raises
    ------
    StaleWriteError
        A bounded number of tries all lost against other writers.
    ConcurrentRunsExceededError
        The event takes a slot and none is free.
    """
    number = None
    for _ in range(MAX_TRIES):
        now = ports.clock()
        decision = apply(run, event, now)
        if decision.after.number is None and decision.after.started_at is not None and decision.applied:
            number = number or ports.runs.reserve_numbers(run.org)
            decision = replace(decision, after=decision.after.model_copy(update={"number": number}))
        kind = type(event).__name__
        if not decision.applied:
            ignored = run_event(run, kind, now, actor, applied=False, message=decision.reason)
            ports.runs.record_ignored(ignored, uuid.uuid4().hex)
            return decision
        entry = run_event(decision.after, kind, now, actor, message=getattr(event, "message", None))
        current = ports.runs.transition(decision, entry.model_copy(update={"was": _was(decision)}), slots=slots)
        if current is None:
            return decision
        run = current
    raise StaleWriteError(f"the run {run.run_id} is being changed by others; read it and try again")


def _was(decision: Decision) -> dict[str, Any]:
    """Give what was told before: history keeps what the run does not any more."""
    if not isinstance(decision.event, Amended | Corrected):
        return {}
    before, after = (run.model_dump(mode="json", include=_RETOLD) for run in (decision.before, decision.after))
    return {name: value for name, value in before.items() if value != after[name]}


def end(ports: Ports, run: Run, outcome: Event, actor: str) -> Decision:
    """Apply an event that ends a run. One that is STOPPING ends as STOPPED, however its work went.

    Returns
    -------
    Decision
        Not applied where the run had ended before, waits for a slot, or is committing.

    Raises
    ------
    StaleWriteError
        A bounded number of tries all lost against other writers.
    """
    # Who asked for the stop has said why.
    told = {name: value for name, value in getattr(outcome, "told", {}).items() if name != "message"}
    stopped = Stopped(getattr(outcome, "message", None), told)
    if run.state is RunState.STOPPING:
        return move(ports, run, stopped, actor)
    decision = move(ports, run, outcome, actor)
    if not decision.applied and decision.after.state is RunState.STOPPING:
        # Asked to stop since it was read.
        return move(ports, decision.after, stopped, actor)
    return decision
