"""Projects, tables and transforms, and the continuous ingest set on a table."""

from typing import Any

import pytest

from jobruns.service.ports import Ports
from jobruns.service.watches import list_watches
from tests.integration.hydrolix.client import Client
from tests.integration.hydrolix.conftest import CSV_COLUMNS, TRANSFORM, Site


def transform(name: str, **settings: Any) -> dict[str, Any]:
    return {**TRANSFORM, "name": name, "settings": {"output_columns": CSV_COLUMNS, **settings}}


def defaults(door: Client, site: Site) -> dict[str, bool]:
    listed = door("GET", f"{site.table}/transforms/?pagination=False").body
    return {row["name"]: row["settings"]["is_default"] for row in listed}


def watched(ports: Ports) -> list[tuple[str, str | None]]:
    return [(watch.pattern, watch.transform_id) for watch in list_watches(ports)]


def test_a_project_from_beginning_to_end(door: Client) -> None:
    made = door("POST", "projects", {"name": "p", "description": "d", "uuid": None, "unknown": 1})
    assert made.status == 201
    path = f"projects/{made.body['uuid']}"
    assert made.body["url"] == f"https://api.example.test/config/v1/orgs/acme/{path}/"
    assert made.body["settings"] == {"default_query_options": {}, "blob": None, "rate_limit": None}
    patched = door("PATCH", f"{path}/?force_operation=False", {"settings": {"default_query_options": {"a": 1}}})
    assert (patched.status, patched.body["description"]) == (200, "d")
    assert patched.body["settings"] == {"default_query_options": {"a": 1}, "blob": None, "rate_limit": None}
    replaced = door("PUT", path, {**patched.body, "description": None})
    assert (replaced.status, replaced.body["description"]) == (200, None)
    assert door("GET", f"{path}/").body == replaced.body
    assert list(door("PUT", path, {**patched.body, "name": "q"}).body) == ["name"]
    assert list(door("POST", "projects", {"name": "p"}).body) == ["name"]
    assert (door("DELETE", path).status, door("GET", path).status) == (204, 404)


@pytest.mark.parametrize("what", ["projects", "tables", "transforms"])
def test_names_that_cannot_be(door: Client, site: Site, what: str) -> None:
    path = {"projects": "projects", "tables": f"{site.project}/tables", "transforms": f"{site.table}/transforms"}[what]
    rest = TRANSFORM if what == "transforms" else {}
    # A transform names nothing but itself; projects and tables are parts of a dotted name.
    dotted: list[Any] = [] if what == "transforms" else ["a.b", "line\nbreak"]
    for name in ["", " ", "n" * 300, 5, None, *dotted]:
        answer = door("POST", path, {**rest, "name": name})
        assert (answer.status, list(answer.body)) == (400, ["name"]), name


def test_a_project_with_tables_stays(door: Client, site: Site) -> None:
    answer = door("DELETE", site.project)
    assert answer.status == 400
    assert "tables" in answer.body["detail"]


def test_lists_are_bare_until_pages_are_asked_for(door: Client, site: Site) -> None:
    for path in ("projects", f"{site.project}/tables", f"{site.table}/transforms"):
        for query in ("", "?page=1", "?pagination=False", "?pagination=False&page_size=5"):
            assert len(door("GET", f"{path}/{query}").body) == 1
        assert door("GET", f"{path}?page_size=5").body["count"] == 1
    assert door.send("GET", "/config/v1/orgs/?pagination=False").body[0]["uuid"] == "acme"
    assert door.send("GET", "/config/v1/orgs").body["results"][0]["uuid"] == "acme"


def test_answers_are_compressed_where_they_may_be_large(door: Client, site: Site) -> None:
    answer = door("GET", "projects/", **{"accept-encoding": "gzip, deflate"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.body.startswith(b"\x1f\x8b")


def test_a_table_shows_all_its_settings(door: Client, site: Site) -> None:
    table = door("GET", site.table).body
    assert (table["type"], table["primary_key"]) == ("turbine", "at")
    assert set(table["settings"]) == {
        "stream", "age", "reaper", "merge", "autoingest", "sort_keys", "shard_key", "max_future_days",
        "max_request_bytes", "rate_limit", "default_query_options",
    }  # fmt: skip


def test_table_settings_are_merged_deeply(door: Client, site: Site) -> None:
    first = door("PATCH", site.table, {"settings": {"age": {"max_age_days": "5"}, "own": {"a": 1}}})
    second = door("PATCH", site.table, {"settings": {"own": {"b": 2}, "sort_keys": ["value"]}})
    assert (first.status, second.status) == (200, 200)
    settings = second.body["settings"]
    assert settings["age"] == {"max_age_days": "5"}
    assert settings["own"] == {"a": 1, "b": 2}
    assert settings["merge"] == {"enabled": True}
    replaced = door("PUT", f"{site.table}/", {"name": "events", "settings": {"own": 3}}).body["settings"]
    assert (replaced["own"], replaced["sort_keys"]) == (3, [])
    assert list(door("PATCH", site.table, {"name": "other"}).body) == ["name"]
    assert list(door("PATCH", site.table, {"settings": 5}).body) == ["settings"]
    assert list(door("PATCH", site.table, {"type": "summary"}).body) == ["type"]


def test_enabled_autoingest_is_watched_in_order(door: Client, site: Site, ports: Ports) -> None:
    transform_id = site.transform.rpartition("/")[2]
    wishes = [
        {"enabled": "true", "pattern": "^s3://l/b/.*", "transform": "csv", "max_rows_per_partition": "7"},
        {"enabled": False, "pattern": "off"},
        {"enabled": True, "pattern": "^s3://l/a/.*", "source": "sqs://q"},
    ]
    answer = door("PATCH", site.table, {"settings": {"autoingest": wishes}})
    shown = answer.body["settings"]["autoingest"]
    assert [wish["enabled"] for wish in shown] == [True, False, True]
    assert (shown[0]["max_rows_per_partition"], shown[1]["max_minutes_per_partition"]) == (7, 60)
    assert watched(ports) == [("^s3://l/b/.*", transform_id), ("^s3://l/a/.*", None)]
    assert door("GET", site.table).body["settings"]["autoingest"] == shown
    single = door("PATCH", site.table, {"settings": {"autoingest": {"enabled": True}}})
    assert len(single.body["settings"]["autoingest"]) == 1
    assert watched(ports) == [("", None)]
    door("PATCH", site.table, {"settings": {"autoingest": []}})
    assert watched(ports) == []


@pytest.mark.parametrize(
    ("wish", "member"),
    [({"pattern": "("}, "pattern"), ({"transform": "none"}, "transform"), ({"max_rows_per_partition": -1},
     "max_rows_per_partition"), ({"enabled": "perhaps"}, "enabled")],
)  # fmt: skip
def test_wrong_autoingest(door: Client, site: Site, ports: Ports, wish: dict[str, Any], member: str) -> None:
    answer = door("PATCH", site.table, {"settings": {"autoingest": [{"enabled": True, **wish}]}})
    assert answer.status == 400
    assert list(answer.body["settings"]["autoingest"]["0"]) == [member]
    assert watched(ports) == []


def test_autoingest_may_name_a_transform_before_it_is_made(door: Client, site: Site, ports: Ports) -> None:
    wish = {"enabled": True, "pattern": "x", "transform": "late"}
    table = door("POST", f"{site.project}/tables", {"name": "t", "settings": {"autoingest": [wish]}}).body["uuid"]
    assert watched(ports) == []
    made = door("POST", f"{site.project}/tables/{table}/transforms", transform("late")).body
    assert watched(ports) == [("x", made["uuid"])]
    door("DELETE", f"{site.project}/tables/{table}/transforms/{made['uuid']}")
    assert watched(ports) == []


def test_a_deleted_table_is_not_watched_for(door: Client, site: Site, ports: Ports) -> None:
    door("PATCH", site.table, {"settings": {"autoingest": [{"enabled": True}]}})
    assert door("DELETE", site.table).status == 204
    assert watched(ports) == []
    assert door("GET", site.table).status == door("GET", f"{site.table}/transforms").status == 404
    assert door("POST", f"{site.project}/tables", {"name": "events"}).status == 201, "the name is free again"


def test_a_table_with_transforms_has_one_default(door: Client, site: Site) -> None:
    second = door("POST", f"{site.table}/transforms/?force_operation=False", transform("second")).body
    assert second["settings"]["is_default"] is False
    third = door("POST", f"{site.table}/transforms/", transform("third", is_default=True)).body
    assert third["settings"]["is_default"] is True
    assert defaults(door, site) == {"csv": False, "second": False, "third": True}
    put = door("PUT", f"{site.table}/transforms/{second['uuid']}", transform("second", is_default=True))
    assert (put.status, put.body["settings"]["is_default"]) == (200, True)
    assert defaults(door, site) == {"csv": False, "second": True, "third": False}
    assert door("DELETE", f"{site.table}/transforms/{second['uuid']}").status == 204
    assert defaults(door, site) == {"csv": True, "third": False}


def test_a_transform_is_shown_as_it_was_sent(door: Client, site: Site) -> None:
    sent = transform("full", null_values=["-"], sample_data="a,b", own={"x": 1}, format_details={"buffer_size": 4096})
    made = door("POST", f"{site.table}/transforms", {**sent, "description": "d"})
    assert made.status == 201
    shown = made.body["settings"]
    assert {name: shown[name] for name in sent["settings"]} == sent["settings"]
    assert (shown["compression"], shown["is_default"], made.body["description"]) == ("none", False, "d")
    path = f"{site.table}/transforms/{made.body['uuid']}"
    renamed = door("PATCH", path, {"name": "renamed", "settings": {"own": {"y": 2}, "compression": "gz"}}).body
    assert renamed["settings"]["own"] == {"x": 1, "y": 2}
    assert (renamed["name"], renamed["settings"]["compression"]) == ("renamed", "gz")
    assert door("GET", path).body == renamed
    assert list(door("PATCH", path, {"name": "csv"}).body) == ["name"], "another has this name"
    assert door("PUT", path, {"name": "renamed"}).status == 400
