"""The door's handler over an emulated ledger: statuses and words of the contract's tables, by the names of its rows."""

import json
from typing import Any

import pytest

from hdb import admission
from jobruns.authentication import MEMORY_SECONDS
from jobruns.file_paths import file_key
from jobruns.run import RunState
from jobruns.service.lookups import find_run
from tests.integration.hdb.door import DOG, Door, basic, door

__all__ = ["door"]

S3 = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "hidden", "bucket": "bucket", "key": "dogs.csv"}
RESTRICTED = "This operation is not authorized due to role restrictions and/or invalid database items"


def test_other_routes(door: Door) -> None:
    health = door.send(b"", "GET", "/harperdb/health")
    assert (health["statusCode"], health["body"]) == (200, "HarperDB is running.")
    for verb, path in (("GET", "/harperdb"), ("PUT", "/harperdb"), ("POST", "/harperdb/foo")):
        assert (door.send(b"", verb, path)["statusCode"], door.send(b"", verb, path)["body"]) == (404, "Not found")
    preflight = door.send(b"", "OPTIONS", "/harperdb", origin="https://a.test")
    assert preflight["headers"]["Access-Control-Allow-Origin"] == "https://a.test"


@pytest.mark.parametrize(
    ("authorization", "told"),
    [
        pytest.param("", "Must login", id="no Authorization"),
        pytest.param(basic("nobody", "x"), "Login failed", id="wrong user or password (Basic)"),
        pytest.param("Basic ???", "Invalid character", id="undecodable Basic value"),
        pytest.param("Bearer x.y.z", "invalid token", id="bad/expired/wrong-kind Bearer"),
        pytest.param("Digest x", "Must login", id="other scheme (Digest)"),
    ],
)
def test_who_does_not_show_who_it_is(door: Door, authorization: str, told: str) -> None:
    assert door.error("describe_all", authorization) == (401, told)


def test_a_wrong_credential_is_told_before_the_body_is_read(door: Door) -> None:
    for body in (b"{", b"", b'{"operation": "refresh_operation_token"'):
        answer = door.send(body, content_type="application/json", authorization="Bearer x.y.z")
        assert (answer["statusCode"], json.loads(answer["body"])) == (401, {"error": "invalid token"})
    assert door.send(b"{", content_type="application/json")["statusCode"] == 400


def test_bad_bodies(door: Door) -> None:
    assert door.send(b"<a/>", content_type="application/xml", authorization=door.admin)["statusCode"] == 415
    assert door.send(b"{}", authorization=door.admin)["statusCode"] == 415
    large = door.send(b" " * (7 << 20), content_type="application/json", authorization=door.admin)
    assert large["statusCode"] == 413
    assert "csv_url_load or import_from_s3" in json.loads(large["body"])["error"]
    html = door.send(b"{}", content_type="application/json", authorization=door.admin, accept="text/html")
    assert html["statusCode"] == 406
    assert door.error("nope") == (400, "Operation 'nope' not found")
    assert door.error(None)[0] == 400
    assert door.error("sql", sql="ATTACH 'x'")[0] == 400
    assert door.error("sql", sql="SELECT * FROM zzz.t") == (404, "database 'zzz' does not exist")


def test_tables(door: Door) -> None:
    assert door.do("create_schema", schema="x") == {"message": "database 'x' successfully created"}
    assert door.error("create_schema", schema="x") == (400, "database 'x' already exists")
    assert door.error("create_table", **DOG, hash_attribute="id") == (400, "Table 'dog' already exists in 'dev'")
    assert door.error("describe_table", schema="dev", table="zzz") == (404, "Table 'dev.zzz' does not exist")
    assert door.error("describe_schema", schema="zzz") == (404, "database 'zzz' does not exist")
    assert door.error("drop_table", schema="zzz", table="t") == (404, "database 'zzz' does not exist")
    made = door.do("create_table", table="cat", primary_key="id")
    assert made == {"message": "table 'data.cat' successfully created."}
    assert door.do("drop_schema", schema="data") == {"message": "successfully deleted 'data'"}
    assert door.do("drop_schema", schema="x") == {"message": "successfully deleted 'x'"}


@pytest.mark.parametrize("name", ["csv_data_load", "csv_file_load", "csv_url_load", "import_from_s3"])
def test_what_a_load_does_not_find_is_a_wrong_request(door: Door, name: str) -> None:
    source = {"data": "id\n1\n", "file_path": "x.csv", "csv_url": "https://a.test/x.csv", "s3": S3}
    assert door.error(name, schema="dev", table="zzz", **source) == (400, "Table 'dev.zzz' does not exist")
    assert door.error(name, schema="zzz", table="dog", **source) == (400, "database 'zzz' does not exist")


def test_a_file_that_is_not_there_or_not_the_orgs(door: Door) -> None:
    for path in ("no.csv", "../../etc/passwd", "/"):
        told = (400, f"No such file or directory {path}")
        assert door.error("csv_file_load", **DOG, file_path=path) == told
    door.ports.objects.put(file_key("acme", "in/dogs.csv"), b"id\n1\n")
    assert "job_id" in door.do("csv_file_load", **DOG, file_path="/in/dogs.csv")


def test_a_job_is_in_progress_as_soon_as_it_is_answered_for(door: Door) -> None:
    started = door.do("csv_data_load", **DOG, data="id\n1\n", action="upsert")
    assert started["message"] == f"Starting job with id {started['job_id']}"
    (job,) = door.do("get_job", id=started["job_id"])
    assert (job["status"], job["type"], job["user"]) == ("IN_PROGRESS", "csv_data_load", "JRAKADMIN")
    assert "message" not in job
    found = door.do("search_jobs_by_start_date", from_date="2020-01-01", to_date="2030-01-01")
    assert started["job_id"] in {one["id"] for one in found}
    assert door.do("search_jobs_by_start_date", from_date="2030-01-01", to_date="2020-01-01") == []
    for unknown in ("nope", 5, "0198f000-0000-7000-8000-000000000000"):
        assert door.do("get_job", id=unknown) == []


def test_credentials_go_straight_to_who_works_by_them(door: Door) -> None:
    started = door.do("import_from_s3", **DOG, s3=S3)
    run_id, told = door.records.handed_over[-1]
    assert run_id == started["job_id"]
    assert told["s3"] == {"access_key_id": "AKIA", "secret_access_key": "hidden"}
    run = find_run(door.ports, admission.load_authenticator().authenticate({"authorization": door.admin}), run_id)
    assert "hidden" not in run.model_dump_json()
    assert run.source == "s3://bucket/dogs.csv"
    url = {"csv_url": "https://a.test/x.csv?signature=s", "passthrough_headers": {"X-Secret": "hidden"}}
    door.do("csv_url_load", **DOG, **url)
    assert door.records.handed_over[-1][1] == {"headers": {"X-Secret": "hidden"}, "url": url["csv_url"]}


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({}, "path is missing.,format missing,search_operation missing"),
        ({"path": "o", "format": "xml"}, None),
        ({"path": "o", "format": "csv", "search_operation": {"operation": "sql", "sql": "DELETE FROM dev.dog"}}, None),
        (
            {
                "path": "o",
                "format": "csv",
                "search_operation": {"operation": "search_by_hash", "table": "z", "hash_values": [1]},
            },
            "database 'data' does not exist",
        ),
    ],
)
def test_what_is_wrong_with_an_export_its_job_tells(door: Door, members: dict[str, Any], told: str | None) -> None:
    (job,) = door.do("get_job", id=door.do("export_local", **members)["job_id"])
    assert (job["type"], job["status"]) == ("export_local", "ERROR")
    assert job["message"] if told is None else job["message"] == told


def test_a_deletion_from_a_table_that_is_not_there_its_job_tells(door: Door) -> None:
    started = door.do("delete_files_before", schema="dev", table="zzz", date="2024-01-01")
    (job,) = door.do("get_job", id=started["job_id"])
    assert (job["status"], job["message"]) == ("ERROR", "Table 'dev.zzz' does not exist")
    run = find_run(door.ports, admission.load_authenticator().authenticate({"authorization": door.admin}), job["id"])
    assert (run.state, run.job, run.error_code) == (RunState.FAILED, "dev.zzz", "Refused")


def test_places_that_cannot_be_are_told_before_the_job_or_by_it(door: Door) -> None:
    wrong = {**S3, "bucket": "No Bucket"}
    status, told = door.error("import_from_s3", **DOG, s3=wrong)
    assert status == 400
    assert told.startswith("bucket is invalid")
    assert door.error("csv_file_load", **DOG, file_path="x" * 2000)[0] == 400
    search = {"operation": "search_by_hash", **DOG, "hash_values": [1]}
    started = door.do("export_to_s3", s3=wrong, format="csv", search_operation=search)
    (job,) = door.do("get_job", id=started["job_id"])
    assert (job["status"], job["message"][:17]) == ("ERROR", "bucket is invalid")


def test_data_that_is_no_text_its_job_tells(door: Door) -> None:
    (job,) = door.do("get_job", id=door.do("csv_data_load", **DOG, data=5)["job_id"])
    assert (job["type"], job["status"], job["message"]) == ("csv_data_load", "ERROR", "Data must be a string")


def test_roles_and_users(door: Door) -> None:
    nothing = {"read": False, "insert": False, "update": False, "delete": False}
    permission = {"super_user": False, "dev": {"tables": {"dog": {**nothing, "insert": True, "update": True}}}}
    assert door.do("add_role", role="feeder", permission=permission)["id"] == "feeder"
    assert door.error("add_user", role="nope", username="a", password="long enough", active=True) == (
        404,
        "nope role not found",
    )
    assert door.error("add_user", username="a", role="feeder") == (400, "Password can't be blank,Active can't be blank")
    added = door.do("add_user", role="feeder", username="rw", password="long enough", active=True)
    assert added == {"message": "rw successfully added"}
    again = {"role": "feeder", "username": "rw", "password": "long enough", "active": True}
    assert door.error("add_user", **again) == (409, "User rw already exists")
    user = basic("rw", "long enough")
    status, started = door.ask("csv_data_load", user, **DOG, data="id\n1\n")
    assert status == 200
    assert door.ask("get_job", user, id=started["job_id"])[1][0]["user"] == "rw"
    read = {"required_table_permissions": ["read"], "required_attribute_permissions": []}
    for name, members, unauthorized in (
        ("list_roles", {}, "Operation 'listRoles' is restricted to 'super_user' roles"),
        ("create_table", {"hash_attribute": "id"}, "Operation 'createTable' is restricted to 'super_user' roles"),
        ("search_by_hash", {"hash_values": [1], "get_attributes": ["*"]}, {**DOG, **read}),
    ):
        status, document = door.ask(name, user, **DOG, **members)  # type: ignore[arg-type]
        assert (status, document["error"]) == (403, RESTRICTED)
        assert document["unauthorized_access"] == [unauthorized]
    unseen = door.ask("insert", user, schema="dev", table="zzz", records=[])[1]
    assert unseen["invalid_schema_items"] == ["Table 'dev.zzz' does not exist"]
    assert door.do("drop_user", username="rw") == {"message": "rw successfully deleted"}
    assert door.error("drop_user", username="rw")[0] == 404
    assert door.do("drop_role", id="feeder") == {"message": "feeder successfully deleted"}


def test_tokens(door: Door) -> None:
    door.do("add_user", role="reader", username="tok", password="long enough", active=True)
    status, tokens = door.ask("create_authentication_tokens", "", username="tok", password="long enough")
    assert (status, set(tokens)) == (200, {"operation_token", "refresh_token"})
    operation, refresh = (f"Bearer {tokens[name]}" for name in ("operation_token", "refresh_token"))
    assert door.ask("user_info", operation)[1]["username"] == "tok"
    assert door.error("user_info", refresh) == (401, "invalid token")
    assert door.error("refresh_operation_token", operation) == (401, "invalid token")
    status, fresh = door.ask("refresh_operation_token", refresh)
    assert (status, set(fresh)) == (200, {"operation_token"})
    assert door.ask("user_info", f"Bearer {fresh['operation_token']}")[0] == 200
    assert door.error("create_authentication_tokens", "", username="tok", password="x") == (401, "invalid credentials")
    assert door.error("create_authentication_tokens", "", username="tok") == (401, "invalid credentials")
    assert door.error("create_authentication_tokens", "") == (401, "Must login")
    door.do("alter_user", username="tok", active=False)
    door.clock.sleep(MEMORY_SECONDS + 1)
    off = "Cannot complete request: User is inactive"
    assert door.error("create_authentication_tokens", "", username="tok", password="long enough") == (401, off)
    assert set(door.do("create_authentication_tokens")) == {"operation_token", "refresh_token"}


def test_the_log_and_the_system(door: Door) -> None:
    entries = door.do("read_log", limit=3)
    assert 0 < len(entries) <= 3
    assert [entry["timestamp"] for entry in entries] == sorted((e["timestamp"] for e in entries), reverse=True)
    assert door.do("system_information")["system"]["platform"] == "AWS Lambda"
