"""Lists of jobs, page by page, and what may be asked of them."""

from collections import Counter
from typing import Any

import pytest

from jobruns.job import Job
from jobruns.run import Executor, TriggerKind
from jobruns.service.definitions import define_job
from jobruns.service.settlement import dispatch_run
from jobruns.service.starts import StartRequest, start_run
from tests.integration.hotglue.door import LINKED, Cloud, Door


def pages(door: Door, path: str, query: str) -> list[list[str]]:
    """Read a list to its end; gives the ids of each page."""
    found, token = [], ""
    for _ in range(20):
        answer = door.send("GET", f"{path}?{query}{token}")
        assert answer.status == 200, answer.body
        found.append([job["job_id"] for job in answer.body])
        if answer.next_token is None:
            return found
        token = f"&next_token={answer.next_token}"
    raise AssertionError("the list has no end")


def make(door: Door, number: int, **members: Any) -> list[str]:
    """Make jobs; gives their ids, the newest first."""
    return [door.start(ignore_parallel_jobs=True, **members)["job_id"] for _ in range(number)][::-1]


def test_jobs_of_a_tenant_are_listed_newest_first_page_by_page(door: Door) -> None:
    made = make(door, 5)
    make(door.at(tenant="cust-882"), 2)
    assert pages(door, f"{door.lane}/jobs", "count=2") == [made[:2], made[2:4], made[4:]]
    assert pages(door, f"{door.lane}/jobs", "count=5") == [made]
    assert pages(door, f"{door.lane}/jobs", "") == [made]


def test_jobs_of_all_connectors_are_listed_together(cloud: Cloud) -> None:
    door = cloud.open().settle_in(LINKED)
    made = [
        job_id
        for _ in range(3)
        for name in ("crm", "mail")
        for job_id in make(door, 1, connector_id=name, job_type="read")
    ][::-1]
    make(door.at(tenant="cust-8811"), 1, connector_id="crm", job_type="read")
    for count in (1, 2, 4, 6, 20):
        found = pages(door, f"{door.lane}/jobs", f"count={count}")
        assert [job_id for page in found for job_id in page] == made
        assert all(len(page) == count for page in found[:-1])


def test_jobs_are_found_by_their_status(door: Door) -> None:
    jobs = [door.begin(ignore_parallel_jobs=True) for _ in range(5)]
    door.report(jobs[0], "JOB_COMPLETED")
    door.report(jobs[1], "SYNC_FAILED")
    door.report(jobs[2], "JOB_FAILED")
    door.report(jobs[3], "ETL_STARTED")
    ids = [job["job_id"] for job in jobs]
    wanted = {
        "JOB_COMPLETED": [0],
        "SYNC_FAILED": [1],
        "JOB_FAILED": [2, 1],
        "ETL_STARTED": [3],
        "JOB_CREATED": [4],
        "JOB_COMPLETED,ETL_STARTED": [3, 0],
        "JOB_CANCELLED": [],
    }
    for path in (f"{door.lane}/jobs", f"/{door.env_id}/jobs"):
        for status, places in wanted.items():
            assert pages(door, path, f"status={status}") == [[ids[place] for place in places]]


def test_jobs_are_found_by_their_time(door: Door) -> None:
    first = door.start()
    door.cloud.clock.sleep(3600)
    second = door.start(ignore_parallel_jobs=True)
    door.cloud.clock.sleep(3600)
    third = door.start(ignore_parallel_jobs=True)
    since, until = first["start_time"].replace("+", "%2B"), second["start_time"].replace("+00:00", "Z")
    both = [second["job_id"], first["job_id"]]
    assert pages(door, f"{door.lane}/jobs", f"end={until}") == [both]
    assert pages(door, f"{door.lane}/jobs", f"start={since}&end={until}") == [both]
    assert pages(door, f"/{door.env_id}/jobs", f"from={since}&to={until}") == [both]
    assert pages(door, f"{door.lane}/jobs", f"start={until}") == [[third["job_id"], second["job_id"]]]
    assert pages(door, f"{door.lane}/jobs", "start=2027-01-01") == [[]]


def test_jobs_of_an_environment_are_searched(door: Door) -> None:
    one = make(door, 2)
    other = make(door.at(tenant="cust-882"), 2, tap="api")
    elsewhere = door.at(env_id="prod.acorn.example").settle_in()
    make(elsewhere, 3)
    path = f"/{door.env_id}/jobs"
    assert pages(door, path, "count=3") == [[*other, one[0]], [one[1]]]
    assert pages(door, path, "tenant=cust-881") == [one]
    assert pages(door, path, "taps=api,other") == [other]
    assert pages(door, path, "targets=depot&taps=ledgerly") == [one]
    assert pages(door, path, "targets=nowhere") == [[]]
    assert len(pages(door, f"/{elsewhere.env_id}/jobs", "")[0]) == 3


def test_jobs_that_a_schedule_started_are_told_from_others(door: Door) -> None:
    by_hand = door.start()
    request = StartRequest(job=door.lane[1:], door="glue", trigger=TriggerKind.SCHEDULE, unlimited=True)
    run = start_run(door.ports, door.principal, request)
    (listed,) = door.do("GET", f"{door.lane}/jobs?scheduled=true")
    assert (listed["scheduled_job"], listed["tenant"], listed["tap"]) == (True, door.tenant, "ledgerly")
    assert listed["s3_root"] == f"{door.tenant}/flows/{door.flow_id}/jobs/{listed['job_id']}"
    assert listed["job_id"] == run.run_id.replace("-", "")
    assert pages(door, f"{door.lane}/jobs", "scheduled=false") == [[by_hand["job_id"]]]
    # It is polled by that root, and stopped.
    path = f"{door.lane}/jobs/status?job_root={listed['s3_root']}"
    assert door.do("GET", path)["task_id"] == run.run_id.replace("-", "")
    assert door.at(tenant="cust-882").send("GET", path.replace("cust-881/jobs", "cust-882/jobs")).status == 404


@pytest.mark.parametrize(
    "query",
    ["count=0", "count=x", "count=-1", "status=JOB_STARTED", "scheduled=perhaps", "start=yesterday", "end=2026-13-01"],
)
def test_what_cannot_be_asked_is_refused(door: Door, query: str) -> None:
    answer = door.send("GET", f"{door.lane}/jobs?{query}")
    assert (answer.status, answer.kind) == (400, "invalid_request")


@pytest.mark.parametrize("token", ["x", "bnVsbA==", "e30x", "eyJhIjoxfQ==", "W10="])
def test_tokens_that_are_none_of_the_list_are_refused(door: Door, token: str) -> None:
    make(door, 3)
    assert door.send("GET", f"{door.lane}/jobs?next_token={token}").status == 400


def test_a_token_of_another_list_is_refused(door: Door) -> None:
    make(door, 2)
    other = door.at(tenant="cust-882")
    make(other, 2)
    token = door.send("GET", f"{door.lane}/jobs?count=1").next_token
    assert other.do("GET", f"{other.lane}/jobs?next_token={token}") == []


def test_a_page_reads_only_what_it_shows(door: Door, calls: Any) -> None:
    make(door, 6)
    calls()
    assert len(door.do("GET", f"{door.lane}/jobs?count=3")) == 3
    assert calls() == Counter(GetItem=1, Query=1)
    assert len(door.do("GET", f"/{door.env_id}/jobs?count=3")) == 3
    assert calls() == Counter(GetItem=1, Query=1, BatchGetItem=1)


def test_runs_of_other_doors_are_shown_in_the_environment_of_the_org(door: Door) -> None:
    door.start()
    org = door.principal.org
    job: Job = define_job(door.ports, door.principal, name="nightly", executor=Executor.EXTERNAL, door="glue")
    run = start_run(door.ports, door.principal, StartRequest(job=job.name, door="glue"))
    dispatch_run(door.ports, org, run.job, run.run_id, "token")
    (shown,) = door.do("GET", f"/{org}/jobs")
    assert (shown["env_id"], shown["flow_id"], shown["tenant"], shown["status"]) == (
        org,
        "nightly",
        org,
        "SYNC_STARTED",
    )
    assert door.do("GET", f"/{org}/nightly/{org}/jobs") == [shown]
    polled = door.do("GET", f"/{org}/jobs/status?job_root={shown['s3_root']}")
    assert polled["task_id"] == shown["task_id"]
    assert door.do("GET", f"/{org}/nightly/{org}/jobs/status?job_root={shown['s3_root']}") == polled
    stranger = door.cloud.open()
    assert stranger.do("GET", f"/{stranger.principal.org}/jobs") == []
    path = f"/{stranger.principal.org}/jobs/status?job_root={shown['s3_root']}"
    assert stranger.send("GET", path).status == 404
    stopped = door.do("DELETE", f"/{org}/nightly/{org}/jobs?job_root={shown['s3_root']}")
    assert stopped["stop_requested"] is True
    load = define_job(door.ports, door.principal, name="load", executor=Executor.INGEST, door="hydrolix")
    started = start_run(door.ports, door.principal, StartRequest(job=load.name, door="hydrolix"))
    answer = door.send("DELETE", f"/{org}/load/{org}/jobs?job_root=ledger/load/{started.run_id}")
    assert (answer.status, "hydrolix door" in answer.body["message"]) == (409, True)
    assert door.send("PUT", f"/{org}/settings", {}).status == 400
    assert door.send("POST", f"/{org}/nightly/{org}/jobs", {}).status == 404
