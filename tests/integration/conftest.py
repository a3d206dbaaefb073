"""The ledger over an emulated DynamoDB, its table made from template.yaml itself."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import boto3
import botocore.client
import botocore.httpsession
import botocore.session
import botocore.useragent
import moto.core.models
import pynamodb.connection.base
import pytest
from botocore.loaders import JSONFileLoader, Loader
from moto import mock_aws
from moto.core.config import default_user_config
from samcli.yamlhelper import yaml_parse

import jobruns.store
from jobruns.access import Principal, Role
from jobruns.aws.executors import ExternalExecutor, FunctionExecutor, NoopExecutor, ScriptExecutor, SparkExecutor
from jobruns.aws.operations import OperationExecutor
from jobruns.aws.singer import SingerExecutor
from jobruns.operation import CallerCredentials
from jobruns.run import Executor, Run, RunState
from jobruns.service.ports import ExecutionStatus, Ports
from jobruns.store import Store
from jobruns.table import Project, Table
from jobruns.trigger import Trigger
from local.emulator import answers, dispatch, dynamodb, expressions, items
from tests.integration import short_way
from tests.integration.run_objects import MemoryRunObjects

ROOT = Path(__file__).parents[2]
TABLE = "ledger"

# What each test would make anew, and takes longer than many a test itself.
answers.apply()
dispatch.apply()
dynamodb.apply()
expressions.apply()
items.apply()
short_way.apply()
# One session of boto3 for all tests, and one of botocore for PynamoDB, which makes one a thread: the clients of one
# session may not be made at the same time.
default_user_config["core"]["reset_boto3_session"] = False
pynamodb.connection.base.get_session = cache(botocore.session.get_session)
_make_client, _one_client = botocore.session.Session.create_client, threading.RLock()


def _make_client_alone(self: Any, *args: Any, **kwargs: Any) -> Any:
    with _one_client:
        return _make_client(self, *args, **kwargs)


botocore.session.Session.create_client = _make_client_alone  # type: ignore[method-assign]
# One connection to the table, whichever store asks; the last only, to which the models are bound.
jobruns.store.bind = lru_cache(maxsize=1)(jobruns.store.bind)  # type: ignore[attr-defined]
# moto answers botocore itself; for the library `requests`, which nothing of ours uses, it compiles a thousand patterns.
moto.core.models.RESPONSES_METHODS.clear()
# Sessions that tests make themselves would read the descriptions of their services anew.
_read_description = cache(JSONFileLoader().load_file)
JSONFileLoader.load_file = lambda self, path: _read_description(path)  # type: ignore[method-assign]
# Nor list them: each client looks into some hundred directories.
_list_services = cache(Loader().list_available_services)
Loader.list_available_services = lambda self, type_name: _list_services(type_name)  # type: ignore[method-assign]
# Each request tells by whom it is sent, in words that are looked through letter by letter.
botocore.useragent.sanitize_user_agent_string_component = cache(botocore.useragent.sanitize_user_agent_string_component)
# Each client makes three contexts of TLS, of which none is ever used here.
botocore.httpsession.create_urllib3_context = cache(botocore.httpsession.create_urllib3_context)


@cache  # reading the template takes as long as many a test
def _describe_table() -> dict[str, Any]:
    description: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]["LedgerTable"]
    return description["Properties"]


@cache
def _ledger_client() -> Any:
    return boto3.client("dynamodb")


def make_ledger_table(name: str = TABLE) -> None:
    """Create the ledger's table as the template describes it."""
    described = _describe_table()
    wanted = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes")
    _ledger_client().create_table(TableName=name, **{key: described[key] for key in wanted})


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


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Emulate AWS, one request at a time as DynamoDB itself orders the writes of one item."""
    one_at_a_time = threading.RLock()
    send = botocore.client.BaseClient._make_api_call

    def send_alone(self: Any, operation: str, parameters: Any) -> Any:
        with one_at_a_time:
            return send(self, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", send_alone)
    with mock_aws():
        yield


@pytest.fixture
def own_sessions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make sessions and connections as a process does that begins now, with the environment as it is."""
    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", short_way.send)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(pynamodb.connection.base, "get_session", botocore.session.get_session)
    jobruns.store.bind.cache_clear()  # type: ignore[attr-defined]
    yield
    jobruns.store.bind.cache_clear()  # type: ignore[attr-defined]


@pytest.fixture
def store(aws: None) -> Store:
    make_ledger_table()
    return Store(TABLE, pause=lambda seconds: None)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def machine() -> RecordingMachine:
    return RecordingMachine()


@pytest.fixture
def ingest() -> RecordingExecutor:
    return RecordingExecutor()


@pytest.fixture
def schedules() -> RecordingSchedules:
    return RecordingSchedules()


@pytest.fixture
def records() -> RecordingRecords:
    return RecordingRecords()


@pytest.fixture
def lake_tables() -> RecordingLake:
    return RecordingLake()


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


@pytest.fixture
def ports(
    store: Store,
    clock: Clock,
    machine: RecordingMachine,
    ingest: RecordingExecutor,
    schedules: RecordingSchedules,
    lake_tables: RecordingLake,
    records: RecordingRecords,
) -> Ports:
    return make_ports(store, clock, machine, ingest=ingest, schedules=schedules, lake=lake_tables, records=records)


@pytest.fixture
def admin() -> Principal:
    return Principal(org="acme", name="JRAKADMIN", role=Role.ADMIN)


@pytest.fixture
def stranger(admin: Principal) -> Principal:
    return admin.model_copy(update={"org": "other"})


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Counter[str]]:
    """Count the requests botocore sends: what is called returns them by operation, and begins anew."""
    counted: Counter[str] = Counter()
    send = botocore.client.BaseClient._make_api_call

    def count(self: Any, operation: str, parameters: Any) -> Any:
        counted[operation] += 1
        return send(self, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", count)

    def take() -> Counter[str]:
        taken = Counter(counted)
        counted.clear()
        return taken

    return take


@dataclass
class LambdaTime:
    """What the functions ask of Lambda's context."""

    function_name: str = "ours"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:ours"
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> int:
        return 300_000


class KilledError(BaseException):
    """The process dies: nothing of ours catches this."""


@dataclass
class Kill:
    """Kills at the `nth` AWS call from now on, before it has an effect or after it."""

    nth: int = 0
    when: str = "before"
    seen: int = 0
    paused: bool = False
    calls: list[str] = field(default_factory=list)

    def arm(self, nth: int, when: str) -> None:
        self.nth, self.when, self.seen = nth, when, 0
        self.calls.clear()

    def disarm(self) -> None:
        self.nth = 0
        self.paused = False


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Kill:
    armed = Kill()
    send = botocore.client.BaseClient._make_api_call

    def call(self: Any, operation: str, parameters: Any) -> Any:
        if armed.paused:
            return send(self, operation, parameters)
        armed.seen += 1
        armed.calls.append(operation)
        strikes = armed.nth == armed.seen
        if strikes and armed.when == "before":
            raise KilledError(operation)
        answer = send(self, operation, parameters)
        if strikes:
            raise KilledError(operation)
        return answer

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
    return armed
