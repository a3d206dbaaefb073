"""Use cases around the definitions of triggers."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from jobruns.access import Permission, Principal
from jobruns.errors import AlreadyExistsError, ConflictError, InvalidInputError, StaleWriteError
from jobruns.ids import new_id
from jobruns.service.activation import activate_trigger, amend_trigger, complete_trigger, read_trigger
from jobruns.service.definitions import check_tags, describe_invalid, merge_tags
from jobruns.service.firing import fire_on_demand
from jobruns.service.ports import Ports
from jobruns.service.transitions import MAX_TRIES
from jobruns.trigger import Trigger, TriggerType, activate, check_trigger, replaced

_PAGE = 200
"""Triggers read at once where a list is filtered."""

_DEFINITION = {
    *("type", "schedule", "predicate", "actions", "description", "start_on_creation", "tags", "extra", "door"),
}
_REPLACEABLE = ("schedule", "predicate", "actions", "description", "extra")


def define_trigger(ports: Ports, principal: Principal, **fields: Any) -> Trigger:
    """Make a trigger, and let it fire from now on if `start_on_creation` says so. An exact repeat succeeds.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs DEFINE.
    **fields
        Of `jobruns.trigger.Trigger`: name, type, schedule, predicate, actions, description, start_on_creation, tags,
        extra, door. The jobs it names need not exist.

    Raises
    ------
    InvalidInputError
        A field is wrong.
    AlreadyExistsError
        The name is taken by a trigger that differs.
    """
    principal.require(Permission.DEFINE)
    now = ports.clock()
    ours = {"org": principal.org, "trigger_id": new_id(now), "created_at": now, "modified_at": now}
    trigger = _make({**fields, **ours}, now)
    check_tags(trigger.tags)
    made = activate(trigger, now, new_id(now)) if trigger.start_on_creation else trigger
    # First, so that no end of a run is missed; what is written for a trigger that is not, is a read too many later.
    ports.triggers.watch(made, made.watched_jobs)
    try:
        ports.triggers.add(made)
    except AlreadyExistsError:
        was = ports.triggers.get(principal.org, trigger.name)
        if was is None or _definition(was) != _definition(trigger):
            raise
        return complete_trigger(ports, was)
    try:
        return complete_trigger(ports, made)
    except InvalidInputError:
        _remove(ports, made)
        raise


def replace_trigger(ports: Ports, principal: Principal, name: str, **fields: Any) -> Trigger:
    """Put another definition in place of a trigger's. Its type, its tags and whether it fires stay.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs DEFINE.
    name : str
        Which.
    **fields
        Schedule, predicate, actions, description, extra; what is not given is cleared.

    Raises
    ------
    NotFoundError
        The org has none of this name.
    InvalidInputError
        A field is wrong.
    StaleWriteError
        A bounded number of tries all lost against other writers.
    """
    principal.require(Permission.DEFINE)
    if unknown := fields.keys() - set(_REPLACEABLE):
        raise InvalidInputError(f"{min(unknown)}: cannot be replaced", field=min(unknown))
    for _ in range(MAX_TRIES):
        was = find_trigger(ports, principal, name)
        kept = {key: value for key, value in was.model_dump().items() if key not in _REPLACEABLE}
        now = ports.clock()
        wanted = _make({**kept, **fields}, now)
        after = replaced(was, now, new_id(now), {key: getattr(wanted, key) for key in _REPLACEABLE})
        ports.triggers.watch(after, after.watched_jobs - was.watched_jobs)
        try:
            ports.triggers.change(after)
        except ConflictError:
            continue
        ports.triggers.unwatch(after, was.watched_jobs - after.watched_jobs)
        done = complete_trigger(ports, after)
        if was.activation_id is not None and was.activation_id != after.activation_id:
            ports.schedules.remove(was.activation_id)
        return done
    raise StaleWriteError(f"the trigger {name!r} is being changed by others; read it and try again")


def find_trigger(ports: Ports, principal: Principal, name: str) -> Trigger:
    """Read a trigger: one read.

    Raises
    ------
    NotFoundError
        The org has none of this name.
    """
    principal.require(Permission.READ)
    return read_trigger(ports, principal.org, name)


def find_triggers(ports: Ports, principal: Principal, names: Iterable[str]) -> dict[str, Trigger]:
    """Read the triggers of these names, by name; those that are not there are left out."""
    principal.require(Permission.READ)
    return ports.triggers.many(principal.org, names)


def list_triggers(
    ports: Ports,
    principal: Principal,
    *,
    after: str | None = None,
    limit: int = 1000,
    dependent_job: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> list[Trigger]:
    """Read the org's triggers by name, at most `limit`, beginning after the name `after`.

    Parameters
    ----------
    ports, principal
        The outside, and the caller; needs READ.
    after, limit
        Which part of the list. Fewer than `limit` are the last.
    dependent_job : str, optional
        Only triggers one of whose actions starts this job.
    tags : mapping, optional
        Only triggers with all of these tags.
    """
    principal.require(Permission.READ)
    found: list[Trigger] = []
    size = limit if dependent_job is None and not tags else max(limit, _PAGE)
    while len(found) < limit:
        page = ports.triggers.page(principal.org, after=after, limit=size)
        found += [trigger for trigger in page if _wanted(trigger, dependent_job, tags or {})]
        if len(page) < size:
            break
        after = page[-1].name
    return found[:limit]


def delete_trigger(ports: Ports, principal: Principal, name: str) -> None:
    """Delete a trigger; nothing happens where there is none. Runs that it has started go on."""
    principal.require(Permission.DEFINE)
    trigger = ports.triggers.get(principal.org, name)
    if trigger is not None:
        _remove(ports, trigger)


def start_trigger(ports: Ports, principal: Principal, name: str, token: str | None = None) -> Trigger:
    """Start a trigger: one on demand fires at once, the others fire from now on when their time comes.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs START.
    name : str
        Which.
    token : str, optional
        Starting one on demand again with the same token starts no second runs.

    Raises
    ------
    NotFoundError
        The org has none of this name.
    ConcurrentRunsExceededError
        It is on demand, and nothing was started because jobs run as often as they may.
    """
    principal.require(Permission.START)
    trigger = find_trigger(ports, principal, name)
    if trigger.type is not TriggerType.ON_DEMAND:
        return activate_trigger(ports, principal, name)
    fire_on_demand(ports, principal, trigger, token)
    return trigger


def tag_trigger(
    ports: Ports, principal: Principal, name: str, tags: Mapping[str, str], untag: Iterable[str] = ()
) -> Trigger:
    """Add tags to a trigger, or change their values, and take others away.

    Raises
    ------
    NotFoundError
        The org has none of this name.
    InvalidInputError
        It would have more than a definition may have.
    """
    principal.require(Permission.DEFINE)
    away = frozenset(untag)

    def tagged(was: Trigger) -> Trigger:
        after = merge_tags(was.tags, tags, away)
        return was if after == was.tags else was.amended(ports.clock(), tags=after)

    return amend_trigger(ports, find_trigger(ports, principal, name), tagged)


def _make(fields: dict[str, Any], now: datetime) -> Trigger:
    try:
        trigger = Trigger(**fields)
    except ValidationError as error:
        raise describe_invalid(error) from None
    check_trigger(trigger, now)
    return trigger


def _definition(trigger: Trigger) -> dict[str, Any]:
    return trigger.model_dump(mode="json", include=_DEFINITION)


def _remove(ports: Ports, trigger: Trigger) -> None:
    # The trigger goes first: from then on nothing fires it, whatever is left of the rest.
    ports.triggers.remove(trigger)
    ports.triggers.unwatch(trigger, trigger.watched_jobs)
    if trigger.activation_id is not None:
        ports.schedules.remove(trigger.activation_id)


def _wanted(trigger: Trigger, dependent_job: str | None, tags: Mapping[str, str]) -> bool:
    starts = dependent_job is None or any(action.job == dependent_job for action in trigger.actions)
    return starts and tags.items() <= trigger.tags.items()
