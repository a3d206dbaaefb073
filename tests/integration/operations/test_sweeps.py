"""After writes a table is swept, now and then and in the background."""

import time
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from jobruns.operation import DeleteBefore, WriteAction
from jobruns.run import RunState
from jobruns.service.operations import start_operation
from jobruns.service.records import delete_records, write_records
from jobruns.table import Table
from tests.integration.doubles import LambdaTime
from tests.integration.operations.conftest import REQUEST, Stack, client

DAY = 24 * 3600


@pytest.fixture
def table(stack: Stack) -> Table:
    """A table that was written to two days ago."""
    table = stack.table()
    write_records(stack.ports, stack.admin, table, WriteAction.INSERT, [{"id": 1}, {"id": 2}])
    return table


@pytest.fixture
def later(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 2 * DAY)


def asked(stack: Stack) -> list[dict[str, Any]]:
    return [told for told in stack.functions.told if told["action"] == "sweep"]


def place(table: Table) -> dict[str, str]:
    return {"function": "tables", "action": "sweep"} | {
        "database": table.database,
        "table": table.lake_table,
        "location": table.location,
    }


def test_nobody_asks_for_it_twice_a_day(stack: Stack, table: Table) -> None:
    write_records(stack.ports, stack.admin, table, WriteAction.UPSERT, [{"id": 1, "a": 1}])
    assert asked(stack) == []


def test_a_write_that_somebody_waits_for_asks_for_it(stack: Stack, table: Table, later: None) -> None:
    write_records(stack.ports, stack.admin, table, WriteAction.UPSERT, [{"id": 1, "a": 1}])
    write_records(stack.ports, stack.admin, table, WriteAction.UPSERT, [{"id": 1, "a": 2}])
    assert asked(stack) == [place(table)]


def test_a_deletion_asks_for_it(stack: Stack, table: Table, later: None) -> None:
    assert delete_records(stack.ports, stack.admin, table, [1]).deleted_keys == (1,)
    assert asked(stack) == [place(table)]


def test_a_load_asks_for_it(stack: Stack, table: Table, later: None) -> None:
    run = stack.operate(stack.load(table, b"id,a\n1,2\n"))
    assert (run.state, asked(stack)) == (RunState.SUCCEEDED, [place(table)])


def test_a_deletion_of_old_rows_asks_for_it(stack: Stack, table: Table, later: None) -> None:
    spec = DeleteBefore(table_id=table.table_id, before=stack.ports.clock() + timedelta(days=1))
    run = stack.operate(stack.begin(start_operation(stack.ports, stack.admin, spec, table, REQUEST)))
    assert (run.metrics["rows_deleted"], asked(stack)) == (2, [place(table)])


def test_what_is_written_stays_written_when_it_cannot_be_asked_for(
    stack: Stack, table: Table, later: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stack.load(table, b"id,a\n1,2\n")
    stack.functions.errors = [EndpointConnectionError(endpoint_url="x")]
    assert stack.operate(run).state is RunState.SUCCEEDED
    assert stack.functions.errors == []
    assert asked(stack) == []


def test_the_rows_of_a_swept_table_are_all_there(stack: Stack, table: Table, later: None) -> None:
    from ingest import tables

    client("s3").put_object(Bucket="stack-lake", Key=f"{table.location}/data/dead/x.parquet", Body=b"young")
    write_records(stack.ports, stack.admin, table, WriteAction.UPSERT, [{"id": 1, "a": 1}])
    context: Any = LambdaTime()
    [event] = asked(stack)
    assert tables.handler(event, context) == {"files": 0}
    assert stack.rows(table) == [{"id": 1, "a": 1}, {"id": 2, "a": None}]
