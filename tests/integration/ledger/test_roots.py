"""Runs with a place of their own for files, and runs beside their job's limit."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from jobruns.access import Principal
from jobruns.errors import ConcurrentRunsExceededError, NotFoundError, RootTakenError
from jobruns.run import Run, RunRoot, RunState
from jobruns.run_file import RunFile
from jobruns.service.definitions import define_job
from jobruns.service.phases import reach_phase
from jobruns.service.ports import Ports
from jobruns.service.reports import report_run
from jobruns.service.roots import find_named, find_rooted
from jobruns.service.run_files import collect_files, note_file
from jobruns.service.starts import StartRequest, start_run
from tests.integration.run_objects import MemoryRunObjects


def root(path: str, name: str = "q7") -> RunRoot:
    return RunRoot(scope="dev/flow/cust", name=name, path=path)


@pytest.fixture
def job(ports: Ports, admin: Principal) -> str:
    define_job(ports, admin, name="sync", door="test", max_concurrent_runs=1)
    return "sync"


def start(ports: Ports, admin: Principal, job: str, path: str, name: str = "q7") -> Run:
    return start_run(ports, admin, StartRequest(job=job, door="test", root=root(path, name), unlimited=True))


def test_a_run_is_found_by_its_root_with_two_reads(
    ports: Ports, admin: Principal, stranger: Principal, job: str, calls: Callable[[], Counter[str]]
) -> None:
    run = start(ports, admin, job, "dev/a")
    calls()
    assert find_rooted(ports, admin, root("dev/a")) == run
    assert calls() == {"GetItem": 2}
    for principal, wanted in ((admin, root("dev/b")), (stranger, root("dev/a"))):
        with pytest.raises(NotFoundError):
            find_rooted(ports, principal, wanted)


def test_of_many_who_want_the_same_place_one_gets_it_and_leaves_nothing_of_the_others(
    ports: Ports, admin: Principal, job: str
) -> None:
    def attempt(_: int) -> Run | None:
        try:
            return start(ports, admin, job, "dev/a")
        except RootTakenError:
            return None

    with ThreadPoolExecutor(8) as pool:
        started = [run for run in pool.map(attempt, range(8)) if run is not None]
    assert len(started) == 1
    assert ports.runs.of_job(admin.org, job, limit=10).runs == started


def test_runs_of_the_same_name_are_all_found(ports: Ports, admin: Principal, job: str) -> None:
    runs = [start(ports, admin, job, f"dev/{place}", "q7") for place in range(3)]
    start(ports, admin, job, "dev/other", "q77")
    assert find_named(ports, admin, "dev/flow/cust", "q7") == runs
    assert find_named(ports, admin, "dev/flow/other", "q7") == []


def test_a_run_beside_the_limit_takes_no_slot(ports: Ports, admin: Principal, job: str) -> None:
    start_run(ports, admin, StartRequest(job=job, door="test"))
    beside = start(ports, admin, job, "dev/a")
    assert (beside.state, beside.limited) == (RunState.STARTING, False)
    with pytest.raises(ConcurrentRunsExceededError):
        start_run(ports, admin, StartRequest(job=job, door="test"))
    report_run(ports, admin, beside, RunState.SUCCEEDED)
    with pytest.raises(ConcurrentRunsExceededError):
        start_run(ports, admin, StartRequest(job=job, door="test"))


def test_phases_are_kept_and_late_ones_are_in_the_history_as_ignored(ports: Ports, admin: Principal, job: str) -> None:
    run = start(ports, admin, job, "dev/a")
    run = reach_phase(ports, admin, run, "EXPORTING", 3, metrics={"rows": 2})
    again = reach_phase(ports, admin, run, "SYNCING", 1)
    assert (again.phase, again.phase_rank, again.version) == ("EXPORTING", 3, run.version)
    ended = report_run(ports, admin, again, RunState.FAILED, message="no")
    assert ports.runs.get(run.org, job, run.run_id) == ended
    assert (ended.phase, ended.phase_rank) == ("EXPORTING", 3)
    events = ports.runs.events(run.org, run.run_id)
    assert [(event.kind, event.applied) for event in events] == [
        ("Submitted", True),
        ("PhaseReached", True),
        ("PhaseReached", False),
        ("Failed", True),
    ]


def test_of_a_file_the_latest_is_known_whatever_the_order_it_is_told_in(
    ports: Ports, admin: Principal, job: str, clock: Callable[[], datetime]
) -> None:
    run = start(ports, admin, job, "dev/a")
    now = clock()
    told = [RunFile(path="a.csv", size=size, sequencer=f"{size:04X}", modified_at=now) for size in range(1, 5)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda file: note_file(ports, run, file), [*reversed(told), *told]))
    assert ports.run_files.all(run.org, run.run_id) == [told[-1]]
    gone = RunFile(path="a.csv", size=None, sequencer="0005", modified_at=now)
    assert note_file(ports, run, gone)
    assert not note_file(ports, run, told[-1])
    assert ports.run_files.all(run.org, run.run_id) == []


def test_what_no_notification_has_told_of_is_found_by_looking(ports: Ports, admin: Principal, job: str) -> None:
    run = start(ports, admin, job, "dev/a")
    objects = ports.run_objects
    assert isinstance(objects, MemoryRunObjects)
    objects.put("acme/dev/a/sync/metrics.json", b'{"rows": 3}')
    objects.put("acme/dev/a/sync/rows.csv", b"a,b")
    objects.put("acme/dev/another/rows.csv", b"a,b")
    read: list[str] = []

    def reader(path: str, fetch: Callable[[], bytes]) -> dict[str, str]:
        read.append(path)
        return {"text": fetch().decode()} if path.endswith(".json") else {}

    first = collect_files(ports, run, reader)
    assert [(file.path, file.size, file.facts) for file in first] == [
        ("sync/metrics.json", 11, {"text": '{"rows": 3}'}),
        ("sync/rows.csv", 3, {}),
    ]
    assert collect_files(ports, run, reader) == first == ports.run_files.all(run.org, run.run_id)
    assert read == ["sync/metrics.json", "sync/rows.csv"]
    later = RunFile(path="sync/rows.csv", size=9, sequencer="01", modified_at=first[1].modified_at + timedelta(days=1))
    note_file(ports, run, later)
    assert ports.run_files.all(run.org, run.run_id)[1] == later
