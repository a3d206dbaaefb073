"""Which table an upload goes to, by which transform, and what becomes of it there."""

from typing import Any

import pytest

from jobruns.access import Principal, Role
from jobruns.run import Run, RunState
from jobruns.service.tables import define_project, define_transform, find_transform
from jobruns.service.watches import list_watches, watch_table
from jobruns.table import Project, Table, Watch
from tests.integration.ingest.conftest import Stack, csv

OLDER, YOUNGER = "0192f0c1-0000-7aaa-8aaa-000000000001", "0192f0c1-0000-7aaa-8aaa-000000000002"
OTHER_ORG = "0192f0c1-3333-7aaa-8aaa-000000000001"


@pytest.fixture
def project(stack: Stack) -> Project:
    return define_project(stack.ports, stack.admin, "one project")


def _watch(stack: Stack, table: Table, *patterns: str, **more: Any) -> None:
    principal = Principal(org=table.org, name="key", role=Role.ADMIN)
    wishes = [Watch(org=table.org, table_id=table.table_id, pattern=pattern, **more) for pattern in patterns]
    watch_table(stack.ports, principal, table, wishes)


def _upload(stack: Stack, *keys: str) -> list[Run]:
    """Upload files of two rows, and run what that starts."""
    assert stack.receive([stack.put(key, csv(2)) for key in keys]) == {"batchItemFailures": []}
    begun = [run for run in stack.uploaded_runs() if not run.state.terminal]
    return [stack.settle(stack.ingest(stack.dispatch(run))) for run in begun]


def _names(runs: list[Run]) -> list[tuple[str, int]]:
    assert {run.state for run in runs} <= {RunState.SUCCEEDED}
    return sorted((run.job.partition(".")[2], run.metrics["files"]) for run in runs)


def test_of_several_tables_that_want_an_upload_the_one_with_the_lower_id_gets_it(
    stack: Stack, project: Project
) -> None:
    younger = stack.table_in(project, "younger", table_id=YOUNGER)
    older = stack.table_in(project, "older", table_id=OLDER)
    _watch(stack, younger, "/in/")
    _watch(stack, older, "/none/", r"/in/a.*\.csv$")
    assert _names(_upload(stack, "in/a.csv", "in/ab.csv", "in/b.csv", "out/a.csv")) == [("older", 2), ("younger", 1)]
    _watch(stack, older)
    assert _names(_upload(stack, "in/ac.csv")) == [("younger", 1)]


def test_the_first_of_a_tables_own_patterns_decides_by_which_transform(stack: Stack, project: Project) -> None:
    table = stack.table_in(project, "trips")
    default = find_transform(stack.ports, table)
    renamed = default.transform.model_copy(update={"name": "named", "null_values": ("name 1",)})
    named = define_transform(stack.ports, stack.admin, table, renamed, default=False)
    wishes = [
        Watch(org=table.org, table_id=table.table_id, pattern="/special/", transform_id=named.transform_id),
        Watch(org=table.org, table_id=table.table_id, pattern=""),
    ]
    watch_table(stack.ports, stack.admin, table, wishes)
    runs = _upload(stack, "in/special/a.csv", "in/b.csv")
    assert {run.arguments["transform_id"] for run in runs} == {named.transform_id, default.transform_id}
    assert sorted((row["value"], row["name"]) for row in stack.rows(table) if row["value"] == 1 and row["name"]) == [
        (1, "name 1")
    ]
    # The default is looked up when an upload arrives, not when the wish was made.
    other = default.transform.model_copy(update={"name": "other"})
    held = define_transform(stack.ports, stack.admin, table, other, default=True)
    (run,) = _upload(stack, "in/c.csv")
    assert run.arguments["transform_id"] == held.transform_id


def test_an_upload_below_an_orgs_id_goes_past_the_tables_of_all_others(stack: Stack, project: Project) -> None:
    mine = stack.table_in(project, "mine", table_id=OLDER)
    me, stranger = stack.admin, Principal(org=OTHER_ORG, name="key", role=Role.ADMIN)
    stack.admin = stranger
    theirs = stack.table_in(define_project(stack.ports, stranger, "their project"), "theirs", table_id=YOUNGER)
    _watch(stack, mine, "")
    _watch(stack, theirs, "")
    assert stack.receive([stack.put(f"{OTHER_ORG}/a.csv", csv(2))]) == {"batchItemFailures": []}
    assert stack.uploaded_runs()[0].job == "their project.theirs"
    stack.admin = me
    assert stack.uploaded_runs() == []


def test_a_dry_wish_loads_nothing_and_says_what_it_would_have_loaded(stack: Stack, project: Project) -> None:
    table = stack.table_in(project, "trips")
    _watch(stack, table, "/dry/", dry_run=True)
    (run,) = _upload(stack, "in/dry/a.csv")
    assert run.message == "would have loaded 2 rows from 1 files (dry run: nothing was kept)"
    assert stack.lake_files(table) == []


def test_every_watched_table_is_looked_at_however_many_there_are(
    stack: Stack, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobruns.service import watches

    monkeypatch.setattr(watches, "PAGE", 2)
    tables = [stack.table_in(project, f"t{number}", watch=f"/{number}/") for number in range(5)]
    assert [watch.table_id for watch in list_watches(stack.ports)] == sorted(table.table_id for table in tables)
    assert _names(_upload(stack, "in/4/a.csv")) == [("t4", 1)]
