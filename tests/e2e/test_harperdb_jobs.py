"""The HarperDB door over HTTP: tables, loads as jobs, and what becomes of the rows."""

import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from jobruns.file_paths import file_key
from local.runner import Runner
from tests.e2e.ledger import wait_for

_NAMES = itertools.count()
SECRET = "the-secret-of-a-caller-of-this-door"


class Harper:
    """Speaks to the door as its clients do."""

    def __init__(self, runner: Runner, authorization: str | None = None) -> None:
        self.url = f"{runner.url}/harperdb"
        self.authorization = authorization or f"Bearer {runner.env['JOBRUNS_TOKEN']}"

    def ask(self, operation: str, **members: Any) -> tuple[int, Any]:
        """Send an operation; gives the status and the document of the answer."""
        return self.send({"operation": operation, **members})

    def send(self, body: Mapping[str, Any]) -> tuple[int, Any]:
        """Send a body."""
        headers = {"Content-Type": "application/json", "Authorization": self.authorization}
        request = urllib.request.Request(self.url, json.dumps(body).encode(), headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def do(self, operation: str, **members: Any) -> Any:
        """Send an operation that is to go well."""
        status, document = self.ask(operation, **members)
        assert status == 200, document
        return document

    def run(self, operation: str, **members: Any) -> dict[str, Any]:
        """Have a job done; gives it as it is when it has ended."""
        started = self.do(operation, **members)
        assert started["message"].split(" ")[4] == started["job_id"]
        return self.end(started["job_id"])

    def end(self, job_id: str) -> dict[str, Any]:
        """Wait until a job has ended."""

        def look() -> dict[str, Any] | None:
            (job,) = self.do("get_job", id=job_id)
            assert job["status"] in ("IN_PROGRESS", "COMPLETE", "ERROR")
            return job if job["status"] != "IN_PROGRESS" else None

        ended: dict[str, Any] = wait_for(look, 60, every_seconds=0.05)
        return ended


@pytest.fixture(scope="module")
def harper(runner: Runner) -> Harper:
    assert runner.wait_warm()
    return Harper(runner)


@pytest.fixture(scope="module")
def schema(harper: Harper) -> str:
    assert harper.do("create_schema", schema="kennel") == {"message": "database 'kennel' successfully created"}
    return "kennel"


@pytest.fixture
def dogs(harper: Harper, schema: str) -> dict[str, str]:
    """A new table, as requests name it."""
    target = {"schema": schema, "table": f"dog{next(_NAMES)}"}
    told = harper.do("create_table", **target, hash_attribute="id")
    assert told == {"message": f"table '{schema}.{target['table']}' successfully created."}
    return target


def csv_rows(count: int) -> str:
    return "\n".join(["id,name,age", *(f"{number},dog {number},{number % 17}" for number in range(count))])


def test_the_same_rows_by_insert_insert_update_upsert(harper: Harper, dogs: dict[str, str]) -> None:
    data = csv_rows(1000)
    ended = [
        harper.run("csv_data_load", **dogs, data=data, action=action)
        for action in ("insert", "insert", "update", "upsert")
    ]
    assert [(job["status"], job["message"]) for job in ended] == [
        ("COMPLETE", "successfully loaded 1000 of 1000 records"),
        ("COMPLETE", "successfully loaded 0 of 1000 records"),
        ("COMPLETE", "successfully loaded 1000 of 1000 records"),
        ("COMPLETE", "successfully loaded 1000 of 1000 records"),
    ]
    found = harper.do("search_by_hash", **dogs, hash_values=[7, 5000, 3], get_attributes=["name", "id"])
    assert found == [{"name": "dog 7", "id": 7}, {"name": "dog 3", "id": 3}]
    assert harper.do("describe_table", **dogs)["record_count"] == 1000


def test_a_job_that_cannot_be_done_is_there_and_has_ended(harper: Harper, dogs: dict[str, str]) -> None:
    where = {"operation": "search_by_hash", **dogs, "hash_values": [1]}
    for members, told in (
        ({"path": "out"}, "format missing"),
        ({"path": "out", "format": "xml"}, "format invalid. must be one of the following values: json, csv"),
        ({"format": "csv"}, "path is missing."),
    ):
        job = harper.run("export_local", search_operation=where, **members)
        assert (job["type"], job["status"], job["message"]) == ("export_local", "ERROR", told)
    job = harper.run("delete_records_before", schema="zzz", table="dog", date="2024-01-01")
    assert (job["status"], job["message"]) == ("ERROR", "database 'zzz' does not exist")


def test_what_is_exported_is_in_the_file_and_the_job_says_where(
    runner: Runner, harper: Harper, dogs: dict[str, str]
) -> None:
    s3, org = runner.client("s3"), runner.env["JOBRUNS_ORG"]
    harper.do("insert", **dogs, records=[{"id": 1, "name": 'Penny "P"', "age": 5}, {"id": 2, "name": "Kato"}])
    search = {"operation": "search_by_hash", **dogs, "hash_values": [2, 1], "get_attributes": ["id", "name", "age"]}
    job = harper.run("export_local", path="/out/", filename="dogs", format="csv", search_operation=search)
    assert job["message"] == f"Successfully completed job: {job['id']}"
    assert job["result"] == {"message": "Successfully exported CSV locally.", "path": "/out/dogs.csv"}
    written = s3.get_object(Bucket=runner.env["JOBRUNS_LANDING_BUCKET"], Key=file_key(org, "out/dogs.csv"))
    assert written["Body"].read() == b'"id","name","age"\n2,"Kato",\n1,"Penny ""P""",5'
    s3.create_bucket(Bucket="callers-exports")
    place = {
        "aws_access_key_id": "AKIACALLER",
        "aws_secret_access_key": SECRET,
        "bucket": "callers-exports",
        "key": "k.json",
    }
    job = harper.run("export_to_s3", format="json", s3=place, search_operation=search)
    written = s3.get_object(Bucket="callers-exports", Key="k.json.json")
    assert written["Body"].read() == b'[{"id":2,"name":"Kato","age":null},{"id":1,"name":"Penny \\"P\\"","age":5}]'
    assert (job["result"]["Bucket"], job["result"]["Key"]) == ("callers-exports", "k.json.json")
    assert job["result"]["ETag"] == written["ETag"]
    again = harper.run("import_from_s3", **dogs, s3={**place, "key": "k.json.json"}, action="update")
    assert again["message"] == "successfully loaded 2 of 2 records"
    assert [place for place, content in kept(runner) if SECRET.encode() in content] == []


def kept(runner: Runner) -> Iterator[tuple[str, bytes]]:
    """Everything that the service has kept: the ledger, its buckets, what it logged."""
    for page in runner.client("dynamodb").get_paginator("scan").paginate(TableName=runner.env["LEDGER_TABLE"]):
        yield "ledger", repr(page["Items"]).encode()
    s3 = runner.client("s3")
    for bucket in (runner.env["WORK_BUCKET"], runner.env["JOBRUNS_LANDING_BUCKET"]):
        for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            yield entry["Key"], s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
    for log in runner.logs.iterdir():
        yield log.name, log.read_bytes()


def test_sql_reads_and_writes_rows(harper: Harper, dogs: dict[str, str]) -> None:
    name = f"{dogs['schema']}.{dogs['table']}"
    sql = partial(harper.do, "sql")
    told = sql(sql=f"INSERT INTO {name} (id, name, age) VALUES (1, 'Penny', 5), (2, 'Kato', 6), (1, 'again', 7)")
    assert (told["message"], told["skipped_hashes"]) == ("inserted 2 of 3 records", [1])
    assert sql(sql=f"UPDATE {name} SET age = age + 1 WHERE name = 'Kato'")["update_hashes"] == [2]
    assert sql(sql=f"SELECT name, age FROM {name} ORDER BY age DESC") == [
        {"name": "Kato", "age": 7},
        {"name": "Penny", "age": 5},
    ]
    assert sql(sql=f"SELECT count(*) FROM {name}") == [{"COUNT(*)": 2}]
    assert sql(sql=f"DELETE FROM {name} WHERE age < 6")["deleted_hashes"] == [1]
    assert sql(sql=f"SELECT id FROM {name}") == [{"id": 2}]


def test_what_sql_may_not_do_is_refused(harper: Harper, dogs: dict[str, str]) -> None:
    name = f"{dogs['schema']}.{dogs['table']}"
    harper.do("insert", **dogs, records=[{"id": 1}])
    for statement in (
        "SELECT * FROM read_csv('/etc/passwd')",
        "ATTACH 'x.db'",
        "COPY (SELECT 1) TO 'x'",
        "SET threads = 1",
        "PRAGMA database_list",
        f"SELECT 1; DROP TABLE {name}",
    ):
        status, told = harper.ask("sql", sql=statement)
        assert (status, told["error"][:15]) == (400, "Invalid SQL at:"), statement
    assert harper.ask("sql", sql="SELECT * FROM nowhere.t")[0] == 404
    assert harper.ask("sql", sql=f"SELECT zz FROM {name}") == (500, {"error": "unknown column zz"})


def test_what_a_query_selects_is_exported(runner: Runner, harper: Harper, dogs: dict[str, str]) -> None:
    harper.do("insert", **dogs, records=[{"id": 1, "name": "Penny"}, {"id": 2, "name": "Kato"}])
    query = f"SELECT name FROM {dogs['schema']}.{dogs['table']} ORDER BY name"
    search = {"operation": "sql", "sql": query}
    job = harper.run("export_local", path="out", filename="names", format="csv", search_operation=search)
    assert job["status"] == "COMPLETE", job
    key = file_key(runner.env["JOBRUNS_ORG"], "out/names.csv")
    written = runner.client("s3").get_object(Bucket=runner.env["JOBRUNS_LANDING_BUCKET"], Key=key)
    assert written["Body"].read() == b'"name"\n"Kato"\n"Penny"'
