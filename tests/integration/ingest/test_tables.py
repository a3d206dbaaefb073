"""Tables are emptied and deleted, while nothing and while something loads them."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jobruns.access import Principal, Role
from jobruns.errors import AccessDeniedError, AlreadyExistsError, NotFoundError, StaleWriteError, UnavailableError
from jobruns.run import Run, RunState
from jobruns.service.stops import stop_run
from jobruns.service.tables import (
    define_project,
    delete_project,
    delete_table,
    find_table,
    list_tables,
    truncate_table,
)
from jobruns.service.watches import list_watches
from jobruns.table import Table
from tests.integration.ingest.conftest import LAKE, LambdaTime, Stack, client, csv
from tests.integration.kills import Kill, KilledError

EVENTS = Path(__file__).parents[3] / "events" / "ingest"
CONTEXT: Any = LambdaTime()
OTHER_ORG = "0192f0c1-3333-7aaa-8aaa-000000000001"
ALIKE = ("0192f0c1-0000-7aaa-8aaa-00000000abcd", "0192f0c1-1111-7aaa-8aaa-00000000abcd")
"""Ids that end alike, as clients may choose them; names of tables end with the end of their ids."""


def _empty(stack: Stack, table: Table) -> int:
    return truncate_table(stack.ports, stack.admin, table)


def _delete(stack: Stack, table: Table) -> None:
    delete_table(stack.ports, stack.admin, table)


def _assert_gone(stack: Stack, table: Table) -> None:
    assert not stack.in_catalog(table)
    assert stack.all_files(table) == []
    with pytest.raises(NotFoundError):
        find_table(stack.ports, stack.admin, table.project_id, table.table_id)


def test_truncating_takes_the_rows_out_and_reads_none_of_them(stack: Stack) -> None:
    table = stack.table()
    for number in range(3):
        stack.put(f"in/{number}.csv", csv(10, number * 10))
    stack.load(table, "in/", unit_bytes=1)
    files = stack.lake_files(table)
    for key in files:
        client("s3").put_object(Bucket=LAKE, Key=key, Body=b"nobody could read this")
    assert _empty(stack, table) == len(files) == 3
    assert stack.rows(table) == []
    assert stack.lake_files(table) == files  # older snapshots have them
    assert _empty(stack, table) == 0
    assert stack.load(table, "in/0.csv").message == "loaded 10 rows from 1 files"
    assert len(stack.rows(table)) == 10


def test_a_table_that_was_never_loaded_has_nothing_to_truncate(stack: Stack) -> None:
    table = stack.table()
    assert _empty(stack, table) == 0
    sample = json.loads((EVENTS / "tables_truncate.json").read_bytes())
    assert json.loads(stack.functions.call(sample)["Payload"].read()) == {"data_files": 0}


def test_a_table_that_is_not_there_has_nothing_to_be_swept(stack: Stack) -> None:
    sample = json.loads((EVENTS / "tables_sweep.json").read_bytes())
    assert json.loads(stack.functions.call(sample)["Payload"].read()) == {"files": 0}


def test_a_load_that_commits_after_the_truncation_keeps_its_rows_and_a_run_is_not_repeated(stack: Stack) -> None:
    from ingest import commit, index
    from ingest import list as list_files

    table = stack.table()
    stack.put("in/a.csv", csv(5))
    stack.load(table, "in/")
    stack.put("in/b.csv", csv(5, 5))
    run = stack.start(table, "in/b.csv")
    for unit in stack._json(list_files.handler(stack.event(run), CONTEXT)["units_key"]):
        index.handler(stack.event(run, unit=unit), CONTEXT)
    assert _empty(stack, table) == 1
    commit.handler(stack.event(run, action="commit"), CONTEXT)
    assert [row["value"] for row in stack.rows(table)] == [5, 6, 7, 8, 9]
    assert _empty(stack, table) == 1
    assert commit.handler(stack.event(run, action="commit"), CONTEXT) == {"state": "SUCCEEDED"}
    assert stack.rows(table) == []


def test_only_who_may_define_tables_may_empty_and_delete_them(stack: Stack) -> None:
    table = stack.table()
    operator = stack.admin.model_copy(update={"role": Role.OPERATOR})
    for change in (truncate_table, delete_table):
        with pytest.raises(AccessDeniedError):
            change(stack.ports, operator, table)


def test_a_deleted_table_is_gone_from_the_catalog_with_its_files_and_only_its_own(stack: Stack) -> None:
    project = define_project(stack.ports, stack.admin, "one project")
    doomed = stack.table_in(project, "a-b", table_id=ALIKE[0])
    spared = [stack.table_in(project, "a_b", table_id=ALIKE[1])]
    stranger = Principal(org=OTHER_ORG, name="key", role=Role.ADMIN)
    other = define_project(stack.ports, stranger, "one project", project_id=project.project_id)
    mine, stack.admin = stack.admin, stranger
    spared.append(stack.table_in(other, "a-b", table_id=ALIKE[0]))
    stack.admin = mine
    stack.put("in/a.csv", csv(10))
    assert stack.load(doomed, "in/").state is RunState.SUCCEEDED
    for table in spared:
        stack.admin = mine if table.org == mine.org else stranger
        assert stack.load(table, "in/").state is RunState.SUCCEEDED
    stack.admin = mine
    # The worst neighbour: everything below it begins as everything below the doomed one does.
    client("s3").put_object(Bucket=LAKE, Key=f"{doomed.location}_2/data/file.parquet", Body=b"")
    _delete(stack, doomed)
    _assert_gone(stack, doomed)
    assert stack.all_files(doomed.model_copy(update={"location": f"{doomed.location}_2"}))
    for table in spared:
        assert len(stack.rows(table)) == 10


def test_a_table_of_the_same_name_and_id_begins_empty_and_outlives_what_was_left_of_the_first(stack: Stack) -> None:
    project = define_project(stack.ports, stack.admin, "one project")
    first = stack.table_in(project, "trips", table_id=ALIKE[0], watch="x")
    stack.put("in/a.csv", csv(10))
    stack.load(first, "in/")
    stack.functions.deaf = True
    _delete(stack, first)
    assert list_watches(stack.ports) == []
    again = stack.table_in(project, "trips", table_id=ALIKE[0])
    stack.load(again, "in/a.csv")
    (late,) = stack.functions.waiting
    stack.functions.call(late)
    assert stack.all_files(first) == []
    assert len(stack.rows(again)) == 10


def test_a_table_that_was_never_loaded_is_deleted_too(stack: Stack) -> None:
    table = stack.table()
    _delete(stack, table)
    assert list_tables(stack.ports, stack.admin, table.project_id) == []


def test_a_deleted_project_takes_its_database_along_unless_somebody_keeps_something_there(stack: Stack) -> None:
    stack.put("in/a.csv", csv(1))
    projects = [define_project(stack.ports, stack.admin, f"project {number}") for number in range(3)]
    for project in projects[:2]:
        table = stack.table_in(project, "trips")
        stack.load(table, "in/")
        _delete(stack, table)
    kept = projects[1].database
    client("glue").create_table(DatabaseName=kept, TableInput={"Name": "a_view_of_somebody"})
    for project in projects:
        delete_project(stack.ports, stack.admin, project)
    assert [entry["Name"] for entry in client("glue").get_databases()["DatabaseList"]] == [kept]


def _listed(stack: Stack, run: Run) -> list[dict[str, Any]]:
    from ingest import list as list_files

    units: list[dict[str, Any]] = stack._json(list_files.handler(stack.event(run), CONTEXT)["units_key"])
    return units


@pytest.mark.parametrize("stage", ["before List", "while List makes the table", "before Index", "before Commit"])
def test_a_run_whose_table_is_deleted_fails_with_a_message_and_leaves_nothing(
    stack: Stack, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest import index
    from ingest import list as list_files

    table = stack.table()
    stack.put("in/a.csv", csv(10))
    stack.load(table, "in/")
    run = stack.start(table, "in/")
    if stage == "while List makes the table":
        make = list_files.ensure_table

        def delete_before(*told: Any) -> Any:
            _delete(stack, table)
            return make(*told)

        monkeypatch.setattr(list_files, "ensure_table", delete_before)
    elif stage != "before List":
        units = _listed(stack, run)
        if stage == "before Commit":
            index.handler(stack.event(run, unit=units[0]), CONTEXT)
    if stage != "while List makes the table":
        _delete(stack, table)
    run = stack.settle(stack.ingest(run))
    assert (run.state, run.error_code) == (RunState.FAILED, "NotFoundError")
    assert "there is no table" in str(run.message)
    _assert_gone(stack, table)


def test_a_table_deleted_between_the_look_and_the_commit_fails_the_run_and_leaves_nothing(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest import conclusion

    table = stack.table()
    stack.put("in/a.csv", csv(10))
    run = stack.start(table, "in/")
    commit = conclusion.commit_run

    def delete_before(*told: Any) -> Any:
        _delete(stack, table)
        client("s3").put_object(Bucket=LAKE, Key=f"{table.location}/metadata/late.json", Body=b"{}")
        return commit(*told)

    monkeypatch.setattr(conclusion, "commit_run", delete_before)
    run = stack.ingest(run)
    assert (run.state, run.error_code) == (RunState.FAILED, "NoSuchTableError")
    _assert_gone(stack, table)


def test_a_run_stopped_after_its_table_was_deleted_is_stopped_and_leaves_nothing(stack: Stack) -> None:
    from ingest import index

    table = stack.table()
    stack.put("in/a.csv", csv(10))
    run = stack.start(table, "in/")
    units = _listed(stack, run)
    stack.functions.deaf = True
    _delete(stack, table)
    index.load_run(stack.ports, run.org, run.job, run.run_id)
    assert units
    stack.functions.deaf = False
    stop_run(stack.ports, stack.admin, stack.read(run))
    assert stack.settle(run).state is RunState.STOPPED
    _assert_gone(stack, table)


@pytest.mark.parametrize("when", ["before", pytest.param("after", marks=pytest.mark.slow)])
def test_deleting_survives_a_kill_at_any_call(stack: Stack, kill: Kill, when: str) -> None:
    project = define_project(stack.ports, stack.admin, "one project")
    client("glue").create_database(DatabaseInput={"Name": project.database})
    nth, struck = 0, True
    while struck:
        nth += 1
        table = stack.table_in(project, "trips", watch="in/")
        client("glue").create_table(DatabaseName=table.database, TableInput={"Name": table.lake_table})
        client("s3").put_object(Bucket=LAKE, Key=f"{table.location}/data/run/file.parquet", Body=b"")
        kill.arm(nth, when)
        try:
            _delete(stack, table)
        except KilledError:
            kill.paused = True
            for left in list_tables(stack.ports, stack.admin, project.project_id):
                _delete(stack, left)
        struck = kill.seen >= nth
        kill.disarm()
        _assert_gone(stack, table)
        assert list_watches(stack.ports) == []
        assert nth < 40, "deleting makes more calls than that"
    assert nth > 8


def test_what_the_function_says_reaches_the_caller_in_the_words_of_the_core(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest import tables
    from jobruns.aws import lake
    from jobruns_data.errors import CommitConflictError

    monkeypatch.setattr(lake, "PAUSE_SECONDS", 0)
    table = stack.table()

    def fail(error: Exception, times: int, *_: Any) -> int:
        tried.append(1)
        if len(tried) <= times:
            raise error
        return 7

    tried: list[int] = []
    monkeypatch.setattr(tables, "truncate_table", partial(fail, CommitConflictError("too many writers"), 9))
    with pytest.raises(StaleWriteError, match="too many writers"):
        _empty(stack, table)
    assert len(tried) == 1
    tried.clear()
    monkeypatch.setattr(tables, "truncate_table", partial(fail, ConnectionError("no S3"), 2))
    assert _empty(stack, table) == 7
    tried.clear()
    monkeypatch.setattr(tables, "truncate_table", partial(fail, ConnectionError("no S3"), 9))
    with pytest.raises(UnavailableError, match="no S3"):
        _empty(stack, table)
    assert len(tried) == lake.ATTEMPTS


def test_an_id_that_is_in_use_is_refused_for_a_second_table(stack: Stack) -> None:
    project = define_project(stack.ports, stack.admin, "one project")
    stack.table_in(project, "one", table_id=ALIKE[0])
    with pytest.raises(AlreadyExistsError):
        stack.table_in(project, "two", table_id=ALIKE[0])
