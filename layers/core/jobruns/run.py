"""The run: one execution of a job, and the words of its life."""

from datetime import datetime
from enum import StrEnum, unique
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

ERRORS_METRIC = "errors"
"""Where a failed run tells what is wrong, one text for each thing; its message tells it in one."""


@unique
class RunState(StrEnum):
    """Where a run is in its life. The words are AWS Glue's."""

    WAITING = "WAITING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"
    STOPPED = "STOPPED"

    @property
    def terminal(self) -> bool:
        """Whether the run has ended; nothing changes its state any more."""
        return self in TERMINAL_STATES

    @property
    def outcome(self) -> "Outcome":
        """What of the state is left for who only asks whether the run went well."""
        if self is RunState.SUCCEEDED:
            return Outcome.SUCCEEDED
        return Outcome.FAILED if self.terminal else Outcome.GOING


TERMINAL_STATES = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.TIMEOUT, RunState.STOPPED})


@unique
class Outcome(StrEnum):
    """The three words the eight states fold to."""

    GOING = "going"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@unique
class Executor(StrEnum):
    """What does the work of a run."""

    EXTERNAL = "external"
    INGEST = "ingest"
    OPERATION = "operation"
    LAMBDA = "lambda"
    PYTHON_SCRIPT = "python_script"
    SPARK = "spark"
    SINGER = "singer"
    NOOP = "noop"


@unique
class TriggerKind(StrEnum):
    """What started a run."""

    CALLER = "caller"
    UPLOAD = "upload"
    RETRY = "retry"
    SCHEDULE = "schedule"
    CONDITION = "condition"
    DEMAND = "demand"


@unique
class BookmarkOption(StrEnum):
    """What a run does with its job's bookmark: use and advance it, leave it alone, or use it only."""

    ENABLE = "enable"
    DISABLE = "disable"
    PAUSE = "pause"


class Predecessor(BaseModel):
    """A run whose end had another started."""

    model_config = ConfigDict(frozen=True)

    job: str
    run_id: str


class RunRoot(BaseModel):
    """Where the files of a run lie, and how it is found by that.

    ``path`` is a key prefix below the org's, without a slash at either end; no other run of the org has it. ``scope``
    is whose runs are looked through for it, and ``name`` what people call the run there, which several may be called.
    """

    model_config = ConfigDict(frozen=True)

    scope: str
    name: str
    path: str


class RunFolder(BaseModel):
    """Where the runs of a job have their files: each below a key prefix of the org's, by its own id.

    ``scope`` is that of `RunRoot`; ``path`` has no slash at either end.
    """

    model_config = ConfigDict(frozen=True)

    scope: str
    path: str

    def root(self, run_id: str) -> RunRoot:
        """Give the root of a run: as ids are, it is no other's."""
        name = run_id.replace("-", "")
        return RunRoot(scope=self.scope, name=name, path=f"{self.path}/{name}")


class SyncStateUse(BaseModel):
    """What a run has to do with the state of a tap, which its success moves.

    ``key`` says which state. Where it is not ``given`` the run begins anew, whatever there is. ``version`` is what the
    run met when it began: what has moved since is newer than what it leads to.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    given: bool = True
    version: int | None = None


class BookmarkStep(BaseModel):
    """Where a run's success takes its job's bookmark: from the version it read to the state it made.

    ``ordinal`` counts the successes that led there, this one included; ``previous_run_id`` is that of the one before.
    """

    model_config = ConfigDict(frozen=True)

    from_version: int
    ordinal: int = 1
    previous_run_id: str | None = None
    state: dict[str, Any] = Field(default_factory=dict)


class Progress(BaseModel):
    """What is happening inside a run, kept up while it goes.

    ``listing`` is the state of the search for work (``None`` where the executor has none); the unit counts are 0 until
    it is DONE. A unit is the piece of work one worker does at a time.
    """

    model_config = ConfigDict(frozen=True)

    listing: str | None = None
    units_total: int = 0
    units_running: int = 0
    units_done: int = 0
    units_failed: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0
    bytes_read: int = 0
    work_milliseconds: int = 0

    @property
    def units_ready(self) -> int:
        """Units no worker has begun."""
        return max(self.units_total - self.units_running - self.units_done - self.units_failed, 0)

    @property
    def fraction(self) -> float:
        """Part of the units that are done, 0 to 1; 0 while the total is unknown."""
        return min(self.units_done / self.units_total, 1.0) if self.units_total else 0.0


class RunSummary(BaseModel):
    """What a run is and how it went, in a few lines: what the indexes of a job's runs keep of it.

    ``number`` counts the runs of an org that have begun; a run keeps its number for ever, and none has it again.
    ``counts`` says whether the run's success is one of its job's: the last success is found among those only.
    ``look_back_seconds`` is how long before its start the next run begins to read: its job's margin for what is written
    late, as it was when the run was asked for. ``source`` and ``destination`` are texts: where rows come from and go
    to; ``records`` is how many. The reported times are the worker's own word; the ledger's are ``submitted_at`` and
    ``ended_at``. At ``expires_at`` the ledger forgets the run; ``None`` is never, or not yet known.
    """

    model_config = ConfigDict(frozen=True)

    org: str
    job: str
    run_id: str
    executor: Executor
    state: RunState
    number: int | None = None
    counts: bool = True
    look_back_seconds: int = 0
    source: str | None = None
    destination: str | None = None
    records: int | None = None
    message: str | None = None
    submitted_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    reported_start_at: AwareDatetime | None = None
    reported_end_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None

    @property
    def outcome(self) -> Outcome:
        """Whether the run goes on, went well or did not."""
        return self.state.outcome

    @property
    def start_at(self) -> datetime:
        """When the run started: by its worker's word, or when it was asked for. Its beginning does not move this."""
        return self.reported_start_at or self.submitted_at

    @property
    def end_at(self) -> datetime | None:
        """When the run ended, by its worker's word or by the ledger's; ``None`` while it goes and nothing is said."""
        return self.reported_end_at or self.ended_at


class Run(RunSummary):
    """One execution of a job, as the ledger holds it.

    ``version`` counts the transitions and is the optimistic lock; progress and heartbeats do not move it.
    ``deadline_at`` is fixed at the start; ``stop_by_at`` is the shorter one of a run asked to stop.
    ``committing_until_at`` is the point of no return: once it is set only the commit decides the outcome, and by that
    time it should have. ``settled`` says that everything that follows from the end (slot, retry, successor) is done.
    ``notify_after_seconds`` of running ``notified_at`` is set, once, and the history says that the run takes long;
    ``warned_at`` is set, once, when its deadline is near. ``phase_rank`` is above 0 where the run's worker goes through
    phases in an order that everybody knows: it only rises, and the phase stays when the run has ended.
    ``extra`` is a door's own, by the door's name.
    """

    version: int = 1
    door: str
    trigger: TriggerKind = TriggerKind.CALLER
    trigger_name: str | None = None
    predecessors: tuple[Predecessor, ...] = ()
    started_by: str
    attempt: int = 1
    previous_run_id: str | None = None
    root_run_id: str
    max_retries: int = 0
    limited: bool = False
    arguments: dict[str, Any] = Field(default_factory=dict)
    arguments_key: str | None = None
    target: str | None = None
    root: RunRoot | None = None
    sync_state: SyncStateUse | None = None
    timeout_seconds: int
    heartbeat_seconds: int | None = None
    notify_after_seconds: int | None = None
    bookmark_option: BookmarkOption = BookmarkOption.DISABLE
    bookmark: BookmarkStep | None = None
    started_at: AwareDatetime | None = None
    modified_at: AwareDatetime
    heartbeat_at: AwareDatetime | None = None
    notified_at: AwareDatetime | None = None
    warned_at: AwareDatetime | None = None
    deadline_at: AwareDatetime
    stop_by_at: AwareDatetime | None = None
    committing_until_at: AwareDatetime | None = None
    phase: str | None = None
    phase_rank: int = 0
    task_token: str | None = None
    error_code: str | None = None
    metrics: dict[str, Any] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)
    extra: dict[str, Any] = Field(default_factory=dict)
    settled: bool = False
    progress: Progress = Field(default_factory=Progress)

    def work_seconds(self, now: datetime) -> float:
        """Seconds from the beginning of the work to its end, or to `now` while it goes."""
        if self.started_at is None:
            return 0.0
        return max(((self.ended_at or now) - self.started_at).total_seconds(), 0.0)


class RunEvent(BaseModel):
    """One entry of a run's history; never changed once written.

    ``sequence`` is the run's version after the event. An event that came too late has ``applied`` false and the
    version it met. ``was`` has what an amendment or a correction put something else in place of.
    """

    model_config = ConfigDict(frozen=True)

    org: str
    job: str
    run_id: str
    sequence: int
    kind: str
    state: RunState
    at: AwareDatetime
    actor: str
    applied: bool = True
    message: str | None = None
    was: dict[str, Any] = Field(default_factory=dict)
