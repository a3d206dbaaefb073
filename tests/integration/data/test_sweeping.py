"""Files that a table has no more are deleted, in time, and no others."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from pyiceberg.table import Table

from jobruns_data.aws import s3_client
from jobruns_data.catalog import TableTarget, load_table
from jobruns_data.errors import UnfinishedError
from jobruns_data.history import AGE_PROPERTY, find_expired, is_sweep_due
from jobruns_data.removal import drop_table
from jobruns_data.sweeping import sweep_table
from tests.integration.data.keyed_tables import KeyedTable
from tests.integration.data.lakes import LAKE, Faults, Lake

DAY = 24 * 3600
KEPT = 2
"""Days for which the past of the table of these tests stays."""

OLD = timedelta(days=4)
"""After so long no writer lives that may yet name a file."""


class Days:
    """The writers' clock. What is on S3 is as old as it is, see `sweep`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passed = 0.0
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + self.passed * DAY)


@pytest.fixture
def days(monkeypatch: pytest.MonkeyPatch) -> Days:
    return Days(monkeypatch)


@pytest.fixture
def table(lake: Lake) -> KeyedTable:
    table = KeyedTable(lake.catalog)
    keep(table, str(KEPT * DAY * 1000))
    return table


def keep(table: KeyedTable, milliseconds: str) -> None:
    loaded(table).transaction().set_properties({AGE_PROPERTY: milliseconds}).commit_transaction()


def write_daily(table: KeyedTable, days: Days, count: int) -> list[bool]:
    """Write the same rows anew, each time a day later; gives what was said of sweeping."""
    said = []
    for _ in range(count):
        said.append(table.write("upsert", [{"id": i, "a": table.runs} for i in range(3)]).sweep_due)
        days.passed += 1
    return said


def sweep(table: KeyedTable, *, seconds: float = 60, later: timedelta = OLD) -> int:
    return sweep_table(table.catalog, table.target, seconds, datetime.now(UTC) + later)


def loaded(table: KeyedTable) -> Table:
    return load_table(table.catalog, table.target)


def files(lake: Lake, table: KeyedTable) -> set[str]:
    return {f"s3://{LAKE}/{key}" for key in lake.keys(prefix=f"dev/{table.target.table}/")}


def named(table: KeyedTable) -> set[str]:
    """Everything that the table names, by PyIceberg's own account of it."""
    now = loaded(table)
    paths = {now.metadata_location, *(entry.metadata_file for entry in now.metadata.metadata_log)}
    for snapshot in now.metadata.snapshots:
        paths |= {snapshot.manifest_list, *(manifest.manifest_path for manifest in snapshot.manifests(now.io))}
        paths |= {task.file.file_path for task in now.scan(snapshot_id=snapshot.snapshot_id).plan_files()}
    return paths


def test_what_is_left_is_what_the_table_names(lake: Lake, table: KeyedTable, days: Days) -> None:
    for key in ("data/run-dead/killed.parquet", "metadata/killed.avro", "metadata/killed.metadata.json"):
        s3_client().put_object(Bucket=LAKE, Key=f"dev/{table.target.table}/{key}", Body=b"left by a killed writer")
    write_daily(table, days, KEPT + 5)
    rows, before = table.rows(), files(lake, table)
    deleted = sweep(table)
    assert files(lake, table) == named(table)
    assert deleted == len(before) - len(named(table)) > 3 + 2 * 3  # of each snapshot that is gone several files
    assert table.rows() == rows
    assert sweep(table) == 0


def test_a_table_is_read_as_it_was(lake: Lake, table: KeyedTable, days: Days) -> None:
    write_daily(table, days, KEPT + 4)
    sweep(table)
    now = loaded(table)
    seen = [now.scan(snapshot_id=s.snapshot_id).to_arrow().num_rows for s in now.metadata.snapshots]
    assert seen == [3] * (KEPT + 1)


def test_what_was_current_until_now_stays_however_old_it_is(lake: Lake, table: KeyedTable, days: Days) -> None:
    first = table.write("upsert", [{"id": 1, "a": 1}])
    days.passed = 100
    table.write("upsert", [{"id": 1, "a": 2}])  # whoever reads now may have begun before
    sweep(table)
    assert loaded(table).scan(snapshot_id=first.snapshot_id).to_arrow().num_rows == 1
    days.passed += KEPT + 1
    table.write("upsert", [{"id": 1, "a": 3}])
    assert first.snapshot_id not in {snapshot.snapshot_id for snapshot in loaded(table).metadata.snapshots}


def test_what_a_tag_names_stays_and_hinders_no_write(lake: Lake, table: KeyedTable, days: Days) -> None:
    first = table.write("upsert", [{"id": 1, "a": 1}])
    assert first.snapshot_id is not None
    loaded(table).manage_snapshots().create_tag(first.snapshot_id, "audit").commit()
    write_daily(table, days, KEPT + 4)
    sweep(table)
    assert loaded(table).scan(snapshot_id=first.snapshot_id).to_arrow().num_rows == 1


def test_young_files_stay_whether_they_are_named_or_not(lake: Lake, table: KeyedTable, days: Days) -> None:
    write_daily(table, days, KEPT + 4)
    s3_client().put_object(Bucket=LAKE, Key=f"dev/{table.target.table}/data/run-x/a.parquet", Body=b"is being written")
    before = files(lake, table)
    assert sweep(table, later=timedelta(days=2)) == 0
    assert files(lake, table) == before


def test_only_files_of_the_table_go(lake: Lake, table: KeyedTable, days: Days) -> None:
    others = [f"dev/{table.target.table}x/data/a.parquet", "dev/a.parquet"]
    for key in others:
        s3_client().put_object(Bucket=LAKE, Key=key, Body=b"another's")
    write_daily(table, days, KEPT + 4)
    assert sweep(table) > 0
    assert set(others) <= set(lake.keys())
    shared = TableTarget(table.target.database, table.target.table, "s3://lake/dev")
    with pytest.raises(ValueError, match="shared"):
        sweep_table(table.catalog, shared, 60)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_sweep_that_is_killed_is_gone_on_with(
    lake: Lake, table: KeyedTable, days: Days, faults: Faults, when: str
) -> None:
    write_daily(table, days, KEPT + 4)
    rows = table.rows()
    faults.arm("DeleteObjects", when=when)
    with pytest.raises(KeyboardInterrupt):
        sweep(table)
    assert table.rows() == rows
    sweep(table)
    assert files(lake, table) == named(table)


def test_a_sweep_without_time_says_so_and_deletes_nothing(lake: Lake, table: KeyedTable, days: Days) -> None:
    write_daily(table, days, KEPT + 4)
    before = files(lake, table)
    with pytest.raises(UnfinishedError):
        sweep(table, seconds=-1)
    assert files(lake, table) == before


def test_a_table_that_is_not_there_has_nothing_to_be_swept(lake: Lake, table: KeyedTable) -> None:
    drop_table(table.catalog, table.target)
    assert sweep(table) == 0


def test_a_table_is_swept_once_a_day_while_it_is_written_to(table: KeyedTable, days: Days) -> None:
    assert write_daily(table, days, 3) == [False, True, True]
    days.passed -= 0.5
    assert write_daily(table, days, 2) == [False, True]
    again = table.write("upsert", [{"id": 1}], run_id="run-5")
    assert (again.already_committed, again.sweep_due) == (True, False)


@pytest.mark.parametrize(("asked", "snapshots"), [("172800000", 3), ("0", 2), ("-5", 8), ("for ever", 8), (None, 8)])
def test_the_past_stays_for_a_week_unless_the_table_says_otherwise(
    lake: Lake, days: Days, asked: str | None, snapshots: int
) -> None:
    table = KeyedTable(lake.catalog)
    if asked is not None:
        keep(table, asked)
    write_daily(table, days, 9)
    assert len(loaded(table).metadata.snapshots) == snapshots


def test_a_table_that_has_no_snapshot_has_nothing_old(table: KeyedTable) -> None:
    assert find_expired(loaded(table), time.time()) == []
    assert not is_sweep_due(loaded(table), time.time())
