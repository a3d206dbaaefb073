"""An operation is done once or not at all, whoever dies, stops it or comes late."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from jobruns.bootstrap import utc_now
from jobruns.errors import CommitInProgressError, UnavailableError
from jobruns.file_paths import file_key
from jobruns.operation import DeleteBefore, FileSource, Load, WriteAction
from jobruns.run import Run, RunState
from jobruns.service.operations import start_operation
from jobruns.service.stops import stop_run
from jobruns.service.tables import delete_table
from jobruns.service.work import begin_commit
from jobruns_data.incoming import incoming_records
from operations import work as work_module
from operations.pulse import RunOverError
from operations.work import COMMIT_LOST
from tests.integration.kills import Kill, KilledError
from tests.integration.operations.conftest import LANDING, REQUEST, Stack, client

CSV = b"id,name\n1,rex\n2,bo\n"
ROWS = [{"id": 1, "name": "rex"}, {"id": 2, "name": "bo"}]


@pytest.mark.parametrize("stride", [23, pytest.param(1, marks=pytest.mark.slow)])
def test_a_load_killed_at_any_call_is_done_by_the_next_try(stack: Stack, kill: Kill, stride: int) -> None:
    table = stack.table()
    stack.operate(stack.load(table, CSV))  # the catalog knows it from now on
    kill.arm(0, "before")
    stack.operate(stack.load(table, CSV))
    made = len(kill.calls)
    kill.paused = True
    walk = [(nth, when) for nth in range(1, made + 1) for when in ("before", "after")][::stride]
    struck = 0
    for number, (nth, when) in enumerate(walk):
        run = stack.load(table, b"id,n\n%d,1\n" % (100 + number))
        kill.arm(nth, when)
        kill.paused = False
        try:
            stack.operate(run)
        except KilledError:
            struck += 1
            kill.paused = True
            again = stack.operate(run)
            assert (again.state, again.metrics["rows_written"]) == (RunState.SUCCEEDED, 1), (nth, when)
        kill.paused = True
        assert sum(row["id"] == 100 + number for row in stack.rows(table)) == 1, (nth, when)
    assert struck >= 0.8 * len(walk)
    assert len(stack.rows(table)) == 2 + len(walk)


def die_before_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*told: Any, **more: Any) -> Any:
        list(told[3])  # reads all rows, and so passes the fence
        raise KilledError

    monkeypatch.setattr(work_module, "write_rows", die)


def begun_and_dead(stack: Stack, monkeypatch: pytest.MonkeyPatch, *, committed: bool) -> Run:
    """A load whose function died when it had begun to commit, before it could say whether it had."""
    run = stack.load(stack.table(), CSV)
    with monkeypatch.context() as patch:
        if committed:

            def die(*told: Any, **more: Any) -> Any:
                raise KilledError

            patch.setattr(work_module, "conclude_work", die)
        else:
            die_before_commit(patch)
        with pytest.raises(KilledError):
            stack.operate(run)
    return stack.read(run)


def test_a_commit_that_was_made_and_not_told_is_found(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun_and_dead(stack, monkeypatch, committed=True)
    with pytest.raises(CommitInProgressError):
        stack.settle(run)
    assert [told["action"] for told in stack.functions.told] == ["resolve"]
    found = stack.operate(run, "resolve")
    assert (found.state, found.metrics["rows_written"], found.records) == (RunState.SUCCEEDED, 2, 2)


def test_a_commit_that_may_be_under_way_is_waited_for_and_then_given_up(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun_and_dead(stack, monkeypatch, committed=False)
    assert stack.operate(run, "resolve").state is RunState.RUNNING
    begin_commit(stack.ports, run, -1)  # its time is over
    lost = stack.operate(run, "resolve")
    assert (lost.state, lost.error_code) == (RunState.FAILED, COMMIT_LOST)
    assert stack.operate(run).state is RunState.FAILED  # whoever comes late writes nothing
    stack.settle(run)
    assert stack.functions.told[-1]["action"] == "discard"


def test_files_of_a_write_that_never_was_are_deleted(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    table = stack.table()
    run = stack.load(table, CSV)
    with monkeypatch.context() as patch:

        def die(*told: Any) -> Any:
            raise KilledError

        patch.setattr("jobruns_data.keyed_commit.replace_files", die)
        with pytest.raises(KilledError):
            stack.operate(run)
    assert stack.data_files(table)
    assert stack.operate(run, "discard").state is RunState.RUNNING
    assert stack.data_files(table), "while it goes nothing is deleted"
    begin_commit(stack.ports, stack.read(run), -1)
    stack.operate(run, "resolve")
    stack.operate(run, "discard")
    assert stack.data_files(table) == []


def test_a_load_that_is_stopped_while_it_reads_writes_nothing(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    table = stack.table()
    run = stack.load(table, CSV)
    read = work_module._read_rows

    def stop_between(*told: Any) -> Any:
        yield from read(*told)
        stop_run(stack.ports, stack.admin, stack.read(run))

    monkeypatch.setattr(work_module, "_read_rows", stop_between)
    assert stack.operate(run).state is RunState.STOPPED
    assert stack.rows(table) == []
    assert stack.data_files(table) == []


def test_a_worker_learns_while_it_reads_that_its_run_is_over(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operations.pulse.INTERVAL_SECONDS", 0.01)
    run = stack.load(stack.table(), CSV)
    noticed = []

    [some] = incoming_records([{"id": 1}], "id")

    def endless(*told: Any) -> Any:
        stop_run(stack.ports, stack.admin, stack.read(run))
        return itertools.repeat(some)

    note = work_module.Pulse.note

    def spy(self: Any, **more: int) -> None:
        try:
            note(self, **more)
        except RunOverError:
            noticed.append(more)
            raise

    monkeypatch.setattr(work_module.Pulse, "note", spy)
    monkeypatch.setattr(work_module, "_read_rows", endless)
    assert stack.operate(run).state is RunState.STOPPED
    assert noticed


def test_what_aws_refuses_for_the_moment_is_tried_again_by_the_machine(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = stack.load(stack.table(), CSV)
    with monkeypatch.context() as patch:

        def refuse(*told: Any, **more: Any) -> Any:
            raise UnavailableError("busy")

        patch.setattr(work_module, "write_rows", refuse)
        with pytest.raises(UnavailableError):
            stack.operate(run)
    assert stack.read(run).state is RunState.RUNNING
    assert stack.operate(run).state is RunState.SUCCEEDED


@pytest.mark.parametrize(
    ("arguments", "code"),
    [({"kind": "no such"}, "InvalidInputError"), ({"--day": "1"}, "InvalidInputError")],
)
def test_a_run_whose_arguments_are_no_operation_fails(stack: Stack, arguments: dict[str, Any], code: str) -> None:
    from jobruns.service.starts import StartRequest, start_run

    table = stack.table()
    run = start_run(stack.ports, stack.admin, StartRequest(job=table.full_name, door="test", arguments=arguments))
    assert stack.operate(stack.begin(run)).error_code == code


def test_a_document_of_another_org_is_none_of_an_operation(stack: Stack) -> None:
    from jobruns.service.starts import StartRequest, start_run

    table = stack.table()
    client("s3").put_object(Bucket="stack-work", Key="runs/operations/other/x/rows.csv", Body=CSV)
    for key in ("runs/operations/other/x/rows.csv", f"runs/operations/{table.org}/../other/x/rows.csv", "runs/x"):
        arguments = {"kind": "load", "table_id": table.table_id, "source": {"kind": "inline", "key": key}}
        run = start_run(stack.ports, stack.admin, StartRequest(job=table.full_name, door="test", arguments=arguments))
        failed = stack.operate(stack.begin(run))
        assert (failed.state, failed.error_code) == (RunState.FAILED, "InvalidInputError")
    assert stack.rows(table) == []


def test_a_file_that_has_gone_since_it_was_asked_for_is_none(stack: Stack) -> None:
    table = stack.table()
    key = file_key(table.org, "in.csv")
    client("s3").put_object(Bucket=LANDING, Key=key, Body=CSV)
    spec = Load(table_id=table.table_id, source=FileSource(path="in.csv"))
    run = stack.begin(start_operation(stack.ports, stack.admin, spec, table, REQUEST))
    client("s3").delete_object(Bucket=LANDING, Key=key)
    failed = stack.operate(run)
    assert (failed.state, failed.error_code) == (RunState.FAILED, "NotFoundError")


def test_a_deletion_is_done_once_though_it_is_resolved_later(stack: Stack) -> None:
    table = stack.table()
    stack.operate(stack.load(table, CSV))
    spec = DeleteBefore(table_id=table.table_id, before=utc_now() + timedelta(hours=1))
    run = stack.begin(start_operation(stack.ports, stack.admin, spec, table, REQUEST))
    begin_commit(stack.ports, run, 60)  # and then its function died
    assert stack.operate(run, "resolve").metrics["rows_deleted"] == 2
    assert stack.rows(table) == []


def test_a_table_that_is_deleted_while_it_is_written_to_is_dropped_once_more(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = stack.table()
    run = stack.load(table, CSV)
    write = work_module.write_rows

    def delete_behind(*told: Any, **more: Any) -> Any:
        outcome = write(*told, **more)
        with monkeypatch.context() as patch:
            patch.setattr(stack.ports.lake, "drop", lambda table: None)
            delete_table(stack.ports, stack.admin, table)
        return outcome

    monkeypatch.setattr(work_module, "write_rows", delete_behind)
    stack.operate(run)
    assert [told for told in stack.functions.told if told["action"] == "purge"]


def test_insert_update_and_upsert_count_what_they_did(stack: Stack) -> None:
    table = stack.table()
    counts = []
    for action in (WriteAction.INSERT, WriteAction.INSERT, WriteAction.UPDATE, WriteAction.UPSERT):
        run = stack.operate(stack.load(table, CSV + b"1,again\n", action))
        counts.append((run.metrics["rows_written"], run.metrics["rows_read"]))
    assert counts == [(2, 3), (0, 3), (3, 3), (3, 3)]
    assert stack.rows(table) == [{"id": 1, "name": "again"}, {"id": 2, "name": "bo"}]


def test_an_empty_file_is_a_load_of_no_row(stack: Stack) -> None:
    for content in (b"", b"id,name\n", b"\n\n"):
        run = stack.operate(stack.load(stack.table(f"t{len(content)}"), content))
        assert (run.state, run.metrics["rows_read"], run.records) == (RunState.SUCCEEDED, 0, 0)
