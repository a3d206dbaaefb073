"""Use cases that let triggers fire, or not: the ledger is written first, then the schedule of a scheduled trigger.

Until its schedule is written or removed a trigger is ACTIVATING or DEACTIVATING; a crash in between is repaired by
asking for the same again, and by reconcile. A schedule that was left behind removes itself the next time it calls.
"""

from collections.abc import Callable

from aws_lambda_powertools import Logger

from jobruns.access import Permission, Principal
from jobruns.errors import ConflictError, InvalidInputError, JobrunsError, NotFoundError, StaleWriteError
from jobruns.ids import new_id
from jobruns.service.ports import Ports
from jobruns.service.transitions import MAX_TRIES
from jobruns.trigger import Trigger, TriggerState, activate, completed, deactivate

SWEEP_LIMIT = 100
"""Triggers looked at in one sweep; the schedule comes again in a minute."""

logger = Logger(child=True)


def activate_trigger(ports: Ports, principal: Principal, name: str) -> Trigger:
    """Let a trigger fire. May be repeated; nothing changes for a trigger on demand.

    Raises
    ------
    NotFoundError
        The org has none of this name.
    InvalidInputError
        AWS does not take its schedule; the trigger is DEACTIVATED.
    StaleWriteError
        A bounded number of tries all lost against other writers.
    """
    principal.require(Permission.START)
    trigger = complete_trigger(ports, read_trigger(ports, principal.org, name))
    activation_id = new_id(ports.clock())
    after = amend_trigger(ports, trigger, lambda was: activate(was, ports.clock(), activation_id))
    return complete_trigger(ports, after)


def deactivate_trigger(ports: Ports, principal: Principal, name: str) -> Trigger:
    """Let a trigger fire no more. May be repeated; nothing changes for a trigger on demand.

    What it has heard is forgotten, and what it had decided but not started yet is not started.

    Raises
    ------
    NotFoundError
        The org has none of this name.
    StaleWriteError
        A bounded number of tries all lost against other writers.
    """
    principal.require(Permission.STOP)
    trigger = read_trigger(ports, principal.org, name)
    after = amend_trigger(ports, trigger, lambda was: deactivate(was, ports.clock()))
    return complete_trigger(ports, after)


def complete_trigger(ports: Ports, trigger: Trigger) -> Trigger:
    """Write or remove the schedule of a trigger that waits for that. May be repeated.

    Raises
    ------
    InvalidInputError
        AWS does not take the schedule; the trigger is DEACTIVATED.
    UnavailableError
        EventBridge Scheduler did not serve; the trigger waits on.
    """
    waiting = (trigger.state, trigger.activation_id)
    match waiting:
        case (TriggerState.ACTIVATING, _):
            try:
                ports.schedules.put(trigger)
            except InvalidInputError:
                amend_trigger(ports, trigger, lambda was: _give_up(ports, was, waiting))
                raise
        case (TriggerState.DEACTIVATING, str(activation_id)):
            ports.schedules.remove(activation_id)
        case _:
            return trigger
    return amend_trigger(ports, trigger, lambda was: completed(was, ports.clock()) if _same(was, waiting) else was)


def complete_triggers(ports: Ports, limit: int = SWEEP_LIMIT) -> list[str]:
    """Look after the triggers whose schedule was not written or removed. What cannot be done now is due again.

    Returns
    -------
    list of str
        The names of those that were completed.
    """
    done = []
    for trigger in ports.triggers.due(ports.clock(), limit):
        try:
            complete_trigger(ports, trigger)
        except JobrunsError:
            logger.exception("the trigger could not be completed", extra={"trigger": trigger.name})
        else:
            done.append(trigger.name)
    return done


def amend_trigger(ports: Ports, trigger: Trigger, decide: Callable[[Trigger], Trigger]) -> Trigger:
    """Change a trigger on condition, and decide again on what is stored if somebody was faster.

    Parameters
    ----------
    ports : Ports
        The outside.
    trigger : Trigger
        As last read.
    decide : callable
        Makes its next version, or returns it as it is.

    Raises
    ------
    NotFoundError
        It was deleted.
    StaleWriteError
        A bounded number of tries all lost against other writers.
    """
    for _ in range(MAX_TRIES):
        after = decide(trigger)
        if after is trigger:
            return trigger
        try:
            ports.triggers.change(after)
        except ConflictError:
            name, identity = trigger.name, trigger.trigger_id
            trigger = read_trigger(ports, trigger.org, name)
            if trigger.trigger_id != identity:
                raise _unknown(name) from None
        else:
            return after
    raise StaleWriteError(f"the trigger {trigger.name!r} is being changed by others; read it and try again")


def _give_up(ports: Ports, trigger: Trigger, waiting: tuple[TriggerState, str | None]) -> Trigger:
    if not _same(trigger, waiting):
        return trigger
    return trigger.amended(ports.clock(), state=TriggerState.DEACTIVATED, activation_id=None)


def _same(trigger: Trigger, waiting: tuple[TriggerState, str | None]) -> bool:
    return (trigger.state, trigger.activation_id) == waiting


def read_trigger(ports: Ports, org: str, name: str) -> Trigger:
    """Read a trigger: one read.

    Raises
    ------
    NotFoundError
        The org has none of this name.
    """
    trigger = ports.triggers.get(org, name)
    if trigger is None:
        raise _unknown(name)
    return trigger


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"no trigger is named {name[:300]!r}", field="trigger")
