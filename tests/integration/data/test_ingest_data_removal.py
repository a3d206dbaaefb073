"""Rows and tables go, against other writers, lost answers and too little time."""

import pytest
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError

from jobruns_data import removal, s3_io
from jobruns_data.changes import change_table
from jobruns_data.commit import commit_run
from jobruns_data.errors import CommitConflictError, UnfinishedError
from jobruns_data.removal import drop_table, purge_table, truncate_table
from tests.integration.data.lakes import TARGET, Faults, Lake


def _load(lake: Lake, run_id: str, first: int, count: int = 3) -> None:
    rows = "\n".join(f"2026-01-01T00:00:00Z,{number},x" for number in range(first, first + count))
    result = lake.index(lake.put(f"{run_id}.csv", f"ts,id,note\n{rows}\n"), run_id=run_id)
    commit_run(lake.catalog, lake.target, run_id, [result])


def test_a_truncation_whose_answer_was_lost_is_found_again_by_its_id(lake: Lake, faults: Faults) -> None:
    _load(lake, "run-1", 0)
    faults.arm("UpdateTable", when="after")
    with pytest.raises(KeyboardInterrupt):
        truncate_table(lake.catalog, lake.target, "wish")
    _load(lake, "run-2", 10)
    assert truncate_table(lake.catalog, lake.target, "wish") == 1
    assert [row["id"] for row in lake.rows()] == [10, 11, 12]  # loaded after it, and so not taken out by it
    assert truncate_table(lake.catalog, lake.target, "another wish") == 1
    assert lake.rows() == []


def test_a_truncation_goes_on_against_a_load_that_commits_between(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    _load(lake, "run-1", 0)
    load_table, others = removal.load_table, iter(["run-2", "run-3"])

    def commit_between(*told: object) -> object:
        table = load_table(*told)  # type: ignore[arg-type]
        for run_id in others:
            _load(lake, run_id, 10)
            break
        return table

    monkeypatch.setattr(removal, "load_table", commit_between)
    assert truncate_table(lake.catalog, lake.target, "wish") == 3
    assert lake.rows() == []


def test_a_change_that_always_loses_says_so() -> None:
    tried: list[int] = []

    def lose() -> int:
        tried.append(1)
        raise CommitFailedException("another was faster")

    with pytest.raises(CommitConflictError, match="changed by too many writers"):
        change_table(TARGET, lose, 3)
    assert len(tried) == 3


def test_purging_deletes_everything_below_the_table_and_nothing_beside_it(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_io, "_DELETE_BATCH", 2)
    _load(lake, "run-1", 0)
    mine = TARGET.location.removeprefix("s3://lake/")
    for number in range(5):
        s3_io.s3_client().put_object(Bucket="lake", Key=f"{mine}/data/run-9/{number}.parquet", Body=b"")
    s3_io.s3_client().put_object(Bucket="lake", Key=f"{mine}2/data/file.parquet", Body=b"")
    with pytest.raises(UnfinishedError, match=r"0 files of .* are deleted, and more are left"):
        purge_table(lake.catalog, lake.target, -1)
    with pytest.raises(NoSuchTableError):
        lake.catalog.load_table(TARGET.identifier)
    assert purge_table(lake.catalog, lake.target, 60) > 6
    assert lake.keys() == [f"{mine}2/data/file.parquet"]
    assert purge_table(lake.catalog, lake.target, 60) == 0
    assert drop_table(lake.catalog, lake.target) is False


@pytest.mark.parametrize("location", ["s3://lake", "s3://lake/", "s3://lake/web", "s3://lake/web/events/../"])
def test_what_is_no_location_of_one_table_is_not_purged(lake: Lake, location: str) -> None:
    lake.table()
    with pytest.raises(ValueError, match="does not end in the table's name"):
        purge_table(lake.catalog, type(TARGET)(TARGET.database, "other", location), 60)
    assert lake.keys()
