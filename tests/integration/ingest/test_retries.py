"""A retry reads again what failed, and only that: the requests for source objects are counted."""

import gzip
import json
from collections import Counter
from typing import Any
from urllib.parse import SplitResult

import pytest

from jobruns.run import BookmarkOption, Executor, Run, RunState
from jobruns.service.definitions import define_job
from jobruns.service.retries import retry_run
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.stops import stop_run
from jobruns.service.tables import amend_transform, delete_table, find_transform, truncate_table
from jobruns.table import Table
from tests.integration.ingest.conftest import LANDING, WORK, LambdaTime, Stack, again_if_killed, client, csv
from tests.integration.kills import Kill

CONTEXT: Any = LambdaTime()


class Reads:
    """GETs of objects of the landing bucket, by key."""

    def __init__(self, gets: list[SplitResult]) -> None:
        self._gets = gets

    def take(self) -> Counter[str]:
        """Give those since the last time."""
        bucket = f"/{LANDING}/"
        counted = Counter(url.path.removeprefix(bucket) for url in self._gets if url.path.startswith(bucket))
        self._gets.clear()
        return counted


@pytest.fixture
def reads(gets: list[SplitResult]) -> Reads:
    return Reads(gets)


def _packed(count: int, start: int) -> bytes:
    return gzip.compress(csv(count, start), mtime=0)


def _fail(stack: Stack, table: Table, *, good: int = 3, **spec: Any) -> Run:
    """Load so many good files and a bad one, each a unit."""
    for number in range(good):
        stack.put(f"in/{number}.gz", _packed(10, 10 * number))
    stack.put("in/bad.gz", b"no gzip")
    run = stack.load(table, "in/", unit_bytes=1, **spec)
    assert run.state is RunState.FAILED
    assert stack.lake_files(table) == []
    return run


def _retry(stack: Stack, run: Run) -> Run:
    return stack.settle(stack.ingest(stack.dispatch(retry_run(stack.ports, stack.admin, stack.read(run)))))


def _values(stack: Stack, table: Table) -> list[int]:
    return [row["value"] for row in stack.rows(table)]


def test_only_the_failed_file_is_read_again(stack: Stack, reads: Reads) -> None:
    table = stack.table(gzip=True)
    run = _fail(stack, table)
    assert reads.take() == {"in/0.gz": 1, "in/1.gz": 1, "in/2.gz": 1, "in/bad.gz": 1}
    stack.put("in/bad.gz", _packed(10, 30))
    reads.take()
    again = _retry(stack, run)
    assert reads.take() == {"in/bad.gz": 1}
    assert (again.state, again.message) == (RunState.SUCCEEDED, "loaded 40 rows from 4 files")
    assert _values(stack, table) == list(range(40))
    assert (again.progress.units_total, again.progress.units_done, again.progress.rows_loaded) == (4, 4, 40)
    # All that the table has lies below the run's own prefix, and nothing else does.
    files = stack.lake_files(table)
    assert len(files) == 4
    assert all(f"/data/{again.run_id}/" in key for key in files)


def test_along_a_chain_of_retries_what_was_done_once_is_never_read_again(stack: Stack, reads: Reads) -> None:
    table = stack.table(gzip=True)
    first = _fail(stack, table)
    stack.put("in/worse.gz", b"no gzip either")
    second = _retry(stack, first)
    assert (second.state, second.progress.units_done, second.progress.units_failed) == (RunState.FAILED, 3, 2)
    assert stack.lake_files(table) == []
    stack.put("in/bad.gz", _packed(10, 30))
    third = _retry(stack, second)
    assert third.state is RunState.FAILED
    stack.put("in/worse.gz", _packed(10, 40))
    reads.take()
    last = _retry(stack, third)
    assert reads.take() == {"in/worse.gz": 1}
    assert (last.state, _values(stack, table)) == (RunState.SUCCEEDED, list(range(50)))


def test_what_changed_came_or_went_since_is_read_as_it_is_now(stack: Stack, reads: Reads) -> None:
    table = stack.table(gzip=True)
    run = _fail(stack, table, good=4)
    stack.put("in/0.gz", _packed(5, 100))
    client("s3").delete_object(Bucket=LANDING, Key="in/1.gz")
    client("s3").delete_object(Bucket=LANDING, Key="in/bad.gz")
    stack.put("in/new.gz", _packed(5, 200))
    reads.take()
    assert _retry(stack, run).message == "loaded 30 rows from 4 files"
    assert reads.take() == {"in/0.gz": 1, "in/new.gz": 1}
    assert _values(stack, table) == [*range(20, 40), *range(100, 105), *range(200, 205)]


def test_a_unit_of_which_one_file_is_gone_is_read_again_and_the_others_are_not(stack: Stack, reads: Reads) -> None:
    table = stack.table(gzip=True)
    size = len(_packed(10, 0))
    for number in range(4):
        stack.put(f"in/{number}.gz", _packed(10, 10 * number))
    stack.put("in/bad.gz", b"no gzip" * size)
    run = stack.load(table, "in/", unit_bytes=2 * size + 40)
    assert (run.progress.units_done, run.progress.units_failed) == (2, 1)
    client("s3").delete_object(Bucket=LANDING, Key="in/0.gz")
    client("s3").delete_object(Bucket=LANDING, Key="in/bad.gz")
    reads.take()
    assert _retry(stack, run).state is RunState.SUCCEEDED
    assert reads.take() == {"in/1.gz": 1}
    assert _values(stack, table) == list(range(10, 40))


def test_all_is_read_again_by_another_transform(stack: Stack, reads: Reads) -> None:
    table = stack.table(gzip=True)
    run = _fail(stack, table)
    held = find_transform(stack.ports, table)
    changed = held.transform.model_copy(update={"null_values": ("name 3",)})
    amend_transform(stack.ports, stack.admin, table, held, changed, default=True, extra={})
    stack.put("in/bad.gz", _packed(10, 30))
    reads.take()
    assert _retry(stack, run).state is RunState.SUCCEEDED
    assert len(reads.take()) == 4
    assert [row["value"] for row in stack.rows(table) if row["name"] is None] == [3]


def test_rejected_rows_are_told_again_with_what_is_carried_over(stack: Stack) -> None:
    table = stack.table(gzip=True)
    stack.put("in/bad.gz", b"no gzip")
    stack.put("in/good.gz", gzip.compress(csv(2) + b"never,x,3\n"))
    again = None
    run = stack.load(table, "in/", unit_bytes=1)
    stack.put("in/bad.gz", gzip.compress(csv(2, 10) + b"never,x,4\n"))
    again = _retry(stack, run)
    assert again.message == "loaded 4 rows from 2 files, rejected 2"
    prefix = again.metrics["rejects"].split("/", 3)[3]
    keys = [entry["Key"] for entry in client("s3").list_objects_v2(Bucket=WORK, Prefix=prefix)["Contents"]]
    texts = [client("s3").get_object(Bucket=WORK, Key=key)["Body"].read() for key in keys]
    values = sorted(json.loads(line)["data"][2] for text in texts for line in text.splitlines())
    assert values == ["3", "4"]


def test_what_was_kept_and_is_gone_is_read_again(stack: Stack, reads: Reads) -> None:
    table = stack.table(gzip=True)
    run = _fail(stack, table)
    stack.put("in/bad.gz", _packed(10, 30))
    kept = client("s3").list_objects_v2(Bucket=WORK, Prefix=f"runs/kept/{run.run_id}/")["Contents"]
    assert len(kept) == 3
    client("s3").delete_object(Bucket=WORK, Key=kept[0]["Key"])
    results = client("s3").list_objects_v2(Bucket=WORK, Prefix=f"runs/{run.run_id}/results/")["Contents"]
    client("s3").delete_object(Bucket=WORK, Key=results[1]["Key"])
    reads.take()
    assert _retry(stack, run).state is RunState.SUCCEEDED
    assert 2 <= len(reads.take()) <= 3
    assert _values(stack, table) == list(range(40))


@pytest.mark.parametrize("bound", ["MAX_KEPT_BYTES", "MAX_KEPT_FILES", "KEEP_SECONDS"])
def test_no_more_is_kept_than_is_allowed(
    stack: Stack, reads: Reads, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingest import keeping

    monkeypatch.setattr(keeping, bound, {"MAX_KEPT_FILES": 1, "MAX_KEPT_BYTES": 1, "KEEP_SECONDS": -1}[bound])
    table = stack.table(gzip=True)
    run = _fail(stack, table)
    stack.put("in/bad.gz", _packed(10, 30))
    reads.take()
    assert _retry(stack, run).state is RunState.SUCCEEDED
    assert len(reads.take()) == (3 if bound == "MAX_KEPT_FILES" else 4)
    assert _values(stack, table) == list(range(40))


def test_a_stopped_run_is_resumed_by_its_retry(stack: Stack, reads: Reads) -> None:
    from ingest import index
    from ingest import list as list_files

    table = stack.table(gzip=True)
    for number in range(3):
        stack.put(f"in/{number}.gz", _packed(10, 10 * number))
    run = stack.start(table, "in/", unit_bytes=1)
    units = stack._json(list_files.handler(stack.event(run), CONTEXT)["units_key"])
    for unit in units[:2]:
        index.handler(stack.event(run, unit=unit), CONTEXT)
    stop_run(stack.ports, stack.admin, stack.read(run))
    assert stack.lake_files(table) == []
    index.handler(stack.event(run, unit=units[2]), CONTEXT)
    run = stack.settle(run)
    assert run.state is RunState.STOPPED
    reads.take()
    again = _retry(stack, run)
    assert (again.state, reads.take()) == (RunState.SUCCEEDED, {"in/2.gz": 1})
    assert _values(stack, table) == list(range(30))


def test_a_retry_that_comes_before_anything_was_kept_keeps_it_itself(
    stack: Stack, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The discard of a stopped run is done in the background, and its retry may be faster."""
    from ingest import index
    from ingest import list as list_files

    table = stack.table(gzip=True)
    for number in range(2):
        stack.put(f"in/{number}.gz", _packed(10, 10 * number))
    run = stack.start(table, "in/", unit_bytes=1)
    units = stack._json(list_files.handler(stack.event(run), CONTEXT)["units_key"])
    index.handler(stack.event(run, unit=units[0]), CONTEXT)
    with monkeypatch.context() as patch:
        patch.setattr(stack.ports.executors[run.executor].__class__, "_invoke_commit", lambda *_: None)
        stop_run(stack.ports, stack.admin, stack.read(run))
        run = stack.settle(run)
    assert stack.lake_files(table)
    reads.take()
    again = stack.ingest(stack.dispatch(retry_run(stack.ports, stack.admin, run)))
    assert (again.state, reads.take()) == (RunState.SUCCEEDED, {"in/1.gz": 1})
    from ingest import commit

    commit.handler(stack.event(run, action="discard"), CONTEXT)
    assert not [key for key in stack.lake_files(table) if run.run_id in key]
    assert _values(stack, table) == list(range(20))


def test_an_automatic_retry_goes_the_same_way(stack: Stack, reads: Reads) -> None:
    table = stack.table(gzip=True)
    arguments = {"--table": table.full_name, "--source": f"s3://{LANDING}/in/", "--unit-bytes": "1"}
    job = define_job(
        stack.ports,
        stack.admin,
        name="hourly",
        executor=Executor.INGEST,
        door="tests",
        arguments=arguments,
        max_retries=1,
    )
    stack.put("in/0.gz", _packed(10, 0))
    stack.put("in/bad.gz", b"no gzip")
    run = stack.dispatch(start_run(stack.ports, stack.admin, StartRequest(job=job.name, door="tests")))
    assert stack.settle(stack.ingest(run)).state is RunState.FAILED
    (retry,) = [one for one in stack.ports.runs.of_org(run.org, limit=10).runs if one.previous_run_id == run.run_id]
    stack.put("in/bad.gz", _packed(10, 10))
    reads.take()
    again = stack.settle(stack.ingest(stack.dispatch(retry)))
    assert (again.state, reads.take()) == (RunState.SUCCEEDED, {"in/bad.gz": 1})
    assert _values(stack, table) == list(range(20))


def test_a_dry_run_counts_what_was_read_before_and_writes_nothing(stack: Stack, reads: Reads) -> None:
    table = stack.table(gzip=True)
    run = _fail(stack, table, dry_run=True)
    stack.put("in/bad.gz", _packed(10, 30))
    reads.take()
    assert _retry(stack, run).message == "would have loaded 40 rows from 4 files (dry run: nothing was kept)"
    assert reads.take() == {"in/bad.gz": 1}
    assert stack.lake_files(table) == []


def test_a_retry_with_a_bookmark_carries_over_nothing_that_another_run_has_taken(stack: Stack, reads: Reads) -> None:
    table = stack.table(gzip=True)
    enabled = {"--job-bookmark-option": "job-bookmark-enable"}
    arguments = {"--table": table.full_name, "--source": f"s3://{LANDING}/in/", "--unit-bytes": "1", **enabled}
    job = define_job(
        stack.ports, stack.admin, name="hourly", executor=Executor.INGEST, door="tests", arguments=arguments
    )

    def start() -> Run:
        return stack.dispatch(start_run(stack.ports, stack.admin, StartRequest(job=job.name, door="tests")))

    for number in range(2):
        stack.put(f"in/{number}.gz", _packed(10, 10 * number))
    stack.put("in/bad.gz", b"no gzip")
    failed = stack.settle(stack.ingest(start()))
    assert (failed.state, failed.bookmark_option) == (RunState.FAILED, BookmarkOption.ENABLE)
    stack.put("in/bad.gz", _packed(10, 20))
    hold = client("s3").get_object(Bucket=LANDING, Key="in/1.gz")["Body"].read()
    client("s3").delete_object(Bucket=LANDING, Key="in/1.gz")
    assert stack.settle(stack.ingest(start())).message == "loaded 20 rows from 2 files"
    stack.put("in/1.gz", hold)
    reads.take()
    again = _retry(stack, failed)
    assert (again.message, reads.take()) == ("loaded 10 rows from 1 files", {})
    assert _values(stack, table) == list(range(30))


def test_what_was_kept_outlives_a_truncation_and_not_the_table(stack: Stack, reads: Reads) -> None:
    table = stack.table(gzip=True)
    run = _fail(stack, table)
    truncate_table(stack.ports, stack.admin, table)
    stack.put("in/bad.gz", _packed(10, 30))
    reads.take()
    again = _retry(stack, run)
    assert (again.state, reads.take()) == (RunState.SUCCEEDED, {"in/bad.gz": 1})
    run = stack.start(table, "in/")
    delete_table(stack.ports, stack.admin, table)
    assert stack.ingest(run).state is RunState.FAILED
    assert stack.all_files(table) == []


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_failing_and_retrying_survive_a_kill_at_any_call(stack: Stack, kill: Kill, when: str) -> None:
    """Both runs are walked; the fault is in one of them, and the rows are there once."""
    table = stack.table(gzip=True)
    loaded = 0

    attempt = again_if_killed(kill)
    for nth in range(1, 200):
        prefix = f"{nth}/"
        stack.put(f"{prefix}a.gz", _packed(3, loaded))
        stack.put(f"{prefix}b.gz", b"no gzip")
        run = stack.start(table, prefix, unit_bytes=1)
        kill.arm(nth, when)
        kill.paused = True
        run = stack.ingest(run, attempt)
        assert run.state is RunState.FAILED, kill.calls[nth - 1]
        stack.settle(run)
        stack.put(f"{prefix}b.gz", _packed(3, loaded + 3))
        again = stack.dispatch(retry_run(stack.ports, stack.admin, stack.read(run)))
        again = stack.ingest(again, attempt)
        struck = kill.seen >= nth
        kill.disarm()
        loaded += 6
        assert (again.state, again.message) == (RunState.SUCCEEDED, "loaded 6 rows from 2 files"), kill.calls[nth - 1]
        assert not [key for key in stack.lake_files(table) if run.run_id in key], kill.calls[nth - 1]
        stack.settle(again)
        if not struck:
            break
    else:
        pytest.fail("it makes more calls than that")
    assert nth > 60
    assert _values(stack, table) == list(range(loaded))
