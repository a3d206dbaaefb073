"""What the use cases need of the outside, in their own words. `jobruns.store` and `jobruns.aws` implement it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from jobruns.bookmark import Bookmark
from jobruns.documents import Document
from jobruns.job import Job
from jobruns.lifecycle import Decision
from jobruns.operation import (
    CallerCredentials,
    DeleteResult,
    TableFacts,
    TableQuery,
    TableView,
    WriteAction,
    WriteResult,
)
from jobruns.retention import FOR_EVER, Retention
from jobruns.run import Executor, Progress, Run, RunEvent, RunRoot, RunState, RunSummary
from jobruns.run_file import RunFile
from jobruns.run_order import RunOrder
from jobruns.sync_state import SyncState
from jobruns.table import Project, Table
from jobruns.trigger import Trigger, Watched


@dataclass(frozen=True, slots=True)
class RunRef:
    """What a run id stands for: a job's run, or (``job`` is ``None``) an id that no run will ever have."""

    job: str | None


@dataclass(frozen=True, slots=True)
class StartToken:
    """What a caller marks its wish for a run with, so that repeating the wish starts no second one."""

    digest: str
    expires_at: datetime
    runs: int = 1


class TokenSpentError(Exception):
    """The token has started a run already.

    Parameters
    ----------
    run_id : str
        Which; the first of several.
    runs : int
        How many it stands for.
    """

    def __init__(self, run_id: str, runs: int = 1) -> None:
        super().__init__(f"the token has started the run {run_id}")
        self.run_id = run_id
        self.runs = runs


@dataclass(frozen=True, slots=True)
class Page:
    """Some runs, and the token that asks for the next ones; ``None`` at the end."""

    runs: list[Run]
    next_token: str | None


@dataclass(frozen=True, slots=True)
class SummaryPage:
    """What became of some runs, and the position that asks for the next ones; ``None`` at the end."""

    summaries: list[RunSummary]
    position: str | None


MAX_CREATED = 19
"""Runs created together: five parts of a transaction each (run, ref, number, event, its job's slots), and a token, of
the 100 that DynamoDB takes."""


class UnitRecord(BaseModel):
    """How one unit of a run's work went. ``state`` is RUNNING, DONE or FAILED."""

    model_config = ConfigDict(frozen=True)

    number: int
    state: str
    rows_loaded: int = 0
    rows_rejected: int = 0
    bytes_read: int = 0
    work_milliseconds: int = 0


class ExecutionStatus(StrEnum):
    """What Step Functions says of an execution."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"
    PENDING_REDRIVE = "PENDING_REDRIVE"


class RunStore(Protocol):
    """Runs; see `jobruns.store.runs` and `jobruns.store.queries` for what each promises."""

    def create(
        self,
        run: Run,
        event: RunEvent,
        *,
        slots: int | None = None,
        token: StartToken | None = None,
        new_documents: Sequence[Document] = (),
        changed_documents: Sequence[Document] = (),
    ) -> None: ...

    def create_all(
        self, runs: Sequence[tuple[Run, RunEvent]], *, limits: Mapping[str, int], token: StartToken | None = None
    ) -> None: ...

    def transition(self, decision: Decision, event: RunEvent, *, slots: int | None = None) -> Run | None: ...
    def record_ignored(self, event: RunEvent, mark: str) -> None: ...
    def abandon(self, org: str, run_id: str) -> bool: ...
    def beat(self, run: Run, at: datetime) -> bool: ...
    def add_progress(
        self, run: Run, at: datetime, deltas: Mapping[str, int], *, listing: str | None = None
    ) -> bool: ...
    def set_progress(self, run: Run, at: datetime, progress: Progress) -> bool: ...
    def defer(self, run: Run, until: datetime) -> None: ...

    def mark_settled(
        self, run: Run, *, expires_at: datetime | None = None, outlived_by: Sequence[RunSummary] = ()
    ) -> bool: ...

    def expire(self, run: RunSummary, expires_at: datetime, *, outlived_by: Sequence[RunSummary] = ()) -> bool: ...
    def keep(self, run: RunSummary) -> bool: ...
    def delete(self, run: Run, event: RunEvent) -> Run | None: ...
    def queued(self, org: str, job: str, limit: int) -> list[str]: ...
    def get(self, org: str, job: str, run_id: str) -> Run | None: ...
    def ref(self, org: str, run_id: str) -> RunRef | None: ...
    def find(self, org: str, run_id: str) -> Run | None: ...
    def attempt(self, org: str, job: str, root_run_id: str, attempt: int) -> Run | None: ...
    def rooted(self, org: str, root: RunRoot) -> Run | None: ...
    def named(self, org: str, scope: str, name: str, limit: int) -> list[Run]: ...
    def of_job(self, org: str, job: str, *, limit: int, token: str | None = None) -> Page: ...

    def of_org(
        self,
        org: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        state: RunState | None = None,
        limit: int,
        token: str | None = None,
    ) -> Page: ...

    def due(self, now: datetime, limit: int) -> Iterator[Run]: ...
    def many(self, org: str, refs: Iterable[tuple[str, str]]) -> dict[str, Run]: ...
    def events(self, org: str, run_id: str, *, after: int = 0, limit: int = 1000) -> list[RunEvent]: ...
    def reserve_numbers(self, org: str, count: int = 1) -> int: ...
    def by_number(self, org: str, number: int) -> Run | None: ...
    def by_numbers(self, org: str, numbers: Iterable[int]) -> dict[int, Run]: ...

    def number_range(
        self, org: str, *, low: int, high: int, ascending: bool, limit: int, position: str | None = None
    ) -> Page: ...

    def summaries(
        self, org: str, job: str, order: RunOrder, *, limit: int, position: str | None = None
    ) -> SummaryPage: ...

    def count_summaries(self, org: str, job: str, order: RunOrder) -> int | None: ...
    def last_success(self, org: str, job: str, *, by_end: bool) -> RunSummary | None: ...
    def org_runs(self, org: str, order: RunOrder, *, limit: int, position: str | None = None) -> Page: ...


class JobStore(Protocol):
    """Definitions of jobs; see `jobruns.store.jobs`."""

    def add(self, job: Job) -> None: ...
    def change(self, job: Job) -> None: ...
    def remove(self, job: Job) -> None: ...
    def get(self, org: str, name: str) -> Job | None: ...
    def many(self, org: str, names: Iterable[str]) -> dict[str, Job]: ...
    def page(self, org: str, *, after: str | None = None, limit: int = 1000) -> list[Job]: ...


class BookmarkStore(Protocol):
    """Bookmarks of jobs; see `jobruns.store.bookmarks`."""

    def get(self, org: str, job: str) -> Bookmark | None: ...
    def of_run(self, org: str, job: str, run_id: str) -> Bookmark | None: ...
    def advance(self, entry: Bookmark, *, claimed: bool) -> bool: ...
    def release(self, org: str, job: str, run_id: str) -> None: ...
    def replace(self, bookmark: Bookmark) -> bool: ...


class DocumentStore(Protocol):
    """Documents of the doors; see `jobruns.store.documents`."""

    def add(self, document: Document) -> None: ...
    def change(self, document: Document, *, was: Document) -> None: ...
    def remove(self, document: Document, *, unchanged: bool = False) -> None: ...
    def get(self, org: str, collection: str, document_id: str) -> Document | None: ...
    def find(self, org: str, collection: str, name: str, *, scope: str | None = None) -> Document | None: ...

    def page(
        self,
        org: str,
        collection: str,
        *,
        after: str | None = None,
        limit: int = 1000,
        newest_first: bool = False,
    ) -> list[Document]: ...


class TriggerStore(Protocol):
    """Triggers; see `jobruns.store.triggers` for what each promises."""

    def add(self, trigger: Trigger) -> None: ...
    def change(self, trigger: Trigger) -> None: ...
    def remember(self, trigger: Trigger, run: Run) -> bool: ...
    def remove(self, trigger: Trigger) -> None: ...
    def get(self, org: str, name: str) -> Trigger | None: ...
    def many(self, org: str, names: Iterable[str]) -> dict[str, Trigger]: ...
    def page(self, org: str, *, after: str | None = None, limit: int = 1000) -> list[Trigger]: ...
    def due(self, now: datetime, limit: int) -> list[Trigger]: ...
    def watch(self, trigger: Trigger, jobs: Iterable[str]) -> None: ...
    def unwatch(self, trigger: Trigger, jobs: Iterable[str]) -> None: ...
    def watching(self, org: str, job: str) -> list[str]: ...


class UnitStore(Protocol):
    """Units of work; see `jobruns.store.units`."""

    def begin(self, org: str, run_id: str, number: int, at: datetime) -> bool: ...
    def end(self, org: str, run_id: str, record: UnitRecord) -> bool: ...
    def all(self, org: str, run_id: str) -> list[UnitRecord]: ...


@dataclass(frozen=True, slots=True)
class StoredSyncState:
    """The state of a tap as the ledger has it: a large value is in a document, and not in the state."""

    state: SyncState
    document_key: str | None = None


class SyncStateStore(Protocol):
    """States of taps; see `jobruns.store.sync_states`."""

    def get(self, org: str, key: str) -> StoredSyncState | None: ...
    def replace(self, stored: StoredSyncState) -> bool: ...


class RunFileStore(Protocol):
    """What is known of the files of runs; see `jobruns.store.run_files`."""

    def note(self, org: str, run_id: str, file: RunFile) -> bool: ...
    def all(self, org: str, run_id: str) -> list[RunFile]: ...


class Machine(Protocol):
    """The state machine that tracks a run. Every call may be repeated."""

    def start(self, run: Run) -> None:
        """Start the run's execution; one that exists already counts as started.

        Raises
        ------
        UnavailableError
            It could not be started now.
        """

    def end_task(self, run: Run) -> None:
        """End the wait for the executor, if there is one; the machine goes on to settle the run."""

    def beat(self, run: Run) -> None:
        """Let the wait for the executor begin anew."""

    def status(self, run: Run) -> ExecutionStatus | None:
        """Tell how the run's execution stands; ``None`` when there is none."""

    def abandon(self, run: Run) -> None:
        """Stop the run's execution, if it is going."""


class RunExecutor(Protocol):
    """How one kind of work is begun and ended. Every call may be repeated."""

    def begin(self, run: Run, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Hand the run over; what is returned is what the state machine needs to go on."""

    def stop(self, run: Run) -> None:
        """Stop the work and clear away what is half done."""

    def resolve(self, run: Run) -> None:
        """Have the commit of a run that is committing decide how it ends."""

    def settle(self, run: Run) -> None:
        """Do what of this executor's follows from the end of the run."""


class Objects(Protocol):
    """Documents too large for the ledger."""

    def put(self, key: str, content: bytes) -> None: ...
    def put_json(self, key: str, value: Any) -> None: ...
    def get_json(self, key: str) -> Any: ...


class RunObjects(Protocol):
    """The files of runs themselves. Reading raises `NotFoundError` where there is none."""

    def put(self, key: str, content: bytes) -> None: ...
    def put_json(self, key: str, value: Any) -> None: ...
    def get(self, key: str) -> bytes: ...
    def get_json(self, key: str) -> Any: ...

    def listed(self, prefix: str, limit: int) -> list[RunFile]:
        """List files below a prefix, at most `limit`, by their paths behind it."""

    def link(self, key: str, seconds: int) -> str:
        """Sign a URL by which anybody reads a file for so long."""

    def remove(self, key: str) -> None:
        """Delete a file; one that is not there counts as deleted."""


class Schedules(Protocol):
    """What calls scheduled triggers when their time has come. Every call may be repeated."""

    def put(self, trigger: Trigger) -> None:
        """Make the schedule of a trigger's present activation; one that is there stays as it is.

        Raises
        ------
        InvalidInputError
            AWS does not take the expression.
        UnavailableError
            It could not be made now.
        """

    def remove(self, activation_id: str) -> None:
        """Delete the schedule of an activation; one that is gone counts as deleted."""


class Lake(Protocol):
    """The tables themselves: in the catalog, and as files. Every call may be repeated."""

    def truncate(self, table: Table) -> int:
        """Take all rows out of a table; gives the number of data files that left it.

        Raises
        ------
        StaleWriteError
            Other writers changed the table too often meanwhile.
        UnavailableError
            It could not be done now, or nobody knows whether it was.
        """

    def drop(self, table: Table) -> None:
        """Take a table out of the catalog, and have its files deleted in the background.

        Raises
        ------
        UnavailableError
            It could not be done now.
        """

    def purge(self, table: Table) -> None:
        """Do as `drop`, all of it in the background.

        Raises
        ------
        UnavailableError
            The wish could not be left now.
        """

    def sweep(self, database: str, table: str, location: str) -> None:
        """Have the files deleted that a table has no more, in the background; all names are those of the lake.

        Raises
        ------
        UnavailableError
            The wish could not be left now.
        """

    def drop_database(self, project: Project) -> None:
        """Take a project's database out of the catalog, in the background; one that has any table stays.

        Raises
        ------
        UnavailableError
            The wish could not be left now.
        """


class Records(Protocol):
    """Rows of tables with a primary key, by the function that has what it takes; whoever asks waits for the answer.

    All raise `InvalidInputError` where the request is wrong, `StaleWriteError` where other writers changed the table
    too often meanwhile, and `UnavailableError` where it could not be done now, or nobody knows whether it was.
    """

    def write(
        self, table: Table, action: WriteAction, records: Sequence[Mapping[str, Any]], *, operation_id: str
    ) -> WriteResult:
        """Write records in one commit; one that the operation has made is not made again."""

    def delete(self, table: Table, keys: Sequence[Any], *, operation_id: str) -> DeleteResult:
        """Delete rows by their keys in one commit; one that the operation has made is not made again."""

    def search(self, table: Table, query: TableQuery) -> list[dict[str, Any]]:
        """Give the rows that a query asks for."""

    def select(self, sql: str, tables: Sequence[TableView]) -> list[dict[str, Any]]:
        """Give the rows of a query in SQL, which is one SELECT."""

    def describe(self, table: Table) -> TableFacts:
        """Tell what a table has in it."""

    def create_attribute(self, table: Table, attribute: str) -> bool:
        """Make an attribute before there is a value of it; gives whether it was not there."""

    def drop_attribute(self, table: Table, attribute: str) -> bool:
        """Take an attribute and its values out of a table; gives whether it was there."""

    def hand_over(self, run: Run, credentials: CallerCredentials) -> None:
        """Have the operation of a run done by the caller's own credentials, in the background."""


class Files(Protocol):
    """The files of all orgs, by key."""

    def has(self, key: str) -> bool:
        """Tell whether there is a file.

        Raises
        ------
        UnavailableError
            S3 does not answer now.
        """


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything the use cases stand on."""

    runs: RunStore
    jobs: JobStore
    bookmarks: BookmarkStore
    documents: DocumentStore
    units: UnitStore
    machine: Machine
    executors: Mapping[Executor, RunExecutor]
    objects: Objects
    triggers: TriggerStore
    schedules: Schedules
    lake: Lake
    records: Records
    files: Files
    run_files: RunFileStore
    run_objects: RunObjects
    sync_states: SyncStateStore
    clock: Callable[[], datetime]
    watched: Watched = Watched.TRIGGERED
    retention: Retention = FOR_EVER
