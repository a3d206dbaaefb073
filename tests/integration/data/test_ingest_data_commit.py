"""One snapshot per run, whoever commits it, how often, and wherever it is killed."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from pyiceberg.exceptions import NoSuchTableError

from jobruns.ids import new_id
from jobruns.transform import Column, ColumnType, Transform
from jobruns_data.aws import glue_client
from jobruns_data.catalog import TableTarget, ensure_table, load_table, open_catalog
from jobruns_data.commit import RUN_ID_PROPERTY, commit_run, discard_run, find_commit
from jobruns_data.errors import CommitConflictError, SchemaConflictError, UncommittableError
from jobruns_data.units import FailedFile, UnitResult
from tests.integration.data.lakes import LAKE, Faults, Lake

HEADER = "ts,id,note\n"


def lines(first: int, last: int) -> str:
    return "".join(f"2024-{1 + i % 2:02}-01T00:00:00Z,{i},n\n" for i in range(first, last))


def indexed(lake: Lake, run_id: str, first: int, last: int, unit: int = 0) -> UnitResult:
    return lake.index(lake.put(f"{run_id}-{unit}", HEADER + lines(first, last)), run_id=run_id, unit=unit)


def ids(lake: Lake) -> list[int]:
    return [row["id"] for row in lake.rows()]


def data_keys(lake: Lake, run_id: str) -> set[str]:
    return {f"s3://{LAKE}/{key}" for key in lake.keys(prefix=f"web/events/data/{run_id}/")}


def test_all_units_of_a_run_are_one_snapshot(lake: Lake) -> None:
    results = [indexed(lake, "run-1", 10 * unit, 10 * unit + 10, unit) for unit in range(3)]
    outcome = commit_run(lake.catalog, lake.target, "run-1", results)
    assert (outcome.rows, outcome.data_files, outcome.already_committed) == (30, 6, False)
    table = lake.table()
    assert [s.summary.additional_properties[RUN_ID_PROPERTY] for s in table.metadata.snapshots] == ["run-1"]
    assert ids(lake) == list(range(30))


def test_committing_again_changes_nothing_and_says_so(lake: Lake) -> None:
    results = [indexed(lake, "run-1", 0, 5)]
    first = commit_run(lake.catalog, lake.target, "run-1", results)
    commit_run(lake.catalog, lake.target, "run-2", [indexed(lake, "run-2", 5, 9)])
    again = commit_run(lake.catalog, lake.target, "run-1", results)
    assert again == first.model_copy(update={"already_committed": True})
    assert find_commit(load_table(lake.catalog, lake.target), "run-1") == again
    assert find_commit(load_table(lake.catalog, lake.target), "run") is None
    assert ids(lake) == list(range(9))


def test_a_run_without_rows_makes_no_snapshot(lake: Lake) -> None:
    result = lake.index(lake.put("a", HEADER))
    outcome = commit_run(lake.catalog, lake.target, "run-1", [result])
    assert (outcome.snapshot_id, outcome.rows, outcome.data_files) == (None, 0, 0)
    assert lake.table().metadata.snapshots == []


def test_a_failed_unit_cannot_be_committed(lake: Lake) -> None:
    result = indexed(lake, "run-1", 0, 5)
    failed = result.model_copy(update={"unit": 1, "failed": (FailedFile(url="s3://b/k", reason="gone"),)})
    with pytest.raises(UncommittableError, match="unit 1 failed: s3://b/k: gone"):
        commit_run(lake.catalog, lake.target, "run-1", [result, failed])
    with pytest.raises(UncommittableError, match="is not below s3://lake/web/events/data/run-2/"):
        commit_run(lake.catalog, lake.target, "run-2", [result])
    assert ids(lake) == []


def test_a_changed_partitioning_is_refused(lake: Lake) -> None:
    result = indexed(lake, "run-1", 0, 5)
    with lake.table().update_spec() as update:
        update.add_identity("note")
    with pytest.raises(UncommittableError, match=r"the partitioning of web\.events was changed"):
        commit_run(lake.catalog, lake.target, "run-1", [result])


def test_leftovers_of_killed_attempts_are_deleted_and_nothing_else(lake: Lake) -> None:
    other = indexed(lake, "run-10", 100, 103)
    killed = indexed(lake, "run-1", 0, 5)
    result = indexed(lake, "run-1", 0, 5)
    commit_run(lake.catalog, lake.target, "run-1", [result])
    assert data_keys(lake, "run-1") == {file.file_path for file in result.data_files}
    assert data_keys(lake, "run-1").isdisjoint(file.file_path for file in killed.data_files)
    assert data_keys(lake, "run-10") == {file.file_path for file in other.data_files}
    assert ids(lake) == list(range(5))


def test_a_result_written_again_after_the_commit_does_not_cost_the_rows(lake: Lake) -> None:
    first = indexed(lake, "run-1", 0, 5)
    commit_run(lake.catalog, lake.target, "run-1", [first])
    late = indexed(lake, "run-1", 0, 5)
    outcome = commit_run(lake.catalog, lake.target, "run-1", [late])
    assert outcome.already_committed
    assert ids(lake) == list(range(5))
    assert data_keys(lake, "run-1") == {file.file_path for file in first.data_files}


def test_discard_deletes_what_is_not_committed(lake: Lake) -> None:
    result = indexed(lake, "run-1", 0, 5)
    commit_run(lake.catalog, lake.target, "run-1", [result])
    indexed(lake, "run-2", 5, 9)
    assert discard_run(lake.catalog, lake.target, "run-2") == 2
    assert discard_run(lake.catalog, lake.target, "run-2") == 0
    assert discard_run(lake.catalog, lake.target, "run-1") == 0
    assert data_keys(lake, "run-2") == set()
    assert ids(lake) == list(range(5))


def test_discarding_where_there_is_no_table(lake: Lake) -> None:
    assert discard_run(lake.catalog, TableTarget("no", "table", "s3://lake/no"), "run-1") == 0
    with pytest.raises(NoSuchTableError):
        commit_run(lake.catalog, TableTarget("no", "table", "s3://lake/no"), "run-1", [])


def test_many_writers_at_once_each_commit_once(lake: Lake) -> None:
    writers = 6
    results = {f"run-{i}": indexed(lake, f"run-{i}", 10 * i, 10 * i + 10) for i in range(writers)}
    failures = in_parallel(
        [
            # Every run twice: the second stands for a retry that overlaps the first.
            lambda run=run, result=result: commit_run(open_catalog(LAKE), lake.target, run, [result], attempts=40)
            for run, result in results.items()
            for _ in range(2)
        ]
    )
    assert failures == []
    assert ids(lake) == list(range(10 * writers))
    found = Counter(s.summary.additional_properties[RUN_ID_PROPERTY] for s in lake.table().metadata.snapshots)
    assert found == dict.fromkeys(results, 1)


def in_parallel(work: Sequence[Callable[[], object]]) -> list[Exception]:
    failures: list[Exception] = []
    start = threading.Barrier(len(work))

    def one(call: Callable[[], object]) -> None:
        start.wait()
        try:
            call()
        except Exception as error:  # noqa: BLE001 - gathered and asserted on by the caller
            failures.append(error)

    threads = [threading.Thread(target=one, args=(call,)) for call in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return failures


def test_losing_every_time_is_an_error_that_says_so(
    lake: Lake, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = indexed(lake, "run-1", 0, 5)
    lost = glue_client().exceptions.ConcurrentModificationException({"Error": {}}, "UpdateTable")
    monkeypatch.setattr(faults, "hit", lambda when, operation: _raise(lost) if operation == "UpdateTable" else None)
    with pytest.raises(CommitConflictError, match="too many writers"):
        commit_run(lake.catalog, lake.target, "run-1", [result], attempts=2)
    assert faults.seen.count("UpdateTable") == 2


def _raise(error: Exception) -> None:
    raise error


def test_a_lost_answer_of_the_commit_does_not_commit_twice(lake: Lake, faults: Faults) -> None:
    result = indexed(lake, "run-1", 0, 5)
    faults.arm("UpdateTable", when="after", error=ConnectionClosedError(endpoint_url="glue"))
    outcome = commit_run(lake.catalog, lake.target, "run-1", [result])
    assert outcome.already_committed
    assert ids(lake) == list(range(5))
    assert len(lake.table().metadata.snapshots) == 1


def test_throttling_is_waited_out(lake: Lake, faults: Faults) -> None:
    result = indexed(lake, "run-1", 0, 5)
    slow = ClientError({"Error": {"Code": "ThrottlingException"}}, "GetTable")  # type: ignore[typeddict-item]
    faults.arm("GetTable", error=slow)
    assert commit_run(lake.catalog, lake.target, "run-1", [result]).rows == 5


@pytest.mark.parametrize("when", ["after", pytest.param("before", marks=pytest.mark.slow)])
def test_killed_at_any_call_and_done_again_the_rows_are_there_once(lake: Lake, faults: Faults, when: str) -> None:
    """Walks every AWS call of one whole ingest: table, unit, commit, tidying up."""
    source = lake.put("a", HEADER + lines(0, 20) + "bad,1,x\n")

    def ingest(run_id: str) -> None:
        result = lake.index(source, run_id=run_id)
        assert (result.rows_loaded, result.rows_rejected) == (20, 1)
        commit_run(lake.catalog, lake.target, run_id, [result])

    ingest("walk")
    operations = Counter(faults.seen)
    assert {"GetTable", "PutObject", "GetObject", "UpdateTable", "ListObjectsV2"} <= set(operations)
    walked = 0
    for operation, times in operations.items():
        for nth in range(1, times + 1):
            run_id = f"{operation}-{nth}"
            faults.arm(operation, nth, when)
            killed = False
            try:
                ingest(run_id)
            except KeyboardInterrupt:
                killed = True
            if faults.armed:  # fewer such calls than in the first walk, which made the table too
                faults.armed = False
                continue
            assert killed
            walked += 1
            ingest(run_id)
            found = [
                s for s in lake.table().metadata.snapshots if s.summary.additional_properties[RUN_ID_PROPERTY] == run_id
            ]
            assert len(found) == 1
            files = [
                task.file.file_path for task in lake.table().scan().plan_files() if f"/{run_id}/" in task.file.file_path
            ]
            assert data_keys(lake, run_id) == set(files)
            assert sum(s.summary.additional_properties.get("added-records") == "20" for s in found) == 1
    assert walked >= 15
    assert Counter(ids(lake)) == dict.fromkeys(range(20), len(lake.table().metadata.snapshots))


def test_killed_while_the_table_is_made(lake: Lake, faults: Faults) -> None:
    ensure_table(lake.catalog, TableTarget("db0", "t", "s3://lake/db0/t"), lake.transform)
    operations = Counter(faults.seen)
    assert "CreateTable" in operations
    for i, (operation, nth) in enumerate((o, n) for o, times in operations.items() for n in range(1, times + 1)):
        for when in ("before", "after"):
            target = TableTarget(f"db{i}{when}", "t", f"s3://lake/db{i}{when}/t")
            faults.arm(operation, nth, when)
            with pytest.raises(KeyboardInterrupt):
                ensure_table(lake.catalog, target, lake.transform)
            assert ensure_table(lake.catalog, target, lake.transform).schema().column_names == ["ts", "id", "note"]


def extended(*columns: Column) -> Transform:
    return Transform(name="other", columns=(Column(name="ts", type=ColumnType.TIMESTAMP, primary=True), *columns))


def test_creators_at_once_get_the_same_table(lake: Lake) -> None:
    transforms = [extended(Column(name=f"c{i}", type=ColumnType.STRING)) for i in range(5)]
    failures = in_parallel(
        [lambda t=transform: ensure_table(open_catalog(LAKE), lake.target, t) for transform in transforms]
    )
    assert failures == []
    names = load_table(lake.catalog, lake.target).schema().column_names
    assert sorted(names) == ["c0", "c1", "c2", "c3", "c4", "ts"]


def test_a_new_table_says_how_it_is_kept(lake: Lake) -> None:
    table = lake.table()
    assert table.metadata.format_version == 2
    assert table.location() == "s3://lake/web/events"
    assert table.properties["write.parquet.compression-codec"] == "zstd"
    assert [(f.name, str(f.transform)) for f in table.spec().fields] == [("ts_month", "month")]
    glue = glue_client().get_table(DatabaseName="web", Name="events")["Table"]
    assert glue["Parameters"]["table_type"].upper() == "ICEBERG"


def test_the_columns_of_another_transform_are_added_and_old_rows_have_none(lake: Lake) -> None:
    commit_run(lake.catalog, lake.target, "run-1", [indexed(lake, "run-1", 0, 2)])
    lake.transform = extended(Column(name="id", type=ColumnType.INT8), Column(name="new", type=ColumnType.DOUBLE))
    file = lake.put("b", "ts,id,new\n2024-01-05T00:00:00Z,7,1.5\n")
    commit_run(lake.catalog, lake.target, "run-2", [lake.index(file, run_id="run-2")])
    assert [(row["id"], row["note"], row["new"]) for row in lake.rows()] == [
        (0, "n", None),
        (1, "n", None),
        (7, None, 1.5),
    ]


def test_an_integer_column_is_widened_in_place(lake: Lake) -> None:
    target = TableTarget("web", "narrow", "s3://lake/web/narrow")
    for kind in (ColumnType.INT16, ColumnType.INT64, ColumnType.INT8):
        table = ensure_table(lake.catalog, target, extended(Column(name="n", type=kind)))
    assert str(table.schema().find_type("n")) == "long"


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (Column(name="id", type=ColumnType.STRING), r'column "id" of transform "other" is string .* stores it as long'),
        (Column(name="note", type=ColumnType.INT32), "stores it as string; change the column's type or its name"),
        (Column(name="ID", type=ColumnType.INT64), 'is called "id" in the table web.events; use the same letters'),
        (Column(name="id", type=ColumnType.UINT64), "stores it as long"),
    ],
)
def test_a_type_that_does_not_fit_is_refused(lake: Lake, column: Column, why: str) -> None:
    lake.table()
    with pytest.raises(SchemaConflictError, match=why):
        ensure_table(lake.catalog, lake.target, extended(column))


def test_calls_of_a_discard_do_not_grow_with_the_history(lake: Lake, faults: Faults) -> None:
    counts = []
    for i in range(6):
        now = datetime.now(UTC)
        good, bad = new_id(now), new_id(now)
        commit_run(lake.catalog, lake.target, good, [indexed(lake, good, i, i + 1)])
        indexed(lake, bad, 100, 101)
        faults.seen.clear()
        assert discard_run(lake.catalog, lake.target, bad) == 1
        counts.append(Counter(faults.seen))
    assert counts[1] == counts[-1]
    assert ids(lake) == list(range(6))


def test_where_snapshots_have_gone_since_a_run_began_what_is_stored_is_looked_through(lake: Lake) -> None:
    """Somebody else has expired the snapshot by which the run added its rows."""
    gone, last = new_id(datetime.now(UTC)), new_id(datetime.now(UTC))
    for number, run_id in enumerate((gone, last)):
        commit_run(lake.catalog, lake.target, run_id, [indexed(lake, run_id, number, number + 1)])
    first = next(snapshot for snapshot in lake.table().metadata.snapshots if snapshot.parent_snapshot_id is None)
    lake.table().maintenance.expire_snapshots().by_id(first.snapshot_id).commit()
    assert find_commit(lake.table(), gone) is None
    assert discard_run(lake.catalog, lake.target, gone) == 0
    assert ids(lake) == [0, 1]


def test_calls_of_a_commit_do_not_grow_with_the_history(lake: Lake, faults: Faults) -> None:
    counts = []
    for i in range(6):
        result = indexed(lake, f"run-{i}", i, i + 1)
        faults.seen.clear()
        commit_run(lake.catalog, lake.target, f"run-{i}", [result])
        counts.append(Counter(faults.seen))
    assert counts[1] == counts[-1]
