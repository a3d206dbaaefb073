"""The use cases over an emulated ledger, and what stands for the rest of AWS."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import botocore.client
import pytest
from moto import mock_aws

from jobruns.access import Principal, Role
from jobruns.service.ports import Ports
from jobruns.store import Store
from tests.integration.doubles import (
    Clock,
    RecordingExecutor,
    RecordingLake,
    RecordingMachine,
    RecordingRecords,
    RecordingSchedules,
    make_ports,
)
from tests.integration.kills import kill
from tests.integration.ledger_table import TABLE, make_ledger_table
from tests.integration.sharing import own_sessions

__all__ = ["kill", "own_sessions"]


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
