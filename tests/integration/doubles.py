"""Stand for AWS beside the ledger: remember what they are asked, and fail when told to."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from jobruns.aws.executors import ExternalExecutor, FunctionExecutor, NoopExecutor, ScriptExecutor, SparkExecutor
from jobruns.aws.operations import OperationExecutor
from jobruns.aws.singer import SingerExecutor
from jobruns.operation import CallerCredentials
from jobruns.run import Executor, Run, RunState
from jobruns.service.ports import ExecutionStatus, Ports
from jobruns.store import Store
from jobruns.table import Project, Table
from jobruns.trigger import Trigger
from tests.integration.run_objects import MemoryRunObjects


@dataclass
class RecordingMachine:
    """Stands for Step Functions: remembers what it was asked, and fails when told to."""

    started: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    beaten: list[str] = field(default_factory=list)
    abandoned: list[str] = field(default_factory=list)
    statuses: dict[str, ExecutionStatus | None] = field(default_factory=dict)
    failure: Exception | None = None

    def _call(self, record: list[str], run: Run) -> None:
        if self.failure is not None:
            raise self.failure
        record.append(run.run_id)

    def start(self, run: Run) -> None:
        self._call(self.started, run)

    def end_task(self, run: Run) -> None:
        if run.task_token is not None:
            self._call(self.ended, run)

    def beat(self, run: Run) -> None:
        self._call(self.beaten, run)

    def status(self, run: Run) -> ExecutionStatus | None:
        return self.statuses.get(run.run_id)

    def abandon(self, run: Run) -> None:
        self._call(self.abandoned, run)


class RecordingExecutor(ExternalExecutor):
    """Stands for Ingest: remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, RunState]] = []

    def begin(self, run: Run, arguments: Any) -> dict[str, Any]:
        self.calls.append(("begin", run.state))
        return {}

    def stop(self, run: Run) -> None:
        self.calls.append(("stop", run.state))

    def resolve(self, run: Run) -> None:
        self.calls.append(("resolve", run.state))

    def settle(self, run: Run) -> None:
        self.calls.append(("settle", run.state))


@dataclass
class RecordingSchedules:
    """Stands for EventBridge Scheduler: the schedules there are, by activation; fails when told to."""

    held: dict[str, Trigger] = field(default_factory=dict)
    failure: Exception | None = None

    def put(self, trigger: Trigger) -> None:
        if self.failure is not None:
            raise self.failure
        self.held.setdefault(str(trigger.activation_id), trigger)

    def remove(self, activation_id: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.held.pop(activation_id, None)


@dataclass
class RecordingLake:
    """Stands for the function that changes tables: remembers what it was asked, and fails when told to."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)
    failure: Exception | None = None

    def _call(self, action: str, table: Table) -> None:
        if self.failure is not None:
            raise self.failure
        self.calls.append((action, table.table_id))

    def truncate(self, table: Table) -> int:
        self._call("truncate", table)
        return self.files.pop(table.table_id, 0)

    def drop(self, table: Table) -> None:
        self._call("drop", table)

    def purge(self, table: Table) -> None:
        self._call("purge", table)

    def sweep(self, database: str, table: str, location: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.calls.append(("sweep", f"{database}.{table}"))

    def drop_database(self, project: Project) -> None:
        if self.failure is not None:
            raise self.failure
        self.calls.append(("drop_database", project.project_id))


@dataclass
class RecordingRecords:
    """Stands for the functions for operations: remembers what was handed over, and fails when told to."""

    handed_over: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    failure: Exception | None = None

    def hand_over(self, run: Run, credentials: CallerCredentials) -> None:
        if self.failure is not None:
            raise self.failure
        self.handed_over.append((run.run_id, credentials.reveal()))

    def _none(self, *told: Any, **more: Any) -> Any:
        raise AssertionError("no test with this double asks for rows")

    write = delete = search = select = describe = create_attribute = drop_attribute = _none


@dataclass
class MemoryFiles:
    """Stands for the landing bucket: what was put among the objects is there."""

    objects: "MemoryObjects"

    def has(self, key: str) -> bool:
        return key in self.objects.held


class MemoryObjects:
    """Stands for the work bucket."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}

    def put(self, key: str, content: bytes) -> None:
        self.held[key] = content

    def put_json(self, key: str, value: Any) -> None:
        self.held[key] = value

    def get_json(self, key: str) -> Any:
        return self.held[key]


class Clock:
    """Time that moves a millisecond a look, and as far as told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class LambdaTime:
    """What the functions ask of Lambda's context."""

    function_name: str = "ours"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:ours"
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> int:
        return 300_000


def make_ports(store: Store, clock: Clock, machine: RecordingMachine, **others: Any) -> Ports:
    """Give the use cases a ledger, and what stands for the rest of AWS; `others` win over the latter."""
    objects = MemoryObjects()
    executors = {
        Executor.EXTERNAL: ExternalExecutor(),
        Executor.LAMBDA: FunctionExecutor(),
        Executor.INGEST: others.pop("ingest", None) or RecordingExecutor(),
        Executor.PYTHON_SCRIPT: ScriptExecutor("arn:aws:lambda:us-east-1:123456789012:function:script", objects),
        Executor.SINGER: SingerExecutor("arn:aws:lambda:us-east-1:123456789012:function:singer", objects),
        Executor.SPARK: SparkExecutor("00f1", "arn:aws:iam::123456789012:role/spark", "/jobruns/test/runs/output"),
        Executor.NOOP: NoopExecutor(),
        Executor.OPERATION: OperationExecutor("operations"),
    }
    return Ports(
        runs=store.runs,
        jobs=store.jobs,
        bookmarks=store.bookmarks,
        documents=store.documents,
        units=store.units,
        machine=machine,
        executors=executors,
        objects=objects,
        triggers=store.triggers,
        clock=clock,
        files=MemoryFiles(objects),
        run_files=store.run_files,
        sync_states=store.sync_states,
        **{
            "schedules": RecordingSchedules(),
            "lake": RecordingLake(),
            "records": RecordingRecords(),
            "run_objects": MemoryRunObjects(),
            **others,
        },
    )
