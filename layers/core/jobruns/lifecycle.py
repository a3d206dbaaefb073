"""The rules of a run's life: which event moves which state where, and when somebody must look after it.

::

    WAITING ──► STARTING ──► RUNNING ──► SUCCEEDED | FAILED | TIMEOUT
        └──────────┴────────────┴──► STOPPING ──► STOPPED

Pure: no clock, no storage. `apply` is the only place that decides; storage enforces its decision with one
conditional write. What the table has no entry for is ignored, so ends absorb and nothing goes back.

Hard choices, decided here:

* A report may overtake the dispatcher that says RUNNING, so STARTING ends as RUNNING does.
* From STOPPING only STOPPED is reached, also when the worker finished its work before it heard of the stop: the
  caller who was told STOPPING never sees a success afterwards. What makes this safe is that a run that is *committing*
  cannot be asked to stop, nor does its time run out: its rows may be in the table already.
* A run of a worker of somebody's own is only as true as what that worker said, so its outcome may be corrected after
  its end: `CORRECTIONS` says which may become which. It never goes on again, and what the ledger did itself, or had
  done, is not a matter of opinion: runs of other executors are not corrected. A correction changes what is told of the
  run from then on. It does not do again, or undo, what followed from the end: triggers that fired have started other
  runs, and a retry made for nothing is a run as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from jobruns.run import BookmarkStep, Executor, Run, RunState

DEFAULT_TIMEOUT_SECONDS = 2880 * 60
"""48 hours, AWS Glue's default."""

WAIT_LIMIT_SECONDS = 7 * 86400
"""How long a run may wait for a slot. Its timeout counts from when it gets one."""

START_PATIENCE_SECONDS = 30
"""After this long in STARTING, or ended but not settled, somebody looks whether a step was lost. Looking too early
harms nothing, as every step may be repeated."""

DEADLINE_PATIENCE_SECONDS = 60
"""The state machine ends a run at its deadline; only when it has not done so by then does reconcile."""

WARNED_FROM_SECONDS = 900
"""Nobody is warned of the deadline of a run that has less: the schedule looks once a minute."""

WARNED_PART = 0.1
"""Of its time that is left to a run when its deadline is called near."""

STOP_PATIENCE_SECONDS = 60
"""A run asked to stop is STOPPED by then, whatever its worker does."""

COMMIT_SURRENDER_SECONDS = 3600
"""A commit that cannot be decided for this long after its fence is given up as FAILED: no run stays for ever."""


JOB_NOT_FOUND = "JobNotFound"
"""Error code of a run that could not be started, because there is no job of its name."""

CORRECTED = "Corrected"
"""Error code of a run that was corrected to FAILED."""

COMMIT_UNKNOWN = "CommitUnknown"
"""Error code of a run whose commit was given up: its rows may be in the table or not."""

TELLABLE = frozenset({"message", "source", "destination", "records", "reported_start_at", "reported_end_at", "counts"})
"""Fields of a run that are what somebody told of it, and that may be told otherwise."""

Told = Mapping[str, Any]
"""What is told of a run: some of the `TELLABLE` fields, ``None`` where there is nothing to tell any more."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A slot of its job became free for a waiting run."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The executor took the run over; `task_token` ends the state machine's wait.

    `state_version` is that of the tap's state it begins by; said again, the first word counts.
    """

    task_token: str | None = None
    state_version: int | None = None


@dataclass(frozen=True, slots=True)
class CommitBegun:
    """The run passed the point of no return; its commit is decided by `until_at`.

    `bookmark` is where its success takes its job's bookmark; said again, the first word counts: by that it may have
    committed already.
    """

    until_at: datetime
    bookmark: BookmarkStep | None = None


@dataclass(frozen=True, slots=True)
class Delayed:
    """The run takes longer than its owner wanted to wait without being told."""

    message: str


@dataclass(frozen=True, slots=True)
class DeadlineNear:
    """Little is left of the time that the run has."""

    message: str


@dataclass(frozen=True, slots=True)
class PhaseReached:
    """The worker says how far it has come: `phase`, whose `rank` tells what comes before and after it."""

    phase: str
    rank: int
    message: str | None = None
    metrics: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Somebody wants the run stopped; the worker has `grace_seconds` to notice."""

    grace_seconds: int = 0
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """The work has been stopped."""

    message: str | None = None
    told: Told = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The work is done."""

    message: str | None = None
    metrics: Mapping[str, Any] | None = None
    told: Told = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """The work failed; `message` says why to the run's owner.

    `conclusive` is said by a commit that knows it left nothing behind, and by who gives up waiting for one.
    """

    message: str
    error_code: str = "Failed"
    metrics: Mapping[str, Any] | None = None
    conclusive: bool = False
    told: Told = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The deadline passed, or a heartbeat was missed."""

    message: str
    told: Told = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Amended:
    """Somebody tells more of a run, or tells it otherwise; its state stays."""

    told: Told
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Corrected:
    """Whoever did the work of a run that has ended says that it ended otherwise, as `to`."""

    to: RunState
    message: str | None = None
    told: Told = field(default_factory=dict)


Event = (
    Admitted
    | Begun
    | CommitBegun
    | Delayed
    | DeadlineNear
    | PhaseReached
    | StopRequested
    | Stopped
    | Succeeded
    | Failed
    | TimedOut
    | Amended
    | Corrected
)

_W, _S, _R, _P = RunState.WAITING, RunState.STARTING, RunState.RUNNING, RunState.STOPPING

TRANSITIONS: Mapping[tuple[RunState, type[Event]], RunState] = {
    (_W, Admitted): _S,
    (_W, StopRequested): _P,
    (_W, TimedOut): RunState.TIMEOUT,
    (_W, Failed): RunState.FAILED,
    (_S, Begun): _R,
    (_S, PhaseReached): _R,
    (_S, StopRequested): _P,
    (_S, Succeeded): RunState.SUCCEEDED,
    (_S, Failed): RunState.FAILED,
    (_S, TimedOut): RunState.TIMEOUT,
    (_R, Begun): _R,  # the dispatcher was tried again and holds a new task token
    (_R, CommitBegun): _R,
    (_R, Delayed): _R,
    (_R, DeadlineNear): _R,
    (_R, PhaseReached): _R,
    (_R, StopRequested): _P,
    (_R, Succeeded): RunState.SUCCEEDED,
    (_R, Failed): RunState.FAILED,
    (_R, TimedOut): RunState.TIMEOUT,
    (_P, Stopped): RunState.STOPPED,
    **{(state, Amended): state for state in RunState},
}

CORRECTIONS: Mapping[RunState, frozenset[RunState]] = {
    RunState.SUCCEEDED: frozenset({RunState.FAILED}),
    RunState.FAILED: frozenset({RunState.SUCCEEDED}),
    RunState.TIMEOUT: frozenset({RunState.SUCCEEDED, RunState.FAILED}),
    RunState.STOPPED: frozenset({RunState.SUCCEEDED, RunState.FAILED}),
}
"""How a run that has ended may have ended otherwise, where its executor is EXTERNAL."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What an event does to a run.

    ``after`` is ``before`` itself when the event is ignored, and ``reason`` then says why.
    """

    before: Run
    after: Run
    event: Event
    reason: str | None = None

    @property
    def applied(self) -> bool:
        """Whether the run changes."""
        return self.reason is None


def committing(run: Run) -> bool:
    """Tell whether only the commit may decide how the run ends."""
    return run.state is RunState.RUNNING and run.committing_until_at is not None


def _undecided(event: Event) -> bool:
    return isinstance(event, StopRequested | TimedOut) or (isinstance(event, Failed) and not event.conclusive)


def _effects(run: Run, event: Event, now: datetime) -> dict[str, Any]:
    """Give what an event changes besides the state."""
    match event:
        case Admitted():
            return {"deadline_at": now + timedelta(seconds=run.timeout_seconds)}
        case Begun(task_token=token, state_version=version):
            use = run.sync_state
            if use is not None and use.version is None:
                use = use.model_copy(update={"version": version})
            return {"task_token": token, "started_at": run.started_at or now, "sync_state": use}
        case CommitBegun(until_at=until, bookmark=bookmark):
            phase = run.phase if run.phase_rank else "COMMITTING"
            return {"committing_until_at": until, "phase": phase, "bookmark": run.bookmark or bookmark}
        case StopRequested(grace_seconds=grace, message=message):
            return {"stop_by_at": now + timedelta(seconds=grace), "message": message or run.message}
    return _under_way(run, event, now) | _ending(run, event) | _told(event)


def _under_way(run: Run, event: Event, now: datetime) -> dict[str, Any]:
    match event:
        case Delayed():
            return {"notified_at": now}
        case DeadlineNear():
            return {"warned_at": now}
        case PhaseReached(phase=phase, rank=rank, message=message, metrics=metrics):
            reached = {"phase": phase, "phase_rank": rank, "started_at": run.started_at or now}
            return reached | {"message": message or run.message, "metrics": {**run.metrics, **(metrics or {})}}
    return {}


def _ending(run: Run, event: Event) -> dict[str, Any]:
    match event:
        case Stopped(message=message):
            # Who asked for the stop is told first; what the worker said of it is in the history.
            return {"message": run.message or message}
        case Succeeded(message=message, metrics=metrics):
            return {"message": message, "metrics": {**run.metrics, **(metrics or {})}}
        case Failed(message=message, error_code=code, metrics=metrics):
            return {"message": message, "error_code": code, "metrics": {**run.metrics, **(metrics or {})}}
        case TimedOut(message=message):
            return {"message": message, "error_code": "Timeout"}
        case Corrected(to=to, message=message):
            # What the worker said stays until it says otherwise; that its time ran out is no word of its.
            kept = run.message if run.state in (RunState.SUCCEEDED, RunState.FAILED) else None
            return {
                "error_code": None if to is RunState.SUCCEEDED else CORRECTED,
                "message": message or kept,
                "started_at": run.started_at or run.submitted_at,
            }
    return {}


def _told(event: Event) -> dict[str, Any]:
    told = dict(getattr(event, "told", {}))
    if not told.keys() <= TELLABLE:
        raise ValueError(f"not to be told of a run: {sorted(told.keys() - TELLABLE)}")
    return told


def _target(run: Run, event: Event) -> RunState | None:
    if isinstance(event, Corrected):
        possible = run.executor is Executor.EXTERNAL and event.to in CORRECTIONS.get(run.state, ())
        return event.to if possible else None
    return TRANSITIONS.get((run.state, type(event)))


def _refusal(run: Run, event: Event) -> str:
    if isinstance(event, Corrected) and run.state.terminal and run.state is not event.to:
        return f"how a run of the executor {run.executor} ended is not corrected to {event.to}"
    if run.state.terminal:
        return f"it has ended as {run.state} already"
    return f"{type(event).__name__} does not apply to a run that is {run.state}"


def apply(run: Run, event: Event, now: datetime) -> Decision:
    """Decide what `event` does to `run`.

    Parameters
    ----------
    run : Run
        The run as stored.
    event : Event
        What happened.
    now : datetime
        Aware; becomes ``modified_at``.

    Returns
    -------
    Decision
        With the next version of the run, or the same run and the reason the event is ignored.
    """
    target = _target(run, event)
    if target is None:
        return Decision(run, run, event, _refusal(run, event))
    if committing(run) and _undecided(event):
        return Decision(run, run, event, "the run is committing; its commit decides how it ends")
    if isinstance(event, PhaseReached) and event.rank <= run.phase_rank:
        return Decision(run, run, event, f"the run has come to {run.phase} already")
    changes = {"state": target, "version": run.version + 1, "modified_at": now, **_effects(run, event, now)}
    if target.terminal and not run.state.terminal:
        changes |= {"ended_at": now, "phase": run.phase if run.phase_rank else None}
        if run.state in (_S, _R):  # a report may come before the dispatcher; whom a stop met before that never began
            changes["started_at"] = run.started_at or now
    return Decision(run, run.model_copy(update=changes), event)


def due_at(run: Run) -> datetime | None:
    """Tell when reconcile must look at a run that nobody has moved until then.

    Returns
    -------
    datetime or None
        ``None`` for a run that has ended and is settled.
    """
    patience = timedelta(seconds=START_PATIENCE_SECONDS)
    if run.state.terminal:
        return None if run.settled else run.modified_at + patience
    match run.state:
        case RunState.WAITING:
            return min(run.deadline_at, run.modified_at + patience)
        case RunState.STARTING:
            return min(run.deadline_at + timedelta(seconds=DEADLINE_PATIENCE_SECONDS), run.modified_at + patience)
        case RunState.STOPPING:
            return (run.stop_by_at or run.modified_at) + timedelta(seconds=STOP_PATIENCE_SECONDS)
    if run.committing_until_at is not None:
        return run.committing_until_at
    deadline_at = run.deadline_at + timedelta(seconds=DEADLINE_PATIENCE_SECONDS)
    return min(deadline_at, notice_at(run) or deadline_at, warning_at(run) or deadline_at)


def notice_at(run: Run) -> datetime | None:
    """Tell when a running run is to be called delayed; ``None`` when never, or when it has been already."""
    if run.state is not RunState.RUNNING or run.notify_after_seconds is None or run.notified_at is not None:
        return None
    return (run.started_at or run.modified_at) + timedelta(seconds=run.notify_after_seconds)


def warning_at(run: Run) -> datetime | None:
    """Tell when the deadline of a running run is near; ``None`` when nobody could do much, or has been told already."""
    short = run.timeout_seconds < WARNED_FROM_SECONDS
    if run.state is not RunState.RUNNING or short or run.warned_at is not None or run.committing_until_at is not None:
        return None
    return run.deadline_at - timedelta(seconds=run.timeout_seconds * WARNED_PART)
