"""What is wrong with a request is said in this door's shape, and nothing is made of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from hydrolix import batch_jobs
from hydrolix.batch_documents import read_request
from hydrolix.errors import InvalidDocumentError, answer_error
from tests.integration.doubles import RecordingMachine
from tests.integration.hydrolix.client import Client, call, http_event
from tests.integration.hydrolix.conftest import CSV_COLUMNS, TRANSFORM, Site, batch

TABLE = "website.events"
LONG = "n" * 300


def source(**changes: Any) -> dict[str, Any]:
    """Make settings whose source has changes; one of ``None`` is left out."""
    whole = {"table": TABLE, "settings": {"url": "s3://root-bucket/folder1/"}, **changes}
    return {"settings": {"source": {name: value for name, value in whole.items() if value is not None}}}


def place(**settings: Any) -> dict[str, Any]:
    return source(settings=settings)


def setting(name: str, value: Any) -> dict[str, Any]:
    return {"settings": {**batch()["settings"], name: value}}


WRONG_JOBS = [
    ({"name": None}, "name"),
    ({"name": ""}, "name"),
    ({"name": "   "}, "name"),
    ({"name": LONG}, "name"),
    ({"name": 7}, "name"),
    ({"name": ["x"]}, "name"),
    ({"description": LONG}, "description"),
    ({"description": 1}, "description"),
    ({"type": "export"}, "type"),
    ({"type": None}, "type"),
    ({"uuid": "no"}, "uuid"),
    ({"uuid": 1}, "uuid"),
    ({"settings": None}, "settings"),
    ({"settings": "s3://b/"}, "settings"),
    ({"settings": {}}, "settings.source"),
    ({"settings": {"source": []}}, "settings.source"),
    (source(table=None), "settings.source.table"),
    (source(table="events"), "settings.source.table"),
    (source(table="website."), "settings.source.table"),
    (source(table=".events"), "settings.source.table"),
    (source(table="a.b.c"), "settings.source.table"),
    (source(table=f"{LONG}.x"), "settings.source.table"),
    (source(table=5), "settings.source.table"),
    (source(transform=""), "settings.source.transform"),
    (source(transform=LONG), "settings.source.transform"),
    (source(type="stream"), "settings.source.type"),
    (source(subtype="gcs"), "settings.source.subtype"),
    (source(settings=None), "settings.source.settings"),
    (source(settings=[]), "settings.source.settings"),
    (place(), "settings.source.settings"),
    (place(url="s3://a-b/c", bucket_name="a-b"), "settings.source.settings"),
    (place(url="s3://a-b/c", bucket_path="c"), "settings.source.settings"),
    (place(url="gs://a-b/c"), "settings.source.settings"),
    (place(url="https://a-b/c"), "settings.source.settings"),
    (place(url="job10"), "settings.source.settings"),
    (place(url="s3://"), "settings.source.settings"),
    (place(url="s3:///path"), "settings.source.settings"),
    (place(url="s3://No_Bucket/x"), "settings.source.settings"),
    (place(url=f"s3://a-b/{'ü' * 600}"), "settings.source.settings"),
    (place(url=f"s3://a-b/{'x' * 3000}"), "settings.source.settings.url"),
    (place(url=5), "settings.source.settings.url"),
    (place(bucket_name=""), "settings.source.settings"),
    (place(bucket_name=5), "settings.source.settings.bucket_name"),
    (place(bucket_name="a-b", cloud="azure"), "settings.source.settings"),
    (place(bucket_name="a-b", endpoint="https://minio.example.test"), "settings.source.settings"),
    (setting("regex_filter", "("), "settings.regex_filter"),
    (setting("regex_filter", "(?=x)"), "settings.regex_filter"),
    (setting("regex_filter", 1), "settings.regex_filter"),
    (setting("max_files", -1), "settings.max_files"),
    (setting("max_files", "3"), "settings.max_files"),
    (setting("max_files", 1.5), "settings.max_files"),
    (setting("max_files", True), "settings.max_files"),
    (setting("max_files", 2**70), "settings.max_files"),
    (setting("input_aggregation", 0), "settings.input_aggregation"),
    (setting("input_concurrency", -3), "settings.input_concurrency"),
    (setting("dry_run", "yes"), "settings.dry_run"),
]


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[str]]]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from leaves(below, (*path, name))
    else:
        yield ".".join(path), value


@pytest.mark.parametrize(("changes", "where"), WRONG_JOBS, ids=lambda value: str(value)[:60])
def test_a_wrong_job_is_refused_by_its_wrong_member(changes: dict[str, Any], where: str) -> None:
    # Nothing of AWS is there: a wrong document is refused before anything is looked up.
    body = {name: value for name, value in {**batch(), **changes}.items() if value is not None}
    with pytest.raises(InvalidDocumentError) as caught:
        read_request(body)
    answer = answer_error(caught.value)
    assert answer.status_code == 400
    answered = dict(leaves(answer.body))
    assert list(answered) == [where]
    assert all(text.startswith(where) and text.endswith(".") for text in answered[where])


def test_every_wrong_member_is_named(door: Client, site: Site, machine: RecordingMachine) -> None:
    answered = door("POST", "jobs/batch", {"name": LONG, "settings": {"max_files": -1, "source": {"settings": {}}}})
    assert answered.status == 400
    assert answered.body == {
        "name": ["name has more than 64 characters."],
        "type": ["type is required."],
        "settings": {
            "source": {
                "table": ["settings.source.table is required."],
                "settings": ["settings.source.settings needs either url or bucket_name, and not both."],
            },
            "max_files": ["settings.max_files must be 0 or more."],
        },
    }
    assert machine.started == []
    assert door("GET", "jobs/batch/?pagination=False").body == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [(source(table="website.none"), "website.none"), (source(table="no.table"), "no.table"),
     (source(transform="none"), "none")],
)  # fmt: skip
def test_a_job_over_what_does_not_exist(
    door: Client, site: Site, machine: RecordingMachine, changes: dict[str, Any], named: str
) -> None:
    answered = door("POST", "jobs/batch", {**batch(), **changes})
    assert answered.status == 404
    assert answered.body["detail"].startswith("Not found: ")
    assert named in answered.body["detail"]
    assert machine.started == []


def test_a_table_without_transform_cannot_be_loaded(door: Client) -> None:
    project = door("POST", "projects", {"name": "website"}).body["uuid"]
    assert door("POST", f"projects/{project}/tables", {"name": "events"}).status == 201
    answered = door("POST", "jobs/batch", batch())
    assert answered.status == 404
    assert "no transform" in answered.body["detail"]


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"nonsense",
        b'{"name": NaN}',
        b'{"name": 1e999}',
        b'{"name": "\\ud800"}',
        b"[" * 100_000,
        b'{"name": "\xff"}',
        b'{"n": ' + b"9" * 5000 + b"}",
    ],
)
def test_malformed_json(door: Client, text: bytes) -> None:
    headers = {"authorization": f"Bearer {door.token}"}
    event = http_event("POST", "/config/v1/orgs/acme/jobs/batch", body=text.replace(b"\xff", b""), **headers)
    if b"\xff" in text:
        binary = {"content-type": "application/octet-stream"}
        event = http_event("POST", "/config/v1/orgs/acme/jobs/batch", body=text, **headers, **binary)
    answered = call(event)
    assert answered.status == 400
    assert answered.body["detail"].startswith("JSON parse error - ")


@pytest.mark.parametrize("body", [[], ["x"], "x", 1, True, None])
def test_a_body_that_is_no_object(door: Client, body: Any) -> None:
    event = http_event(
        "POST",
        "/config/v1/orgs/acme/jobs/batch",
        body=json.dumps(body).encode(),
        authorization=f"Bearer {door.token}",
    )
    answered = call(event)
    assert answered.status == 400
    assert "Expected an object" in answered.body["detail"]


def test_a_body_that_is_too_large(door: Client, site: Site) -> None:
    answered = door("POST", "jobs/batch", {**batch(), "x": "x" * 300_000})
    assert answered.status == 400
    assert "bytes" in answered.body["detail"]
    wide = [*CSV_COLUMNS, *({"name": f"c{n}", "datatype": {"type": "string"}} for n in range(1500))]
    for column in wide[2:]:
        column["datatype"]["source"] = {"from_input_index": 1}
    answered = door(
        "POST", f"{site.table}/transforms", {**TRANSFORM, "name": "w", "settings": {"output_columns": wide}}
    )
    assert answered.status == 400
    assert "the transform takes" in answered.body["detail"]


@pytest.mark.parametrize("path", ["jobs/batch/{}", "jobs/batch/{}/status", "projects/{}", "projects/{}/tables"])
@pytest.mark.parametrize("identity", ["nothing", "888ba890-3ece-403d-9753-4edd754bef61", LONG])
def test_unknown_ids(door: Client, path: str, identity: str) -> None:
    answered = door("GET", path.format(identity))
    assert (answered.status, answered.body) == (404, {"detail": "Not found."})


def test_unknown_actions_and_parts(door: Client, site: Site) -> None:
    nobody = "888ba890-3ece-403d-9753-4edd754bef61"
    for method, path in [
        ("POST", f"jobs/batch/{nobody}/cancel"),
        ("POST", f"jobs/batch/{nobody}/retry"),
        ("DELETE", f"jobs/batch/{nobody}"),
        ("GET", f"{site.project}/tables/{nobody}"),
        ("GET", f"{site.table}/transforms/{nobody}"),
        ("POST", f"{site.project}/tables/{nobody}/truncate"),
        ("POST", f"projects/{nobody}/tables/{nobody}/truncate"),
        ("OPTIONS", f"projects/{nobody}"),
        ("OPTIONS", f"projects/{nobody}/tables"),
        ("OPTIONS", f"{site.project}/tables/{nobody}/transforms"),
        ("OPTIONS", f"{site.table}/transforms/{nobody}"),
        ("POST", "jobs/alter/x/commit"),
        ("POST", f"projects/{nobody}/tables"),
        ("POST", f"{site.project}/tables/{nobody}/transforms"),
        ("GET", "jobs/batch/x/y/z"),
        ("GET", "nothing"),
    ]:
        assert door(method, path, {"name": "x"} if method == "POST" else None).status == 404, (method, path)


def test_wrong_verbs(door: Client) -> None:
    for method, path, allowed in [
        ("PUT", "jobs/batch/", "GET, OPTIONS, POST"),
        ("PATCH", "jobs/batch/x", "DELETE, GET"),
        ("GET", "jobs/batch/x/cancel/", "POST"),
        ("DELETE", "projects", "GET, OPTIONS, POST"),
        ("GET", "purgejobs", "POST"),
        ("POST", "jobs/alter/", "GET"),
        ("PUT", "projects/x/tables/y/truncate", "POST"),
        ("DELETE", "projects/x/stats", "GET"),
        ("OPTIONS", "jobs/batch/x/retry", "POST"),
    ]:
        answered = door(method, path)
        assert (answered.status, answered.headers["Allow"]) == (405, allowed)
        assert answered.body == {"detail": f'Method "{method}" not allowed.'}


ODD = ["%00", "%2e%2e", "%ff", "a%20b", "%F0%9F%98%80", "x" * 3000, "..;", "%2F", "null", "{}"]
ITEMS = ["jobs/batch/{}", "projects/{}", "projects/{}/tables/{}/transforms/{}", "projects/{}/tables/{}/stats"]


@pytest.mark.parametrize("odd", ODD, ids=lambda value: value[:8])
def test_nothing_odd_in_a_path_or_a_query_is_a_bug(door: Client, site: Site, odd: str) -> None:
    for path in ITEMS:
        for method in ("GET", "OPTIONS", "PUT", "DELETE"):
            answered = door(method, path.format(odd, odd, odd), {"name": "x"} if method == "PUT" else None)
            assert answered.status in (404, 405), (method, path)
    for path in ("jobs/batch/", f"{site.table}/activity"):
        for name in ("page", "page_size", "date_min", "status", "table_id", "name", "own"):
            assert door("GET", f"{path}?{name}={odd}").status in (200, 400), name


WRONG_SETTINGS = [
    ("project", {"settings": []}, "settings"),
    ("project", {"description": 5}, "description"),
    ("project", {"uuid": "me"}, "uuid"),
    ("table", {"settings": "x"}, "settings"),
    ("table", {"description": ["x"]}, "description"),
    ("table", {"settings": {"autoingest": [5]}}, "settings"),
    ("table", {"settings": {"autoingest": [{"enabled": True, "pattern": "(?=x)"}]}}, "settings"),
    ("table", {"settings": {"autoingest": [{}] * 101}}, "settings"),
    ("transform", {"type": "parquet"}, "type"),
    ("transform", {"settings": None}, "settings"),
    ("transform", {"settings": {"output_columns": []}}, "settings"),
    ("transform", {"settings": {"compression": "rar"}}, "settings"),
    ("transform", {"settings": {"is_default": "perhaps"}}, "settings"),
]


@pytest.mark.parametrize(("what", "changes", "member"), WRONG_SETTINGS)
def test_a_wrong_change_is_refused_by_its_member_and_changes_nothing(
    door: Client, site: Site, what: str, changes: dict[str, Any], member: str
) -> None:
    path = getattr(site, what)
    before = door("GET", path).body
    for method, body in (("PATCH", changes), ("PUT", {**before, **changes})):
        answered = door(method, path, body)
        assert (answered.status, list(answered.body)) == (400, [member]), answered.body
    assert door("GET", path).body == before


def test_a_bug_is_told_without_its_insides(
    door: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("secret insides")

    monkeypatch.setattr(batch_jobs, "list_documents", fail)
    answered = door("GET", "jobs/batch")
    assert (answered.status, answered.body) == (500, {"detail": "Internal server error."})
    assert "secret insides" in caplog.text
