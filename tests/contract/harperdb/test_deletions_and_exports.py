"""Deletions before a date, and exports. Names and ids are rows of the contract.

What is wrong with the members of a request is tested in `tests/unit/hdb/test_loads.py` and `test_exports.py`.
"""

import base64
import io
import json
import time
import zlib
from datetime import UTC, datetime
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.contract.harperdb.service import CALLERS, S3, Service, service

__all__ = ["service"]

NAMES = ["delete_records_before", "delete_files_before"]


def now() -> str:
    time.sleep(0.002)
    return datetime.now(UTC).isoformat()


@pytest.mark.parametrize("name", NAMES)
def test_rows_created_strictly_before_the_date_are_deleted_though_they_were_updated_since(
    service: Service, name: str
) -> None:
    table = service.table({"id": 1}, {"id": 2})
    between = now()
    service.do("update", **table, records=[{"id": 1, "a": "x"}])
    service.do("insert", **table, records=[{"id": 3}])
    job = service.job(name, **table, date=between)
    assert (job["type"], job["status"], job["message"]) == (name, "COMPLETE", "2 of 2 records successfully deleted")
    assert [row["id"] for row in service.rows(table)] == [3]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        pytest.param(2, "2 of 2 records successfully deleted", id="n of n"),
        pytest.param(1, "1 of 1 record successfully deleted", id="one row, singular"),
        pytest.param(0, "No records found to delete", id="none"),
    ],
)
def test_messages_of_deletions(service: Service, rows: int, told: str) -> None:
    table = service.table(*({"id": number} for number in range(rows)))
    assert service.job("delete_records_before", **table, date=now())["message"] == told


def test_a_row_that_was_created_at_the_date_stays(service: Service) -> None:
    table = service.table({"id": 1})
    (row,) = service.rows(table, times=True)
    at = datetime.fromtimestamp(row["__createdtime__"] / 1000, UTC).isoformat()
    assert service.job("delete_records_before", **table, date=at)["message"] == "No records found to delete"


@pytest.mark.parametrize(
    ("target", "told"),
    [
        pytest.param({"schema": "dev", "table": "zzz"}, "Table 'dev.zzz' does not exist", id="missing table"),
        pytest.param({"schema": "zzz", "table": "dog"}, "database 'zzz' does not exist", id="missing database"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_what_a_deletion_does_not_find_its_job_tells(
    service: Service, name: str, target: dict[str, str], told: str
) -> None:
    job = service.job(name, **target, date="2024-01-01")
    assert (job["type"], job["status"], job["message"]) == (name, "ERROR", told)


@pytest.mark.parametrize("name", ["delete_audit_logs_before", "delete_transaction_logs_before"])
def test_siblings_are_not_served_as_there_are_no_such_logs(service: Service, name: str) -> None:
    assert service.error(name, timestamp=0) == (400, f"Operation '{name}' not found")


@pytest.fixture(scope="module")
def dogs(service: Service) -> dict[str, str]:
    return service.table(
        {"id": 2, "name": 'Penny "P"', "age": 5.5, "Owner": None, "good": True},
        {"id": 10, "name": "Kato\n2", "tags": ["a", {"b": 1}]},
        {"id": 1, "born": "2024-02-29"},
    )


def search(table: dict[str, str], *names: str, keys: tuple[Any, ...] = (1, 2, 10)) -> dict[str, Any]:
    return {"operation": "search_by_hash", **table, "hash_values": list(keys), "get_attributes": list(names) or ["*"]}


def test_json_is_one_array_on_one_line(service: Service, dogs: dict[str, str]) -> None:
    asked = search(dogs, "id", "name", "age", "tags")
    job = service.job("export_local", path="out", filename="dogs", format="json", search_operation=asked)
    assert job["message"] == f"Successfully completed job: {job['id']}"
    assert job["result"] == {"message": "Successfully exported JSON locally.", "path": "out/dogs.json"}
    assert service.file("out/dogs.json") == (
        b'[{"id":1,"name":null,"age":null,"tags":null},{"id":2,"name":"Penny \\"P\\"","age":5.5,"tags":null},'
        b'{"id":10,"name":"Kato\\n2","age":null,"tags":["a",{"b":1}]}]'
    )


def test_csv_quotes_names_and_texts_numbers_bare_null_empty_no_final_newline(
    service: Service, dogs: dict[str, str]
) -> None:
    asked = search(dogs, "id", "name", "age", "good")
    job = service.job("export_local", path="/out/", filename="dogs", format="csv", search_operation=asked)
    assert job["result"] == {"message": "Successfully exported CSV locally.", "path": "/out/dogs.csv"}
    assert service.file("out/dogs.csv") == (b'"id","name","age","good"\n1,,,\n2,"Penny ""P""",5.5,true\n10,"Kato\n2",,')


@pytest.mark.parametrize(("kind", "content"), [("json", b"[]"), ("csv", b"")])
@pytest.mark.parametrize("by", ["search_by_hash", "sql"])
def test_empty_results(service: Service, dogs: dict[str, str], kind: str, content: bytes, by: str) -> None:
    sql = {"operation": "sql", "sql": f"SELECT * FROM {dogs['schema']}.{dogs['table']} WHERE id = 77"}
    asked = sql if by == "sql" else search(dogs, keys=(77,))
    job = service.job("export_local", path="out", filename="none", format=kind, search_operation=asked)
    assert job["status"] == "COMPLETE"
    assert service.file(f"out/none.{kind}") == content


@pytest.mark.parametrize("by", ["search_by_hash", "search_by_value", "search_by_conditions", "sql"])
def test_column_order_of_a_star(service: Service, dogs: dict[str, str], by: str) -> None:
    sought = {"search_attribute": "id", "search_value": 2}
    members = {
        "search_by_hash": {"hash_values": [2]},
        "search_by_value": sought,
        "search_by_conditions": {"conditions": [sought]},
        "sql": {"sql": f"SELECT * FROM {dogs['schema']}.{dogs['table']} WHERE id = 2"},
    }
    asked = {"operation": by, **dogs, **members[by]}
    service.job("export_local", path="out", filename=by, format="csv", search_operation=asked)
    head, row = service.file(f"out/{by}.csv").decode().split("\n")
    assert head == '"id","__createdtime__","__updatedtime__","Owner","age","born","good","name","tags"'
    id_, created, updated, *rest = row.split(",")
    assert (id_, created, rest) == ("2", updated, ["", "5.5", "", "true", '"Penny ""P"""', ""])
    assert float(created) > 1.7e12


def test_parquet_is_ours(service: Service, dogs: dict[str, str]) -> None:
    asked = search(dogs, "id", "name", "age")
    job = service.job("export_local", path="out", filename="dogs", format="parquet", search_operation=asked)
    assert job["result"] == {"message": "Successfully exported Parquet locally.", "path": "out/dogs.parquet"}
    found = pq.read_table(io.BytesIO(service.file("out/dogs.parquet"))).to_pylist()
    assert [(row["id"], row["name"], row["age"]) for row in found] == [
        (1, None, None),
        (2, 'Penny "P"', 5.5),
        (10, "Kato\n2", None),
    ]


def test_export_local_overwrites_and_without_a_filename_it_is_the_time(service: Service, dogs: dict[str, str]) -> None:
    service.put("out/again.json", b"before")
    service.job("export_local", path="out", filename="again", format="json", search_operation=search(dogs, "id"))
    assert service.file("out/again.json") == b'[{"id":1},{"id":2},{"id":10}]'
    began = time.time() * 1000
    job = service.job("export_local", path="out", format="json", search_operation=search(dogs, "id"))
    folder, _, name = job["result"]["path"].partition("/")
    assert (folder, name.endswith(".json")) == ("out", True)
    assert began - 1 <= int(name.removesuffix(".json")) <= time.time() * 1000
    assert service.file(f"out/{name}") == b'[{"id":1},{"id":2},{"id":10}]'


def test_export_to_s3_appends_the_extension_and_answers_what_the_sdk_does(
    service: Service, dogs: dict[str, str]
) -> None:
    place = {**S3, "key": "k.json", "region": "us-east-1"}
    job = service.job("export_to_s3", format="json", s3=place, search_operation=search(dogs, "id"))
    stored = service.s3.get_object(Bucket=CALLERS, Key="k.json.json")
    assert stored["Body"].read() == b'[{"id":1},{"id":2},{"id":10}]'
    assert stored["ContentType"] == "application/octet-stream"
    result = job["result"]
    about = result.pop("$metadata")
    assert (about["httpStatusCode"], about["attempts"], about["totalRetryDelay"]) == (200, 1, 0)
    assert about["requestId"]
    crc = zlib.crc32(b'[{"id":1},{"id":2},{"id":10}]').to_bytes(4)
    assert result == {
        "ChecksumCRC32": base64.b64encode(crc).decode(),
        "ETag": stored["ETag"],
        "Bucket": CALLERS,
        "Key": "k.json.json",
        "Location": f"https://{CALLERS}.s3.us-east-1.amazonaws.com/k.json.json",
    }


def test_export_to_s3_tells_the_version_of_a_versioned_bucket_and_needs_no_region(
    service: Service, dogs: dict[str, str]
) -> None:
    service.s3.create_bucket(Bucket="versioned")
    service.s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    place = {**S3, "bucket": "versioned", "key": "k"}
    job = service.job("export_to_s3", format="csv", s3=place, search_operation=search(dogs, "id"))
    stored = service.s3.get_object(Bucket="versioned", Key="k.csv")
    assert (job["result"]["VersionId"], job["result"]["Key"]) == (stored["VersionId"], "k.csv")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM {}",
        "UPDATE {} SET name = 'x'",
        "INSERT INTO {} (id) VALUES (99)",
        "DROP TABLE {}",
        "SELECT 1; SELECT 2",
    ],
)
def test_only_select_is_exported(service: Service, dogs: dict[str, str], statement: str) -> None:
    sql = statement.format(f"{dogs['schema']}.{dogs['table']}")
    before = service.rows(dogs)
    asked = {"operation": "sql", "sql": sql}
    job = service.job("export_local", path="out", filename="danger", format="json", search_operation=asked)
    assert (job["type"], job["status"], job["message"][:15]) == ("export_local", "ERROR", "Invalid SQL at:")
    assert service.rows(dogs) == before


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        pytest.param(
            {"operation": "search_by_hash", "hash_values": [1]}, "'table' is required", id="the SDK's own searches"
        ),
        pytest.param(
            {"operation": "sql", "sql": "SELECT * FROM dev.zzz"}, "Table 'dev.zzz' does not exist", id="sql: no table"
        ),
        pytest.param(
            {"operation": "search_by_value", "table": "zzz", "search_attribute": "a", "search_value": 1},
            "database 'data' does not exist",
            id="search: no database",
        ),
    ],
)
def test_what_an_export_does_not_find_its_job_tells(service: Service, asked: dict[str, Any], told: str) -> None:
    for name, place in (("export_local", {"path": "out"}), ("export_to_s3", {"s3": {**S3, "key": "k"}})):
        job = service.job(name, **place, format="csv", search_operation=asked)
        assert (job["type"], job["status"], job["message"]) == (name, "ERROR", told)


@pytest.mark.parametrize(
    "place",
    [{"path": "../../x", "filename": "y"}, {"path": "out", "filename": "../../y"}, {"path": "/.."}],
    ids=["by the path", "by the filename", "upwards"],
)
def test_no_file_is_written_outside_of_the_orgs_own(
    service: Service, dogs: dict[str, str], place: dict[str, str]
) -> None:
    job = service.job("export_local", **place, format="csv", search_operation=search(dogs))
    assert (job["status"], job["message"]) == ("ERROR", f"No such file or directory {place['path']}")


def test_an_attribute_that_is_not_there_ends_the_job(service: Service, dogs: dict[str, str]) -> None:
    job = service.job("export_local", path="out", format="csv", search_operation=search(dogs, "zz"))
    assert (job["status"], job["message"]) == ("ERROR", "unknown attribute 'zz'")
    sql = f"SELECT zz FROM {dogs['schema']}.{dogs['table']}"
    job = service.job("export_local", path="out", format="csv", search_operation={"operation": "sql", "sql": sql})
    assert (job["status"], job["message"]) == ("ERROR", "unknown attribute 'zz'")


def test_what_strands_a_job_of_the_reference_ends_here(service: Service, dogs: dict[str, str]) -> None:
    conditions = [{"search_attribute": "id", "search_type": "greater_than", "search_value": 1}]
    for asked in ({"operation": "search_by_conditions", **dogs, "conditions": conditions}, search(dogs)):
        job = service.job("export_to_s3", format="json", s3={**S3, "key": "stranded"}, search_operation=asked)
        assert job["status"] == "COMPLETE"
    assert len(json.loads(service.s3.get_object(Bucket=CALLERS, Key="stranded.json")["Body"].read())) == 3
