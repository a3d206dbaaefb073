"""Jobs that are stopped, their logs, and the states of their sources."""

import json
from typing import Any

import pytest

from jobruns.access import Role
from jobruns.run import RunState
from jobruns.run_file import RunFile, files_prefix
from tests.integration.hotglue.door import LINKED, Cloud, Door


def test_a_job_is_stopped_once_and_not_after_its_end(door: Door) -> None:
    job = door.begin()
    door.report(job, "SYNC_STARTED")
    for stop in (("DELETE", f"?job_root={job['s3_root']}", None), ("POST", "/kill", {"job_root": job["s3_root"]})):
        stopped = door.do(stop[0], f"{door.lane}/jobs{stop[1]}", stop[2])
        assert (stopped["status"], stopped["stop_requested"]) == ("SYNC_STARTED", True)
    door.report(job, "JOB_CANCELLED")
    answer = door.send("DELETE", f"{door.lane}/jobs?job_root={job['s3_root']}")
    assert (answer.status, answer.kind) == (409, "conflict")
    assert door.poll(job)["status"] == "JOB_CANCELLED"


def test_a_worker_reads_what_was_sent_along_for_it_and_who_only_reads_does_not(door: Door) -> None:
    sent = {"state": {"Invoice": [1]}, "override_source_config": {"password": "p"}, "environment_variables": {"A": "b"}}
    job = door.start(**sent)
    plain = door.start(state={"Invoice": [2]}, ignore_parallel_jobs=True)
    reporter = door.cloud.open(Role.REPORTER, door.principal.org)
    path = f"{door.lane}/jobs/request?job_root="
    assert reporter.do("GET", path + job["s3_root"])["request"] == sent
    assert reporter.do("GET", path + plain["s3_root"])["request"] == {"state": {"Invoice": [2]}}
    reader = door.cloud.open(Role.READER, door.principal.org)
    assert reader.send("GET", path + job["s3_root"]).status == 403


def test_a_job_that_waits_is_stopped_at_once(door: Door) -> None:
    door.start()
    job = door.start(queue_if_active_job=True)
    stopped = door.do("DELETE", f"/v2{door.lane}/jobs?job_root={job['s3_root']}")
    assert stopped["status"] == "JOB_CANCELLED"
    assert door.run(job).state is RunState.STOPPED


def test_logs_are_given_as_links_or_as_text(door: Door) -> None:
    job = door.begin()
    prefix = files_prefix(door.run(job))
    door.ports.run_objects.put(f"{prefix}logs/sync.log", "fetched 48 recörds\n".encode())
    door.ports.run_objects.put(f"{prefix}logs/etl.log", b"\xff")
    door.ports.run_objects.put(f"{prefix}sync-output/a.csv", b"")
    path = f"{door.lane}/jobs/logs?job_root={job['s3_root']}"
    shown = door.do("GET", path)
    assert [log["step"] for log in shown["logs"]] == ["etl", "sync"]
    assert shown["logs"][1]["url"] == f"https://runs.example/{prefix}logs/sync.log?seconds=900"
    assert door.do("GET", f"{path}&step=sync&format=text") == "fetched 48 recörds\n"
    assert [log["step"] for log in door.do("GET", f"{path}&step=etl")["logs"]] == ["etl"]
    assert door.send("GET", f"{path}&step=../../secret").status == 404


def test_what_files_tell_is_shown(door: Door) -> None:
    job = door.begin()
    run = door.run(job)
    facts = {"recordCount": {"Invoice": 41}}
    path = "sync-output/job_metrics.json"
    file = RunFile(path=path, size=412_000, sequencer="0A", modified_at=run.modified_at, facts=facts)
    door.ports.run_files.note(run.org, run.run_id, file)
    shown = door.poll(job)
    assert (shown["metrics"]["recordCount"], shown["processed_rows"]) == ({"Invoice": 41}, 41)
    assert shown["data_sizes"]["sync-output"] == 0.412


def test_a_state_is_read_set_and_cleared(door: Door) -> None:
    path = f"/v2{door.lane}/linkedConnectors/state"
    assert door.do("GET", path)["state"] == {}
    state = {"bookmarks": {"Invoice": {"modified_since": "2026-01-01"}}, "opaque": [1, None]}
    assert door.do("PUT", path, {"state": state})["state"] == state
    assert door.do("GET", f"{path}?tap=ledgerly")["state"] == state
    assert door.do("GET", f"{path}?tap=other")["state"] == {}
    assert door.start()["sync_type"] == "incremental_sync"
    cleared = door.do("DELETE", path)
    assert (cleared["state"], cleared["version"]) == ({}, 2)
    assert door.do("GET", path)["state"] == {}
    assert door.start(ignore_parallel_jobs=True)["sync_type"] == "full_sync"
    for body in ({}, {"state": None}, {"state": []}):
        assert door.send("PUT", path, body).status == 400


def test_a_connectors_state_is_asked_for_by_its_id(cloud: Cloud) -> None:
    door = cloud.open().settle_in(LINKED)
    path = f"/v2{door.lane}/linkedConnectors/state"
    door.do("PUT", f"{path}?connector_id=crm", {"state": {"bookmarks": {"a": 1}}})
    assert door.start(connector_id="crm", job_type="read")["sync_type"] == "incremental_sync"
    assert door.start(connector_id="mail", job_type="read")["sync_type"] == "full_sync"
    assert door.send("GET", path).status == 400
    assert door.send("GET", f"{path}?connector_id=shop").status == 404


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.READER, {"poll", "list", "state"}),
        (Role.REPORTER, {"poll", "list", "state", "start", "report"}),
        (Role.OPERATOR, {"poll", "list", "state", "start", "report", "stop", "set"}),
        (Role.ADMIN, {"poll", "list", "state", "start", "report", "stop", "set", "flow", "webhook"}),
    ],
)
def test_roles_may_do_what_they_may_do_at_every_door(door: Door, role: Role, allowed: set[str]) -> None:
    job = door.begin()
    who = door if role is Role.ADMIN else door.cloud.open(role, door.principal.org)
    lane, root = door.lane, job["s3_root"]
    asked: dict[str, tuple[str, str, Any]] = {
        "poll": ("GET", f"{lane}/jobs/status?job_root={root}", None),
        "list": ("GET", f"{lane}/jobs", None),
        "state": ("GET", f"{lane}/linkedConnectors/state", None),
        "start": ("POST", f"{lane}/jobs", {"ignore_parallel_jobs": True}),
        "report": ("POST", f"{lane}/jobs/events", {"s3_root": root, "status": "SYNC_STARTED"}),
        "stop": ("DELETE", f"{lane}/jobs?job_root={root}", None),
        "set": ("PUT", f"{lane}/linkedConnectors/state", {"state": {"a": 1}}),
        "flow": ("PUT", f"/{door.env_id}/settings/flows/{door.flow_id}", {}),
        "webhook": ("PUT", f"/{door.env_id}/settings/webhooks/discover", {"url": "https://a.example"}),
    }
    answers = {name: who.send(*request) for name, request in asked.items()}
    assert {name for name, answer in answers.items() if answer.status == 200} == allowed
    assert {answer.status for name, answer in answers.items() if name not in allowed} <= {403}


def test_an_answer_that_would_be_too_long_leaves_out_what_makes_it_so(door: Door) -> None:
    job = door.begin()
    details = {"Invoice": [{"success": True, "id": "x" * 1000} for _ in range(3000)]}
    door.report(job, "JOB_COMPLETED", metrics={"exportDetails": details})
    shown = door.poll(job)
    assert shown["metrics"] == {"recordCount": {}, "exportDetails_truncated": True}
    assert len(json.dumps(shown)) < 5000
