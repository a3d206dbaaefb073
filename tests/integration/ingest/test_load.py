"""List, Index and Commit called as Step Functions calls them, over real files into a real Iceberg table."""

import gzip
import json
from datetime import timedelta
from typing import Any

import pytest

from jobruns.errors import CommitInProgressError
from jobruns.run import Run, RunState
from jobruns.service.stops import stop_run
from jobruns.service.tables import amend_transform, delete_table, find_transform
from jobruns.service.work import begin_commit, begin_unit, end_unit
from jobruns.transform import Column, ColumnType
from tests.integration.ingest.conftest import LAKE, LANDING, WORK, LambdaTime, Stack, client, csv

CONTEXT: Any = LambdaTime()


def test_ten_files_of_csv(stack: Stack) -> None:
    table = stack.table()
    for number in range(10):
        stack.put(f"in/{number}.csv", csv(100, number * 100))
    run = stack.load(table, "in/", unit_bytes=9000)
    assert (run.state, run.message) == (RunState.SUCCEEDED, "loaded 1000 rows from 10 files")
    assert [row["value"] for row in stack.rows(table)] == list(range(1000))
    progress = stack.read(run).progress
    assert (progress.listing, progress.units_total, progress.units_done) == ("DONE", 5, 5)
    assert (progress.rows_loaded, progress.units_running, progress.fraction) == (1000, 0, 1.0)
    assert progress.bytes_read == sum(len(csv(100, number * 100)) for number in range(10))
    assert run.metrics["files"] == 10


def test_json_lines_packed(stack: Stack) -> None:
    table = stack.table(kind="json", gzip=True)
    lines = [json.dumps({"at": "2026-01-01T00:00:00Z", "name": f"ü{number}", "value": number}) for number in range(50)]
    stack.put("in/a.json.gz", gzip.compress("\n".join(lines).encode()))
    run = stack.load(table, "in/a.json.gz")
    assert (run.state, run.message) == (RunState.SUCCEEDED, "loaded 50 rows from 1 files")
    assert [row["name"] for row in stack.rows(table)] == [f"ü{number}" for number in range(50)]


def test_bad_rows_are_kept_with_the_reason_and_fail_nothing(stack: Stack) -> None:
    table = stack.table()
    body = b"at,name,value\n2026-01-01T00:00:00Z,good,1\n2026-01-01T00:00:00Z,bad,two\n,no time,3\n"
    stack.put("in/mixed.csv", body)
    run = stack.load(table, "in/")
    assert (run.state, run.message) == (RunState.SUCCEEDED, "loaded 1 rows from 1 files, rejected 2")
    kept = client("s3").list_objects_v2(Bucket=WORK, Prefix=run.metrics["rejects"].split("/", 3)[3])["Contents"]
    body = client("s3").get_object(Bucket=WORK, Key=kept[0]["Key"])["Body"].read()
    rejects = [json.loads(line) for line in body.splitlines()]
    assert [reject["data"][1] for reject in rejects] == ["bad", "no time"]
    assert rejects[0].keys() == {"project_id", "table_id", "transform_id", "data", "reason"}
    assert rejects[0]["reason"].startswith(f"s3://{LANDING}/in/mixed.csv line 3: ")


def test_where_a_path_leads(stack: Stack) -> None:
    table = stack.table()
    for number, key in enumerate(["a", "a/b.csv", "a/c.csv", "ab.csv", "d/e.csv"]):
        stack.put(key, csv(1, number))
    stack.put("d/", b"")
    for path, values in {"a": [0], "a/": [1, 2], "d": [4], "": [0, 1, 2, 3, 4]}.items():
        run = stack.load(table, path, dry_run=True)
        assert run.metrics["files"] == len(values), path
    assert stack.load(table, "", pattern=r"^s3://stack-landing/a/.*csv$").metrics["files"] == 2
    assert stack.load(table, "", pattern=r"csv$", max_files=3).metrics["files"] == 3
    assert stack.load(table, "nothing/").message == "found no files to load"


OTHER = "0190a000-0000-7000-8000-00000000000b"


def test_what_is_for_another_org_is_not_there(stack: Stack) -> None:
    table = stack.table()
    stack.put(f"{OTHER}/secret.csv", csv(5))
    stack.put("in/open.csv", csv(2))
    everything = stack.load(table, "")
    assert (everything.state, everything.metrics["files"]) == (RunState.SUCCEEDED, 1)
    assert [row["value"] for row in stack.rows(table)] == [0, 1]
    assert stack.load(table, f"{OTHER}/").message == "found no files to load"
    named, absent = (stack.load(table, f"{OTHER}/{name}.csv") for name in ("secret", "absent"))
    assert (named.state, absent.state) == (RunState.FAILED, RunState.FAILED)
    # Not even that there is such a file is told.
    assert str(named.message).replace("secret", "absent") == absent.message


@pytest.mark.parametrize("bucket", [LAKE, WORK])
def test_the_services_own_buckets_are_not_loaded_from(stack: Stack, bucket: str) -> None:
    stack.put("runs/rejects/other/rows.csv", csv(5), bucket)
    table = stack.table()
    for path in ("runs/", "runs/rejects/other/rows.csv", ""):
        run = stack.ingest(stack.dispatch(stack.start(table, path, bucket=bucket)))
        assert run.state is RunState.FAILED
        assert f"s3://{bucket}/ is the service's own" in str(run.message)


@pytest.mark.parametrize(
    ("bucket", "path", "reason"),
    [
        ("no-such-bucket", "in/", "s3://no-such-bucket/in/ cannot be read: the bucket does not exist; check its name"),
        ("no-such-bucket", "a.csv", "the bucket does not exist"),
        (LANDING, "no/such.csv", f"there is no object s3://{LANDING}/no/such.csv and nothing below"),
    ],
)
def test_a_source_that_is_not_there_fails_the_run_and_says_so(
    stack: Stack, bucket: str, path: str, reason: str
) -> None:
    run = stack.settle(stack.ingest(stack.start(stack.table(), path, bucket=bucket)))
    assert (run.state, run.error_code, run.progress.listing) == (RunState.FAILED, "SourceError", "FAILED")
    assert reason in str(run.message)


def test_one_corrupt_file_fails_the_run_by_name_and_leaves_nothing(stack: Stack) -> None:
    table = stack.table(gzip=True)
    for number in range(3):
        stack.put(f"in/{number}.csv.gz", gzip.compress(csv(10, number * 10)))
    stack.put("in/bad.csv.gz", gzip.compress(csv(1000))[:-100])
    run = stack.ingest(stack.start(table, "in/", unit_bytes=1))
    assert (run.state, run.error_code) == (RunState.FAILED, "SourceError")
    assert f"s3://{LANDING}/in/bad.csv.gz: the gzip data ends too early" in str(run.message)
    assert stack.rows(table) == []
    assert stack.lake_files(table) == []
    assert (run.progress.units_done, run.progress.units_failed) == (3, 1)
    named = client("s3").get_object(Bucket=WORK, Key=run.metrics["failed_files_key"])["Body"].read()
    assert json.loads(named) == [f"s3://{LANDING}/in/bad.csv.gz"]


def test_many_failed_files_are_counted_and_five_named(stack: Stack) -> None:
    table = stack.table(gzip=True)
    for number in range(7):
        stack.put(f"in/{number}.gz", b"this is no gzip")
    run = stack.load(table, "in/")
    assert str(run.message).startswith("7 files could not be read: ")
    assert str(run.message).endswith("; and 2 more")
    assert str(run.message).count("it is not gzip") == 5


def test_an_empty_file_is_a_file_without_rows(stack: Stack) -> None:
    table = stack.table()
    stack.put("in/empty.csv", b"")
    run = stack.load(table, "in/")
    assert (run.state, run.message) == (RunState.SUCCEEDED, "loaded 0 rows from 1 files")
    stack.put("in/full.csv", csv(3))
    assert stack.load(table, "in/").message == "loaded 3 rows from 2 files"
    assert len(stack.rows(table)) == 3


def test_a_dry_run_does_everything_but_keeps_nothing(stack: Stack) -> None:
    table = stack.table()
    stack.put("in/a.csv", csv(5))
    run = stack.load(table, "in/", dry_run=True)
    assert run.message == "would have loaded 5 rows from 1 files (dry run: nothing was kept)"
    assert (stack.rows(table), stack.lake_files(table)) == ([], [])


def test_every_task_may_be_repeated(stack: Stack) -> None:
    table = stack.table()
    for number in range(4):
        stack.put(f"in/{number}.csv", csv(10, number * 10))

    def thrice(task: Any) -> Any:
        answers = [task() for _ in range(3)]
        assert answers[0] == answers[1] == answers[2]
        return answers[0]

    run = stack.ingest(stack.start(table, "in/", unit_bytes=1), thrice)
    assert run.state is RunState.SUCCEEDED
    assert [row["value"] for row in stack.rows(table)] == list(range(40))
    assert run.progress.units_done == 4
    months = {(row["at"].year, row["at"].month) for row in stack.rows(table)}
    assert len(stack.lake_files(table)) == len(months) * 4


def test_files_that_come_while_a_run_lists_are_for_the_next(stack: Stack) -> None:
    """A second List, begun because the first one's answer was lost, must not change what Index is at."""
    from ingest import list as list_files

    table = stack.table()
    stack.put("in/1.csv", csv(1, 1))
    run = stack.start(table, "in/")
    assert list_files.handler(stack.event(run), CONTEXT)["units"] == 1
    stack.put("in/0.csv", csv(1, 0))
    assert stack.ingest(run).message == "loaded 1 rows from 1 files"
    assert [row["value"] for row in stack.rows(table)] == [1]


def test_a_stopped_run_leaves_nothing_however_late_its_workers_end(stack: Stack) -> None:
    from ingest import commit, index
    from ingest import list as list_files

    table = stack.table()
    stack.put("in/a.csv", csv(10))
    run = stack.start(table, "in/")
    key = list_files.handler(stack.event(run), CONTEXT)["units_key"]
    (unit,) = stack._json(key)
    index.handler(stack.event(run, unit=unit), CONTEXT)
    assert stack.lake_files(table)
    stop_run(stack.ports, stack.admin, stack.read(run))
    assert stack.lake_files(table) == []
    assert commit.handler(stack.event(run, action="commit"), CONTEXT) == {"state": "STOPPING"}
    run = stack.settle(run)
    assert run.state is RunState.STOPPED
    index.handler(stack.event(run, unit=unit), CONTEXT)
    assert commit.handler(stack.event(run, action="fail", failure={"Error": "x"}), CONTEXT) == {"state": "STOPPED"}
    assert (stack.rows(table), stack.lake_files(table)) == ([], [])


def test_a_worker_that_ends_after_the_run_deletes_what_it_wrote(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    from ingest import index
    from ingest import list as list_files

    table = stack.table()
    stack.put("in/a.csv", csv(10))
    run = stack.start(table, "in/")
    (unit,) = stack._json(list_files.handler(stack.event(run), CONTEXT)["units_key"])

    write = index.index_unit

    def stop_before(*told: Any, **more: Any) -> Any:
        stop_run(stack.ports, stack.admin, stack.read(run))
        written = write(*told, **more)
        assert stack.lake_files(table)
        return written

    monkeypatch.setattr(index, "index_unit", stop_before)
    index.handler(stack.event(run, unit=unit), CONTEXT)
    assert stack.lake_files(table) == []


def test_a_worker_that_ends_before_anything_was_kept_leaves_its_files_to_who_keeps(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest import commit, index
    from ingest import list as list_files

    table = stack.table()
    stack.put("in/a.csv", csv(10))
    run = stack.start(table, "in/")
    (unit,) = stack._json(list_files.handler(stack.event(run), CONTEXT)["units_key"])

    def stop_before(ports: Any, told: Run, record: Any) -> None:
        stop_run(stack.ports, stack.admin, stack.read(run))
        end_unit(ports, told, record)

    with monkeypatch.context() as patch:
        patch.setattr(stack.ports.executors[run.executor].__class__, "stop", lambda self, run: None)
        patch.setattr(index, "end_unit", stop_before)
        index.handler(stack.event(run, unit=unit), CONTEXT)
    assert len(stack.lake_files(table)) == 1
    commit.handler(stack.event(run, action="discard"), CONTEXT)
    assert stack.lake_files(table) == []
    assert client("s3").list_objects_v2(Bucket=WORK, Prefix=f"runs/kept/{run.run_id}/")["KeyCount"] == 1


def _indexed(stack: Stack) -> tuple[Any, Run]:
    from ingest import index
    from ingest import list as list_files

    table = stack.table()
    stack.put("in/a.csv", csv(10))
    run = stack.start(table, "in/")
    for unit in stack._json(list_files.handler(stack.event(run), CONTEXT)["units_key"]):
        index.handler(stack.event(run, unit=unit), CONTEXT)
    return table, stack.read(run)


def test_a_commit_that_nobody_heard_of_is_found_before_the_run_is_failed(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest import commit, conclusion

    table, run = _indexed(stack)
    with monkeypatch.context() as patch:
        patch.setattr(conclusion, "conclude_work", _die)
        with pytest.raises(ConnectionError):
            commit.handler(stack.event(run, action="commit"), CONTEXT)
    assert len(stack.rows(table)) == 10
    failure = {"Error": "Lambda.Unknown", "Cause": "the connection was lost"}
    assert commit.handler(stack.event(run, action="fail", failure=failure), CONTEXT) == {"state": "SUCCEEDED"}
    assert stack.read(run).message == "loaded 10 rows from 1 files"
    assert commit.handler(stack.event(run, action="discard"), CONTEXT) == {"state": "SUCCEEDED"}
    assert len(stack.rows(table)) == 10


def test_a_run_is_not_failed_while_its_commit_may_go_on(stack: Stack) -> None:
    from ingest import commit

    table, run = _indexed(stack)
    begin_commit(stack.ports, run, 3600)
    failure = stack.event(run, action="fail", failure={"Error": "Lambda.Unknown", "Cause": "lost"})
    with pytest.raises(CommitInProgressError):
        commit.handler(failure, CONTEXT)
    begin_commit(stack.ports, run, -1)
    assert commit.handler(failure, CONTEXT) == {"state": "FAILED"}
    assert (stack.rows(table), stack.lake_files(table)) == ([], [])


def test_a_commit_that_can_never_be_done_fails_the_run(stack: Stack) -> None:
    from ingest import commit

    table, run = _indexed(stack)
    client("glue").delete_table(DatabaseName=table.database, Name=table.lake_table)
    assert commit.handler(stack.event(run, action="commit"), CONTEXT) == {"state": "FAILED"}
    run = stack.read(run)
    assert run.error_code == "NoSuchTableError"
    assert str(run.message).startswith("the rows cannot be committed: ")
    assert stack.lake_files(table) == []


def test_a_commit_past_the_deadline_is_still_done_but_can_be_given_up(stack: Stack) -> None:
    """Each try moves the time at which the run may be given up, so after the deadline no try moves it any more."""
    from ingest import commit

    table, run = _indexed(stack)
    begin_commit(stack.ports, run, 60)
    fence = stack.read(run).committing_until_at
    late = stack.read(run).model_copy(update={"deadline_at": run.submitted_at - timedelta(seconds=1)})
    stack.ports.runs.get = lambda *_: late  # type: ignore[method-assign]
    assert commit.handler(stack.event(run, action="commit"), CONTEXT) == {"state": "SUCCEEDED"}
    del stack.ports.runs.get
    assert stack.read(run).committing_until_at == fence
    assert len(stack.rows(table)) == 10


def test_results_that_are_gone_fail_the_run(stack: Stack) -> None:
    from ingest import commit

    table, run = _indexed(stack)
    client("s3").delete_object(Bucket=WORK, Key=f"runs/{run.run_id}/results/000000.json")
    assert commit.handler(stack.event(run, action="commit"), CONTEXT) == {"state": "FAILED"}
    assert stack.read(run).message == "1 of 1 units have no result: 0"
    assert stack.lake_files(table) == []


def test_a_unit_that_never_ends_is_blamed_on_its_files(stack: Stack) -> None:
    from ingest import commit
    from ingest import list as list_files

    table = stack.table()
    for number in range(3):
        stack.put(f"in/{number}.csv", csv(1))
    run = stack.start(table, "in/", unit_bytes=1)
    list_files.handler(stack.event(run), CONTEXT)
    begin_unit(stack.ports, run, 1)
    failure = {"Error": "States.ExceedToleratedFailureThreshold", "Cause": "the threshold was exceeded"}
    commit.handler(stack.event(run, action="fail", failure=failure), CONTEXT)
    run = stack.read(run)
    assert run.message == f"s3://{LANDING}/in/1.csv could not be loaded: the threshold was exceeded"
    assert run.error_code == "States.ExceedToleratedFailureThreshold"
    assert stack._json(run.metrics["failed_files_key"]) == [f"s3://{LANDING}/in/1.csv"]


def test_a_table_deleted_meanwhile_fails_the_run(stack: Stack) -> None:
    table = stack.table()
    stack.put("in/a.csv", csv(1))
    run = stack.start(table, "in/")
    delete_table(stack.ports, stack.admin, table)
    run = stack.ingest(run)
    assert (run.state, run.error_code) == (RunState.FAILED, "NotFoundError")
    assert table.table_id in str(run.message)
    assert stack.settle(run).state is RunState.FAILED


def test_a_transform_that_does_not_fit_the_table_fails_the_run(stack: Stack) -> None:
    table = stack.table()
    stack.put("in/a.csv", csv(1))
    assert stack.load(table, "in/").state is RunState.SUCCEEDED
    held = find_transform(stack.ports, table)
    columns = (*held.transform.columns[:2], Column(name="value", type=ColumnType.BOOLEAN))
    changed = held.transform.model_copy(update={"columns": columns})
    amend_transform(stack.ports, stack.admin, table, held, changed, default=True, extra={})
    run = stack.load(table, "in/")
    assert (run.state, run.error_code) == (RunState.FAILED, "SchemaConflictError")
    assert 'column "value"' in str(run.message)


def test_two_runs_into_one_new_table_both_load(stack: Stack) -> None:
    table = stack.table()
    stack.put("one/a.csv", csv(5, 0))
    stack.put("two/a.csv", csv(5, 5))
    first, second = stack.start(table, "one/"), stack.start(table, "two/")
    assert stack.ingest(second).state is RunState.SUCCEEDED
    assert stack.ingest(first).state is RunState.SUCCEEDED
    assert [row["value"] for row in stack.rows(table)] == list(range(10))


def _die(*_: Any, **__: Any) -> None:
    raise ConnectionError("the process loses the network here")
