"""Operations on tables with a primary key: each a run, done once, whoever dies over it."""

import itertools
import json
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from jobruns.access import Principal
from jobruns.bootstrap import utc_now
from jobruns.errors import InvalidInputError, NotFoundError
from jobruns.file_paths import file_key, files_prefix
from jobruns.operation import (
    CallerCredentials,
    DeleteBefore,
    FileSource,
    FileTarget,
    Load,
    RowFormat,
    S3Credentials,
    S3Object,
    TableQuery,
    UrlSource,
    WriteAction,
)
from jobruns.run import Run, RunState
from jobruns.service.lookups import find_run, list_events
from jobruns.service.operations import OperationRequest, load_inline, start_export, start_operation
from jobruns.service.ports import Ports
from jobruns.service.records import (
    delete_records,
    describe_records,
    drop_attribute,
    search_records,
    write_records,
)
from jobruns.service.stops import stop_run
from jobruns.service.tables import define_project, define_table, delete_table
from jobruns.table import Project, Table
from local.folder import FilesFolder
from local.runner import Runner
from tests.e2e.kept import find_kept
from tests.e2e.ledger import open_ports, wait_until

REQUEST = OperationRequest(door="test")
ENDS = (RunState.SUCCEEDED, RunState.FAILED, RunState.TIMEOUT, RunState.STOPPED)
SECRET = uuid.uuid4().hex
_NAMES = itertools.count()


@pytest.fixture(scope="module")
def ports(runner: Runner) -> Iterator[Ports]:
    """The use cases, wired as a door that has these operations is."""
    twin = runner.env["OPERATIONS_FUNCTION"].replace("-operations", "-handed-over")
    with open_ports(runner, HANDED_OVER_FUNCTION=twin) as wired:
        yield wired


@pytest.fixture(scope="module")
def project(runner: Runner, ports: Ports, admin: Principal) -> Project:
    assert runner.wait_warm()
    return define_project(ports, admin, "operations")


@pytest.fixture
def table(ports: Ports, admin: Principal, project: Project) -> Table:
    return define_table(ports, admin, project, f"dogs{next(_NAMES)}", key="id", door="test")


def rows(first: int, count: int) -> bytes:
    lines = [f"{number},dog {number},{number / 4}" for number in range(first, first + count)]
    return "\n".join(["id,name,weight", *lines, ""]).encode()


def ids(ports: Ports, admin: Principal, table: Table) -> list[int]:
    query = TableQuery(attributes=("id",))
    return sorted(row["id"] for row in search_records(ports, admin, table, query))


def end(ports: Ports, admin: Principal, run: Run, seconds: float = 60.0) -> Run:
    return wait_until(ports, admin, run, *ENDS, seconds=seconds)


def test_the_same_rows_by_insert_insert_update_upsert_count_as_they_should(
    ports: Ports, admin: Principal, table: Table
) -> None:
    actions = (WriteAction.INSERT, WriteAction.INSERT, WriteAction.UPDATE, WriteAction.UPSERT)
    ended = [end(ports, admin, load_inline(ports, admin, table, action, rows(0, 1000), REQUEST)) for action in actions]
    assert [run.state for run in ended] == [RunState.SUCCEEDED] * 4
    assert [(run.metrics["rows_written"], run.metrics["rows_read"]) for run in ended] == [
        (1000, 1000),
        (0, 1000),
        (1000, 1000),
        (1000, 1000),
    ]
    assert [run.records for run in ended] == [1000, 0, 1000, 1000]
    assert {run.executor for run in ended} == {"operation"}


def test_rows_made_before_a_moment_are_deleted(ports: Ports, admin: Principal, table: Table) -> None:
    def delete(before: Any) -> Run:
        spec = DeleteBefore(table_id=table.table_id, before=before)
        return end(ports, admin, start_operation(ports, admin, spec, table, REQUEST))

    assert delete(utc_now()).metrics["rows_deleted"] == 0  # it has never been written to
    end(ports, admin, load_inline(ports, admin, table, WriteAction.INSERT, rows(0, 10), REQUEST))
    between = utc_now()
    write_records(ports, admin, table, WriteAction.UPSERT, [{"id": 3, "name": "new"}, {"id": 99}])
    run = delete(between)
    assert (run.state, run.metrics["rows_deleted"], run.records) == (RunState.SUCCEEDED, 10, 10)
    assert ids(ports, admin, table) == [99]
    assert delete(utc_now() + timedelta(hours=1)).metrics["rows_deleted"] == 1


def test_a_file_of_the_orgs_own_is_loaded_and_no_other(
    runner: Runner, ports: Ports, admin: Principal, table: Table
) -> None:
    s3, landing = runner.client("s3"), runner.env["JOBRUNS_LANDING_BUCKET"]
    s3.put_object(Bucket=landing, Key=file_key(admin.org, "in/dogs.csv"), Body=rows(0, 20))
    s3.put_object(Bucket=landing, Key=file_key(str(uuid.uuid4()), "in/others.csv"), Body=rows(0, 20))
    for path in ("in/others.csv", f"../../{admin.org}x/in/dogs.csv", "in"):
        with pytest.raises(NotFoundError):
            start_operation(ports, admin, file_load(table, path), table, REQUEST)
    ended = end(ports, admin, start_operation(ports, admin, file_load(table, "/in/../in//dogs.csv"), table, REQUEST))
    assert (ended.state, ended.metrics["rows_written"]) == (RunState.SUCCEEDED, 20)
    assert ended.metrics["bytes_read"] == len(rows(0, 20))


def file_load(table: Table, path: str) -> Load:
    return Load(table_id=table.table_id, source=FileSource(path=path))


def test_a_folder_of_this_machine_plays_the_files(
    runner: Runner, ports: Ports, admin: Principal, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, prefix = runner.env["JOBRUNS_LANDING_BUCKET"], files_prefix(admin.org)
    folder = FilesFolder(tmp_path, bucket, prefix, lambda: runner.client("s3"))
    monkeypatch.setattr(runner._cloud, "folder", folder)
    (tmp_path / "here.csv").write_bytes(rows(0, 3))
    # The door asks as a function does; this process is none, so the file is not seen before the run looks for it.
    runner.client("s3").put_object(Bucket=bucket, Key=file_key(admin.org, "here.csv"), Body=b"")
    run = end(ports, admin, start_operation(ports, admin, file_load(table, "here.csv"), table, REQUEST))
    assert run.metrics["rows_written"] == 3
    query = TableQuery(attributes=("id",))
    place = FileTarget(path="out/there.csv")
    exported = start_export(ports, admin, table, query, RowFormat.CSV, place, REQUEST)
    assert end(ports, admin, exported).state is RunState.SUCCEEDED
    assert (tmp_path / "out" / "there.csv").read_text() == '"id"\n0\n1\n2'


def test_what_cannot_be_loaded_fails_once_says_why_and_leaves_no_row(
    runner: Runner, ports: Ports, admin: Principal, table: Table
) -> None:
    run = end(ports, admin, load_inline(ports, admin, table, WriteAction.INSERT, b"id,a/b\n1,2\n", REQUEST))
    assert (run.state, run.error_code, run.message) == (RunState.FAILED, "InvalidAttributeError", "a/b")
    assert describe_records(ports, admin, table).rows == 0
    assert [event.kind for event in list_events(ports, admin, run.run_id)].count("Failed") == 1


def test_an_export_is_a_file_that_can_be_loaded_again(
    runner: Runner, ports: Ports, admin: Principal, project: Project, table: Table
) -> None:
    records = [{"id": 1, "b": "x", "a": [1, {"c": None}]}, {"id": 2, "b": 'say "hi"'}]
    write_records(ports, admin, table, WriteAction.INSERT, records)
    other = define_table(ports, admin, project, f"copies{next(_NAMES)}", key="id", door="test")
    query = TableQuery(attributes=("id", "a", "b"))
    place = FileTarget(path="out/dogs.json")
    run = end(ports, admin, start_export(ports, admin, table, query, RowFormat.JSON, place, REQUEST))
    assert (run.job, run.state, run.metrics["rows_written"]) == ("exports", RunState.SUCCEEDED, 2)
    load = Load(table_id=other.table_id, source=FileSource(path="out/dogs.json"), format=RowFormat.JSON)
    end(ports, admin, start_operation(ports, admin, load, other, REQUEST))
    again = search_records(ports, admin, other, query)
    assert sorted(again, key=lambda row: row["id"]) == [
        {"id": 1, "b": "x", "a": [1, {"c": None}]},
        {"id": 2, "b": 'say "hi"', "a": None},
    ]


def test_rows_are_answered_at_once(ports: Ports, admin: Principal, table: Table) -> None:
    assert search_records(ports, admin, table, TableQuery()) == []
    done = write_records(ports, admin, table, WriteAction.INSERT, [{"id": 1, "a": "ä"}, {"id": 2, "a": "y"}])
    assert (done.total, done.written, done.written_keys, done.skipped_keys) == (2, 2, (1, 2), ())
    done = write_records(ports, admin, table, WriteAction.UPDATE, [{"id": 2, "b": True}, {"id": 3}])
    assert (done.written_keys, done.skipped_keys) == ((2,), (3,))
    query = TableQuery(attributes=("id", "a", "b"), keys=(2, 9, 1))
    assert search_records(ports, admin, table, query) == [
        {"id": 2, "a": "y", "b": True},
        {"id": 1, "a": "ä", "b": None},
    ]
    facts = describe_records(ports, admin, table)
    assert (set(facts.attributes), facts.rows) == ({"a", "b"}, 2)
    gone = delete_records(ports, admin, table, [1, 7])
    assert (gone.deleted_keys, gone.missing_keys) == ((1,), (7,))
    assert drop_attribute(ports, admin, table, "b")
    with pytest.raises(InvalidInputError, match="nope"):
        search_records(ports, admin, table, TableQuery(attributes=("nope",)))


def test_credentials_of_the_caller_are_used_and_are_nowhere_afterwards(
    runner: Runner, ports: Ports, admin: Principal, table: Table
) -> None:
    s3, began = runner.client("s3"), time.time()
    s3.create_bucket(Bucket="callers-own")
    s3.put_object(Bucket="callers-own", Key="in.json", Body=json.dumps([{"id": 1}, {"id": 2, "a": "x"}]).encode())
    keys = S3Credentials(access_key_id="AKIACALLER", secret_access_key=SECRET)  # type: ignore[arg-type]
    request = OperationRequest(door="test", credentials=CallerCredentials(s3=keys))
    load = Load(table_id=table.table_id, source=S3Object(bucket="callers-own", key="in.json"), format=RowFormat.JSON)
    with pytest.raises(InvalidInputError, match="credentials"):
        start_operation(ports, admin, load, table, REQUEST)
    loaded = end(ports, admin, start_operation(ports, admin, load, table, request))
    assert (loaded.state, loaded.metrics["rows_written"]) == (RunState.SUCCEEDED, 2)
    gone = load.model_copy(update={"source": S3Object(bucket="callers-own", key="gone.json")})
    failed = end(ports, admin, start_operation(ports, admin, gone, table, request))
    assert (failed.state, failed.message) == (RunState.FAILED, "The specified key does not exist.")
    query = TableQuery(attributes=("id", "a"))
    target = S3Object(bucket="callers-own", key="out.csv")
    exported = end(ports, admin, start_export(ports, admin, table, query, RowFormat.CSV, target, request))
    assert exported.state is RunState.SUCCEEDED
    written = s3.get_object(Bucket="callers-own", Key="out.csv")
    assert written["Body"].read() == b'"id","a"\n1,\n2,"x"'
    assert exported.metrics["etag"] == written["ETag"]
    assert find_kept(runner, [SECRET], began) == []


class _Site(BaseHTTPRequestHandler):
    asked: ClassVar[list[str | None]] = []
    pause_seconds = 0.0

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("X-Secret"))
        self.send_response(200)
        self.send_header("Content-Type", "text/csv")
        self.end_headers()
        self.wfile.write(rows(0, 30)[:9])
        time.sleep(self.pause_seconds)
        self.wfile.write(rows(0, 30)[9:])

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/rows.csv"
        server.shutdown()


def test_a_url_is_loaded_where_it_may_be_asked(ports: Ports, admin: Principal, table: Table, site: str) -> None:
    def load(url: str, request: OperationRequest = REQUEST) -> Run:
        spec = Load(table_id=table.table_id, source=UrlSource(url=url))
        return end(ports, admin, start_operation(ports, admin, spec, table, request))

    assert load(site).metrics["rows_written"] == 30
    headers = CallerCredentials(headers={"X-Secret": SECRET})  # type: ignore[dict-item]
    again = load(f"{site}?token=x", OperationRequest(door="test", credentials=headers))
    assert (again.state, again.metrics["rows_written"]) == (RunState.SUCCEEDED, 0)
    assert again.source == site
    assert _Site.asked[-2:] == [None, SECRET]
    for url in ("http://169.254.169.254/latest/meta-data", "http://10.0.0.1/x", "file:///etc/passwd"):
        refused = load(url)
        assert (refused.state, refused.error_code) == (RunState.FAILED, "DownloadError")


@pytest.mark.slow
@pytest.mark.parametrize("dies", [True, False])
def test_a_load_by_the_callers_credentials_lives_by_its_signs_of_life(
    runner: Runner,
    ports: Ports,
    admin: Principal,
    table: Table,
    site: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    dies: bool,
) -> None:
    monkeypatch.setattr("jobruns.service.operations.BEAT_LIMIT_SECONDS", 7)
    monkeypatch.setattr(_Site, "pause_seconds", 16)
    headers = CallerCredentials(headers={"X-Secret": SECRET})  # type: ignore[dict-item]
    spec = Load(table_id=table.table_id, source=UrlSource(url=site))
    fault = runner.faults.arm("HandedOverFunction", 16) if dies else None
    run = start_operation(ports, admin, spec, table, OperationRequest(door="test", credentials=headers))
    ended = end(ports, admin, run, 60)
    assert fault is None or fault.fired.is_set()
    assert ended.state is (RunState.TIMEOUT if dies else RunState.SUCCEEDED)
    assert ids(ports, admin, table) == ([] if dies else list(range(30)))


def test_a_load_that_is_stopped_leaves_no_row(runner: Runner, ports: Ports, admin: Principal, table: Table) -> None:
    run = load_inline(ports, admin, table, WriteAction.INSERT, rows(0, 300_000), REQUEST)
    wait_until(ports, admin, run, RunState.RUNNING)
    stopped = stop_run(ports, admin, find_run(ports, admin, run.run_id, job=run.job))
    assert stopped.state is RunState.STOPPED
    runner.invoke("OperationsFunction", {"action": "run", "org": run.org, "job": run.job, "run_id": run.run_id})
    assert ids(ports, admin, table) == []


def test_a_table_with_a_key_is_never_appended_to(ports: Ports, admin: Principal, table: Table) -> None:
    from jobruns.service.loads import load_table
    from jobruns.service.watches import watch_table
    from jobruns.table import LoadSource, LoadSpec, Watch

    spec = LoadSpec(table_id=table.table_id, transform_id="any", source=LoadSource(bucket="some-bucket"))
    with pytest.raises(InvalidInputError, match="primary key"):
        load_table(ports, admin, table, spec, door="test")
    with pytest.raises(InvalidInputError, match="primary key"):
        watch_table(ports, admin, table, [Watch(org=admin.org, table_id=table.table_id)])


def test_a_deleted_table_takes_no_operation_any_more(ports: Ports, admin: Principal, table: Table) -> None:
    end(ports, admin, load_inline(ports, admin, table, WriteAction.INSERT, rows(0, 3), REQUEST))
    delete_table(ports, admin, table)
    run = load_inline(ports, admin, table, WriteAction.INSERT, rows(0, 3), REQUEST)
    assert end(ports, admin, run).error_code == "NotFoundError"


def test_the_smallest_operation_ends_within_two_seconds_beside_other_tests(
    ports: Ports, admin: Principal, table: Table
) -> None:
    load_inline(ports, admin, table, WriteAction.INSERT, rows(0, 1), REQUEST)
    took = [60.0]
    for number in itertools.takewhile(lambda number: number < 6 and min(took) >= 2.0, itertools.count(1)):
        began = time.monotonic()
        run = load_inline(ports, admin, table, WriteAction.INSERT, rows(number, 1), REQUEST)
        wait_until(ports, admin, run, *ENDS)
        took.append(time.monotonic() - began)
    # On a quiet machine it is one second: the bench asserts that.
    assert min(took) < 2.0
