"""Each function killed once at each AWS call it makes, before or after its effect: nothing is lost or doubled."""

import gzip
import json

import pytest

from jobruns.run import BookmarkStep, Executor, Run, RunState
from jobruns.service.bookmarks import find_bookmark, open_bookmark
from jobruns.service.definitions import define_job
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.uploads import FAILED_FILES_METRIC
from jobruns.service.work import begin_commit, conclude_work
from jobruns.uploads import parse_notification
from tests.integration.ingest.conftest import LANDING, Stack, again_if_killed, csv
from tests.integration.kills import Kill, KilledError

MAX_CALLS = 120
MOMENTS = pytest.mark.parametrize("when", ["before", pytest.param("after", marks=pytest.mark.slow)])
ENABLED = {"--job-bookmark-option": "job-bookmark-enable"}


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_load_survives_a_kill_at_any_call(stack: Stack, kill: Kill, when: str) -> None:
    table = stack.table()
    loaded = 0
    for nth in range(1, MAX_CALLS):
        stack.put(f"{nth}/a.csv", csv(3, loaded))
        stack.put(f"{nth}/b.csv", csv(3, loaded + 3))
        run = stack.start(table, f"{nth}/", unit_bytes=1)
        kill.arm(nth, when)
        run = stack.ingest(run, again_if_killed(kill))
        struck = kill.seen >= nth
        kill.disarm()
        loaded += 6
        assert (run.state, run.message) == (RunState.SUCCEEDED, "loaded 6 rows from 2 files"), kill.calls[nth - 1]
        assert (run.progress.units_done, run.progress.rows_loaded) == (2, 6), kill.calls[nth - 1]
        assert stack.settle(run).state is RunState.SUCCEEDED
        if not struck:
            break
    else:
        pytest.fail(f"a load makes more than {MAX_CALLS} calls")
    assert nth > 20
    assert [row["value"] for row in stack.rows(table)] == list(range(loaded))


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_incremental_load_survives_a_kill_at_any_call(stack: Stack, kill: Kill, when: str) -> None:
    """Every run sees the files of all before it, so that none may be taken twice, nor any be passed over."""
    table = stack.table()
    arguments = {"--table": table.full_name, "--source": f"s3://{LANDING}/in/", **ENABLED}
    job = define_job(
        stack.ports, stack.admin, name="hourly", executor=Executor.INGEST, door="tests", arguments=arguments
    )
    for nth in range(1, MAX_CALLS):
        stack.put(f"in/{nth}.csv", csv(2, 2 * nth))
        run = stack.dispatch(start_run(stack.ports, stack.admin, StartRequest(job=job.name, door="tests")))
        kill.arm(nth, when)
        again = again_if_killed(kill)
        run = stack.ingest(run, again)
        run = again(lambda: stack.settle(run))  # noqa: B023 - called at once
        struck = kill.seen >= nth
        kill.disarm()
        assert (run.state, run.message) == (RunState.SUCCEEDED, "loaded 2 rows from 1 files"), kill.calls[nth - 1]
        bookmark = find_bookmark(stack.ports, stack.admin, job.name)
        assert (bookmark.ordinal, bookmark.run_id, bookmark.pending) == (nth, run.run_id, None), kill.calls[nth - 1]
        if not struck:
            break
    else:
        pytest.fail(f"a load makes more than {MAX_CALLS} calls")
    assert nth > 40
    assert [row["value"] for row in stack.rows(table)] == list(range(2, 2 * nth + 2))


@MOMENTS
def test_the_end_of_a_run_with_a_bookmark_survives_a_kill_at_any_call(stack: Stack, kill: Kill, when: str) -> None:
    job = define_job(stack.ports, stack.admin, name="hourly", executor=Executor.INGEST, door="tests", arguments=ENABLED)
    for nth in range(1, MAX_CALLS):
        run = stack.dispatch(start_run(stack.ports, stack.admin, StartRequest(job=job.name, door="tests")))
        step = open_bookmark(stack.ports, run, lambda _: False).step({"count": nth})

        def end(run: Run, step: BookmarkStep = step) -> None:
            if not run.state.terminal:
                run = begin_commit(stack.ports, run, 60, step)
            stack.settle(conclude_work(stack.ports, run))

        kill.arm(nth, when)
        try:
            end(run)
        except KilledError:
            end(stack.read(run))
        struck = kill.seen >= nth
        kill.disarm()
        assert stack.read(run).settled
        found = find_bookmark(stack.ports, stack.admin, job.name)
        assert (found.version, found.run_id, found.state) == (nth, run.run_id, {"count": nth}), kill.calls[nth - 1]
        assert (found.pending, found) == (None, find_bookmark(stack.ports, stack.admin, job.name, run.run_id))
        if not struck:
            break
    else:
        pytest.fail(f"it makes more than {MAX_CALLS} calls")
    assert nth > 6


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_failing_load_survives_a_kill_at_any_call(stack: Stack, kill: Kill, when: str) -> None:
    table = stack.table(gzip=True)
    stack.put("in/good.gz", gzip.compress(csv(3)))
    stack.put("in/bad.gz", b"no gzip")
    for nth in range(1, MAX_CALLS):
        run = stack.start(table, "in/", unit_bytes=1)
        kill.arm(nth, when)
        run = stack.ingest(run, again_if_killed(kill))
        struck = kill.seen >= nth
        kill.disarm()
        assert run.state is RunState.FAILED, kill.calls[nth - 1]
        assert "in/bad.gz: it is not gzip" in str(run.message), kill.calls[nth - 1]
        assert stack.settle(run).state is RunState.FAILED
        assert stack.lake_files(table) == [], kill.calls[nth - 1]
        if not struck:
            break
    else:
        pytest.fail(f"a load makes more than {MAX_CALLS} calls")
    assert nth > 20


@MOMENTS
def test_uploads_survive_a_kill_at_any_call(
    stack: Stack, kill: Kill, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobruns.service.uploads.CLAIM_PATIENCE_SECONDS", 0)
    table = stack.table(watch="")
    loaded = 0
    for nth in range(1, MAX_CALLS):
        told = [stack.put(f"{nth}/{name}.csv", csv(2, loaded + 2 * number)) for number, name in enumerate("ab")]
        loaded += 4
        kill.arm(nth, when)
        try:
            left = stack.receive([*told, *told])["batchItemFailures"]
        except KilledError:
            left = None
        struck = kill.seen >= nth
        kill.disarm()
        assert (left is None) == struck
        if left != []:
            assert stack.receive(told) == {"batchItemFailures": []}, kill.calls[nth - 1]
        if not struck:
            break
    else:
        pytest.fail(f"it makes more than {MAX_CALLS} calls")
    assert nth > 6
    runs = stack.uploaded_runs()
    assert len(runs) == nth
    for run in runs:
        assert stack.settle(stack.ingest(stack.dispatch(run))).state is RunState.SUCCEEDED
    assert [row["value"] for row in stack.rows(table)] == list(range(loaded))


@MOMENTS
def test_requeueing_survives_a_kill_at_any_call(stack: Stack, kill: Kill, when: str) -> None:
    stack.table(watch="")
    for nth in range(1, MAX_CALLS):
        keys = [f"{nth}/bad.csv", f"{nth}/good.csv"]
        assert stack.receive([stack.put(key, csv(1)) for key in keys]) == {"batchItemFailures": []}
        (run,) = [run for run in stack.uploaded_runs() if not run.state.terminal]
        named = f"runs/{run.run_id}/failed_files.json"
        stack.uploads.files.put(named, json.dumps([f"s3://{LANDING}/{keys[0]}"]).encode())
        conclude_work(stack.ports, stack.dispatch(run), error="it is bad", metrics={FAILED_FILES_METRIC: named})
        kill.arm(nth, when)
        try:
            stack.settle(run)
        except KilledError:
            stack.settle(run)
        struck = kill.seen >= nth
        kill.disarm()
        assert stack.read(run).settled
        bodies = [message["Body"] for message in stack.take(stack.settings.upload_queue_url)]
        back = {(found.key, found.attempt) for body in bodies for found in parse_notification(body)}
        assert back == {(keys[0], 2), (keys[1], 1)}, kill.calls[nth - 1]
        if not struck:
            break
    else:
        pytest.fail(f"it makes more than {MAX_CALLS} calls")
    assert nth > 3
