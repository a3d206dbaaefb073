"""What S3 tells of the files of runs, in any order and more than once, and what the ledger knows of them then."""

import json
import random
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import pytest

from events.run_files import FileMessage, Receipt, receive_files
from jobruns.access import Principal
from jobruns.errors import UnavailableError
from jobruns.run import Executor, Run, RunRoot, RunState
from jobruns.run_file import RunFile, files_prefix
from jobruns.service.definitions import define_job
from jobruns.service.lookups import find_run
from jobruns.service.ports import Ports
from jobruns.service.run_files import collect_files
from jobruns.service.settlement import dispatch_run
from jobruns.service.starts import StartRequest, start_run
from jobruns_events.run_metrics import read_facts

PHASES = [("SYNC_STARTED", 20), ("SYNC_SUCCESS", 30), ("EXPORT_STARTED", 60)]


@pytest.fixture
def run(ports: Ports, admin: Principal) -> Run:
    define_job(ports, admin, name="e.x/f1/a b", door="test", executor=Executor.EXTERNAL)
    root = RunRoot(scope="e.x/f1/a b", name="q7", path="e.x/a b/flows/f1/jobs/2026/11/3/21/15/q7")
    started = start_run(ports, admin, StartRequest(job="e.x/f1/a b", door="test", root=root))
    dispatch_run(ports, started.org, started.job, started.run_id, None)
    return started


def told(run: Run, path: str, sequencer: str, *, size: int | None = 3, key: str | None = None) -> FileMessage:
    kind = "ObjectRemoved:DeleteMarkerCreated" if size is None else "ObjectCreated:Put"
    about = {
        "key": quote_plus(key or files_prefix(run) + path),
        "sequencer": sequencer,
        "size": size,
        "eTag": sequencer,
    }
    record = {"eventName": kind, "eventTime": "2026-11-21T15:00:00.000Z", "s3": {"object": about}}
    return FileMessage(f"{path}-{sequencer}", json.dumps({"Records": [record]}))


def lay(ports: Ports, run: Run, path: str, content: Any) -> None:
    ports.run_objects.put(
        files_prefix(run) + path, content if isinstance(content, bytes) else json.dumps(content).encode()
    )


def known(ports: Ports, run: Run) -> dict[str, RunFile]:
    return {file.path: file for file in ports.run_files.all(run.org, run.run_id)}


def test_the_latest_counts_whatever_the_order_and_however_often_it_is_told(ports: Ports, run: Run) -> None:
    messages = [told(run, "a/x.csv", f"0{number}", size=number) for number in range(1, 9)]
    messages += [told(run, "b.csv", "1"), told(run, "b.csv", "2", size=None), *messages[:3]]
    random.Random(7).shuffle(messages)
    assert receive_files(ports, messages).failed == set()
    assert {path: file.size for path, file in known(ports, run).items()} == {"a/x.csv": 8}


def test_counts_of_records_are_read_and_one_that_is_broken_changes_nothing(ports: Ports, run: Run) -> None:
    path = "sync-output/job_metrics.json"
    lay(ports, run, path, {"recordCount": {"rows": 5}})
    receive_files(ports, [told(run, path, "1")])
    lay(ports, run, path, b'{"recordCount": {"ro')
    receive_files(ports, [told(run, path, "2")])
    assert known(ports, run)[path].facts == {"recordCount": {"rows": 5}}
    assert known(ports, run)[path].sequencer == "2"


def test_files_of_the_ledger_and_of_nobody_are_passed_over(ports: Ports, run: Run) -> None:
    paths = ("job_details.json", "events/0000000001.json", "snapshots/x.hg.partial_written.lock")
    keys = ("acme/scripts/f.py", "acme/requests/1.json", "acme/e.x/a b/flows/f1/jobs/gone/x.csv", "other")
    messages = [told(run, path, "1") for path in paths] + [told(run, key, "1", key=key) for key in keys]
    assert receive_files(ports, messages) == Receipt()
    assert known(ports, run) == {}


@pytest.mark.parametrize("body", ["", "[]", '{"Event": "s3:TestEvent"}', '{"Records": [{}, {"eventName": "x"}, 3]}'])
def test_messages_that_are_no_notifications_are_passed_over(body: str, ports: Ports) -> None:
    assert receive_files(ports, [FileMessage("m", body)]) == Receipt()


def test_what_cannot_be_read_now_comes_again_and_holds_up_no_other(
    ports: Ports, run: Run, admin: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = RunRoot(scope="e.x/f1/a b", name="q8", path="e.x/a b/flows/f1/jobs/q8")
    other = start_run(ports, admin, StartRequest(job="e.x/f1/a b", door="test", root=root))

    def fail(key: str) -> bytes:
        raise UnavailableError(f"S3 does not serve {key}")

    monkeypatch.setattr(ports.run_objects, "get", fail)
    messages = [told(run, "job_metrics.json", "1"), told(other, "x.csv", "1")]
    assert receive_files(ports, messages) == Receipt(noted=1, failed={"job_metrics.json-1"})
    assert known(ports, other).keys() == {"x.csv"}


def test_the_phases_of_our_own_runner_are_followed_in_order(ports: Ports, run: Run, admin: Principal) -> None:
    at = datetime(2026, 11, 21, 15, tzinfo=UTC).isoformat()
    noted = [{"phase": phase, "rank": rank, "at": at} for phase, rank in PHASES]
    lay(ports, run, "phases.json", noted[:2])
    # Of the first change nobody was told; the notification of the second one comes twice.
    receive_files(ports, [told(run, "phases.json", "2"), told(run, "phases.json", "2")])
    lay(ports, run, "phases.json", noted)
    receive_files(ports, [told(run, "phases.json", "3"), told(run, "phases.json", "1")])
    events = ports.runs.events(run.org, run.run_id)
    assert [event.kind for event in events] == ["Submitted", "Begun", *["PhaseReached"] * 3]
    now = find_run(ports, admin, run.run_id)
    assert (now.state, now.phase, now.phase_rank) == (RunState.RUNNING, "EXPORT_STARTED", 60)


def test_a_run_of_another_door_has_files_too(ports: Ports, admin: Principal) -> None:
    define_job(ports, admin, name="night/ly", door="test", executor=Executor.EXTERNAL)
    run = start_run(ports, admin, StartRequest(job="night/ly", door="test"))
    assert receive_files(ports, [told(run, "x.csv", "1")]).noted == 1
    assert known(ports, run).keys() == {"x.csv"}


METRICS = "sync-output/job_metrics.json"


def collected(ports: Ports, run: Run) -> dict[str, Any]:
    return {file.path: file.facts for file in collect_files(ports, run, read_facts)}


def test_what_is_noted_while_the_files_are_collected_is_among_them(
    ports: Ports, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(ports, run, METRICS, {"recordCount": {"people": 2}})
    lay(ports, run, "a.csv", b"1")
    listed = ports.run_objects.listed

    def listed_late(prefix: str, limit: int) -> list[RunFile]:
        found = listed(prefix, limit)
        receive_files(ports, [told(run, METRICS, "1")])
        return found

    monkeypatch.setattr(ports.run_objects, "listed", listed_late)
    assert collected(ports, run) == {METRICS: {"recordCount": {"people": 2}}, "a.csv": {}}


def test_a_file_that_is_written_again_in_the_second_of_its_notification_is_collected_as_it_is_now(
    ports: Ports, run: Run
) -> None:
    """A list of S3 has whole seconds, a notification has their fractions: the later one looks older."""
    lay(ports, run, METRICS, {"recordCount": {"people": 1}})
    receive_files(ports, [told(run, METRICS, "1")])
    lay(ports, run, METRICS, {"recordCount": {"people": 2}})
    assert collected(ports, run) == {METRICS: {"recordCount": {"people": 2}}}
