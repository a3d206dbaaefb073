"""Lists of batch jobs: order, shapes, pages, filters; and the purge of those that have ended."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hydrolix import batch_jobs
from hydrolix.batch_filters import read_filter
from hydrolix.errors import InvalidDocumentError, Path
from jobruns.access import Principal, Role
from jobruns.documents import Document
from jobruns.service.ports import Ports
from tests.integration.doubles import Clock
from tests.integration.hydrolix.client import Client
from tests.integration.hydrolix.conftest import TRANSFORM, Site, batch
from tests.integration.hydrolix.worker import Worker

ADMIN = Principal(org="acme", name="JRAKADMINACME", role=Role.ADMIN)


def make(door: Client, count: int) -> list[dict[str, Any]]:
    return [door("POST", "jobs/batch", batch(f"job {number}")).body for number in range(count)]


def names(door: Client, query: str) -> list[str]:
    answer = door("GET", f"jobs/batch/?pagination=False&{query}")
    assert answer.status == 200, answer.body
    return [row["name"] for row in answer.body]


def test_lists_are_newest_first_in_both_shapes(door: Client, site: Site) -> None:
    made = [f"job {number}" for number in range(5)]
    for name in made:
        chosen = {"uuid": "ffffffff-3ece-403d-9753-4edd754bef61"} if name == "job 2" else {}
        assert door("POST", "jobs/batch", {**batch(name), **chosen}).status == 201
    for off in ("False", "false", "0"):
        assert [row["name"] for row in door("GET", f"jobs/batch/?pagination={off}").body] == made[::-1]
    first = door("GET", "jobs/batch/?page_size=2&x=y").body
    assert {name: first[name] for name in ("count", "current", "num_pages", "previous")} == {
        "count": 5,
        "current": 1,
        "num_pages": 3,
        "previous": None,
    }
    assert first["next"] == "https://api.example.test/config/v1/orgs/acme/jobs/batch/?page_size=2&x=y&page=2"
    last = door("GET", "jobs/batch/?page_size=2&page=3").body
    assert [row["name"] for row in last["results"]] == ["job 0"]
    assert last["next"] is None
    for page in ("4", "9" * 30):
        answer = door("GET", f"jobs/batch/?page_size=2&page={page}")
        assert (answer.status, answer.body) == (404, {"detail": "Invalid page."}), page


@pytest.mark.parametrize("where", ["page", "page_size"])
@pytest.mark.parametrize("value", ["0", "-1", "x", "²", "1.5", "1,2", "%00"])
def test_a_page_that_is_no_number_is_a_wrong_request(door: Client, where: str, value: str) -> None:
    answer = door("GET", f"jobs/batch/?{where}={value}")
    assert (answer.status, list(answer.body)) == (400, [where])
    assert "must be a whole number from 1 on" in answer.body[where][0]


def test_a_page_has_at_most_a_thousand_rows(door: Client, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hydrolix.pagination.MAX_SIZE", 2)
    make(door, 3)
    assert len(door("GET", "jobs/batch/?page_size=5000").body["results"]) == 2
    assert len(door("GET", "jobs/batch/?page_size=&page=").body["results"]) == 2


def test_an_empty_list(door: Client) -> None:
    for path in ("jobs/batch", "jobs/alter"):
        assert door("GET", f"{path}/?pagination=False").body == []
        assert door("GET", path).body == {
            "count": 0,
            "next": None,
            "previous": None,
            "current": 1,
            "num_pages": 1,
            "results": [],
        }


def test_filters_by_name_table_and_status(door: Client, site: Site, ports: Ports) -> None:
    made = make(door, 3)
    other = door("POST", f"{site.project}/tables", {"name": "other"}).body["uuid"]
    assert door("POST", f"{site.project}/tables/{other}/transforms", TRANSFORM).status == 201
    source = {"table": "website.other", "settings": {"url": "s3://b-b/x/"}}
    assert door("POST", "jobs/batch", batch("elsewhere", source=source)).status == 201
    failed = Worker(ports, made[1])
    failed.begin()
    failed.fail("a bad day")
    door("POST", f"jobs/batch/{made[2]['uuid']}/cancel")
    table_id = site.table.rpartition("/")[2]
    assert names(door, "name=job%201") == ["job 1"]
    assert names(door, "name=job") == []
    assert names(door, "table_name=other") == names(door, "table_name=website.other") == ["elsewhere"]
    assert names(door, f"table_id={table_id.upper()}") == ["job 2", "job 1", "job 0"]
    assert names(door, f"table_id={other}&name=job%201") == []
    assert names(door, "status=failed") == ["job 1"]
    assert names(door, f"status=ready&table_id={table_id}") == ["job 0"]
    assert names(door, "status=canceled&name=&own=1&force_operation=False") == ["job 2"]
    page = door("GET", "jobs/batch/?status=ready&page_size=1").body
    assert (page["count"], page["num_pages"], page["results"][0]["name"]) == (2, 2, "elsewhere")
    assert "status=ready" in page["next"]


def test_filters_by_the_time_of_creation(door: Client, site: Site, clock: Clock) -> None:
    old, middle, new = (door("POST", "jobs/batch", batch(name)).body["created"] for name in ("old", "mid", "new"))
    day = old[:10]
    assert names(door, f"date_min={middle}") == ["new", "mid"]
    assert names(door, f"date_max={middle}") == ["mid", "old"]
    assert names(door, f"date_min={middle}&date_max={middle}") == ["mid"]
    assert names(door, f"date_min={middle.replace('Z', '+00:00')}") == ["new", "mid"], "a plus sign as it is"
    assert names(door, f"date_min={middle.removesuffix('Z')}") == ["new", "mid"], "a time without zone is in UTC"
    assert names(door, f"date_min={day}&date_max={day}") == ["new", "mid", "old"], "a date is the whole day"
    assert names(door, "date_min=2199-01-01") == names(door, "date_max=1999-12-31") == []
    assert new > middle


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("date_min=yesterday", "must be a date or a time such as"),
        ("date_max=2026-02-30", "must be a date or a time such as"),
        ("date_max=99999-01-01T00:00:00Z", "must be a date or a time such as"),
        ("date_min=0001-01-01T00:00:00%2B23:00", "must be a date or a time such as"),
        ("status=DONE", "must be one of pending, ready, running, canceled, done, failed, unknown"),
        ("table_id=7", "must be a UUID"),
    ],
)
def test_a_wrong_filter_is_named_and_told_what_to_be(door: Client, query: str, told: str) -> None:
    answer = door("GET", f"jobs/batch?{query}")
    name = query.partition("=")[0]
    assert (answer.status, list(answer.body)) == (400, [name])
    assert told in answer.body[name][0]


@given(st.dictionaries(st.sampled_from(["name", "status", "table_id", "date_min", "date_max"]), st.text(max_size=40)))
def test_any_filter_is_read_or_refused_by_its_name(query: dict[str, str]) -> None:
    problems: list[tuple[Path, str]] = []
    try:
        read_filter(query)
    except InvalidDocumentError as error:
        problems = error.problems
    assert {path[0] for path, _ in problems} <= query.keys()


def test_purge_forgets_what_has_ended_and_nothing_else(
    door: Client, site: Site, ports: Ports, calls: Callable[[], Counter[str]]
) -> None:
    ready, running, failed, done, canceled, canceling = make(door, 6)
    for job in (running, failed, done, canceled):
        Worker(ports, job).begin()
    Worker(ports, failed).fail("a bad day")
    Worker(ports, done).list(0)
    Worker(ports, done).succeed()
    for job in (canceled, canceling):
        door("POST", f"jobs/batch/{job['uuid']}/cancel")
    Worker(ports, canceled).fail("stopped")
    ended = [failed, done, canceled]
    assert [door("GET", f"jobs/batch/{job['uuid']}").body["status"] for job in ended] == ["failed", "done", "canceled"]
    answer = door("POST", "purgejobs/")
    assert (answer.status, answer.body) == (200, {"purged_jobs": 3, "more": False})
    assert names(door, "") == [canceling["name"], running["name"], ready["name"]]
    assert all(Worker(ports, job).run.state.terminal for job in ended), "the runs stay"
    assert door("POST", "jobs/batch", batch(done["name"])).status == 201, "the name is free again"
    calls()
    assert door("POST", "purgejobs").body == {"purged_jobs": 0, "more": False}
    assert calls() == {"Query": 1, "BatchGetItem": 1}


def test_a_purge_does_a_part_and_says_that_there_is_more(
    door: Client, site: Site, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(door, 5)
    for job in made[:4]:
        Worker(ports, job).begin()
        Worker(ports, job).fail("a bad day")
    monkeypatch.setattr(batch_jobs, "PURGED_PER_CALL", 3)
    monkeypatch.setattr(batch_jobs, "PAGE", 2)
    assert door("POST", "purgejobs/").body == {"purged_jobs": 3, "more": True}
    assert door("POST", "purgejobs/").body == {"purged_jobs": 1, "more": False}
    assert names(door, "") == ["job 4"]


def test_a_job_that_is_retried_during_a_purge_stays(
    door: Client, site: Site, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    [job] = make(door, 1)
    Worker(ports, job).begin()
    Worker(ports, job).fail("a bad day")
    join = batch_jobs.join_runs

    def join_and_retry(ports: Ports, documents: list[Document]) -> list[batch_jobs.Job]:
        joined = join(ports, documents)
        batch_jobs.retry_job(ports, ADMIN, job["uuid"])
        return joined

    monkeypatch.setattr(batch_jobs, "join_runs", join_and_retry)
    assert batch_jobs.purge_jobs(ports, ADMIN) == (0, False)
    found = batch_jobs.list_documents(ports, ADMIN, read_filter({}))
    assert [document.name for document in found] == ["job 0"]


def test_an_org_purges_its_own_jobs_only(key: Callable[..., Client], door: Client, site: Site, ports: Ports) -> None:
    [job] = make(door, 1)
    Worker(ports, job).begin()
    Worker(ports, job).fail("a bad day")
    assert key(org="other")("POST", "purgejobs/").body["purged_jobs"] == 0
    for role in (Role.READER, Role.REPORTER):
        assert key(role)("POST", "purgejobs/").status == 403
    assert key(Role.OPERATOR)("POST", "purgejobs/").body["purged_jobs"] == 1
