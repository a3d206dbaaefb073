"""Triggers: what starts runs by itself, and the rules by which the end of one run fires it.

::

    CREATED ──► ACTIVATING ──► ACTIVATED ──► DEACTIVATING ──► DEACTIVATED ──► ACTIVATING ...

The words are AWS Glue's. A trigger on demand is CREATED all its life. Pure: no clock, no storage.

Hard choices, decided here:

* A trigger hears only what ended while it was ACTIVATED, however late it is told.
* Each activation of a scheduled trigger, and each change of its schedule, has an id of its own, which its schedule
  carries. An event of another activation, or of a trigger of the same name that was deleted, fires nothing.
* With AND, a condition once met stays met until the trigger fires, whatever becomes of later runs of that job; of
  several runs that meet it the newest counts. Firing forgets all of them. With ANY, or a single condition, there is
  nothing to remember: each run that meets a condition fires.
* A run that gave up waiting for a slot ended as TIMEOUT without having begun; no condition names that end.
* There is no type EVENT: such triggers begin workflows, which are not a thing of this ledger, and one that is stored
  but never fires would be a trap.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from jobruns.errors import InvalidInputError
from jobruns.job import MAX_TIMEOUT_SECONDS, NAME
from jobruns.run import Predecessor, Run, RunState, TriggerKind
from jobruns.schedule import check_schedule

MAX_CONDITIONS = 500
MAX_ACTIONS = 50
"""What one firing starts at most; AWS's own quota of jobs for each trigger."""

WATCHABLE = (RunState.SUCCEEDED, RunState.STOPPED, RunState.FAILED, RunState.TIMEOUT)
"""The ends a condition may name."""


@unique
class TriggerType(StrEnum):
    """What a trigger waits for: a time, the end of runs, or somebody's word."""

    SCHEDULED = "SCHEDULED"
    CONDITIONAL = "CONDITIONAL"
    ON_DEMAND = "ON_DEMAND"

    @property
    def kind(self) -> TriggerKind:
        """What the runs say that started them."""
        return _KINDS[self]


_KINDS = {
    TriggerType.SCHEDULED: TriggerKind.SCHEDULE,
    TriggerType.CONDITIONAL: TriggerKind.CONDITION,
    TriggerType.ON_DEMAND: TriggerKind.DEMAND,
}


@unique
class TriggerState(StrEnum):
    """Whether a trigger fires. ACTIVATING and DEACTIVATING last until its schedule is written or removed."""

    CREATED = "CREATED"
    ACTIVATING = "ACTIVATING"
    ACTIVATED = "ACTIVATED"
    DEACTIVATING = "DEACTIVATING"
    DEACTIVATED = "DEACTIVATED"


@unique
class Logical(StrEnum):
    """How many conditions must be met."""

    AND = "AND"
    ANY = "ANY"


@unique
class Watched(StrEnum):
    """Whose ends conditional triggers hear: those of runs that triggers started, as in AWS Glue, or those of all."""

    TRIGGERED = "triggered"
    ALL = "all"


class Condition(BaseModel):
    """The end of a run of `job` in `state`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    job: str
    state: RunState


class Predicate(BaseModel):
    """What must have ended for a conditional trigger to fire; `logical` may be left out of a single condition."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    logical: Logical | None = None
    conditions: tuple[Condition, ...] = ()


class Action(BaseModel):
    """A run that a trigger starts; what is not given is as the job says. `extra` is a door's own, by its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    job: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    timeout_seconds: int | None = Field(default=None, ge=1, le=MAX_TIMEOUT_SECONDS)
    notify_after_seconds: int | None = Field(default=None, ge=1)
    extra: dict[str, Any] = Field(default_factory=dict)


class Met(BaseModel):
    """Which run met the condition number `condition`, counted from 0."""

    model_config = ConfigDict(frozen=True)

    condition: int
    run_id: str


class Firing(BaseModel):
    """One time that a trigger fires. The ids of the runs it starts come of `firing_id` and `fired_at` alone."""

    model_config = ConfigDict(frozen=True)

    firing_id: str
    fired_at: AwareDatetime
    predecessors: tuple[Predecessor, ...] = ()


class Trigger(BaseModel):
    """What is to be started, and when.

    ``trigger_id`` tells it from another of the same name before or after it. ``memory`` has the conditions met since
    it last fired, ``firings`` what was decided and has yet to be started. ``activation_id`` names the schedule that is
    its own now; ``activated_at`` is when it last began to listen. ``extra`` is a door's own, by the door's name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    org: str
    name: str
    trigger_id: str
    type: TriggerType
    state: TriggerState = TriggerState.CREATED
    schedule: str | None = None
    predicate: Predicate | None = None
    actions: tuple[Action, ...]
    description: str | None = Field(default=None, max_length=2048)
    start_on_creation: bool = False
    tags: dict[str, str] = Field(default_factory=dict)
    extra: dict[str, Any] = Field(default_factory=dict)
    door: str
    created_at: AwareDatetime
    modified_at: AwareDatetime
    version: int = 1
    activation_id: str | None = None
    activated_at: AwareDatetime | None = None
    memory: tuple[Met, ...] = ()
    firings: tuple[Firing, ...] = ()

    @field_validator("name")
    @classmethod
    def _named(cls, name: str) -> str:
        if not NAME.match(name):
            raise ValueError("must be one line of 1 to 255 characters without control characters")
        return name

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What a conditional trigger waits for; nothing for the other types."""
        listens = self.type is TriggerType.CONDITIONAL and self.predicate is not None
        return self.predicate.conditions if listens and self.predicate else ()

    @property
    def watched_jobs(self) -> frozenset[str]:
        """The jobs whose ends a conditional trigger must be told of."""
        return frozenset(condition.job for condition in self.conditions)

    @property
    def active(self) -> bool:
        """Whether it fires, or will as soon as its schedule is written."""
        return self.state in (TriggerState.ACTIVATING, TriggerState.ACTIVATED)

    @property
    def unfinished(self) -> bool:
        """Whether its schedule has yet to be written or removed."""
        return self.state in (TriggerState.ACTIVATING, TriggerState.DEACTIVATING)

    def amended(self, now: datetime, **changes: Any) -> Self:
        """Make the next version."""
        return self.model_copy(update={**changes, "version": self.version + 1, "modified_at": now})


def check_trigger(trigger: Trigger, now: datetime) -> None:
    """Refuse a definition that makes no sense.

    What its type has no use for (a schedule of a conditional trigger, say) is kept and has no effect.

    Raises
    ------
    InvalidInputError
        With the field that is wrong.
    """
    if not 1 <= len(trigger.actions) <= MAX_ACTIONS:
        raise InvalidInputError(f"actions: a trigger has 1 to {MAX_ACTIONS} of them", field="actions")
    for number, action in enumerate(trigger.actions):
        _check_job(action.job, f"actions.{number}.job")
    match trigger.type:
        case TriggerType.SCHEDULED:
            _check_schedule(trigger.schedule, now)
        case TriggerType.CONDITIONAL:
            _check_predicate(trigger.predicate)
        case TriggerType.ON_DEMAND:
            if trigger.start_on_creation:
                raise InvalidInputError(
                    "start_on_creation: a trigger of the type ON_DEMAND is started by hand, not when it is created",
                    field="start_on_creation",
                )


def _check_schedule(schedule: str | None, now: datetime) -> None:
    if not schedule:
        raise InvalidInputError("schedule: a trigger of the type SCHEDULED needs one", field="schedule")
    try:
        check_schedule(schedule, now)
    except ValueError as error:
        raise InvalidInputError(f"schedule: {error}", field="schedule") from None


def _check_predicate(predicate: Predicate | None) -> None:
    if predicate is None or not predicate.conditions:
        raise InvalidInputError(
            "predicate: a trigger of the type CONDITIONAL needs one with at least one condition", field="predicate"
        )
    count = len(predicate.conditions)
    if count > MAX_CONDITIONS:
        raise InvalidInputError(f"predicate.conditions: there may be {MAX_CONDITIONS} at most", field="predicate")
    if count > 1 and predicate.logical is None:
        raise InvalidInputError("predicate.logical: AND or ANY is needed with several conditions", field="predicate")
    for number, condition in enumerate(predicate.conditions):
        _check_job(condition.job, f"predicate.conditions.{number}.job")
        if condition.state not in WATCHABLE:
            words = ", ".join(WATCHABLE)
            raise InvalidInputError(
                f"predicate.conditions.{number}.state: must be one of {words}, not {condition.state}",
                field="predicate",
            )


def _check_job(name: str, field: str) -> None:
    if not NAME.match(name):
        raise InvalidInputError(f"{field}: must be a job's name", field=field.partition(".")[0])


def activate(trigger: Trigger, now: datetime, activation_id: str) -> Trigger:
    """Begin to listen. A trigger that listens already, or is one on demand, is returned as it is.

    Only a scheduled trigger is ACTIVATING first, until its schedule is written.
    """
    if trigger.type is TriggerType.ON_DEMAND or trigger.active:
        return trigger
    if trigger.type is TriggerType.SCHEDULED:
        changes: dict[str, Any] = {"state": TriggerState.ACTIVATING, "activation_id": activation_id}
    else:
        changes = {"state": TriggerState.ACTIVATED}
    return trigger.amended(now, **changes, activated_at=now)


def deactivate(trigger: Trigger, now: datetime) -> Trigger:
    """Listen no more, and forget what was heard. May be repeated; a trigger on demand is returned as it is."""
    inactive = (TriggerState.DEACTIVATING, TriggerState.DEACTIVATED)
    if trigger.type is TriggerType.ON_DEMAND or trigger.state in inactive:
        return trigger
    state = TriggerState.DEACTIVATING if trigger.activation_id else TriggerState.DEACTIVATED
    return trigger.amended(now, state=state, memory=(), firings=())


def completed(trigger: Trigger, now: datetime) -> Trigger:
    """Note that the schedule is written or removed, whichever the trigger was waiting for."""
    match trigger.state:
        case TriggerState.ACTIVATING:
            return trigger.amended(now, state=TriggerState.ACTIVATED)
        case TriggerState.DEACTIVATING:
            return trigger.amended(now, state=TriggerState.DEACTIVATED, activation_id=None)
    return trigger


def replaced(trigger: Trigger, now: datetime, activation_id: str, definition: dict[str, Any]) -> Trigger:
    """Put another definition in place of a trigger's; its state stays, save that a new schedule must be written.

    What was remembered of another predicate is forgotten.
    """
    changes = dict(definition)
    if changes.get("predicate") != trigger.predicate:
        changes["memory"] = ()
    rescheduled = changes.get("schedule") != trigger.schedule
    if trigger.type is TriggerType.SCHEDULED and trigger.active and rescheduled:
        changes |= {"state": TriggerState.ACTIVATING, "activation_id": activation_id}
    return trigger.amended(now, **changes)


@dataclass(frozen=True, slots=True)
class Observation:
    """What the end of a run does to a trigger.

    ``after`` is the trigger itself when there is nothing to remember. ``firing`` is what is to be started at once; one
    that must be remembered until it is started is in the ``firings`` of ``after`` instead.
    """

    after: Trigger
    firing: Firing | None = None


def observe(trigger: Trigger, run: Run) -> Observation:
    """Decide what the end of `run` does to `trigger`.

    The caller sees to it that what is to be remembered is remembered once for each run; all else may be repeated.
    """
    met = list(_met(trigger, run))
    ended_at = run.ended_at
    if not met or ended_at is None or not _listened(trigger, ended_at):
        return Observation(trigger)
    firing_id = f"{trigger.trigger_id}:{run.run_id}"
    conditions = trigger.conditions
    if len(conditions) == 1 or (trigger.predicate and trigger.predicate.logical is Logical.ANY):
        predecessor = Predecessor(job=run.job, run_id=run.run_id)
        return Observation(trigger, Firing(firing_id=firing_id, fired_at=ended_at, predecessors=(predecessor,)))
    held = {entry.condition: entry.run_id for entry in trigger.memory}
    heard = held | {number: max(run.run_id, held.get(number, "")) for number in met}
    if heard == held:
        return Observation(trigger)
    if len(heard) < len(conditions):
        memory = tuple(Met(condition=number, run_id=heard[number]) for number in sorted(heard))
        return Observation(trigger.amended(ended_at, memory=memory))
    found = [Predecessor(job=conditions[number].job, run_id=heard[number]) for number in sorted(heard)]
    firing = Firing(firing_id=firing_id, fired_at=ended_at, predecessors=tuple(dict.fromkeys(found)))
    return Observation(trigger.amended(ended_at, memory=(), firings=(*trigger.firings, firing)))


def _met(trigger: Trigger, run: Run) -> Iterator[int]:
    if run.state is RunState.TIMEOUT and run.started_at is None:
        return
    for number, condition in enumerate(trigger.conditions):
        if (condition.job, condition.state) == (run.job, run.state):
            yield number


def _listened(trigger: Trigger, at: datetime) -> bool:
    return trigger.state is TriggerState.ACTIVATED and trigger.activated_at is not None and at >= trigger.activated_at
