"""Use cases that fire triggers: by the end of a run, by the clock, by hand.

The ids of the runs that a firing starts come of the firing alone, so that starting them again finds those that are
there. What fires by several runs' ends is remembered with the trigger before anything is started, together with the
mark that it has heard of the run; whoever comes next finishes what a crash left unstarted.
"""

from collections.abc import Mapping
from datetime import datetime

from aws_lambda_powertools import Logger

from jobruns.access import Permission, Principal, system_principal
from jobruns.errors import (
    ConcurrentRunsExceededError,
    ConflictError,
    InvalidInputError,
    JobrunsError,
    NotFoundError,
    StaleWriteError,
)
from jobruns.ids import derived_id, new_id
from jobruns.lifecycle import JOB_NOT_FOUND
from jobruns.run import Run
from jobruns.service.activation import amend_trigger
from jobruns.service.ports import Ports
from jobruns.service.starts import StartRequest, record_refused, start_run
from jobruns.service.transitions import MAX_TRIES
from jobruns.trigger import Action, Firing, Trigger, TriggerType, Watched, observe

REFUSALS: Mapping[type[JobrunsError], str] = {
    NotFoundError: JOB_NOT_FOUND,
    ConcurrentRunsExceededError: "ConcurrentRunsExceeded",
    InvalidInputError: "InvalidInput",
}
"""Why a run is not started however often that is repeated, and the error code of the run that tells of it."""

_REFUSED = tuple(REFUSALS)

logger = Logger(child=True)


def observe_end(ports: Ports, run: Run) -> None:
    """Tell the triggers that watch a run's job how the run ended. May be repeated; each fires once.

    Unless the service is told to watch all runs, only those are told of that a trigger started, or whose first attempt
    it did. The caller sees to it that no retry of the run is due.

    Raises
    ------
    StaleWriteError
        A trigger hears of so much at once that it could not be written in a bounded number of tries.
    """
    if run.trigger_name is None and ports.watched is not Watched.ALL:
        return
    for name in ports.triggers.watching(run.org, run.job):
        _tell(ports, run, name)


def fire_scheduled(ports: Ports, org: str, name: str, activation_id: str, scheduled_at: datetime) -> list[Run]:
    """Fire a trigger whose time has come. May be repeated; each time fires once.

    A call by another schedule than the trigger has now fires nothing and has that schedule removed: it was left behind
    when the trigger was deactivated, rescheduled or deleted.

    Parameters
    ----------
    ports : Ports
        The outside.
    org, name : str
        Which trigger.
    activation_id : str
        Whose schedule calls.
    scheduled_at : datetime
        The time that was meant, aware.

    Returns
    -------
    list of Run
        In the order of the actions. A run that could not be started is recorded as FAILED.
    """
    trigger = ports.triggers.get(org, name)
    if trigger is None or not trigger.active or trigger.activation_id != activation_id:
        logger.info("a schedule that is no longer a trigger's is removed", extra={"trigger": name})
        ports.schedules.remove(activation_id)
        return []
    firing = Firing(firing_id=f"{activation_id}:{scheduled_at.isoformat()}", fired_at=scheduled_at)
    return _start_all(ports, trigger, firing)


def fire_on_demand(ports: Ports, principal: Principal, trigger: Trigger, token: str | None = None) -> list[Run]:
    """Fire a trigger now, because somebody wants it.

    What cannot be started is recorded as FAILED, unless nothing could be and a job's limit is among the reasons.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs START.
    trigger : Trigger
        Of the type ON_DEMAND.
    token : str, optional
        Firing again with the same token finds the runs of the first time.

    Raises
    ------
    ConcurrentRunsExceededError
        Nothing was started, because jobs run as often as they may.
    """
    principal.require(Permission.START)
    now = ports.clock()
    firing = Firing(firing_id=new_id(now), fired_at=now)
    started: dict[int, Run] = {}
    refused: dict[int, tuple[StartRequest, JobrunsError]] = {}
    for number, action in enumerate(trigger.actions):
        mark = f"{trigger.trigger_id}:{number}:{token}" if token else None
        request = _request(trigger, firing, number, action, token=mark)
        try:
            started[number] = start_run(ports, principal, request)
        except _REFUSED as error:
            refused[number] = (request, error)
    busy = [why for _, why in refused.values() if isinstance(why, ConcurrentRunsExceededError)]
    if busy and not started:
        raise busy[0]
    for number, (request, why) in refused.items():
        started[number] = _record(ports, principal, request, why)
    return [started[number] for number in sorted(started)]


def finish_firings(ports: Ports, trigger: Trigger) -> Trigger:
    """Start what a trigger has decided to start and has not been seen started. May be repeated.

    Returns
    -------
    Trigger
        Without the firings that are done.
    """
    if not trigger.firings:
        return trigger
    for firing in trigger.firings:
        _start_all(ports, trigger, firing)
    done = {firing.firing_id for firing in trigger.firings}

    def without(was: Trigger) -> Trigger:
        left = tuple(firing for firing in was.firings if firing.firing_id not in done)
        return was if left == was.firings else was.amended(ports.clock(), firings=left)

    try:
        return amend_trigger(ports, trigger, without)
    except NotFoundError:
        return trigger.model_copy(update={"firings": ()})  # deleted while its runs were being started


def _tell(ports: Ports, run: Run, name: str) -> None:
    for _ in range(MAX_TRIES):
        trigger = ports.triggers.get(run.org, name)
        if trigger is None:
            return  # deleted; its watch was left behind, or will be gone in a moment
        trigger = finish_firings(ports, trigger)
        seen = observe(trigger, run)
        if seen.firing is not None:
            _start_all(ports, trigger, seen.firing)
        if seen.after is trigger:
            return
        try:
            news = ports.triggers.remember(seen.after, run)
        except ConflictError:
            continue
        # Where it was told before, by somebody who may have died before the firing was started.
        current = seen.after if news else ports.triggers.get(run.org, name)
        if current is not None:
            finish_firings(ports, current)
        return
    raise StaleWriteError(f"the trigger {name!r} is being changed by others; tell it again")


def _start_all(ports: Ports, trigger: Trigger, firing: Firing) -> list[Run]:
    principal = system_principal(trigger.org, "trigger")
    runs = []
    for number, action in enumerate(trigger.actions):
        request = _request(trigger, firing, number, action)
        try:
            runs.append(start_run(ports, principal, request))
        except _REFUSED as error:
            runs.append(_record(ports, principal, request, error))
    return runs


def _request(
    trigger: Trigger, firing: Firing, number: int, action: Action, *, token: str | None = None
) -> StartRequest:
    return StartRequest(
        job=action.job,
        door=trigger.door,
        arguments=action.arguments,
        timeout_seconds=action.timeout_seconds,
        notify_after_seconds=action.notify_after_seconds,
        run_id=derived_id(firing.fired_at, "fired", firing.firing_id, str(number)),
        trigger=trigger.type.kind,
        trigger_name=trigger.name,
        predecessors=firing.predecessors,
        # Nobody comes back to ask again for what the end of another run started.
        queueing=True if trigger.type is TriggerType.CONDITIONAL else None,
        token=token,
        extra=action.extra,
    )


def _record(ports: Ports, principal: Principal, request: StartRequest, error: JobrunsError) -> Run:
    code = next(code for kind, code in REFUSALS.items() if isinstance(error, kind))
    logger.warning("a trigger's run was not started", extra={"trigger": request.trigger_name, "error_code": code})
    return record_refused(ports, principal, request, code, error.message)
