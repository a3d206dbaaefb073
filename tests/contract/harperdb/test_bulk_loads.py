"""Bulk loads: what becomes of rows and cells, and what a job says of it. Names and ids are rows of the contract.

What is checked before there is a job is tested in `tests/unit/hdb/test_loads.py`. Types of columns cannot be declared
here, so that no cell is ever coerced.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.client
import pytest
from botocore.exceptions import ClientError

from tests.contract.harperdb.service import CALLERS, S3, Service, service

__all__ = ["service"]

ACTIONS = ["insert", "update", "upsert"]


@pytest.mark.parametrize(
    ("action", "key", "written", "row"),
    [
        pytest.param("insert", 1, 0, {"id": 1, "a": "old", "b": "kept"}, id="insert: row exists: left untouched"),
        pytest.param("insert", 2, 1, {"id": 2, "a": "new", "b": None}, id="insert: row absent: inserted"),
        pytest.param("update", 1, 1, {"id": 1, "a": "new", "b": "kept"}, id="update: row exists: merged"),
        pytest.param("update", 2, 0, None, id="update: row absent: skipped silently"),
        pytest.param("upsert", 1, 1, {"id": 1, "a": "new", "b": "kept"}, id="upsert: row exists: merged"),
        pytest.param("upsert", 2, 1, {"id": 2, "a": "new", "b": None}, id="upsert: row absent: inserted"),
    ],
)
def test_actions(service: Service, action: str, key: int, written: int, row: dict[str, Any] | None) -> None:
    table = service.table({"id": 1, "a": "old", "b": "kept"})
    told = service.load(table, f"id,a\n{key},new\n", action=action)
    assert told == f"successfully loaded {written} of 1 records"
    assert [found for found in service.rows(table) if found["id"] == key] == ([row] if row else [])


def test_the_action_is_insert_where_none_is_named(service: Service) -> None:
    table = service.table({"id": 1, "a": "old"})
    assert service.load(table, "id,a\n1,new\n") == "successfully loaded 0 of 1 records"


def test_the_same_file_by_insert_insert_update_upsert(service: Service) -> None:
    table = service.table()
    data = "\n".join(["id,a", *(f"{number},x" for number in range(1000))])
    told = [service.load(table, data, action=action) for action in ("insert", "insert", "update", "upsert")]
    assert told == [f"successfully loaded {count} of 1000 records" for count in (1000, 0, 1000, 1000)]


def test_duplicate_key_inside_one_insert_file_the_first_row_wins(service: Service) -> None:
    table = service.table()
    assert service.load(table, "id,a\n1,first\n2,x\n1,second\n") == "successfully loaded 2 of 3 records"
    assert service.rows(table) == [{"id": 1, "a": "first"}, {"id": 2, "a": "x"}]


@pytest.mark.parametrize("data", ["", "id,a\n", "id,a"], ids=["empty", "header only", "header without a newline"])
def test_a_file_without_rows(service: Service, data: str) -> None:
    table = service.table()
    assert service.load(table, data) == "No records parsed from csv file."
    service.put("in/empty.csv", data.encode())
    job = service.job("csv_file_load", **table, file_path="in/empty.csv")
    assert (job["status"], job["message"]) == ("COMPLETE", "successfully loaded 0 of 0 records")


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        pytest.param(b"id,a,b\n1,x,y\n", [{"id": 1, "a": "x", "b": "y"}], id="delimiter comma"),
        pytest.param(b"id\ta\tb\n1\tx\ty\n", [{"id": 1, "a": "x", "b": "y"}], id="delimiter tab"),
        pytest.param(b"id;a;b\n1;x;y\n", [{"id": 1, "a": "x", "b": "y"}], id="delimiter semicolon"),
        pytest.param(b"id|a|b\n1|x|y\n", [{"id": 1, "a": "x", "b": "y"}], id="delimiter pipe"),
        pytest.param(b"id,a\r\n1,x\r\n2,y\r\n", [{"id": 1, "a": "x"}, {"id": 2, "a": "y"}], id="CRLF"),
        pytest.param("id,ä\n1,ö\n".encode(), [{"id": 1, "ä": "ö"}], id="UTF-8"),
        pytest.param(b"\xef\xbb\xbfid,a\n1,x\n", [{"id": 1, "a": "x"}], id="BOM removed"),
        pytest.param(b"id,a\n\n1,x\n\n\n2,y\n\n", [{"id": 1, "a": "x"}, {"id": 2, "a": "y"}], id="blank lines skipped"),
        pytest.param(b"id,a\n1,x,surplus,more\n", [{"id": 1, "a": "x"}], id="surplus cells dropped"),
        pytest.param(b"id,a,b\n1,x\n", [{"id": 1, "a": "x", "b": None}], id="missing cells give null"),
        pytest.param(
            b'id,a\n1,x\n2,"open\n3,y\n', [{"id": 1, "a": "x"}, {"id": 2, "a": "open\n3,y\n"}], id="unclosed quote"
        ),
        pytest.param(b'id,a\n1,"say ""hi"",\nhe"\n', [{"id": 1, "a": 'say "hi",\nhe'}], id="quotes and newlines"),
        pytest.param(b"id,a\n,x\n", [{"id": "", "a": "x"}], id="empty key cell is the empty string"),
    ],
)
def test_csv_reading_rules(service: Service, data: bytes, rows: list[dict[str, Any]]) -> None:
    table = service.table()
    service.put("in/rules.csv", data)
    job = service.job("csv_file_load", **table, file_path="/in/rules.csv")
    assert job["message"] == f"successfully loaded {len(rows)} of {len(rows)} records"
    assert service.rows(table) == rows


def test_primary_key_column_absent_numeric_keys_are_generated(service: Service) -> None:
    table = service.table()
    assert service.load(table, "a\nx\ny\n") == "successfully loaded 2 of 2 records"
    assert service.load(table, "a\nz\n", action="upsert") == "successfully loaded 1 of 1 records"
    rows = service.rows(table)
    assert sorted(row["a"] for row in rows) == ["x", "y", "z"]
    assert len({row["id"] for row in rows if isinstance(row["id"], int)}) == 3


@pytest.mark.parametrize("name", ["a/b", "a`b", "x" * 251], ids=["slash", "backtick", "more than 250 characters"])
def test_a_column_name_that_cannot_be_cancels_the_load(service: Service, name: str) -> None:
    table = service.table({"id": 1})
    job = service.job("csv_data_load", **table, data=f"id,{name}\n1,2\n2,3\n")
    assert (job["status"], job["message"]) == ("ERROR", f"Invalid column name '{name}', cancelling load operation")
    assert service.rows(table) == [{"id": 1}]
    assert service.load(table, f"id,{'x' * 250}\n2,3\n") == "successfully loaded 1 of 1 records"


def test_new_columns_are_created_on_the_fly_each_with_a_secondary_index(service: Service) -> None:
    table = service.table({"id": 1, "a": "x"})
    service.load(table, "id,b\n2,y\n")
    shown = {part["attribute"]: part for part in service.do("describe_table", **table)["attributes"]}
    assert shown["b"] == {"attribute": "b", "indexed": True}
    assert service.rows(table) == [{"id": 1, "a": "x", "b": None}, {"id": 2, "a": None, "b": "y"}]


TYPING = {
    "true is true": ("true", True),
    "TRUE is true": ("TRUE", True),
    "True is text": ("True", "True"),
    "false is false": ("false", False),
    "FALSE is false": ("FALSE", False),
    "False is text": ("False", "False"),
    "null": ("null", None),
    "NULL": ("NULL", None),
    "undefined": ("undefined", None),
    "NaN is shown as null": ("NaN", None),
    "empty cell stays empty text": ("", ""),
    "whole number": ("42", 42),
    "negative number": ("-42", -42),
    "zero": ("0", 0),
    "0.10 is a number": ("0.10", 0.1),
    "decimal number": ("19.99", 19.99),
    "leading zero stays text": ("007", "007"),
    "exponent stays text": ("1e3", "1e3"),
    "Exponent stays text": ("1E3", "1E3"),
    "date-time with Z": ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00.000Z"),
    "date-time with an offset is normalised": ("2024-02-29T12:00:00.1239+02:00", "2024-02-29T10:00:00.123Z"),
    "date-time without a zone stays text": ("2024-02-29T12:00:00", "2024-02-29T12:00:00"),
    "date without time stays text": ("2024-02-29", "2024-02-29"),
    "text": ("Penny", "Penny"),
    "blanks stay": (" Penny ", " Penny "),
}
STRUCTURES = {
    "object": ('{"a": [1, null]}', {"a": [1, None]}),
    "array": ('["x", {"b": true}]', ["x", {"b": True}]),
    "what only looks like an object": ("{a}", "{a}"),
}
CELLS = {**TYPING, **STRUCTURES}


@pytest.fixture(scope="module")
def typed(service: Service) -> dict[str, dict[str, Any]]:
    """Values of the same cells, loaded by each operation."""
    lines = ["id,v", *(f'the {name},"{cell.replace(chr(34), chr(34) * 2)}"' for name, (cell, _) in CELLS.items())]
    content = "\n".join(lines)
    service.put("in/typed.csv", content.encode())
    service.s3.put_object(Bucket=CALLERS, Key="typed.csv", Body=content.encode())
    found = {}
    for operation, members in {
        "csv_data_load": {"data": content},
        "csv_file_load": {"file_path": "in/typed.csv"},
        "import_from_s3": {"s3": {**S3, "key": "typed.csv"}},
    }.items():
        table = service.table()
        job = service.job(operation, **table, **members)
        assert job["message"] == f"successfully loaded {len(CELLS)} of {len(CELLS)} records", job
        found[operation] = {row["id"].removeprefix("the "): row["v"] for row in service.rows(table)}
    return found


@pytest.mark.parametrize("operation", ["csv_data_load", "csv_file_load", "import_from_s3"])
@pytest.mark.parametrize("name", TYPING)
def test_value_typing(typed: dict[str, dict[str, Any]], operation: str, name: str) -> None:
    value = typed[operation][name]
    assert (type(value), value) == (type(TYPING[name][1]), TYPING[name][1])


@pytest.mark.parametrize("name", STRUCTURES)
def test_cells_that_look_like_json_are_parsed_and_stay_text_in_csv_data_load(
    typed: dict[str, dict[str, Any]], name: str
) -> None:
    text, value = STRUCTURES[name]
    assert typed["csv_data_load"][name] == text
    assert typed["csv_file_load"][name] == typed["import_from_s3"][name] == value


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        pytest.param([{"id": 1}, {"id": 2}], "COMPLETE", "successfully loaded 2 of 2 records", id="top-level array"),
        pytest.param([], "COMPLETE", "successfully loaded 0 of 0 records", id="empty array"),
        pytest.param(b'{"id":1}\n{"id":2}\n', "ERROR", "Top-level object should be an array.", id="newline-delimited"),
        pytest.param({"id": 1}, "ERROR", "Top-level object should be an array.", id="single object"),
        pytest.param(b'[{"id":1},{"id', "ERROR", "Parser has expected a value", id="cut-off file"),
    ],
)
def test_json_from_s3(service: Service, content: Any, status: str, message: str) -> None:
    table = service.table()
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    service.s3.put_object(Bucket=CALLERS, Key="rows.json", Body=body)
    job = service.job("import_from_s3", **table, s3={**S3, "key": "rows.json", "region": "us-east-1"})
    assert (job["status"], job["message"]) == (status, message)
    assert len(service.rows(table)) == (2 if "2 of 2" in message else 0)  # all of it or none


@pytest.mark.parametrize(
    ("place", "message"),
    [
        pytest.param({"key": "gone.csv"}, "The specified key does not exist.", id="no such key"),
        pytest.param({"bucket": "no-such-bucket"}, "The specified bucket does not exist", id="no such bucket"),
    ],
)
def test_s3_failures(service: Service, place: dict[str, str], message: str) -> None:
    job = service.job("import_from_s3", **service.table(), s3={**S3, "key": "gone.csv", **place})
    assert (job["type"], job["status"], job["message"]) == ("import_from_s3", "ERROR", message)


def test_s3_failures_access_key(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    told = "The AWS Access Key Id you provided does not exist in our records."
    send = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]

    def refuse(self: Any, operation: str, parameters: Any) -> Any:
        if parameters.get("Bucket") == CALLERS:
            raise ClientError({"Error": {"Code": "InvalidAccessKeyId", "Message": told}}, operation)
        return send(self, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", refuse)
    job = service.job("import_from_s3", **service.table(), s3={**S3, "key": "x.csv"})
    assert (job["status"], job["message"]) == ("ERROR", told)


class _Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path, _, kind = self.path.partition("?type=")
        self.send_response(int(path[1:4]), "Found" if path == "/302" else None)
        self.send_header("Location", "/200")
        if kind:
            self.send_header("Content-Type", kind.replace("+", " "))
        self.end_headers()
        self.wfile.write(b"id,a\n1,x\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    "kind",
    [
        *("text/csv", "application/octet-stream", "text/plain", "application/vnd.ms-excel"),
        pytest.param("text/csv;+charset=utf-8", id="text/csv; charset=utf-8, which is ours"),
    ],
)
def test_url_download_content_types(service: Service, site: str, kind: str) -> None:
    job = service.job("csv_url_load", **service.table(), csv_url=f"{site}/200?type={kind}")
    assert (job["status"], job["message"]) == ("COMPLETE", "successfully loaded 1 of 1 records")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        pytest.param("/302?type=text/csv", "status code: 302, message: Found", id="redirects are not followed"),
        pytest.param("/404?type=text/csv", "status code: 404, message: Not Found", id="only status 200"),
        pytest.param("/200?type=text/html", "unsupported content type: text/html", id="content type"),
        pytest.param("/200", "unsupported content type: None", id="no content type"),
    ],
)
def test_url_download_refused(service: Service, site: str, path: str, told: str) -> None:
    job = service.job("csv_url_load", **service.table(), csv_url=f"{site}{path}")
    shown = f"{site}{path.partition('?')[0]}"  # a query may be a secret, so nobody is shown it
    assert (job["status"], job["message"]) == ("ERROR", f"CSV Load failed from URL: {shown}, {told}")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param("http://127.0.0.1:1/", "connect ECONNREFUSED 127.0.0.1:1", id="unreachable"),
        pytest.param("ftp://example.com/x", "only URLs of http and https", id="ftp passes and fails in the job"),
        pytest.param("file:///etc/passwd", "only URLs of http and https", id="file passes and fails in the job"),
        pytest.param("http://169.254.169.254/latest", "not public", id="metadata addresses are blocked"),
        pytest.param("http://10.0.0.1/x", "not public", id="private addresses are blocked"),
    ],
)
def test_url_download_that_is_not_begun(service: Service, url: str, told: str) -> None:
    job = service.job("csv_url_load", **service.table(), csv_url=url)
    assert (job["status"], told in job["message"]) == ("ERROR", True)


def test_a_directory_is_no_file(service: Service) -> None:
    # There are no directories among our files, so that it is told before the job and not by it.
    service.put("in/dogs.csv", b"id\n1\n")
    for path in ("in", "in/"):
        told = service.error("csv_file_load", **service.table(), file_path=path)
        assert told == (400, f"No such file or directory {path}")


def test_batching_is_one_commit_all_or_nothing(service: Service) -> None:
    table = service.table({"id": 0})
    records = [json.dumps({"id": number}) for number in range(1, 20_000)]
    body = "[" + ",".join(records) + ", 5]"
    service.s3.put_object(Bucket=CALLERS, Key="late.json", Body=body.encode())
    job = service.job("import_from_s3", **table, s3={**S3, "key": "late.json"})
    assert (job["status"], job["message"]) == ("ERROR", "element 20000 of the array is no object")
    assert service.rows(table) == [{"id": 0}]
