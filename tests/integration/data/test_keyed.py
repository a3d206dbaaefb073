"""Writes by key: one commit each, once, against other writers and killed halfway."""

import random
import threading
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError

from jobruns.operation import WriteAction
from jobruns_data import history, keyed_commit, merging, placing
from jobruns_data.attributes import create_keyed_table, declare_attribute, drop_attribute
from jobruns_data.catalog import TableTarget, load_table, open_catalog
from jobruns_data.commit import RUN_ID_PROPERTY, discard_run
from jobruns_data.errors import CommitConflictError, InvalidAttributeError, SchemaConflictError, UncommittableError
from jobruns_data.incoming import incoming_records
from jobruns_data.keyed import write_rows
from jobruns_data.removal import drop_table
from tests.integration.data.keyed_tables import START, KeyedTable, Model, token
from tests.integration.data.lakes import LAKE, Faults, Lake


@pytest.fixture
def table(lake: Lake) -> KeyedTable:
    return KeyedTable(lake.catalog)


def records(*keys: Any, **rest: Any) -> list[dict[str, Any]]:
    return [{"id": key, **rest} for key in keys]


def runs(table: KeyedTable) -> list[str]:
    loaded = load_table(table.catalog, table.target)
    return [s.summary.additional_properties.get(RUN_ID_PROPERTY) for s in loaded.metadata.snapshots]


def data_keys(lake: Lake, table: KeyedTable) -> set[str]:
    return {f"s3://{LAKE}/{key}" for key in lake.keys(prefix=f"dev/{table.target.table}/data/")}


def live_files(table: KeyedTable) -> set[str]:
    return {task.file.file_path for task in load_table(table.catalog, table.target).scan().plan_files()}


@pytest.mark.parametrize("key", ["number", "text"])
def test_the_same_thousand_rows_by_insert_insert_update_upsert(table: KeyedTable, key: str) -> None:
    rows = [{"id": i if key == "number" else f"k{i}", "n": i} for i in range(1000)]
    written = [table.write(action, rows).written for action in ("insert", "insert", "update", "upsert")]
    assert written == [1000, 0, 1000, 1000]
    assert runs(table) == ["run-1", "run-3", "run-4"]
    assert len(table.rows()) == 1000


def test_many_rows_in_many_files_hold_what_a_dict_would(table: KeyedTable, small_files: None) -> None:
    chance, model = random.Random(7), Model()
    for number in range(6):
        action = ("upsert", "insert", "update")[number % 3]
        load = [{"id": chance.randrange(120), chance.choice("ab"): chance.random()} for _ in range(60)]
        outcome = table.write(action, load, lot_bytes=(600, 1 << 20)[number % 2])
        written, _ = model.write(action, load, table.now)
        assert outcome.written == len(written)
        assert table.rows() == model.rows
    assert len(live_files(table)) > 8


def test_a_repeated_run_commits_nothing_twice_and_says_the_same(table: KeyedTable) -> None:
    first = table.write("insert", records(1, 2), run_id="once")
    table.delete(1)
    again = table.write("insert", records(1, 2), run_id="once")
    assert again == first.model_copy(update={"already_committed": True, "written_keys": None, "skipped_keys": None})
    assert table.rows().keys() == {token(2)}


def test_an_answer_that_is_lost_is_found_again_with_the_keys(table: KeyedTable, faults: Faults) -> None:
    table.write("insert", records(1))
    faults.arm("UpdateTable", when="after", error=ConnectionClosedError(endpoint_url="x"))
    outcome = table.write("insert", records(1, 2))
    assert (outcome.written_keys, outcome.skipped_keys) == ((2,), (1,))
    assert runs(table) == ["run-1", "run-2"]


@pytest.mark.parametrize(
    ("operation", "nth"), [("GetObject", 4), ("PutObject", 1), ("PutObject", 3), ("UpdateTable", 1)]
)
def test_a_write_killed_halfway_leaves_all_or_nothing_and_can_be_repeated(
    lake: Lake, table: KeyedTable, faults: Faults, operation: str, nth: int
) -> None:
    table.write("insert", records(1, 2, a="old"))
    before = table.rows()
    faults.arm(operation, nth)
    with pytest.raises(KeyboardInterrupt):
        table.write("upsert", records(2, 3, a="new"), run_id="killed")
    assert table.rows() == before
    assert table.write("upsert", records(2, 3, a="new"), run_id="killed").written == 2
    assert {key[1]: row["a"] for key, row in table.rows().items()} == {1: "old", 2: "new", 3: "new"}
    discard_run(table.catalog, table.target, "killed")
    assert {path for path in data_keys(lake, table) if "/killed/" in path} == {
        path for path in live_files(table) if "/killed/" in path
    }
    assert table.rows()[token(3)]["a"] == "new"


def test_an_input_that_breaks_off_leaves_no_row(table: KeyedTable) -> None:
    def rows() -> Any:
        yield from incoming_records(records(1, 2), "id")
        raise OSError("the connection broke")

    with pytest.raises(OSError, match="broke"):
        write_rows(table.catalog, table.target, WriteAction.INSERT, rows(), run_id="r", at=START)
    assert table.rows() == {}


@pytest.mark.parametrize("loads", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_loads_at_once_all_land_and_each_key_once(lake: Lake, loads: int) -> None:
    table = KeyedTable(lake.catalog)
    table.write("insert", records(0, own=0, shared=0))
    outcomes: dict[int, Any] = {}

    def load(number: int) -> None:
        outcomes[number] = write_rows(
            open_catalog(LAKE),
            table.target,
            WriteAction.INSERT,
            incoming_records([{"id": 1 + number, "own": number}, {"id": 1000, "shared": number}], "id"),
            run_id=f"load-{number}",
            at=START,
        )

    threads = [threading.Thread(target=load, args=(number,)) for number in range(loads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(outcomes) == list(range(loads))
    assert sorted(outcome.written for outcome in outcomes.values()) == [1] * (loads - 1) + [2]
    assert table.rows().keys() == {token(key) for key in [*range(loads + 1), 1000]}
    assert live_files(table) == data_keys(lake, table) & live_files(table)


def test_only_what_the_other_commit_changed_is_done_again(
    lake: Lake, table: KeyedTable, small_files: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.write("insert", records(*range(40), a=0))
    other = KeyedTable(lake.catalog)
    other.target, other.runs = table.target, 100
    replace, others = keyed_commit.replace_files, iter([1])

    def commit_between(*told: Any) -> None:
        for _ in others:
            monkeypatch.setattr(keyed_commit, "replace_files", replace)
            other.write("upsert", records(39, 99, a=1))
        replace(*told)

    monkeypatch.setattr(keyed_commit, "replace_files", commit_between)
    outcome = table.write("upsert", records(*range(41), a=2))
    assert (outcome.written, outcome.inserted, outcome.updated) == (41, 1, 40)
    assert {key[1]: row["a"] for key, row in table.rows().items()} == {**dict.fromkeys(range(41), 2), 99: 1}
    mine = {path for path in data_keys(lake, table) if "/run-2/" in path}
    assert mine <= live_files(table), "what lost is deleted"
    assert len(mine) < 16, "and most of it was used again"


def test_a_write_that_always_loses_says_so_and_leaves_no_file(
    lake: Lake, table: KeyedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*told: Any) -> None:
        raise CommitFailedException("another was faster")

    monkeypatch.setattr(keyed_commit, "replace_files", lose)
    with pytest.raises(CommitConflictError):
        table.write("insert", records(1), attempts=2)
    assert data_keys(lake, table) == set()


def test_files_that_nothing_falls_into_are_neither_opened_nor_written_again(
    table: KeyedTable, small_files: None, faults: Faults
) -> None:
    table.write("insert", records(*range(100), a="x"))
    before = live_files(table)
    table.write("upsert", records(50, a="y"))
    after = live_files(table)
    assert len(before) >= 20
    assert (len(before - after), len(after - before)) == (1, 1)


def test_small_operations_do_not_make_ever_more_files_and_manifests(
    table: KeyedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "_SMALL_FILES", 3)
    monkeypatch.setattr(placing, "_MANIFESTS", 2)
    for number in range(14):
        table.write("insert", records(number))
    loaded = load_table(table.catalog, table.target)
    assert len(live_files(table)) <= 4
    assert len(loaded.current_snapshot().manifests(loaded.io)) <= 5
    assert len(table.rows()) == 14


def test_old_snapshots_go_when_there_are_many(table: KeyedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_SNAPSHOTS", 4)
    monkeypatch.setattr(history, "_SNAPSHOTS_KEPT", 2)
    for number in range(5):
        table.write("upsert", records(number % 2, a=number))
    assert len(runs(table)) == 5, "a run may still look for them"
    monkeypatch.setattr(history, "_KEPT_SECONDS", -1)
    table.write("upsert", records(2, a=5))
    assert runs(table) == ["run-4", "run-5", "run-6"]
    assert {key[1]: row["a"] for key, row in table.rows().items()} == {0: 4, 1: 3, 2: 5}


def test_discarding_a_run_whose_snapshot_is_gone_keeps_its_rows(
    table: KeyedTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"_SNAPSHOTS": 2, "_SNAPSHOTS_KEPT": 1, "_KEPT_SECONDS": -1}.items():
        monkeypatch.setattr(history, name, value)
    for number in range(4):
        table.write("insert", records(number))
    assert "run-1" not in runs(table)
    assert [discard_run(table.catalog, table.target, f"run-{number}") for number in range(1, 6)] == [0] * 5
    assert len(table.rows()) == 4
    drop_table(table.catalog, table.target)
    assert discard_run(table.catalog, table.target, "run-1") == 1, "there is no table any more that could name its file"


def test_rows_without_a_key_get_one_and_an_update_skips_them(table: KeyedTable) -> None:
    rows = [{"a": 1}, {"id": None, "a": 2}, {"id": 7, "a": 3}]
    assert table.write("update", rows).written == 0
    outcome = table.write("insert", rows)
    assert outcome.written == len(set(outcome.written_keys or ())) == 3
    assert sorted(row["a"] for row in table.rows().values()) == [1, 2, 3]


def test_an_attribute_may_be_of_another_kind_in_every_row(table: KeyedTable) -> None:
    values = [1, "one", True, [1], {"a": None}, 1.5, "", None]
    table.write("insert", [{"id": i, "a": value} for i, value in enumerate(values)])
    assert [table.rows()[token(i)].get("a") for i in range(len(values))] == values
    table.write("update", [{"id": i, "a": value} for i, value in enumerate(reversed(values))])
    assert [table.rows()[token(i)].get("a") for i in range(len(values))] == values[::-1]


def test_an_attribute_that_was_dropped_comes_back_empty(table: KeyedTable) -> None:
    table.write("insert", records(1, 2, a="x"))
    assert drop_attribute(table.catalog, table.target, "a") is True
    assert drop_attribute(table.catalog, table.target, "a") is False
    table.write("upsert", [{"id": 2, "b": 1}, {"id": 3, "a": 5}])
    assert [row.get("a") for _, row in sorted(table.rows().items())] == [None, None, 5]
    for name in ("id", "__createdtime__"):
        with pytest.raises(InvalidAttributeError):
            drop_attribute(table.catalog, table.target, name)


@pytest.mark.parametrize("values", [[None, 5], [None, "x", 5], [None, None], [True, None]])
def test_an_attribute_that_was_declared_gets_its_kind_when_its_first_value_comes(
    table: KeyedTable, values: list[Any]
) -> None:
    assert declare_attribute(table.catalog, table.target, "id", "a") is True
    assert declare_attribute(table.catalog, table.target, "id", "a") is False
    table.write("insert", [{"id": 0, "a": None}])
    parts = [part for i, value in enumerate(values) for part in incoming_records([{"id": i, "a": value}], "id")]
    write_rows(table.catalog, table.target, WriteAction.UPSERT, parts, run_id="parts", at=table.now)
    assert [table.rows()[token(i)].get("a") for i in range(len(values))] == values


def test_an_attribute_that_was_declared_may_get_its_kind_from_another_writer(table: KeyedTable) -> None:
    declare_attribute(table.catalog, table.target, "id", "a")
    other = KeyedTable(table.catalog)
    other.target, other.runs = table.target, 100

    def rows() -> Any:
        yield from incoming_records(records(1, 2, a=None), "id")
        other.write("insert", records(2, 3, a=7))

    write_rows(table.catalog, table.target, WriteAction.UPSERT, rows(), run_id="r", at=START)
    assert {key[1]: row.get("a") for key, row in table.rows().items()} == {1: None, 2: None, 3: 7}


@pytest.mark.parametrize("name", ["a/b", "a`b", "x" * 251, "", "a\nb"])
def test_a_name_that_no_attribute_can_have_writes_nothing(table: KeyedTable, name: str) -> None:
    with pytest.raises(InvalidAttributeError) as raised:
        table.write("insert", [{"id": 1, name: 1}])
    assert raised.value.name == name
    assert table.rows() == {}


def test_names_that_differ_in_case_only_are_two_attributes(table: KeyedTable) -> None:
    long = "x" * 250
    table.write("insert", [{"id": 1, "A": 1, "a": "two", long: 1}, {"id": 2, "A": "x", "a": 3, long: "y"}])
    rows = table.rows()
    assert [(rows[token(i)]["A"], rows[token(i)]["a"], rows[token(i)][long]) for i in (1, 2)] == [
        (1, "two", 1),
        ("x", 3, "y"),
    ]
    names = [field.name.casefold() for field in load_table(table.catalog, table.target).schema().fields]
    assert len(set(names)) == len(names)


def test_deleting_before_a_moment_takes_whole_files_and_parts_of_files(table: KeyedTable) -> None:
    table.write("insert", records(1, 2))
    table.write("insert", records(3))
    table.write("upsert", records(1, 4, a=1))  # a later update does not protect a row
    assert table.delete_before(START + timedelta(seconds=1)).deleted == 0
    assert table.delete_before(START + timedelta(seconds=3)).deleted == 3
    assert table.rows().keys() == {token(4)}


def test_a_table_keeps_its_key(lake: Lake, table: KeyedTable) -> None:
    create_keyed_table(lake.catalog, table.target, "id")
    with pytest.raises(SchemaConflictError, match='has the primary key "id", not "other"'):
        create_keyed_table(lake.catalog, table.target, "other")
    lake.table()
    with pytest.raises(SchemaConflictError, match="has no primary key"):
        write_rows(lake.catalog, lake.target, WriteAction.INSERT, [], run_id="r", at=START)


def test_where_there_is_no_table_or_another_one_nothing_is_written(lake: Lake, table: KeyedTable) -> None:
    with pytest.raises(NoSuchTableError):
        write_rows(
            lake.catalog, TableTarget("dev", "no", "s3://lake/dev/no"), WriteAction.INSERT, [], run_id="r", at=START
        )

    def made_again() -> Any:
        yield from incoming_records(records(1), "id")
        drop_table(lake.catalog, table.target)
        create_keyed_table(lake.catalog, table.target, "id")

    with pytest.raises((UncommittableError, SchemaConflictError)):
        write_rows(lake.catalog, table.target, WriteAction.INSERT, made_again(), run_id="r", at=START)
    assert table.rows() == {}
