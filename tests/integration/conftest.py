"""The ledger over an emulated DynamoDB, its table made from template.yaml itself."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import botocore.client
import pytest
from moto import mock_aws
from samcli.yamlhelper import yaml_parse

from jobruns.access import Principal, Role
from jobruns.aws.executors import ExternalExecutor, FunctionExecutor
from jobruns.run import Executor, Run, RunState
from jobruns.service.ports import ExecutionStatus, Ports
from jobruns.store import Store
from local.emulator import dynamodb

ROOT = Path(__file__).parents[2]
TABLE = "ledger"


def make_ledger_table(name: str = TABLE) -> None:
    """Create the ledger's table as the template describes it."""
    described = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]["LedgerTable"]["Properties"]
    wanted = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    boto3.client("dynamodb").create_table(TableName=name, **{key: described[key] for key in wanted})


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


class MemoryObjects:
    """Stands for the work bucket."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}

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
    dynamodb.apply()
    one_at_a_time = threading.RLock()
    send = botocore.client.BaseClient._make_api_call

    def send_alone(self: Any, operation: str, parameters: Any) -> Any:
        with one_at_a_time:
            return send(self, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", send_alone)
    with mock_aws():
        yield


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
def ports(store: Store, clock: Clock, machine: RecordingMachine, ingest: RecordingExecutor) -> Ports:
    return Ports(
        runs=store.runs,
        jobs=store.jobs,
        documents=store.documents,
        units=store.units,
        machine=machine,
        executors={
            Executor.EXTERNAL: ExternalExecutor(),
            Executor.LAMBDA: FunctionExecutor(),
            Executor.INGEST: ingest,
        },
        objects=MemoryObjects(),
        clock=clock,
    )


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
