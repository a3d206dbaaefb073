"""Projects, tables and transforms, and the continuous ingest set on a table."""

from collections.abc import Callable
from typing import Any

import pytest

from jobruns.access import Role
from jobruns.errors import UnavailableError
from jobruns.service.ports import Ports
from jobruns.service.watches import list_watches
from tests.integration.doubles import RecordingLake
from tests.integration.hydrolix.client import Client, call, http_event
from tests.integration.hydrolix.conftest import CSV_COLUMNS, TRANSFORM, Site, batch


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
    typed = {"age": {"max_age_days": "5"}, "merge": {"enabled": "false"}, "own": {"a": "1"}, "shard_key": "7"}
    first = door("PATCH", site.table, {"settings": typed})
    second = door("PATCH", site.table, {"settings": {"own": {"b": 2}, "sort_keys": ["value"]}})
    assert (first.status, second.status) == (200, 200)
    settings = second.body["settings"]
    assert settings["age"] == {"max_age_days": 5}, "a number that came as text"
    assert settings["merge"] == {"enabled": False}
    assert (settings["own"], settings["shard_key"]) == ({"a": "1", "b": 2}, "7"), "text that may be meant as text"
    assert settings["reaper"] == {"max_age_days": 1}
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


def test_a_transform_may_be_changed_by_numbers_and_booleans_as_text(door: Client, site: Site) -> None:
    typed = {"format_details": {"skip_head": "3", "delimiter": ";", "own": "4"}, "is_default": "true"}
    changed = door("PATCH", site.transform, {"settings": typed})
    assert changed.status == 200, changed.body
    assert changed.body["settings"]["format_details"] == {"skip_head": 3, "delimiter": ";", "own": "4"}
    assert changed.body["settings"]["output_columns"] == CSV_COLUMNS
    assert door("GET", site.transform).body == changed.body
    wrong = door("PATCH", site.transform, {"settings": {"format_details": {"skip_head": "many"}}})
    assert (wrong.status, list(wrong.body["settings"]["format_details"])) == (400, ["skip_head"])
    assert door("PUT", site.transform, {**TRANSFORM, "settings": typed}).status == 400, "a whole document has its types"


@pytest.mark.parametrize("slash", ["", "/"])
def test_truncate_empties_the_table_and_says_how_many_files_it_had(
    door: Client, site: Site, lake_tables: RecordingLake, slash: str
) -> None:
    table_id = site.table.rpartition("/")[2]
    lake_tables.files[table_id] = 3
    answer = door("POST", f"{site.table}/truncate{slash}")
    assert (answer.status, answer.body) == (200, {"deactivated_partitions": 3})
    assert door("POST", f"{site.table}/truncate").body == {"deactivated_partitions": 0}
    assert lake_tables.calls == [("truncate", table_id)] * 2
    lake_tables.failure = UnavailableError("the function that changes tables did not answer in time")
    refused = door("POST", f"{site.table}/truncate")
    assert (refused.status, "in time" in refused.body["detail"]) == (503, True)


def test_only_who_may_define_a_table_may_empty_it(key: Callable[..., Client], door: Client, site: Site) -> None:
    for role in (Role.READER, Role.REPORTER, Role.OPERATOR):
        assert key(role)("POST", f"{site.table}/truncate").status == 403
    assert Client(key(org="other").token, "acme")("POST", f"{site.table}/truncate").status == 403


def fields_of(door: Client, path: str, method: str) -> dict[str, Any]:
    answer = door("OPTIONS", path)
    assert answer.status == 200, answer.body
    fields: dict[str, Any] = answer.body["actions"][method]
    return fields


def flatten(fields: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat = {}
    for name, described in fields.items():
        assert isinstance(described["read_only"], bool)
        flat[f"{prefix}{name}"] = described["type"]
        flat.update(flatten(described.get("children", {}), f"{prefix}{name}."))
    return flat


@pytest.mark.parametrize("slash", ["", "/"])
def test_options_describe_what_may_be_sent(door: Client, site: Site, slash: str) -> None:
    project = fields_of(door, f"projects{slash}", "POST")
    assert project["name"] == {
        "type": "string",
        "required": True,
        "read_only": False,
        "label": "Name",
        "max_length": 64,
        "min_length": 1,
    }
    assert project["url"]["read_only"]
    table = flatten(fields_of(door, f"{site.project}/tables{slash}", "POST"))
    assert (
        table.items()
        >= {
            "type": "choice",
            "settings": "nested object",
            "settings.autoingest": "list",
            "settings.stream.hot_data_max_open_seconds": "integer",
            "settings.merge.enabled": "boolean",
        }.items()
    )
    transform = flatten(fields_of(door, f"{site.table}/transforms{slash}", "POST"))
    assert (
        transform.items()
        >= {
            "type": "choice",
            "settings.output_columns": "list",
            "settings.format_details.skip_head": "integer",
            "settings.is_default": "boolean",
            "settings.sample_data": "field",
        }.items()
    )
    job = flatten(fields_of(door, f"jobs/batch{slash}", "POST"))
    assert (
        job.items()
        >= {
            "settings.max_files": "integer",
            "settings.dry_run": "boolean",
            "settings.source.table": "string",
            "settings.source.settings.url": "string",
            "details": "field",
        }.items()
    )


def test_options_of_an_item_are_those_of_its_list(door: Client, site: Site) -> None:
    for item in (site.project, site.table, site.transform):
        assert fields_of(door, item, "PUT") == fields_of(door, item.rpartition("/")[0], "POST")


def test_every_member_that_is_shown_is_described(door: Client, site: Site) -> None:
    for item in (site.project, site.table, site.transform):
        described = fields_of(door, item, "PUT")
        document = door("GET", item).body
        assert described.keys() >= document.keys()
        assert described["settings"]["children"].keys() >= document["settings"].keys()
        sent = {name for name, field in described.items() if not field["read_only"]}
        assert door("PUT", item, {name: document[name] for name in sent}).status == 200
    job = door("POST", "jobs/batch", batch()).body
    assert fields_of(door, "jobs/batch", "POST").keys() >= job.keys()


def test_a_stage_of_the_api_is_in_every_link(door: Client, site: Site) -> None:
    def send(path: str) -> Any:
        event = http_event("GET", f"/staged/config/v1/orgs/acme/{path}", authorization=f"Bearer {door.token}")
        event["requestContext"]["stage"] = "staged"
        return call(event)

    base = "https://api.example.test/staged/config/v1/orgs/acme"
    for item in (site.project, site.table, site.transform):
        assert send(f"{item}/").body["url"] == f"{base}/{item}/"
    door("POST", f"{site.project}/tables", {"name": "other"})
    page = send(f"{site.project}/tables/?page_size=1").body
    assert page["next"] == f"{base}/{site.project}/tables/?page_size=1&page=2"
    assert send("nothing").status == 404
    assert door("GET", site.project).body["url"] == f"{base.replace('/staged', '')}/{site.project}/"
