"""Incremental loads: with a bookmark each object is taken once, whoever runs beside, whatever dies, until a reset."""

import gzip
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from moto.s3.models import s3_backends

from jobruns.lifecycle import COMMIT_UNKNOWN
from jobruns.run import Executor, Run, RunState
from jobruns.service.bookmarks import find_bookmark, reset_bookmark
from jobruns.service.definitions import define_job
from jobruns.service.retries import retry_run
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.stops import stop_run
from jobruns.service.tables import define_transform, delete_transform, find_transform
from jobruns.service.work import begin_commit, conclude_work
from jobruns.table import Table
from jobruns.taken import read_segments
from tests.integration.ingest.conftest import LANDING, WORK, LambdaTime, Stack, client, csv

CONTEXT: Any = LambdaTime()
JOB = "hourly"


def incremental(stack: Stack, table: Table, **arguments: str) -> None:
    """Define a job as a client of AWS Glue would: by arguments."""
    define_job(
        stack.ports,
        stack.admin,
        name=JOB,
        executor=Executor.INGEST,
        door="tests",
        replace=True,
        arguments={
            "--table": table.full_name,
            "--source": f"s3://{LANDING}/in/",
            "--job-bookmark-option": "job-bookmark-enable",
            "--job-language": "python",
            **{f"--{name.replace('_', '-')}": value for name, value in arguments.items()},
        },
    )


def begin(stack: Stack, **arguments: str) -> Run:
    told = {f"--{name.replace('_', '-')}": value for name, value in arguments.items()}
    return stack.dispatch(start_run(stack.ports, stack.admin, StartRequest(job=JOB, door="tests", arguments=told)))


def run_once(stack: Stack, **arguments: str) -> Run:
    return stack.settle(stack.ingest(begin(stack, **arguments)))


def listed(stack: Stack, run: Run) -> Run:
    """Let a run find its files, and read them, but not commit."""
    from ingest import index
    from ingest import list as list_files

    answer = list_files.handler(stack.event(run), CONTEXT)
    for unit in stack._json(answer["units_key"]):
        index.handler(stack.event(run, unit=unit), CONTEXT)
    return stack.read(run)


def commit(stack: Stack, run: Run) -> Run:
    from ingest import commit

    commit.handler(stack.event(run, action="commit"), CONTEXT)
    return stack.settle(stack.read(run))


def values(stack: Stack, table: Table) -> list[int]:
    return [row["value"] for row in stack.rows(table)]


@pytest.fixture
def table(stack: Stack) -> Table:
    made = stack.table()
    incremental(stack, made)
    return made


def test_each_of_three_drops_is_taken_once_and_a_reset_takes_again_what_comes_after(stack: Stack, table: Table) -> None:
    runs = []
    for drop in range(3):
        stack.put(f"in/{2 - drop}.csv", csv(3, 10 * drop))  # each sorts before those that were taken
        runs.append(run_once(stack))
        assert (runs[-1].state, runs[-1].message) == (RunState.SUCCEEDED, "loaded 3 rows from 1 files")
    every = [0, 1, 2, 10, 11, 12, 20, 21, 22]
    assert values(stack, table) == every
    assert run_once(stack).message == "found no files that were not loaded before"

    reset_bookmark(stack.ports, stack.admin, JOB)
    assert run_once(stack).message == "loaded 9 rows from 3 files"
    assert values(stack, table) == sorted(2 * every)

    reset_bookmark(stack.ports, stack.admin, JOB, runs[0].run_id)
    assert run_once(stack).message == "loaded 6 rows from 2 files"
    assert values(stack, table) == sorted(2 * every + [10, 11, 12, 20, 21, 22])
    assert run_once(stack).metrics["files"] == 0
    # Four runs before the resets, one after the first, two after the second, which begins behind the first run.
    assert find_bookmark(stack.ports, stack.admin, JOB).ordinal == 1 + 2


def test_new_content_is_a_new_object_and_the_same_content_is_not(stack: Stack, table: Table) -> None:
    stack.put("in/a.csv", csv(2))
    assert run_once(stack).metrics["files"] == 1
    stack.put("in/a.csv", csv(2))
    assert run_once(stack).metrics["files"] == 0
    stack.put("in/a.csv", csv(2, 2))
    assert run_once(stack).metrics["files"] == 1
    assert values(stack, table) == [0, 1, 2, 3]


def test_what_appears_with_an_older_time_of_modification_is_taken(stack: Stack, table: Table) -> None:
    stack.put("in/a.csv", csv(2))
    assert run_once(stack).metrics["files"] == 1
    stack.put("in/b.csv", csv(2, 2))
    # As of an upload in parts that was begun long ago.
    held = s3_backends["123456789012"]["aws"].buckets[LANDING].keys["in/b.csv"]
    held.last_modified = datetime(2001, 1, 1, tzinfo=UTC)
    told = client("s3").list_objects_v2(Bucket=LANDING, Prefix="in/b")["Contents"][0]["LastModified"]
    assert told.year == 2001
    assert run_once(stack).metrics["files"] == 1
    assert values(stack, table) == [0, 1, 2, 3]


def test_a_limit_counts_the_files_that_are_new(stack: Stack, table: Table) -> None:
    for number in range(5):
        stack.put(f"in/{number}.csv", csv(1, number))
    assert [run_once(stack, max_files="2").metrics["files"] for _ in range(4)] == [2, 2, 1, 0]
    assert values(stack, table) == [0, 1, 2, 3, 4]


def test_files_without_a_row_are_taken_too(stack: Stack, table: Table) -> None:
    stack.put("in/empty.csv", csv(0))
    first = run_once(stack)
    assert (first.state, first.metrics["rows_loaded"], first.metrics["files"]) == (RunState.SUCCEEDED, 0, 1)
    assert "snapshot_id" not in first.metrics
    assert run_once(stack).metrics["files"] == 0


def test_without_the_option_every_file_is_loaded_and_none_remembered(stack: Stack, table: Table) -> None:
    stack.put("in/a.csv", csv(1))
    run_once(stack)
    before = find_bookmark(stack.ports, stack.admin, JOB)
    assert run_once(stack, job_bookmark_option="job-bookmark-disable").metrics["files"] == 1
    assert values(stack, table) == [0, 0]
    assert find_bookmark(stack.ports, stack.admin, JOB) == before


def test_a_paused_run_takes_what_is_new_and_does_not_remember_it(stack: Stack, table: Table) -> None:
    stack.put("in/a.csv", csv(1))
    run_once(stack)
    stack.put("in/b.csv", csv(1, 1))
    for _ in range(2):
        assert run_once(stack, job_bookmark_option="job-bookmark-pause").metrics["files"] == 1
    assert run_once(stack).metrics["files"] == 1
    assert values(stack, table) == [0, 1, 1, 1]


def test_only_a_success_takes_files(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    table = stack.table(gzip=True)
    incremental(stack, table)
    stack.put("in/good.gz", gzip.compress(csv(2)))
    dry = run_once(stack, dry_run="true")
    assert dry.message == "would have loaded 2 rows from 1 files (dry run: nothing was kept)"
    stopped = listed(stack, begin(stack))
    stop_run(stack.ports, stack.admin, stopped)
    assert stack.settle(stopped).state is RunState.STOPPED
    stack.put("in/bad.gz", b"no gzip")
    failed = run_once(stack)
    assert (failed.state, failed.error_code) == (RunState.FAILED, "SourceError")
    stack.put("in/bad.gz", gzip.compress(csv(2, 2)))
    again = stack.dispatch(retry_run(stack.ports, stack.admin, failed))
    assert stack.settle(stack.ingest(again)).metrics["files"] == 2
    assert values(stack, table) == [0, 1, 2, 3]


def test_of_two_runs_with_the_same_files_one_loads_them(stack: Stack, table: Table) -> None:
    stack.put("in/a.csv", csv(2))
    stack.put("in/b.csv", csv(2, 2))
    first, second = begin(stack), begin(stack)
    for run in (first, second):
        assert listed(stack, run).progress.rows_loaded == 4
    assert commit(stack, second).state is RunState.SUCCEEDED
    loser = commit(stack, first)
    assert (loser.state, loser.error_code) == (RunState.FAILED, "BookmarkConflict")
    assert str(loser.message).startswith("another run of the job has loaded 2 of the files since they were listed (s3:")
    assert "start it again, and it takes only what is left" in str(loser.message)
    assert values(stack, table) == [0, 1, 2, 3]
    assert all(second.run_id in key for key in stack.lake_files(table))
    assert run_once(stack).metrics["files"] == 0


def test_two_runs_with_different_files_both_load_them(stack: Stack, table: Table) -> None:
    runs = [begin(stack, source=f"s3://{LANDING}/in/{name}/") for name in "ab"]
    for number, run in enumerate(runs):
        stack.put(f"in/{'ab'[number]}/x.csv", csv(2, 2 * number))
        listed(stack, run)
    assert [commit(stack, run).state for run in reversed(runs)] == [RunState.SUCCEEDED] * 2
    assert run_once(stack).metrics["files"] == 0
    assert values(stack, table) == [0, 1, 2, 3]


def test_a_run_beside_one_that_commits_is_told_so(stack: Stack, table: Table) -> None:
    stack.put("in/a.csv", csv(1))
    first = listed(stack, begin(stack))
    late = listed(stack, begin(stack))
    bookmark = find_or_new(stack)
    begin_commit(stack.ports, first, 60, bookmark.step({}))
    for run in (late, begin(stack)):  # one that has yet to commit, one that has yet to look for files
        ended = stack.ingest(run)
        assert (ended.state, ended.error_code) == (RunState.FAILED, "BookmarkConflict")
        assert f"another run of the job {JOB}, {first.run_id}, is committing" in str(ended.message)


def find_or_new(stack: Stack) -> Any:
    from jobruns.bookmark import Bookmark

    return stack.ports.bookmarks.get(stack.admin.org, JOB) or Bookmark(org=stack.admin.org, job=JOB)


def test_a_reset_between_listing_and_committing_lets_the_run_end_and_the_next_one_take_the_rest(
    stack: Stack, table: Table
) -> None:
    stack.put("in/a.csv", csv(1))
    run_once(stack)
    stack.put("in/b.csv", csv(1, 1))
    run = listed(stack, begin(stack))
    reset_bookmark(stack.ports, stack.admin, JOB)
    assert commit(stack, run).state is RunState.SUCCEEDED
    assert run_once(stack).metrics["files"] == 1
    assert values(stack, table) == [0, 0, 1]


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_given_up_undecided_is_looked_for_by_the_next_run(
    stack: Stack, table: Table, committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest import conclusion

    stack.put("in/a.csv", csv(2))
    lost = listed(stack, begin(stack))

    def die(*_: Any, **__: Any) -> None:
        raise ConnectionError("the process loses the network here")

    with monkeypatch.context() as patch:
        patch.setattr(conclusion, "conclude_work" if committed else "commit_run", die)
        with pytest.raises(ConnectionError):
            commit(stack, lost)
    conclude_work(stack.ports, lost, error="?", error_code=COMMIT_UNKNOWN, conclusive=True)
    stack.settle(lost)
    assert run_once(stack).metrics["files"] == (0 if committed else 1)
    assert values(stack, table) == [0, 1]


def test_the_price_of_a_bookmark(stack: Stack, table: Table, calls: Callable[[], Counter[str]]) -> None:
    def spent(option: str, name: str) -> Counter[str]:
        stack.put(f"in/{name}.csv", csv(1))
        run = begin(stack, job_bookmark_option=f"job-bookmark-{option}", source=f"s3://{LANDING}/in/{name}.csv")
        calls()
        assert stack.settle(stack.ingest(run)).state is RunState.SUCCEEDED
        return calls()

    spent("enable", "first")
    without = spent("disable", "second")
    enabled = spent("enable", "third")
    # List reads the bookmark and its one segment. Commit reads both again, the units, their files, and the segment to
    # merge it into the one it writes. Settling is one transaction more.
    more = {"GetItem": 2, "GetObject": 1 + 1 + 2 + 1, "PutObject": 1, "TransactWriteItems": 1}
    # What is left behind in the table's metadata grows with each commit, whatever the option.
    assert {name: count for name, count in (enabled - without).items() if name != "GetTable"} == more
    paused = spent("pause", "fourth")
    assert paused - without == {"GetItem": 1, "GetObject": 1}


def test_what_is_remembered_lies_where_nothing_expires_and_stays_small(stack: Stack, table: Table) -> None:
    for number in range(6):
        stack.put(f"in/{number}.csv", csv(1, number))
        run_once(stack)
    state = find_bookmark(stack.ports, stack.admin, JOB).state
    segments = read_segments(state)
    assert sum(segment.count for segment in segments) == 6
    assert len(segments) <= 2
    for segment in segments:
        assert segment.key.startswith(f"bookmarks/{stack.admin.org}/")
        assert client("s3").head_object(Bucket=WORK, Key=segment.key)["ContentLength"] == 16 * segment.count


def test_uploads_and_listings_know_each_others_files(stack: Stack) -> None:
    table = stack.table(watch="")
    define_job(
        stack.ports,
        stack.admin,
        name=table.full_name,
        executor=Executor.INGEST,
        target=table.table_id,
        door="tests",
        replace=True,
        arguments={"--job-bookmark-option": "job-bookmark-enable"},
    )
    assert stack.receive([stack.put("in/a.csv", csv(1))]) == {"batchItemFailures": []}
    (uploaded,) = stack.uploaded_runs()
    assert stack.settle(stack.ingest(stack.dispatch(uploaded))).message == "loaded 1 rows from 1 files"
    assert stack.load(table, "in/").metrics["files"] == 0


def test_the_jobs_own_table_needs_no_name(stack: Stack) -> None:
    table = stack.table()
    define_job(
        stack.ports,
        stack.admin,
        name=JOB,
        executor=Executor.INGEST,
        target=table.table_id,
        door="tests",
        arguments={"--source": f"s3://{LANDING}/in/a.csv", "--pattern": "a", "--unit-bytes": "1000"},
    )
    stack.put("in/a.csv", csv(2))
    assert run_once(stack).message == "loaded 2 rows from 1 files"
    assert values(stack, table) == [0, 1]


def test_a_transform_is_named_and_stays_the_one_it_was_when_the_work_began(stack: Stack, table: Table) -> None:
    first = find_transform(stack.ports, table).transform
    named = first.model_copy(
        update={"name": "semicolons", "format": first.format.model_copy(update={"delimiter": ";"})}
    )
    define_transform(stack.ports, stack.admin, table, named, default=False)
    stack.put("in/a.csv", csv(2).replace(b",", b";"))
    assert run_once(stack, transform="semicolons").message == "loaded 2 rows from 1 files"
    stack.put("in/b.csv", csv(2, 2))
    run = begin(stack)
    listed(stack, run)
    # The table gets another default, and the one of the run keeps its name no longer.
    held = find_transform(stack.ports, table, name="semicolons")
    define_transform(stack.ports, stack.admin, table, named.model_copy(update={"name": "third"}), default=True)
    delete_transform(stack.ports, stack.admin, table, held)
    assert commit(stack, run).message == "loaded 2 rows from 1 files"
    assert values(stack, table) == [0, 1, 2, 3]


def test_a_wrong_option_fails_the_run_and_is_named(stack: Stack, table: Table) -> None:
    cases = [
        ({"colour": "red"}, "InvalidInputError", "--colour: is no option of a load"),
        ({"max_files": "many"}, "InvalidInputError", "--max-files: Input should be a valid integer"),
        ({"source": "in/"}, "InvalidInputError", "--source: must be the s3:// URL"),
        ({"table": "no.such"}, "NotFoundError", "--table: there is no table 'no.such'"),
        ({"transform": "none"}, "NotFoundError", "--transform: there is no transform 'none'"),
        ({"source": f"s3://{WORK}/runs/"}, "SourceError", "is the service's own"),
    ]
    for arguments, code, message in cases:
        run = run_once(stack, **arguments)
        assert (run.state, run.error_code) == (RunState.FAILED, code)
        assert message in str(run.message)
    define_job(
        stack.ports,
        stack.admin,
        name=JOB,
        executor=Executor.INGEST,
        door="tests",
        arguments={"--source": "s3://abc/"},
        replace=True,
    )
    assert run_once(stack).message == "--table: is missing: a load needs it"
