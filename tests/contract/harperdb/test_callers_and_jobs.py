"""Transport, who may call what, and jobs as they are shown. Names and ids are rows of the contract."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import jwt
import pytest

from jobruns.access import Role
from tests.contract.harperdb.service import CALLERS, S3, Service, service
from tests.integration.hdb.door import basic
from tests.integration.ledger_table import TABLE

__all__ = ["service"]

RESTRICTED = "This operation is not authorized due to role restrictions and/or invalid database items"
NO_OPERATION = "Request body must include an 'operation' property."
NOTHING = {"read": False, "insert": False, "update": False, "delete": False}


def grant(*rights: str) -> dict[str, bool]:
    return NOTHING | dict.fromkeys(rights, True)


def send(service: Service, body: bytes, content_type: str = "application/json", **headers: str) -> tuple[int, Any]:
    sent = {"authorization": service.admin, **({"content_type": content_type} if content_type else {}), **headers}
    answer = service.send(body, **{name: value for name, value in sent.items() if value})
    return answer["statusCode"], json.loads(answer["body"])


GET = b'{"operation": "get_job", "id": "x"}'


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        pytest.param("application/json; charset=utf-8", 200, id="a charset parameter"),
        pytest.param("application/xml", 415, id="XML"),
        pytest.param("application/x-www-form-urlencoded", 415, id="form"),
        pytest.param("", 415, id="no content type at all"),
        pytest.param("text/plain", 400, id="text is read as a string"),
        # The reference reads these two by libraries of its own; no client of this API that we know of sends them.
        pytest.param("application/cbor", 415, id="CBOR, which only the reference reads"),
        pytest.param("application/x-msgpack", 415, id="MessagePack, which only the reference reads"),
    ],
)
def test_request_types(service: Service, content_type: str, status: int) -> None:
    assert send(service, GET, content_type)[0] == status


@pytest.mark.parametrize(
    ("accept", "status", "content_type"),
    [
        pytest.param("*/*", 200, "application/json", id="JSON without charset"),
        ("text/csv", 200, "text/csv"),
        pytest.param("text/html", 406, "application/json", id="text/html only"),
        pytest.param("application/cbor", 406, "application/json", id="CBOR, which only the reference writes"),
        pytest.param(
            "application/x-msgpack", 406, "application/json", id="MessagePack, which only the reference writes"
        ),
    ],
)
def test_response_types(service: Service, accept: str, status: int, content_type: str) -> None:
    headers = {"content_type": "application/json", "authorization": service.admin, "accept": accept}
    answer = service.send(GET, **headers)
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (status, content_type)


def test_response_headers(service: Service) -> None:
    answer = service.send(GET, content_type="application/json", authorization=service.admin)
    # Not that this were HarperDB, nor how long a database took of which there is none.
    assert {name.lower() for name in answer["headers"]} == {"content-type", "vary"}
    assert answer["headers"]["Vary"] == "Origin"


@pytest.mark.parametrize(
    ("body", "status", "document"),
    [
        pytest.param(b'{"a": 1}', 400, {"error": NO_OPERATION}, id="no operation"),
        pytest.param(b'{"operation": null}', 400, {"error": NO_OPERATION}, id="null operation"),
        pytest.param(b'{"operation": "nope"}', 400, {"error": "Operation 'nope' not found"}, id="unknown operation"),
        pytest.param(b'{"operation": ""}', 400, {"error": "Operation '' not found"}, id="empty operation"),
        pytest.param(b'{"operation": "GET_JOB"}', 400, {"error": "Operation 'GET_JOB' not found"}, id="case sensitive"),
        pytest.param(b'{"operation": " sql"}', 400, {"error": "Operation ' sql' not found"}, id="blanks not trimmed"),
        pytest.param(b'{"operation": 5}', 400, {"error": NO_OPERATION}, id="operation is a number"),
        pytest.param(b'{"a', 400, None, id="malformed JSON"),
        pytest.param(
            b"", 400, {"error": "Body cannot be empty when content-type is set to 'application/json'"}, id="empty body"
        ),
        *(
            pytest.param(body, 400, {"statusCode": 400, "error": "Bad Request", "message": NO_OPERATION}, id=name)
            for name, body in (("{}", b"{}"), ("[]", b"[]"), ("a JSON string", b'"x"'))
        ),
    ],
)
def test_bad_input(service: Service, body: bytes, status: int, document: Any) -> None:
    found, told = send(service, body)
    assert found == status
    assert told == document if document else "error" in told


ORDER = [
    ("credentials that are wrong", {"body": b"{", "authorization": basic("x", "y")}, 401, "Login failed"),
    ("JSON", {"body": b"{", "authorization": ""}, 400, None),
    ("operation present", {"body": b'{"a": 1}', "authorization": ""}, 400, NO_OPERATION),
    ("authenticated", {"body": b'{"operation": "nope"}', "authorization": ""}, 401, "Must login"),
    ("operation known", {"body": b'{"operation": "nope"}', "authorization": "user"}, 400, "Operation 'nope' not found"),
    ("role", {"body": b'{"operation": "delete_files_before"}', "authorization": "user"}, 403, RESTRICTED),
    ("fields", {"body": b'{"operation": "delete_files_before", "table": "t"}'}, 400, "'date' is required"),
]


@pytest.mark.parametrize(("headers", "status", "told"), [row[1:] for row in ORDER], ids=[row[0] for row in ORDER])
def test_order_of_checks(service: Service, headers: dict[str, Any], status: int, told: str | None) -> None:
    if headers.get("authorization") == "user":
        headers = {**headers, "authorization": service.user()}
    found = send(service, **headers)
    assert (found[0], told in (None, found[1]["error"])) == (status, True)


def test_jwt_lives_a_day_and_the_refresh_token_thirty(service: Service) -> None:
    tokens = service.do("create_authentication_tokens")
    lives = {}
    for name, token in tokens.items():
        # Of what is in it clients need nothing. Whoever has only the public part of a key could not check it: it is
        # checked by the service alone, so that there is one secret, and not RS256's pair.
        claims = jwt.decode(token, options={"verify_signature": False})
        lives[name] = (claims["sub"], claims["exp"] - claims["iat"])
    user = service.do("user_info")["username"]
    assert lives == {"operation_token": (user, 24 * 3600), "refresh_token": (user, 30 * 24 * 3600)}
    operation, refresh = (f"Bearer {tokens[name]}" for name in ("operation_token", "refresh_token"))
    assert service.ask("get_job", operation, id="x") == (200, [])
    assert service.error("get_job", refresh, id="x") == (401, "invalid token")
    assert set(service.ask("refresh_operation_token", refresh)[1]) == {"operation_token"}
    assert service.error("refresh_operation_token", operation) == (401, "invalid token")


def test_sessions_are_not_served(service: Service) -> None:
    assert service.error("login", username="x", password="y") == (400, "Operation 'login' not found")


def test_get_job_is_for_any_user_and_any_job(service: Service) -> None:
    job = service.job("csv_data_load", **service.table(), data="id\n1\n")
    for caller in (service.user(), service.key(Role.READER)):
        assert service.ask("get_job", caller, id=job["id"]) == (200, [job])


@pytest.mark.parametrize(
    ("operation", "function"),
    [
        ("search_jobs_by_start_date", "handleGetJobsByStartDate"),
        ("delete_records_before", "deleteFilesBefore"),
        ("delete_files_before", "deleteFilesBefore"),
        ("create_schema", "createSchema"),
        ("create_table", "createTable"),
        ("drop_table", "dropTable"),
    ],
)
def test_for_the_super_user_alone(service: Service, operation: str, function: str) -> None:
    user = service.user(dev={"tables": {"dog": grant("read", "insert", "update", "delete")}})
    status, document = service.ask(operation, user, schema="dev", table="dog")
    assert (status, document) == (
        403,
        {
            "error": RESTRICTED,
            "unauthorized_access": [f"Operation '{function}' is restricted to 'super_user' roles"],
            "invalid_schema_items": [],
        },
    )


@pytest.mark.parametrize("name", ["csv_data_load", "csv_file_load", "csv_url_load", "import_from_s3"])
def test_loads_need_both_insert_and_update_whatever_the_action_is(service: Service, name: str) -> None:
    table = service.table()
    for action, rights, lacking in (("insert", ["insert"], "update"), ("update", ["read", "update"], "insert")):
        user = service.user(dev={"tables": {table["table"]: grant(*rights)}})
        status, document = service.ask(name, user, **table, action=action)
        (told,) = document["unauthorized_access"]
        assert (status, told["required_table_permissions"]) == (403, [lacking])
        assert (told["schema"], told["table"]) == ("dev", table["table"])


def test_system_tables_are_refused_even_to_the_super_user(service: Service) -> None:
    status, document = service.ask("csv_data_load", schema="system", table="hdb_job", data="id\n1\n")
    assert (status, document["error"]) == (403, RESTRICTED)


def test_exports_by_sql_need_read_and_others_the_super_user(service: Service) -> None:
    table = service.table({"id": 1})
    name = f"dev.{table['table']}"
    user = service.user(dev={"tables": {table["table"]: grant("read")}})
    sql = {"operation": "sql", "sql": f"SELECT id FROM {name}"}
    keys = {"operation": "search_by_hash", **table, "hash_values": [1]}
    place = {"path": "out", "filename": "mine", "format": "csv"}
    status, started = service.ask("export_local", user, **place, search_operation=sql)
    assert (status, service.end(started["job_id"])["status"]) == (200, "COMPLETE")
    assert service.file("out/mine.csv") == b'"id"\n1'
    for operation, members in (("export_local", place), ("export_to_s3", {**place, "s3": {**S3, "key": "k"}})):
        assert service.ask(operation, user, **members, search_operation=keys)[0] == 403
    status, started = service.ask("export_local", service.user(), **place, search_operation=sql)
    job = service.end(started["job_id"])
    assert (job["status"], job["message"]) == ("ERROR", f"Table '{name}' does not exist")


def test_sql_tells_nobody_which_tables_there_are(service: Service) -> None:
    user = service.user(dev={"tables": {"other": grant("read")}})
    there, gone = f"dev.{service.table({'id': 1})['table']}", "dev.zzz"
    for statement in (
        "SELECT * FROM {}",
        "DELETE FROM {}",
        "UPDATE {} SET a = 1",
        "INSERT INTO {} (id) VALUES (1)",
        "SELECT * FROM (SELECT id FROM {}) AS x",
    ):
        for name in (there, gone):
            status, document = service.ask("sql", user, sql=statement.format(name))
            assert (status, document["error"], document["unauthorized_access"]) == (403, RESTRICTED, [])
            assert document["invalid_schema_items"] == [f"Table '{name}' does not exist"]


@pytest.mark.parametrize(
    ("statement", "rights", "lacking"),
    [
        pytest.param("DELETE FROM {} WHERE id = 1", ["read"], ["delete"], id="DELETE"),
        pytest.param("DELETE FROM {} WHERE id = 1", ["delete"], ["read"], id="DELETE reads"),
        pytest.param("UPDATE {} SET a = 1", ["read", "insert"], ["update"], id="UPDATE"),
        pytest.param("INSERT INTO {} (id) VALUES (1)", ["read", "update"], ["insert"], id="INSERT"),
        pytest.param("SELECT * FROM {}", ["insert"], ["read"], id="SELECT"),
    ],
)
def test_sql_needs_the_rights_of_what_it_stands_for(
    service: Service, statement: str, rights: list[str], lacking: list[str]
) -> None:
    table = service.table({"id": 1})
    user = service.user(dev={"tables": {table["table"]: grant(*rights)}})
    status, document = service.ask("sql", user, sql=statement.format(f"dev.{table['table']}"))
    (told,) = document["unauthorized_access"]
    assert (status, told["required_table_permissions"]) == (403, lacking)
    assert service.rows(table) == [{"id": 1}]


def test_a_table_that_a_role_cannot_see_does_not_exist(service: Service) -> None:
    table = service.table({"id": 1})
    status, document = service.ask("insert", service.user(), **table, records=[{"id": 1}])
    assert (status, document["unauthorized_access"]) == (403, [])
    assert document["invalid_schema_items"] == [f"Table 'dev.{table['table']}' does not exist"]


def test_a_job_operation_answers_with_exactly_the_message_and_the_id(service: Service) -> None:
    started = service.do("csv_data_load", **service.table(), data="id\n1\n")
    assert started == {"message": f"Starting job with id {started['job_id']}", "job_id": started["job_id"]}
    assert started["message"].split(" ")[4] == started["job_id"]
    assert service.do("get_job", id=started["job_id"])[0]["status"] == "IN_PROGRESS", "before anything has begun"
    assert service.end(started["job_id"])["status"] == "COMPLETE"


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/x.csv?X-Amz-Signature=hidden", "http://me:hidden@10.0.0.1/x.csv"], ids=["query", "user"]
)
def test_a_job_of_the_callers_credentials_shows_and_keeps_nothing_of_them(service: Service, url: str) -> None:
    service.s3.put_object(Bucket=CALLERS, Key="mine.csv", Body=b"id\n1\n")
    job = service.job("import_from_s3", **service.table(), s3={**S3, "key": "mine.csv"})
    failed = service.job("csv_url_load", **service.table(), csv_url=url, passthrough_headers={"X-Key": "hidden"})
    assert job["status"] == "COMPLETE"
    assert failed["message"].startswith("CSV Load failed from URL: http://10.0.0.1/x.csv, ")
    items = boto3.client("dynamodb").scan(TableName=TABLE)["Items"]
    assert job["id"] in str(items)
    assert "hidden" not in f"{job} {failed} {items}"


FIELDS: dict[str, tuple[bool | str, bool | str]] = {
    **dict.fromkeys(("id", "type", "status", "user", "created_datetime", "start_datetime"), (True, True)),
    **dict.fromkeys(("end_datetime", "message"), ("absent until finished", "null until finished")),
    "result": ("finished exports alone", False),
    "start_datetime_converted": (True, True),
    "end_datetime_converted": ("absent until finished", "absent until finished"),
    **dict.fromkeys(("__createdtime__", "__updatedtime__", "job_body"), (True, True)),
    "request": (False, False),
}
"""Whether a member is in the answers of get_job and search_jobs: the superset of what clients of any version read."""


@pytest.fixture(scope="module")
def jobs(service: Service) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """A job that goes and two that have ended, as both operations show them."""
    table = service.table({"id": 1})
    search = {"operation": "search_by_hash", **table, "hash_values": [1]}
    ids = {
        "load": service.job("csv_data_load", **table, data="id\n2\n")["id"],
        "export": service.job("export_local", path="out", format="csv", search_operation=search)["id"],
        "going": service.do("csv_data_load", **table, data="id\n2\n")["job_id"],
    }
    began = datetime.now(UTC) - timedelta(hours=1)
    asked = {"from_date": began.isoformat(), "to_date": (began + timedelta(hours=2)).isoformat()}
    listed = {job["id"]: job for job in service.do("search_jobs_by_start_date", **asked)}
    return {name: (service.do("get_job", id=job_id)[0], listed[job_id]) for name, job_id in ids.items()}


@pytest.mark.parametrize("field", FIELDS)
def test_job_record(jobs: dict[str, tuple[dict[str, Any], dict[str, Any]]], field: str) -> None:
    for name, shown in jobs.items():
        for job, rule in zip(shown, FIELDS[field], strict=True):
            match rule:
                case bool():
                    assert (field in job) is rule
                case "absent until finished":
                    assert (field in job) is (name != "going")
                case "null until finished":
                    assert (job[field] is None) is (name == "going")
                case _:
                    assert (field in job) is (name == "export")


def test_values_of_a_job_record(jobs: dict[str, tuple[dict[str, Any], dict[str, Any]]]) -> None:
    for job in (*jobs["load"], *jobs["export"]):
        assert (job["status"], job["user"], job["job_body"]) == ("COMPLETE", "JRAKADMIN", None)
        for name in ("start", "end"):
            moment = datetime.fromisoformat(job[f"{name}_datetime_converted"])
            assert job[f"{name}_datetime_converted"].endswith("Z")
            assert round(moment.timestamp() * 1000) == job[f"{name}_datetime"]
        assert job["created_datetime"] <= job["start_datetime"] <= job["end_datetime"]
    assert [job["type"] for job in (jobs["load"][0], jobs["export"][0])] == ["csv_data_load", "export_local"]


@pytest.mark.parametrize(
    ("members", "status", "answer"),
    [
        pytest.param({"id": "nope"}, 200, [], id="unknown string"),
        pytest.param({"id": 5}, 200, [], id="a number"),
        pytest.param({}, 400, {"error": "'id' is required"}, id="missing"),
        pytest.param({"id": ""}, 500, {"error": "Invalid job ID specified."}, id="empty"),
        pytest.param({"id": None}, 500, {"error": "Invalid job ID specified."}, id="null"),
        pytest.param(
            {"id": ["x"]},
            500,
            {"error": "there was an error searching for jobs.  Please check the log for details."},
            id="an array",
        ),
    ],
)
def test_get_job(service: Service, members: dict[str, Any], status: int, answer: Any) -> None:
    assert service.ask("get_job", **members) == (status, answer)


def test_search_jobs_excludes_both_ends_and_shows_the_oldest_first(service: Service) -> None:
    made = [service.job("csv_data_load", **service.table(), data="id\n1\n") for _ in range(3)]
    starts = [made[0]["start_datetime_converted"], made[2]["start_datetime_converted"]]
    # A job shows milliseconds and starts at a microsecond, so that one of the ends is a millisecond off.
    after = datetime.fromisoformat(starts[0]) + timedelta(milliseconds=1)
    found = service.do("search_jobs_by_start_date", from_date=after.isoformat(), to_date=starts[1])
    assert [job["id"] for job in found] == [made[1]["id"]]
    before = datetime.fromisoformat(starts[1]) + timedelta(milliseconds=1)
    found = service.do("search_jobs_by_start_date", from_date=starts[0], to_date=before.isoformat())
    assert [job["id"] for job in found if job["id"] in {one["id"] for one in made}] == [job["id"] for job in made]
    assert service.do("search_jobs_by_start_date", from_date=starts[1], to_date=starts[0]) == []


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+00:00", "%Y-%m-%dT%H:%M:%S+0000",
                                  "%Y-%m-%dT%H:%M:%S"])  # fmt: skip
def test_dates_of_a_search_for_jobs(service: Service, form: str) -> None:
    job = service.job("csv_data_load", **service.table(), data="id\n1\n")
    today = datetime.fromtimestamp(job["start_datetime"] / 1000, UTC)
    ends = [(today + timedelta(days=days)).strftime(form) for days in (-1, 1)]
    found = service.do("search_jobs_by_start_date", from_date=ends[0], to_date=ends[1])
    assert job["id"] in {one["id"] for one in found}


def test_an_undecodable_basic_value(service: Service) -> None:
    for value in ("Basic ???", "Basic " + base64.b64encode(b"\xff").decode()):
        assert service.error("get_job", value, id="x") == (401, "Invalid character")
