"""Reading a table file by file."""

import time

import pytest
from pyiceberg.expressions import AlwaysTrue, EqualTo

from jobruns_data.catalog import load_table
from jobruns_data.scanning import scan_rows
from tests.integration.data.keyed_tables import KeyedTable
from tests.integration.data.lakes import Faults, Lake


@pytest.fixture
def table(lake: Lake, small_files: None) -> KeyedTable:
    table = KeyedTable(lake.catalog)
    table.write("insert", [{"id": number, "a": f"a{number}"} for number in range(100)])
    return table


def test_files_are_read_two_at_once_and_the_others_when_they_are_wanted(table: KeyedTable, faults: Faults) -> None:
    loaded = load_table(table.catalog, table.target)
    files = len(list(loaded.scan().plan_files()))
    assert files > 20
    faults.seen.clear()
    rows = scan_rows(loaded, AlwaysTrue(), ["id"])
    first = next(rows)
    time.sleep(0.2)
    begun = faults.seen.count("GetObject")
    assert begun < files / 2
    assert sorted(first["id"].to_pylist() + [key for part in rows for key in part["id"].to_pylist()]) == list(
        range(100)
    )
    assert faults.seen.count("GetObject") >= files


def test_whoever_stops_early_has_no_more_files_read(table: KeyedTable, faults: Faults) -> None:
    loaded = load_table(table.catalog, table.target)
    rows = scan_rows(loaded, AlwaysTrue(), ["a"])
    next(rows)
    rows.close()  # type: ignore[attr-defined]  # it is a generator
    read = len(faults.seen)
    time.sleep(0.2)
    assert len(faults.seen) == read


def test_only_rows_that_meet_the_filter_come_and_errors_are_raised(table: KeyedTable, faults: Faults) -> None:
    loaded = load_table(table.catalog, table.target)
    assert [part["a"].to_pylist() for part in scan_rows(loaded, EqualTo("id", 7), ["a"])] == [["a7"]]
    faults.arm("GetObject", nth=5, error=OSError("broken"))
    with pytest.raises(OSError, match="broken"):
        list(scan_rows(loaded, AlwaysTrue(), ["a"]))
