"""Jobs that are asked for: what they are, where they lie, and what they do beside others."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hotglue import starting
from jobruns.errors import UnavailableError
from jobruns.run import RunState
from jobruns.service.sync_states import find_sync_state, set_sync_state
from jobruns.singer import read_work
from tests.integration.hotglue.door import EXTERNAL, LINKED, SINGER, Cloud, Door

SMALL_OBJECT = {
    "job_id", "env_id", "flow_id", "job_name", "tenant", "started_by", "s3_root", "start_time", "state", "tap",
    "status", "scheduled_job", "message", "last_updated", "processed_rows",
}  # fmt: skip


def test_a_job_is_created_and_polled(door: Door) -> None:
    job = door.start(state={"Invoice": [{"id": 1}]})
    assert job.keys() >= SMALL_OBJECT
    assert (job["status"], job["processed_rows"], job["tap"], job["target"]) == ("JOB_CREATED", 0, "ledgerly", "depot")
    assert job["started_by"] == door.tenant
    assert job["state"] == {"Invoice": [{"id": 1}]}
    assert job["job_name"].startswith("Kp3vWm-aQ-ledgerly-20261121-12")
    assert job["s3_root"] == f"cust-881/flows/Kp3vWm-aQ/jobs/2026/11/4/21/12/{job['job_id']}"
    polled = door.poll(job)
    assert polled == {**job, "flow": job["flow_id"]}


def test_two_hundred_creations_at_once_have_two_hundred_roots(door: Door) -> None:
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda _: door.start(ignore_parallel_jobs=True), range(200)))
    assert len({job["s3_root"] for job in jobs}) == 200
    assert {door.poll(job)["task_id"] for job in jobs[::40]} == {job["task_id"] for job in jobs[::40]}


def test_an_id_that_another_job_of_the_hour_has_is_drawn_anew(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["aaaaaa", "aaaaaa", "aaaaaa", "bbbbbb"])
    monkeypatch.setattr(starting, "draw_job_id", lambda: next(drawn))
    first, second = door.start(), door.start(ignore_parallel_jobs=True)
    assert (first["job_id"], second["job_id"]) == ("aaaaaa", "bbbbbb")
    assert door.poll(first)["task_id"] == first["task_id"]


def test_ids_are_drawn_so_many_times_and_no_more(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "draw_job_id", lambda: "aaaaaa")
    door.start()
    sent = {"ignore_parallel_jobs": True, "environment_variables": {"A": "b"}}
    answer = door.send("POST", f"{door.lane}/jobs", sent)
    assert (answer.status, answer.kind) == (409, "already_exists")
    assert requests_of(door) == []


def test_jobs_of_the_same_id_are_found_as_two(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "draw_job_id", lambda: "aaaaaa")
    first = door.start()
    assert door.do("GET", f"{door.lane}/jobs/aaaaaa")["s3_root"] == first["s3_root"]
    door.cloud.clock.sleep(3600)
    second = door.start(ignore_parallel_jobs=True)
    answer = door.send("GET", f"{door.lane}/jobs/aaaaaa")
    assert (answer.status, answer.kind) == (409, "conflict")
    assert answer.body["job_roots"] == [first["s3_root"], second["s3_root"]]
    assert [door.poll(job)["task_id"] for job in (first, second)] == [first["task_id"], second["task_id"]]
    assert door.send("GET", f"{door.lane}/jobs/bbbbbb").status == 404


def test_a_second_job_of_a_tenant_is_refused_waits_or_goes_beside(door: Door) -> None:
    first = door.start()
    refused = door.send("POST", f"{door.lane}/jobs", {})
    assert (refused.status, refused.kind) == (409, "job_active")
    waiting, beside = door.start(queue_if_active_job=True), door.start(ignore_parallel_jobs=True)
    assert [door.run(job).state for job in (first, waiting, beside)] == ["STARTING", "WAITING", "STARTING"]
    assert door.poll(waiting)["status"] == "JOB_CREATED"
    assert door.at(tenant="cust-882").start()["status"] == "JOB_CREATED"
    door.report(first, "JOB_COMPLETED")
    settle(door, first)
    assert door.run(waiting).state is RunState.STARTING


def test_jobs_of_other_connectors_are_no_jobs_of_the_same(cloud: Cloud) -> None:
    door = cloud.open().settle_in(LINKED)
    crm = door.start(connector_id="crm", job_type="READ")
    assert (crm["connector_id"], crm["job_type"], crm["tap"], crm["target"]) == ("crm", "read", "tap-crm", "depot")
    assert door.send("POST", f"/v2{door.lane}/jobs", {"connector_id": "crm", "job_type": "write"}).status == 409
    assert door.start(connector_id="mail", job_type="read")["connector_id"] == "mail"
    assert door.send("POST", f"/v2{door.lane}/jobs", {"connector_id": "shop", "job_type": "read"}).status == 404


def test_a_flow_is_asked_for_by_its_own_version(cloud: Cloud, door: Door) -> None:
    answer = door.send("POST", f"/v2{door.lane}/jobs", {"connector_id": "crm", "job_type": "read"})
    assert (answer.status, answer.body["error"]["field"]) == (400, "flow_id")
    linked = cloud.open().settle_in(LINKED)
    assert "/v2/" in linked.send("POST", f"{linked.lane}/jobs", {}).body["message"]


def test_a_request_that_is_repeated_with_its_key_makes_one_job(door: Door) -> None:
    sent = {"override_source_config": {"password": "p"}}
    first = door.do("POST", f"{door.lane}/jobs", sent, idempotency_key="k1")
    again = door.do("POST", f"{door.lane}/jobs", sent, idempotency_key="k1")
    assert again["s3_root"] == first["s3_root"]
    assert requests_of(door) == [f"{door.principal.org}/requests/{door.run(first).run_id}.json"]


@pytest.mark.parametrize("known", [{}, {"bookmarks": {}}])
def test_a_sync_is_incremental_where_there_is_a_state(door: Door, known: Any) -> None:
    key = f"{door.env_id}/{door.flow_id}/{door.tenant}/ledgerly"
    assert door.start()["sync_type"] == "full_sync"
    set_sync_state(door.ports, door.principal, key, known)
    job = door.start(ignore_parallel_jobs=True)
    assert job["sync_type"] == ("incremental_sync" if known else "full_sync")
    use = door.run(job).sync_state
    assert use is not None
    assert (use.key, use.given) == (key, bool(known))


def test_a_start_of_its_own_is_instead_of_the_state(door: Door) -> None:
    key = f"{door.env_id}/{door.flow_id}/{door.tenant}/ledgerly"
    set_sync_state(door.ports, door.principal, key, {"bookmarks": {"a": 1}})
    job = door.start(override_start_date="2026-01-01")
    assert (job["sync_type"], job["override_start_date"]) == ("incremental_sync", "2026-01-01")
    assert door.run(job).sync_state.given is False  # type: ignore[union-attr]
    reset = door.start(reset_source_state=True, ignore_parallel_jobs=True)
    assert reset["sync_type"] == "full_sync"
    state = find_sync_state(door.ports, door.principal, key)
    assert state is None or state.empty


def test_secrets_of_a_request_are_in_no_answer_and_not_in_the_ledger(door: Door) -> None:
    job = door.start(
        override_source_config={"password": "s3cret-1", "site": "x"},
        override_target_config={"nested": {"api_key": "s3cret-2"}},
        environment_variables={"TOKEN": "s3cret-3"},
        override_field_map={"Invoice": {"id": "key"}},
    )
    run = door.run(job)
    shown = [job, door.poll(job), door.do("GET", f"{door.lane}/jobs"), run.model_dump()]
    assert not [one for one in shown if "s3cret" in str(one)]
    assert job["override_source_config"] == {"password": "***", "site": "x"}
    assert job["override_field_map"] == {"Invoice": {"id": "key"}}
    kept = door.ports.run_objects.get_json(run.extra["hotglue"]["request_key"])
    assert kept["environment_variables"] == {"TOKEN": "s3cret-3"}
    assert kept["override_target_config"] == {"nested": {"api_key": "s3cret-2"}}


def test_what_is_large_is_kept_in_s3_and_shown_all_the_same(door: Door) -> None:
    state = {"Invoice": [{"id": number, "text": "x" * 100} for number in range(200)]}
    job = door.start(state=state, override_start_date="2026-01-01")
    assert job["state"] == state
    own = door.run(job).extra["hotglue"]
    assert own["large"] == ["state"]
    assert "state" not in own
    assert own["override_start_date"] == "2026-01-01"
    assert door.poll(job)["state"] == state
    assert door.do("GET", f"{door.lane}/jobs")[0]["state"] == {}


def test_what_was_kept_for_a_job_that_is_refused_is_deleted(door: Door) -> None:
    door.start()
    sent = {"override_source_config": {"password": "p"}}
    assert door.send("POST", f"{door.lane}/jobs", sent).status == 409
    assert requests_of(door) == []


def test_what_was_kept_stays_where_nobody_knows_whether_there_is_a_job(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*_: Any, **__: Any) -> Any:
        raise UnavailableError("the answer was lost")

    monkeypatch.setattr(starting, "start_run", lose)
    sent = {"override_source_config": {"password": "p"}}
    assert door.send("POST", f"{door.lane}/jobs", sent).status == 503
    assert len(requests_of(door)) == 1


def test_our_own_runner_is_told_what_to_do(cloud: Cloud) -> None:
    door = cloud.open().settle_in({**SINGER, "catalog": {"streams": []}, "script": "etl.py"})
    job = door.start(override_start_date="2026-01-01")
    run = door.run(job)
    work = read_work(run.arguments)
    assert run.executor == "singer"
    assert work.config_secret == f"{door.principal.org}/{door.env_id}/{door.flow_id}"
    assert work.request_key == run.extra["hotglue"]["request_key"]
    assert (work.about["JOB_ID"], work.about["JOB_ROOT"]) == (job["job_id"], job["s3_root"])
    assert (work.sync_type, work.discover, work.script) == ("full_sync", False, f"{door.principal.org}/scripts/etl.py")
    assert work.catalog_key is not None
    assert door.ports.objects.get_json(work.catalog_key) == {"streams": []}
    assert job["discover_install_uri"] == "tap-ledgerly==1.2.0"
    streaming = read_work(door.run(door.start(streaming_job=True, ignore_parallel_jobs=True)).arguments)
    assert (streaming.streaming, streaming.script) == (True, None)


def test_a_job_that_our_runner_cannot_do_is_refused(cloud: Cloud) -> None:
    door = cloud.open().settle_in({"runner": "singer", "tap": SINGER["tap"]})
    assert door.send("POST", f"{door.lane}/jobs", {"tap": "api"}).status == 400
    assert door.send("POST", f"{door.lane}/jobs", {"streaming_job": True}).status == 400
    assert door.do("GET", f"{door.lane}/jobs") == []


def test_a_flow_that_changes_changes_the_jobs_that_follow(door: Door) -> None:
    first = door.start()
    door.do("PUT", f"/{door.env_id}/settings/flows/{door.flow_id}", {**EXTERNAL, "timeout_seconds": 60})
    second = door.start(ignore_parallel_jobs=True)
    assert [door.run(job).timeout_seconds for job in (first, second)] == [48 * 3600, 60]
    door.do("PUT", f"/{door.env_id}/settings/flows/{door.flow_id}", EXTERNAL)
    third = door.start(ignore_parallel_jobs=True)
    assert door.run(third).timeout_seconds == 48 * 3600


def test_one_job_may_be_told_elsewhere(door: Door) -> None:
    job = door.start(override_lifecycle_webhook="https://elsewhere.example/hook")
    assert job["override_lifecycle_webhook"] == "https://elsewhere.example/hook"
    assert door.run(job).extra["hotglue"]["redirect"].startswith("to-")
    named = {"url": "https://elsewhere.example", "secret_ref": "nobody"}
    answer = door.send("POST", f"{door.lane}/jobs", {"override_lifecycle_webhook": named})
    assert (answer.status, answer.body["error"]["field"]) == (400, "override_lifecycle_webhook")


def test_a_start_costs_few_calls(door: Door, calls: Any) -> None:
    door.start()
    calls()
    door.start(ignore_parallel_jobs=True)
    assert calls() == Counter(GetItem=4, TransactWriteItems=1)
    job = door.start(ignore_parallel_jobs=True)
    calls()
    door.poll(job)
    assert calls() == Counter(GetItem=2, Query=1)


def requests_of(door: Door) -> list[str]:
    held: dict[str, bytes] = door.ports.run_objects.held  # type: ignore[attr-defined]
    return [key for key in held if key.startswith(f"{door.principal.org}/requests/")]


def settle(door: Door, job: dict[str, Any]) -> None:
    from jobruns.service.settlement import finish_run

    finish_run(door.ports, door.run(job), "test")
