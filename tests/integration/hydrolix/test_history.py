"""Activity and statistics tell what the ledger knows."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from hydrolix import statistics
from jobruns.service.ports import Ports
from tests.integration.hydrolix.client import Client
from tests.integration.hydrolix.conftest import CSV_COLUMNS, TRANSFORM, Site, batch
from tests.integration.hydrolix.worker import Worker


def load(door: Client, ports: Ports, name: str, rows: int, **settings: Any) -> None:
    worker = Worker(ports, door("POST", "jobs/batch", batch(name, **settings)).body)
    worker.begin()
    worker.list(1)
    if rows:
        worker.index(0)
        worker.succeed()
    else:
        worker.fail("s3://root-bucket/folder1/a.csv: no such day")


def actions(door: Client, path: str) -> list[str]:
    return [row["action"] for row in door("GET", f"{path}/activity?pagination=False").body]


def test_a_tables_activity_is_its_definitions_and_its_loads_newest_first(
    door: Client, site: Site, ports: Ports
) -> None:
    load(door, ports, "good", 10)
    load(door, ports, "bad", 0)
    columns = [*CSV_COLUMNS, {"name": "x", "datatype": {"type": "string", "source": {"from_input_index": 2}}}]
    changed = {**TRANSFORM, "settings": {"output_columns": columns}}
    assert door("PUT", site.transform, changed).status == 200
    page = door("GET", f"{site.table}/activity?page=1").body
    told = [row["action"] for row in page["results"]]
    assert told[:5] == ["update transform csv", "load failed", "load started", "load done", "load started"]
    assert told[-1] == "create table events"
    assert "create transform csv" in told
    assert (page["count"], page["num_pages"]) == (len(told), 1)
    assert [row["created"] for row in page["results"]] == sorted(
        (row["created"] for row in page["results"]), reverse=True
    )
    failed = page["results"][1]["log"]
    assert failed["user"] == {"username": "JRAKADMINACME"}
    assert failed["message"] == "s3://root-bucket/folder1/a.csv: no such day"
    assert page["results"][3]["log"]["rows_loaded"] == 10
    assert page["results"][-1]["log"]["user"] == {"username": "JRAKADMINACME"}
    assert "user" not in page["results"][0]["log"], "who changed it was not written down"
    assert len(door("GET", f"{site.table}/activity/?page_size=2&page=2").body["results"]) == 2


def test_a_projects_activity_is_that_of_its_definitions(door: Client, site: Site) -> None:
    assert actions(door, site.project)[-1] == "create project website"
    door("PATCH", site.project, {"description": "d"})
    told = actions(door, site.project)
    assert told[0] == "update project website"
    assert {"create table events", "update table events"} <= set(told)
    assert door("GET", site.project).body["description"] == "d"
    owner = door("GET", f"{site.project}/activity?pagination=False").body[-1]["log"]["user"]
    assert owner == {"username": "JRAKADMINACME"}, "a change does not take the creator away"


def test_loads_are_counted(
    door: Client, site: Site, ports: Ports, calls: Callable[[], Counter[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = {"loads": 0, "loads_done": 0, "loads_failed": 0, "rows_loaded": 0, "rows_rejected": 0, "bytes_read": 0}
    assert door("GET", f"{site.table}/stats").body == {"name": "events", **nothing}
    load(door, ports, "good", 10)
    load(door, ports, "again", 10)
    load(door, ports, "bad", 0)
    load(door, ports, "rehearsal", 10, dry_run=True)
    assert door("POST", "jobs/batch", batch("begun")).status == 201
    counted = {**nothing, "loads": 5, "loads_done": 3, "loads_failed": 1, "rows_loaded": 20, "bytes_read": 198}
    calls()
    assert door("GET", f"{site.table}/stats/").body == {"name": "events", **counted}
    assert calls() == {"GetItem": 1, "Query": 1}
    door("POST", f"{site.project}/tables", {"name": "other"})
    stats = door("GET", f"{site.project}/stats").body
    assert stats["summary"] == {"name": "website", "tables": 2, "tables_counted": 2, **counted}
    assert [table["name"] for table in stats["tables"]] == ["events", "other"]
    monkeypatch.setattr(statistics, "MAX_RUNS", 2)
    stats = door("GET", f"{site.project}/stats").body
    assert (stats["summary"]["tables"], stats["summary"]["tables_counted"]) == (2, 1)
    [table] = stats["tables"]
    assert table["loads"] == 2
    assert table["counted_since"], "what was not counted is not passed over in silence"


def test_what_a_table_of_the_same_name_went_through_is_not_told(door: Client, site: Site, ports: Ports) -> None:
    load(door, ports, "good", 10)
    assert door("DELETE", site.table).status == 204
    made = door("POST", f"{site.project}/tables", {"name": "events"}).body
    path = f"{site.project}/tables/{made['uuid']}"
    assert actions(door, path) == ["create table events"]
    assert door("GET", f"{path}/stats").body["loads"] == 0


def test_nothing_is_told_of_what_is_not_there(door: Client, site: Site) -> None:
    nobody = "888ba890-3ece-403d-9753-4edd754bef61"
    for what in ("activity", "stats"):
        for path in (f"projects/{nobody}", f"{site.project}/tables/{nobody}", f"projects/{nobody}/tables/{nobody}"):
            assert door("GET", f"{path}/{what}").status == 404, path
