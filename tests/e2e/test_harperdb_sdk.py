"""Every method of the PyPI client harperdb 0.4.2, unmodified, against the service on one machine."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from harperdb import HarperDB, HarperDBError

from jobruns.file_paths import file_key
from local.runner import Runner
from tests.e2e.ledger import wait_for

ROWS = b"id,name,age\n1,Penny,5\n2,Kato,6\n"
SCHEMA = "sdk"
DOGS: dict[str, Any] = {"schema": SCHEMA, "table": "dog"}


@pytest.fixture(scope="module")
def db(runner: Runner) -> HarperDB:
    assert runner.wait_warm()
    client = HarperDB(f"{runner.url}/harperdb", runner.env["JOBRUNS_KEY_ID"], runner.env["JOBRUNS_SECRET"], timeout=60)
    client.create_schema(SCHEMA)
    client.create_table(**DOGS, hash_attribute="id")
    return client


class _Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/csv")
        self.end_headers()
        self.wfile.write(ROWS)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/rows.csv"
        server.shutdown()


def end(db: HarperDB, started: dict[str, Any]) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        (job,) = db.get_job(started["job_id"])
        return job if job["status"] in ("COMPLETE", "ERROR") else None

    ended: dict[str, Any] = wait_for(look, 60, every_seconds=0.05)
    return ended


def test_tables(db: HarperDB) -> None:
    with pytest.raises(HarperDBError, match=r"^database 'sdk' already exists$"):
        db.create_schema(SCHEMA)
    with pytest.raises(HarperDBError, match=r"^Table 'dog' already exists in 'sdk'$"):
        db.create_table(**DOGS, hash_attribute="id")
    assert db.create_schema("gone") == {"message": "database 'gone' successfully created"}
    assert db.create_table("gone", "cat", "id") == {"message": "table 'gone.cat' successfully created."}
    assert db.create_table("gone", "mouse", "id") == {"message": "table 'gone.mouse' successfully created."}
    described = db.describe_table("gone", "cat")
    assert (described["schema"], described["name"], described["hash_attribute"]) == ("gone", "cat", "id")
    assert set(db.describe_schema("gone")) == {"cat", "mouse"}
    assert set(db.describe_all()["gone"]) == {"cat", "mouse"}
    db.insert("gone", "cat", [{"id": 1, "lives": 9, "name": "Tom"}])
    assert db.drop_attribute("gone", "cat", "lives") == {"message": "successfully deleted attribute 'lives'"}
    assert "lives" not in {part["attribute"] for part in db.describe_table("gone", "cat")["attributes"]}
    assert db.drop_table("gone", "mouse") == {"message": "successfully deleted table 'gone.mouse'"}
    assert db.drop_schema("gone") == {"message": "successfully deleted 'gone'"}
    with pytest.raises(HarperDBError, match=r"^database 'gone' does not exist$"):
        db.describe_schema("gone")
    with pytest.raises(HarperDBError, match=r"^Table 'sdk.zzz' does not exist$"):
        db.describe_table(SCHEMA, "zzz")


def test_rows(db: HarperDB) -> None:
    table: dict[str, Any] = {"schema": SCHEMA, "table": "rows"}
    db.create_table(**table, hash_attribute="id")
    assert db.insert(**table, records=[{"id": 1, "a": "x"}]) == {
        "message": "inserted 1 of 1 records",
        "inserted_hashes": [1],
        "skipped_hashes": [],
    }
    again = db.insert(**table, records=[{"id": 1, "a": "y"}, {"id": "two", "a": "y", "b": [1]}])
    assert again == {"message": "inserted 1 of 2 records", "inserted_hashes": ["two"], "skipped_hashes": [1]}
    updated = db.update(**table, records=[{"id": 1, "b": True}, {"id": 9}])
    assert updated == {"message": "updated 1 of 2 records", "update_hashes": [1], "skipped_hashes": [9]}
    with pytest.raises(HarperDBError, match="primary key 'id'"):
        db.update(**table, records=[{"b": True}])
    with pytest.raises(HarperDBError, match=r"^'a/b' is no name of an attribute"):
        db.insert(**table, records=[{"id": 3, "a/b": 1}])
    with pytest.raises(HarperDBError, match=r"^attribute 'id' is the primary key"):
        db.drop_attribute(**table, attribute="id")
    (row,) = db.search_by_hash(**table, hash_values=[1, 9])
    assert list(row) == ["id", "__createdtime__", "__updatedtime__", "a", "b"]
    assert (row["id"], row["a"], row["b"]) == (1, "x", True)
    assert row["__createdtime__"] < row["__updatedtime__"]
    found = db.search_by_value(**table, search_attribute="a", search_value="*", get_attributes=["id"])
    assert sorted(found, key=str) == [{"id": "two"}, {"id": 1}]
    assert db.search_by_value(**table, search_attribute="a", search_value="y", get_attributes=["b"]) == [{"b": [1]}]
    with pytest.raises(HarperDBError, match=r"^unknown attribute 'zz'$"):
        db.search_by_value(**table, search_attribute="zz", search_value="y")
    assert db.delete(**table, hash_values=[1, 7]) == {
        "message": "2 of 2 records successfully deleted",
        "deleted_hashes": [1, 7],
        "skipped_hashes": [],
    }
    assert db.search_by_hash(**table, hash_values=[1]) == []


def test_loads_and_deletions(runner: Runner, db: HarperDB, site: str, tmp_path: Path) -> None:
    began = datetime.now(UTC) - timedelta(seconds=5)
    path = tmp_path / "rows.csv"
    path.write_bytes(ROWS)
    loaded = end(db, db.csv_data_load(**DOGS, path=path, action="upsert"))
    assert (loaded["status"], loaded["type"], loaded["user"], loaded["message"]) == (
        "COMPLETE",
        "csv_data_load",
        runner.env["JOBRUNS_KEY_ID"],
        "successfully loaded 2 of 2 records",
    )
    with pytest.raises(HarperDBError, match=r"^No such file or directory no/such.csv$"):
        db.csv_file_load(**DOGS, file_path="no/such.csv")
    key = file_key(runner.env["JOBRUNS_ORG"], "in/rows.csv")
    runner.client("s3").put_object(Bucket=runner.env["JOBRUNS_LANDING_BUCKET"], Key=key, Body=ROWS)
    assert (
        end(db, db.csv_file_load(**DOGS, file_path="/in/rows.csv"))["message"] == "successfully loaded 0 of 2 records"
    )
    by_url = end(db, db.csv_url_load(**DOGS, csv_url=site, action="update"))
    assert by_url["message"] == "successfully loaded 2 of 2 records"
    deleted = end(db, db.delete_files_before(**DOGS, date=(began - timedelta(days=1)).isoformat()))
    assert (deleted["status"], deleted["message"]) == ("COMPLETE", "No records found to delete")
    jobs = db.search_jobs_by_start_date(began.isoformat(), (began + timedelta(hours=1)).isoformat())
    mine = [job for job in jobs if job["id"] in {loaded["id"], deleted["id"]}]
    assert [job["type"] for job in mine] == ["csv_data_load", "delete_files_before"]
    assert db.get_job("nope") == []


def test_exports(runner: Runner, db: HarperDB) -> None:
    # The client's own searches name no table, as of the reference they then end in this.
    failed = end(db, db.export_local("out", hash_values=[1], format="csv"))
    assert (failed["status"], failed["type"], failed["message"]) == ("ERROR", "export_local", "'table' is required")
    s3 = {"aws_access_key": "AKIACALLER", "aws_secret_access_key": "secret", "bucket": "callers-sdk", "key": "dogs"}
    failed = end(db, db.export_to_s3(**s3, search_attribute="name", search_value="Penny"))
    assert (failed["status"], failed["message"]) == ("ERROR", "'table' is required")


def test_people(runner: Runner, db: HarperDB) -> None:
    permission = {
        "super_user": False,
        SCHEMA: {"tables": {"dog": {"read": True, "insert": False, "update": False, "delete": False}}},
    }
    role = {"id": "walker", "role": "walker", "permission": permission}
    assert db.add_role("walker", permission) == role
    with pytest.raises(HarperDBError, match="nope role not found"):
        db.add_user("nope", "ro", "correct horse battery")
    assert db.add_user("walker", "ro", "correct horse battery") == {"message": "ro successfully added"}
    with pytest.raises(HarperDBError, match=r"^User ro already exists$"):
        db.add_user("walker", "ro", "correct horse battery")
    user = HarperDB(f"{runner.url}/harperdb", "ro", "correct horse battery", timeout=60)
    assert user.user_info("ro") == {"username": "ro", "active": True, "role": role}
    assert set(user.describe_all()) == {SCHEMA}
    assert user.search_by_hash(**DOGS, hash_values=[999]) == []
    with pytest.raises(HarperDBError, match=r"^This operation is not authorized due to role restrictions"):
        user.insert(**DOGS, records=[{"id": 5}])
    with pytest.raises(HarperDBError, match=r"^This operation is not authorized due to role restrictions"):
        user.list_users()
    assert {"username": "ro", "active": True, "role": role} in db.list_users()
    assert role in db.list_roles()
    more = json.loads(json.dumps(permission).replace('"insert": false', '"insert": true'))
    assert db.alter_role("walker", more)["permission"] == more
    assert db.alter_user("walker", "ro", "another long password") == {"message": "updated 1 of 1 records"}
    assert db.drop_user("ro") == {"message": "ro successfully deleted"}
    assert db.drop_role("walker") == {"message": "walker successfully deleted"}
    with pytest.raises(HarperDBError, match=r"^Login failed$"):
        HarperDB(f"{runner.url}/harperdb", "nobody", "x", timeout=60).describe_all()
    with pytest.raises(HarperDBError, match=r"^Must login$"):
        HarperDB(f"{runner.url}/harperdb", timeout=60).describe_all()


def test_the_server(db: HarperDB) -> None:
    assert db.system_information()["system"]["platform"] == "AWS Lambda"
    assert db.read_log(limit=3, order="asc") == sorted(
        db.read_log(limit=3, order="asc"), key=lambda entry: str(entry["timestamp"])
    )


def test_what_the_reference_has_no_more(db: HarperDB) -> None:
    for name, call in {
        "add_node": lambda: db.add_node("n", "h", 1),
        "update_node": lambda: db.update_node("n", "h", 1),
        "remove_node": lambda: db.remove_node("n"),
        "cluster_status": db.cluster_status,
        "registration_info": db.registration_info,
        "get_fingerprint": db.get_fingerprint,
        "set_license": lambda: db.set_license("k", "c"),
    }.items():
        with pytest.raises(HarperDBError, match=rf"^Operation '{name}' not found$"):
            call()


def test_sql(db: HarperDB) -> None:
    db.create_table(SCHEMA, "cat", "id")
    assert db.sql(f"INSERT INTO {SCHEMA}.cat (id, name) VALUES (1, 'Tom'), (2, 'Kit')")["inserted_hashes"] == [1, 2]
    assert db.sql(f"SELECT name FROM {SCHEMA}.cat ORDER BY id") == [{"name": "Tom"}, {"name": "Kit"}]
    with pytest.raises(HarperDBError, match="Invalid SQL at"):
        db.sql("DROP TABLE sdk.cat")
