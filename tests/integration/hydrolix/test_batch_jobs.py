"""Batch jobs from their creation to their end, as their documents tell it."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hydrolix import batch_jobs
from jobruns.access import Principal, Role
from jobruns.run import RunState
from jobruns.service import work
from jobruns.service.ports import Ports
from jobruns.service.store_ports import UnitRecord
from tests.integration.doubles import RecordingMachine
from tests.integration.hydrolix.client import Client
from tests.integration.hydrolix.conftest import TRANSFORM, Site, batch
from tests.integration.hydrolix.worker import Worker

TABLE = "website.events"
ADMIN = Principal(org="acme", name="JRAKADMINACME", role=Role.ADMIN)


@pytest.fixture
def job(door: Client, site: Site) -> dict[str, Any]:
    made = door("POST", "jobs/batch", batch())
    assert made.status == 201, made.body
    document: dict[str, Any] = made.body
    return document


@pytest.fixture
def worker(ports: Ports, job: dict[str, Any]) -> Worker:
    return Worker(ports, job)


@pytest.fixture
def status(door: Client, job: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    def ask() -> dict[str, Any]:
        answer = door("POST", f"jobs/batch/{job['uuid']}/status")
        assert answer.status == 200
        (document,) = answer.body
        assert isinstance(document, dict)
        return document

    return ask


def detail(document: dict[str, Any]) -> dict[str, Any]:
    detail: dict[str, Any] = document["details"]["status_detail"]
    return detail


def test_creation_starts_one_execution_and_shows_defaults(job: dict[str, Any], machine: RecordingMachine) -> None:
    assert machine.started == [job["details"]["job_id"]]
    assert job["status"] == "ready"
    assert job["settings"] == {
        "max_active_partitions": 576,
        "max_rows_per_partition": 33554432,
        "max_minutes_per_partition": 15,
        "input_concurrency": 1,
        "input_aggregation": 1536000000,
        "max_files": 0,
        "dry_run": False,
        "regex_filter": "",
        "source": {
            "type": "batch",
            "subtype": "aws s3",
            "transform": "csv",
            "table": TABLE,
            "settings": {"url": "s3://root-bucket/folder1/"},
        },
    }
    assert detail(job) == {"tasks": {"LIST": {"READY": 1}}, "estimated": True, "percent_complete": 0}


def test_progress_is_told_from_ready_to_done(worker: Worker, status: Callable[[], dict[str, Any]]) -> None:
    def steps() -> Iterator[tuple[str, dict[str, Any], bool, float]]:
        yield from [seen()]
        worker.begin()
        yield seen()
        worker.list(3)
        yield seen()
        worker.index(0)
        yield seen()
        work.begin_unit(worker.ports, worker.run, 1)
        yield seen()
        worker.index(1)
        worker.index(2)
        yield seen()
        worker.succeed()
        yield seen()

    def seen() -> tuple[str, dict[str, Any], bool, float]:
        document = status()
        shown = detail(document)
        return document["status"], shown["tasks"], shown["estimated"], shown["percent_complete"]

    ready, done = {"LIST": {"READY": 1}}, {"DONE": 1}
    assert list(steps()) == [
        ("ready", ready, True, 0),
        ("running", {"LIST": {"RUNNING": 1}}, True, 0),
        ("running", {"LIST": done, "INDEX": {"READY": 3}}, False, 0),
        ("running", {"LIST": done, "INDEX": {"READY": 2, "DONE": 1}}, False, pytest.approx(1 / 3)),
        ("running", {"LIST": done, "INDEX": {"READY": 1, "RUNNING": 1, "DONE": 1}}, False, pytest.approx(1 / 3)),
        # All is read, nothing is committed: the last unit is not done yet.
        ("running", {"LIST": done, "INDEX": {"RUNNING": 1, "DONE": 2}}, False, pytest.approx(2 / 3)),
        ("done", {"LIST": done, "INDEX": {"DONE": 3}}, False, 1),
    ]
    details = status()["details"]
    assert (details["rows_loaded"], details["bytes_read"], details["duration_ms"]) == (30, 297, 21)
    assert details["errors"] == []


def test_the_counts_add_up_when_a_worker_died_between_record_and_counter(
    worker: Worker, status: Callable[[], dict[str, Any]]
) -> None:
    worker.begin()
    worker.list(2)
    worker.ports.units.begin("acme", worker.run_id, 0, worker.ports.clock())
    work.end_unit(worker.ports, worker.run, UnitRecord(number=0, state="DONE"))
    assert detail(status())["tasks"]["INDEX"] == {"READY": 1, "DONE": 1}


def test_a_job_without_files_is_done_without_index_tasks(worker: Worker, status: Callable[[], dict[str, Any]]) -> None:
    worker.begin()
    worker.list(0)
    worker.succeed()
    assert detail(status()) == {"tasks": {"LIST": {"DONE": 1}}, "estimated": False, "percent_complete": 1}


def test_a_failed_job_says_why(door: Client, worker: Worker, status: Callable[[], dict[str, Any]]) -> None:
    worker.begin()
    worker.list(3)
    worker.index(0)
    worker.index(1, "FAILED")
    worker.fail("s3://root-bucket/folder1/b.csv: the gzip stream is corrupt " + "x" * 400)
    document = status()
    assert document["status"] == "failed"
    assert detail(document)["tasks"]["INDEX"] == {"DONE": 1, "FAILED": 1, "CANCELED": 1}
    (error,) = document["details"]["errors"]
    assert error.startswith("s3://root-bucket/folder1/b.csv: ")
    (row,) = door("GET", "jobs/batch/?pagination=False").body
    assert len(row["details"]["errors"][0]) == 201, "lists show the beginning of an error"


def test_a_failed_listing_shows_as_the_failed_task(worker: Worker, status: Callable[[], dict[str, Any]]) -> None:
    worker.begin()
    work.fail_listing(worker.ports, worker.run)
    worker.fail("the bucket root-bucket does not exist")
    document = status()
    assert detail(document) == {"tasks": {"LIST": {"FAILED": 1}}, "estimated": True, "percent_complete": 0}
    assert document["details"]["errors"] == ["the bucket root-bucket does not exist"]


def test_cancel_is_told_at_once_and_never_taken_back(
    door: Client, job: dict[str, Any], worker: Worker, status: Callable[[], dict[str, Any]]
) -> None:
    worker.begin()
    worker.list(2)
    work.begin_unit(worker.ports, worker.run, 0)
    answer = door("POST", f"jobs/batch/{job['uuid']}/cancel")
    assert (answer.status, answer.body["status"], worker.run.state) == (200, "canceled", RunState.STOPPING)
    assert detail(answer.body)["tasks"]["INDEX"] == {"CANCELED": 2}
    assert door("POST", f"jobs/batch/{job['uuid']}/cancel").status == 200, "once more changes nothing"
    work.end_unit(worker.ports, worker.run, UnitRecord(number=0, state="DONE"))
    work.conclude_work(worker.ports, worker.run)
    assert (status()["status"], worker.run.state) == ("canceled", RunState.STOPPED)
    assert door("POST", f"jobs/batch/{job['uuid']}/cancel").status == 400


def test_a_job_is_pending_while_it_waits_for_its_turn(door: Client, job: dict[str, Any], ports: Ports) -> None:
    worker = Worker(ports, job)
    limit = {"max_concurrent_runs": 1, "queueing": True}
    loaded = ports.jobs.get("acme", TABLE)
    assert loaded is not None
    ports.jobs.change(loaded.model_copy(update={**limit, "version": loaded.version + 1}))
    first, second = (door("POST", "jobs/batch", batch(name)).body for name in ("first", "second"))
    worker.begin()
    assert [first["status"], second["status"]] == ["ready", "pending"]
    assert detail(second) == {"tasks": {"LIST": {"READY": 1}}, "estimated": True, "percent_complete": 0}
    assert [row["name"] for row in door("GET", "jobs/batch?status=pending").body["results"]] == ["second"]
    assert "cancel it first" in door("DELETE", f"jobs/batch/{second['uuid']}").body["detail"]
    assert door("POST", f"jobs/batch/{second['uuid']}/cancel").body["status"] == "canceled"


def test_a_job_that_is_committing_cannot_be_canceled(door: Client, job: dict[str, Any], worker: Worker) -> None:
    worker.begin()
    worker.list(0)
    work.begin_commit(worker.ports, worker.run, 60)
    answer = door("POST", f"jobs/batch/{job['uuid']}/cancel")
    assert answer.status == 400
    assert "committing" in answer.body["detail"]


def test_retry_keeps_the_uuid_and_is_a_new_run(
    door: Client, job: dict[str, Any], worker: Worker, status: Callable[[], dict[str, Any]]
) -> None:
    retry = f"jobs/batch/{job['uuid']}/retry"
    assert door("POST", retry).status == 400, "it has not ended"
    worker.begin()
    worker.fail("a bad day")
    answer = door("POST", retry)
    assert (answer.status, answer.body["uuid"], answer.body["status"]) == (200, job["uuid"], "ready")
    again = Worker(worker.ports, answer.body)
    assert again.run_id != worker.run_id
    assert (again.run.previous_run_id, again.run.attempt) == (worker.run_id, 2)
    assert again.run.arguments == worker.run.arguments
    again.begin()
    again.list(0)
    again.succeed()
    assert status()["status"] == "done"
    assert door("POST", retry).status == 400, "it is done"


def test_delete_forgets_the_job_but_not_its_run(door: Client, job: dict[str, Any], worker: Worker) -> None:
    path = f"jobs/batch/{job['uuid']}"
    assert "cancel" in door("DELETE", path).body["detail"]
    door("POST", f"{path}/cancel")
    gone = door("DELETE", path)
    assert (gone.status, gone.body) == (204, None)
    assert door("GET", path).status == door("DELETE", path).status == 404
    assert worker.run.state is RunState.STOPPING
    assert door("POST", "jobs/batch", batch()).status == 201, "the name is free again"


def test_a_job_that_is_retried_while_it_is_being_deleted_stays(
    door: Client, job: dict[str, Any], worker: Worker, ports: Ports
) -> None:
    worker.begin()
    worker.fail("a bad day")
    found = batch_jobs.find_job(ports, ADMIN, job["uuid"])
    assert door("POST", f"jobs/batch/{job['uuid']}/retry").status == 200
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_jobs, "find_job", lambda *_: found)
        answer = door("DELETE", f"jobs/batch/{job['uuid']}")
    assert (answer.status, list(answer.body)) == (400, ["detail"])
    assert door("GET", f"jobs/batch/{job['uuid']}").status == 200


def test_a_taken_name_or_uuid_starts_nothing(door: Client, job: dict[str, Any], machine: RecordingMachine) -> None:
    taken = door("POST", "jobs/batch/", batch())
    assert taken.status == 400
    assert list(taken.body) == ["name"]
    taken = door("POST", "jobs/batch/", {**batch("another"), "uuid": job["uuid"]})
    assert taken.status == 400
    assert list(taken.body) == ["uuid"]
    assert len(machine.started) == 1


def test_a_client_may_choose_the_uuid(door: Client, site: Site) -> None:
    chosen = "888BA890-3ece-403d-9753-4edd754bef61"
    assert door("POST", "jobs/batch", {**batch(), "uuid": chosen}).body["uuid"] == chosen.lower()
    assert door("GET", f"jobs/batch/{chosen}").status == 200


def test_bucket_and_path_mean_what_a_url_means(door: Client, site: Site, ports: Ports) -> None:
    place = {"bucket_name": "root-bucket", "bucket_path": "/folder1/", "x": 1}
    made = door("POST", "jobs/batch", batch(source={"table": TABLE, "settings": place}, y=2)).body
    shown = made["settings"]["source"]
    assert shown["settings"] == {**place, "region": None, "endpoint": None, "cloud": "aws", "credential_id": None}
    assert {"type", "subtype"}.isdisjoint(shown)
    assert made["settings"]["y"] == 2, "what we do not know is kept"
    assert Worker(ports, made).run.arguments["source"] == {"bucket": "root-bucket", "path": "folder1/"}


def test_settings_reach_the_run(door: Client, site: Site, ports: Ports) -> None:
    second = {**TRANSFORM, "name": "second"}
    transform_id = door("POST", f"{site.table}/transforms", second).body["uuid"]
    source = {"table": TABLE, "transform": "second", "settings": {"url": "s3://b-b/x.csv"}}
    wanted = {"regex_filter": "^s3://b/.*/.*.gz", "max_files": 3, "input_aggregation": 5, "dry_run": True}
    run = Worker(ports, door("POST", "jobs/batch", batch(source=source, **wanted)).body).run
    assert {name: run.arguments[name] for name in ("pattern", "max_files", "unit_bytes", "dry_run")} == {
        "pattern": "^s3://b/.*/.*.gz",
        "max_files": 3,
        "unit_bytes": 5,
        "dry_run": True,
    }
    assert run.arguments["transform_id"] == transform_id
    assert run.door == "hydrolix"


@pytest.mark.parametrize("slash", ["", "/"])
def test_both_slash_forms(door: Client, job: dict[str, Any], slash: str) -> None:
    path = f"jobs/batch/{job['uuid']}"
    assert door("GET", f"{path}{slash}").body["name"] == "job"
    assert door("GET", f"{path}/status{slash}").body["id"] == job["uuid"]
    assert door("POST", f"{path}/status{slash}").body[0]["uuid"] == job["uuid"]
    assert door("GET", f"jobs/batch{slash}?unknown=1&force_operation=False").body["count"] == 1
    assert door("POST", f"{path}/cancel{slash}").status == 200
    assert door("DELETE", f"{path}{slash}").status == 204


def test_reads_cost_what_the_design_allows(door: Client, site: Site, calls: Callable[[], Counter[str]]) -> None:
    made = [door("POST", "jobs/batch", batch(f"job {number}")).body for number in range(12)]
    calls()
    door("GET", f"jobs/batch/{made[0]['uuid']}/status")
    assert calls() == {"GetItem": 2}
    for query in ("", "?pagination=False"):
        door("GET", f"jobs/batch/{query}")
        assert calls() == {"Query": 1, "BatchGetItem": 1}
    door("POST", "jobs/batch", batch("one more"))
    spent = calls()
    assert (spent["TransactWriteItems"], set(spent)) == (1, {"GetItem", "TransactWriteItems"})
