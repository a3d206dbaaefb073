"""What the use cases need of the outside, in their own words. `jobruns.aws` implements it.

What they need of the ledger is in `jobruns.service.store_ports`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

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
from jobruns.run import Executor, Run
from jobruns.run_file import RunFile
from jobruns.service.store_ports import (
    BookmarkStore,
    DocumentStore,
    JobStore,
    RunFileStore,
    RunStore,
    SyncStateStore,
    TriggerStore,
    UnitStore,
)
from jobruns.table import Project, Table
from jobruns.trigger import Trigger, Watched


class ExecutionStatus(StrEnum):
    """What Step Functions says of an execution."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    ABORTED = "ABORTED"
    PENDING_REDRIVE = "PENDING_REDRIVE"


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
