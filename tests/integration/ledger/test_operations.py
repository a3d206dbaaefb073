"""Operations as runs: how they are started, what is refused, and who gets the credentials."""

from datetime import UTC, datetime
from typing import Any

import pytest

from jobruns.access import Principal, Role
from jobruns.errors import (
    AccessDeniedError,
    ConflictError,
    IllegalTransitionError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from jobruns.file_paths import file_key
from jobruns.grants import Grants, Right, TableGrant
from jobruns.operation import (
    BEAT_LIMIT_SECONDS,
    CallerCredentials,
    DeleteBefore,
    FileSource,
    FileTarget,
    Load,
    RowFormat,
    S3Object,
    TableQuery,
    UrlSource,
    WriteAction,
)
from jobruns.run import Executor, Run, RunState
from jobruns.service.definitions import define_job
from jobruns.service.operations import (
    EXPORTS,
    NOT_HANDED_OVER,
    OperationRequest,
    load_inline,
    start_export,
    start_operation,
)
from jobruns.service.ports import Ports
from jobruns.service.reports import report_run
from jobruns.service.retries import retry_run
from jobruns.service.settlement import dispatch_run
from jobruns.service.tables import define_project, define_table
from jobruns.table import Table
from tests.integration.doubles import MemoryObjects, RecordingRecords

REQUEST = OperationRequest(door="test")
KEYS: dict[str, Any] = {"s3": {"access_key_id": "AKIA1", "secret_access_key": "hush"}, "headers": {}}
WITH_KEYS = OperationRequest(door="test", credentials=CallerCredentials.model_validate(KEYS))
OWN = S3Object(bucket="callers-own", key="rows.csv")


@pytest.fixture
def table(ports: Ports, admin: Principal) -> Table:
    return define_table(ports, admin, define_project(ports, admin, "dev"), "dog", key="id", door="test")


def held(ports: Ports) -> dict[str, Any]:
    assert isinstance(ports.objects, MemoryObjects)
    return ports.objects.held


def load(table: Table, source: Any) -> Load:
    return Load(table_id=table.table_id, source=source)


def test_an_operation_is_a_run_of_the_tables_job(ports: Ports, admin: Principal, table: Table) -> None:
    request = OperationRequest(door="test", extra={"test": {"user": "u"}})
    run = load_inline(ports, admin, table, WriteAction.UPSERT, b"id\n1\n", request)
    assert (run.job, run.executor, run.target) == ("dev.dog", Executor.OPERATION, table.table_id)
    assert (run.source, run.destination, run.extra) == ("request", "dev.dog", {"test": {"user": "u"}})
    assert run.heartbeat_seconds is None
    begun = dispatch_run(ports, run.org, run.job, run.run_id, None)
    told = {"action": "run", "org": run.org, "job": run.job, "run_id": run.run_id}
    assert begun == {"begun": True, "function_arn": "operations", "payload": told}
    assert held(ports)[run.arguments["source"]["key"]] == b"id\n1\n"


def test_a_table_whose_maker_died_before_its_job_was_made_is_operated_on(
    ports: Ports, admin: Principal, table: Table
) -> None:
    job = ports.jobs.get(admin.org, "dev.dog")
    assert job is not None
    ports.jobs.remove(job)
    assert load_inline(ports, admin, table, WriteAction.INSERT, b"", REQUEST).executor is Executor.OPERATION


def test_a_table_without_a_key_has_no_operations(ports: Ports, admin: Principal) -> None:
    table = define_table(ports, admin, define_project(ports, admin, "raw"), "rows", door="test")
    with pytest.raises(InvalidInputError, match="no primary key"):
        load_inline(ports, admin, table, WriteAction.INSERT, b"id\n1\n", REQUEST)
    with pytest.raises(InvalidInputError, match="no primary key"):
        start_operation(ports, admin, load(table, UrlSource(url="http://x")), table, REQUEST)
    assert held(ports) == {}


def test_who_may_not_start_runs_stores_nothing(ports: Ports, admin: Principal, table: Table) -> None:
    reader = admin.model_copy(update={"role": Role.READER})
    with pytest.raises(AccessDeniedError):
        load_inline(ports, reader, table, WriteAction.INSERT, b"id\n1\n", REQUEST)
    assert held(ports) == {}


def test_a_file_has_to_be_there_and_of_the_org(ports: Ports, admin: Principal, table: Table) -> None:
    held(ports)[file_key(admin.org, "in.csv")] = b""
    held(ports)[file_key("other", "in.csv")] = b""
    assert (
        start_operation(ports, admin, load(table, FileSource(path="/in.csv")), table, REQUEST).source == "file:/in.csv"
    )
    for path in ("gone.csv", "../../other/files/in.csv", ""):
        with pytest.raises(NotFoundError, match="no such file"):
            start_operation(ports, admin, load(table, FileSource(path=path)), table, REQUEST)


@pytest.mark.parametrize("url", ["https://host/rows.csv?signature=hush#x", "https://me:hush@host/rows.csv"])
def test_what_may_be_secret_of_a_url_is_handed_over_and_not_told(
    ports: Ports, admin: Principal, table: Table, records: RecordingRecords, url: str
) -> None:
    run = start_operation(ports, admin, load(table, UrlSource(url=url)), table, REQUEST)
    assert (run.source, run.heartbeat_seconds) == ("https://host/rows.csv", BEAT_LIMIT_SECONDS)
    assert records.handed_over == [(run.run_id, {"headers": {}, "url": url})]
    headers = OperationRequest(door="test", credentials=CallerCredentials.model_validate({"headers": {"A": "b"}}))
    start_operation(ports, admin, load(table, UrlSource(url=url)), table, headers)
    assert records.handed_over[-1][1] == {"headers": {"A": "b"}, "url": url}
    assert "hush" not in f"{run.model_dump_json()} {held(ports)}"
    plain = start_operation(ports, admin, load(table, UrlSource(url="https://host/rows.csv")), table, REQUEST)
    assert (plain.heartbeat_seconds, len(records.handed_over)) == (None, 2)


def test_credentials_go_to_the_function_and_not_into_the_run(
    ports: Ports, admin: Principal, table: Table, records: RecordingRecords
) -> None:
    run = start_operation(ports, admin, load(table, OWN), table, WITH_KEYS)
    assert records.handed_over == [(run.run_id, KEYS)]
    assert run.heartbeat_seconds == BEAT_LIMIT_SECONDS
    assert dispatch_run(ports, run.org, run.job, run.run_id, "token") == {"begun": True}
    kept = ports.runs.get(run.org, run.job, run.run_id)
    assert kept is not None
    assert "hush" not in f"{kept.model_dump_json()} {held(ports)} {WITH_KEYS!r}"


@pytest.mark.parametrize("request_", [REQUEST, OperationRequest(door="test", credentials=CallerCredentials())])
def test_a_bucket_of_the_callers_needs_what_opens_it(
    ports: Ports, admin: Principal, table: Table, request_: OperationRequest
) -> None:
    with pytest.raises(InvalidInputError, match="credentials"):
        start_operation(ports, admin, load(table, OWN), table, request_)
    with pytest.raises(InvalidInputError, match="credentials"):
        start_export(ports, admin, table, TableQuery(), RowFormat.JSON, OWN, request_)


def test_what_cannot_be_handed_over_has_failed(
    ports: Ports, admin: Principal, table: Table, records: RecordingRecords
) -> None:
    records.failure = UnavailableError("the function could not be invoked")
    run = start_operation(ports, admin, load(table, OWN), table, WITH_KEYS)
    assert (run.state, run.error_code) == (RunState.FAILED, NOT_HANDED_OVER)


def test_what_worked_by_credentials_is_not_tried_again_without_them(
    ports: Ports, admin: Principal, table: Table
) -> None:
    run = start_operation(ports, admin, load(table, OWN), table, WITH_KEYS)
    failed = report_run(ports, admin, run, RunState.FAILED)
    with pytest.raises(IllegalTransitionError, match="not kept"):
        retry_run(ports, admin, failed)
    plain = load_inline(ports, admin, table, WriteAction.INSERT, b"id\n1\n", REQUEST)
    again = retry_run(ports, admin, report_run(ports, admin, plain, RunState.FAILED))
    assert again.arguments == plain.arguments


def test_exports_are_runs_of_one_job_that_is_made_when_first_needed(
    ports: Ports, admin: Principal, table: Table
) -> None:
    place = FileTarget(path="out.json")
    query = TableQuery(keys=("somebody@example.org",))
    runs = [start_export(ports, admin, table, query, RowFormat.JSON, place, REQUEST) for _ in range(2)]
    assert {(run.job, run.executor) for run in runs} == {(EXPORTS, Executor.OPERATION)}
    with pytest.raises(NotFoundError):
        start_export(ports, admin, table, query, RowFormat.JSON, FileTarget(path="../x"), REQUEST)
    # Who may read of runs need not be who may read rows.
    assert all("somebody" not in run.model_dump_json() for run in runs)


def test_exports_do_not_take_over_a_job_of_that_name(ports: Ports, admin: Principal, table: Table) -> None:
    define_job(ports, admin, name=EXPORTS, door="test")
    with pytest.raises(ConflictError, match="does no exports"):
        start_export(ports, admin, table, TableQuery(), RowFormat.JSON, FileTarget(path="out.json"), REQUEST)


def with_rights(admin: Principal, **rights: list[str]) -> Principal:
    tables = {table: TableGrant(rights=frozenset(map(Right, held))) for table, held in rights.items()}
    return admin.model_copy(update={"role": Role.READER, "grants": Grants(tables={"dev": tables})})


def test_rights_on_a_table_are_what_an_operation_on_it_needs(ports: Ports, admin: Principal, table: Table) -> None:
    before = DeleteBefore(table_id=table.table_id, before=datetime(2026, 1, 1, tzinfo=UTC))
    place = FileTarget(path="out.json")

    def load(caller: Principal) -> Run:
        return load_inline(ports, caller, table, WriteAction.INSERT, b"id\n1\n", REQUEST)

    def delete(caller: Principal) -> Run:
        return start_operation(ports, caller, before, table, REQUEST)

    def export(caller: Principal) -> Run:
        return start_export(ports, caller, table, TableQuery(), RowFormat.JSON, place, REQUEST)

    for step, needed in ((load, ["insert", "update"]), (delete, ["delete"]), (export, ["read"])):
        assert step(with_rights(admin, dog=needed)).executor is Executor.OPERATION
        lacking = [right for right in Right if right != needed[0]]
        for caller in (with_rights(admin, dog=lacking), with_rights(admin, cat=list(Right)), with_rights(admin)):
            with pytest.raises(AccessDeniedError):
                step(caller)


def test_a_start_that_is_repeated_is_one_run(ports: Ports, admin: Principal, table: Table) -> None:
    request = OperationRequest(door="test", run_id="01a1fba8-d3d3-7e99-bb70-b94945b18a25")
    first, second = (load_inline(ports, admin, table, WriteAction.INSERT, b"id\n1\n", request) for _ in range(2))
    assert first == second
