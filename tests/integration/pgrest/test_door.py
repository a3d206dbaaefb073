"""The door as HTTP: paths, verbs, forms of answers, headers, ranges and counts."""

import base64
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV2SpecValidator

from jobruns.access import Role
from jobruns.service.definitions import set_look_back
from pgrest import reads
from tests.integration.pgrest.door import Cloud, Door, ago, call, cloud, http_event

__all__ = ["cloud"]

ALL_VERBS = "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"
READ_VERBS = "OPTIONS,GET,HEAD"
NULLS_STRIPPED = "application/vnd.pgrst.array+json;nulls=stripped"
ONE = "application/vnd.pgrst.object+json"


@pytest.fixture(scope="module")
def door(cloud: Cloud) -> Door:
    """A table of five rows, which no test changes."""
    door = cloud.open()
    door.add(
        {"name": "a", "status": "success", "start_date": ago(9), "end_date": ago(8), "records_processed": 5},
        {"name": "b", "status": "error", "start_date": ago(7), "end_date": ago(6), "message": 'lost, "all"\nof it'},
        {"name": "a", "status": "success", "start_date": ago(5), "end_date": ago(4)},
        {"name": "a b/é", "status": "success", "start_date": ago(3), "end_date": ago(2)},
        {"name": "b", "start_date": ago(1)},
    )
    return door


def ids(rows: Any) -> list[int]:
    return [row["id"] for row in rows]


@pytest.mark.parametrize("prefix", ["/postgrest", "/v1/postgrest", "/etl/jobruns/postgrest"])
def test_the_door_works_below_any_prefix(prefix: str, door: Door) -> None:
    below = Door(door.token, door.principal, door.ports, prefix)
    answer = below("GET", "/jobs?order=id&limit=2")
    assert ids(answer.json) == [1, 2]
    assert answer.headers["Content-Location"] == "/jobs?limit=2&order=id"
    assert below("GET", "").json["basePath"] == prefix


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_root_describes_what_is_there(slash: str, door: Door) -> None:
    answer = door("GET", slash)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/openapi+json; charset=utf-8")
    document = answer.json
    assert not list(OpenAPIV2SpecValidator(document).iter_errors())
    assert document["paths"].keys() == {"/", "/jobs", "/runs"}
    assert document["paths"]["/jobs"].keys() == {"get", "post", "patch", "delete"}
    assert document["paths"]["/runs"].keys() == {"get"}
    assert len(document["definitions"]["jobs"]["properties"]) == 9
    head = door("HEAD", slash, accept="application/json")
    assert (head.status, head.text, head.headers) == (200, "", answer.headers)


def test_options_needs_no_key_and_tells_what_is_served(door: Door) -> None:
    for path, verbs in (("/jobs", ALL_VERBS), ("/runs", READ_VERBS), ("/", READ_VERBS)):
        answer = call(http_event("OPTIONS", f"/postgrest{path}"))
        assert (answer.status, answer.text, answer.headers["Allow"]) == (200, "", verbs)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Methods" not in answer.headers
    assert call(http_event("OPTIONS", "/postgrest/jobz")).code == "PGRST205"


def test_a_browser_may_send_what_it_asks_to_send() -> None:
    asked = {
        "origin": "https://dash.example.test",
        "access-control-request-method": "PATCH",
        "access-control-request-headers": "authorization,content-type,prefer,idempotency-key",
    }
    answer = call(http_event("OPTIONS", "/postgrest/jobs", headers=asked))
    assert answer.status == 200
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == asked["access-control-request-headers"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    odd = call(http_event("OPTIONS", "/postgrest/jobs", headers={**asked, "access-control-request-headers": "a\r\nb"}))
    assert "Access-Control-Allow-Headers" not in odd.headers


def test_an_answer_tells_which_rows_it_has_and_of_what(door: Door) -> None:
    answer = door("GET", "/jobs?order=id&select=id&name=eq.a&limit=1&offset=1")
    assert (answer.status, answer.json) == (200, [{"id": 3}])
    assert answer.headers["Content-Range"] == "1-1/*"
    assert answer.headers["Content-Location"] == "/jobs?limit=1&name=eq.a&offset=1&order=id&select=id"
    assert answer.headers["Vary"] == "Accept, Prefer, Range"
    assert {"Content-Range", "Content-Location", "Location"} <= set(
        answer.headers["Access-Control-Expose-Headers"].split(", ")
    )
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Preference-Applied" not in answer.headers


def test_head_has_the_headers_of_get(door: Door) -> None:
    for target in ("/jobs?order=id&limit=2", "/jobs?order=id&limit=2&name=eq.a", "/jobs?page=2", "/jobz"):
        get, head = (door(verb, target, prefer="count=exact") for verb in ("GET", "HEAD"))
        assert (head.status, head.headers, head.text) == (get.status, get.headers, "")


@pytest.mark.parametrize(
    ("query", "header", "status", "shown", "content_range"),
    [
        ("", None, 200, [1, 2, 3, 4, 5], "0-4/*"),
        ("", "0-1", 200, [1, 2], "0-1/*"),
        ("", "3-", 200, [4, 5], "3-4/*"),
        ("", "rows=1", 200, [1, 2, 3, 4, 5], "0-4/*"),
        ("limit=2&offset=4", None, 200, [5], "4-4/*"),
        ("limit=0", None, 200, [], "*/*"),
        ("offset=1000", None, 200, [], "*/*"),
        ("limit=3&offset=1", "2-9", 200, [3, 4], "2-3/*"),
        ("id=eq.9", None, 200, [], "*/*"),
    ],
)
def test_rows_are_shown_by_window(
    query: str, header: str | None, status: int, shown: list[int], content_range: str, door: Door
) -> None:
    sent = {} if header is None else {"range": header, "range_unit": "items"}
    answer = door("GET", f"/jobs?order=id&{query}", **sent)
    assert (answer.status, ids(answer.json), answer.headers["Content-Range"]) == (status, shown, content_range)


@pytest.mark.parametrize(
    ("query", "status", "content_range"),
    [
        ("", 200, "0-4/5"),
        ("limit=2", 206, "0-1/5"),
        ("offset=3", 206, "3-4/5"),
        ("offset=5", 206, "*/5"),
        ("limit=0", 206, "*/5"),
        ("name=eq.b", 200, "0-1/2"),
        ("name=eq.none", 200, "*/0"),
        ("message=is.null&limit=1", 206, "0-0/4"),
    ],
)
def test_rows_are_counted_where_that_is_preferred(query: str, status: int, content_range: str, door: Door) -> None:
    for kind in ("exact", "planned", "estimated") if not query else ("exact",):
        answer = door("GET", f"/jobs?order=id&{query}", prefer=f"count={kind}")
        assert (answer.status, answer.headers["Content-Range"]) == (status, content_range)
        assert answer.headers["Preference-Applied"] == f"count={kind}"


def test_an_offset_behind_the_last_row_cannot_be_satisfied(door: Door) -> None:
    for verb in ("GET", "HEAD"):
        answer = door(verb, "/jobs?offset=6", prefer="count=exact")
        assert (answer.status, answer.code, answer.headers["Content-Range"]) == (416, "PGRST103", "*/5")


def test_a_range_is_for_get_alone(door: Door) -> None:
    assert door("HEAD", "/jobs", range="5-4").status == 200


def test_one_row_is_an_object(door: Door) -> None:
    answer = door("GET", "/jobs?id=eq.2&select=id,message", accept=f"{ONE}, application/json;q=0.5")
    assert answer.json == {"id": 2, "message": 'lost, "all"\nof it'}
    assert answer.headers["Content-Type"] == f"{ONE}; charset=utf-8"
    for target, count in (("/jobs?id=eq.9", 0), ("/jobs?name=eq.a", 2)):
        refused = door("GET", target, accept="application/vnd.pgrst.object")
        assert (refused.status, refused.code) == (406, "PGRST116")
        assert refused.json["details"] == f"The result contains {count} rows"


def test_rows_are_csv_or_go_without_nulls(door: Door) -> None:
    answer = door("GET", "/jobs?select=id,message,records_processed&order=id&limit=2", accept="text/csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.text == 'id,message,records_processed\n1,,5\n2,"lost, ""all""\nof it",'
    assert door("GET", "/jobs?id=eq.9", accept="text/csv").text == ""
    stripped = door("GET", "/jobs?select=id,message&id=eq.1", accept=NULLS_STRIPPED)
    assert stripped.json == [{"id": 1}]
    assert stripped.headers["Content-Type"] == f"{NULLS_STRIPPED}; charset=utf-8"


def test_times_are_shown_in_the_zone_preferred(door: Door) -> None:
    answer = door("GET", "/jobs?id=eq.1&select=start_date", prefer="timezone=Asia/Kolkata")
    assert answer.json == [{"start_date": "2026-11-21T08:30:00+05:30"}]
    assert answer.headers["Preference-Applied"] == "timezone=Asia/Kolkata"


@pytest.mark.parametrize("schema", ["public", "api"])
def test_a_profile_is_echoed(schema: str, door: Door) -> None:
    assert door("GET", "/jobs?limit=1", accept_profile=schema).headers["Content-Profile"] == schema
    assert door("PATCH", "/jobs?id=eq.9", {}, content_profile=schema).headers["Content-Profile"] == schema
    assert door("GET", "/", accept_profile=schema).headers["Content-Profile"] == schema


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("name=eq.a%20b/%C3%A9", [4]),
        ("name=eq.a+b/é", [4]),
        ("name=in.(a,%22a%20b/é%22)", [1, 3, 4]),
        (f"start_date=gte.{ago(7).replace('+', '%2B')}&start_date=lt.{ago(3).replace('+', '%2B')}", [2, 3]),
        ("and=(name.eq.b,or(status.eq.error,end_date.is.null))", [2, 5]),
        ("status=not.eq.success", [2, 5]),
        ("message=ilike.*LOST*", [2]),
        ("order=end_date.desc.nullslast,name&limit=3", [4, 3, 2]),
        ("order=end_date.desc&limit=2", [5, 4]),
    ],
)
def test_rows_are_found_by_the_query_as_it_was_sent(query: str, shown: list[int], door: Door) -> None:
    order = "" if "order" in query else "&order=id"
    assert ids(door.rows(f"{query}{order}")) == shown


def test_runs_of_every_door_are_shown_whole(door: Door) -> None:
    rows = door("GET", "/runs?select=id,job,state,door,started_by&order=id").json
    assert [(row["id"], row["job"], row["state"], row["door"]) for row in rows] == [
        (1, "a", "SUCCEEDED", "postgrest"),
        (2, "b", "FAILED", "postgrest"),
        (3, "a", "SUCCEEDED", "postgrest"),
        (4, "a b/é", "SUCCEEDED", "postgrest"),
        (5, "b", "STARTING", "postgrest"),
    ]
    refused = door("PATCH", "/runs?id=eq.1", {"message": "m"})
    assert (refused.status, refused.code, refused.headers["Allow"]) == (405, "PGRST117", READ_VERBS)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "x-api-key", "Basic"])
def test_a_key_is_shown_as_at_every_door(scheme: str, door: Door) -> None:
    key_id, _, secret = door.token.partition(".")
    basic = base64.b64encode(f"{key_id}:{secret}".encode()).decode()
    headers = {
        "x-api-key": {"x-api-key": door.token},
        "Basic": {"authorization": f"Basic {basic}"},
    }.get(scheme, {"Authorization": f"{scheme} {door.token}"})
    assert call(http_event("GET", "/postgrest/jobs?limit=1", headers=headers)).status == 200


def test_a_readers_key_reads(cloud: Cloud, door: Door) -> None:
    reader = cloud.open(Role.READER, door.principal.org)
    assert len(reader.rows()) == 5


def test_the_hot_question_looks_back_as_far_as_its_job_says(cloud: Cloud) -> None:
    door = cloud.open()
    set_look_back(door.ports, door.principal, "late", 600, define_as="postgrest")
    (row,) = door.add({"name": "late", "status": "success", "start_date": ago(2), "end_date": ago(1)})
    hot = "/jobs?name=eq.late&status=eq.success&order=end_date.desc&limit=1"
    answer = door("GET", hot)
    assert answer.json == [{**row, "start_date": "2026-11-21T09:50:00+00:00"}]
    assert answer.headers["Jobruns-Look-Back"] == "600"
    assert door.rows() == [row]


def test_fewer_rows_than_asked_for_are_no_answer(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who pages until a page is short, as tdutils does, would take it for the last one."""
    door = cloud.open()
    door.add(*({"name": "a", "message": "x" * 1000} for _ in range(4)))
    monkeypatch.setattr(reads.read_rows, "__kwdefaults__", {"counted": False, "max_bytes": 3500})
    for asked in ({"target": "/jobs?limit=3"}, {"target": "/jobs", "range": "0-2"}):
        answer = door("GET", **asked)
        assert (answer.status, answer.code) == (413, "54000")
        assert "limit=2" in answer.json["hint"]
    assert [len(door("GET", target).json) for target in ("/jobs?limit=2", "/jobs")] == [2, 2]
