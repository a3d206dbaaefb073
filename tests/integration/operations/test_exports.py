"""Files of exports: complete or not there, in parts where they are large."""

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobruns.operation import Condition, FileTarget, Order, RowFormat, S3Object, TableQuery, WriteAction
from jobruns.run import Run, RunState
from jobruns.service.operations import OperationRequest, start_export
from jobruns.service.records import write_records
from jobruns.table import Table
from operations import exports, parquet
from operations.exports import upload
from operations.parquet import write_parquet_file
from tests.integration.operations.conftest import LANDING, ORG, REQUEST, Stack, client


@pytest.fixture
def table(stack: Stack) -> Table:
    table = stack.table()
    records = [{"id": 2, "z": 1.5, "a": 'say "hi"'}, {"id": 1, "a": None}, {"id": 3, "b": [1, {"c": True}]}]
    write_records(stack.ports, stack.admin, table, WriteAction.INSERT, records)
    return table


def export(stack: Stack, table: Table, query: TableQuery, form: RowFormat, path: str) -> Run:
    run = start_export(stack.ports, stack.admin, table, query, form, FileTarget(path=path), REQUEST)
    return stack.operate(stack.begin(run))


def written(path: str) -> bytes:
    content: bytes = client("s3").get_object(Bucket=LANDING, Key=f"{ORG}/files/{path}")["Body"].read()
    return content


def test_rows_are_written_by_name_and_in_the_order_that_is_asked_for(stack: Stack, table: Table) -> None:
    query = TableQuery(attributes=("id", "a", "z", "b"))
    for form in RowFormat:
        run = export(stack, table, query, form, f"out/dogs.{form}")
        assert (run.state, run.metrics["rows_written"]) == (RunState.SUCCEEDED, 3)
        assert run.metrics["bytes_written"] == len(written(f"out/dogs.{form}"))
        assert run.destination == f"file:out/dogs.{form}"
    assert written("out/dogs.csv") == (b'"id","a","z","b"\n1,,,\n2,"say ""hi""",1.5,\n3,,,"[1,{""c"":true}]"')
    assert written("out/dogs.json") == (
        b'[{"id":1,"a":null,"z":null,"b":null},{"id":2,"a":"say \\"hi\\"","z":1.5,"b":null},'
        b'{"id":3,"a":null,"z":null,"b":[1,{"c":true}]}]'
    )


def test_a_parquet_file_has_types_and_what_is_of_several_kinds_as_json(stack: Stack, table: Table) -> None:
    records = [
        {"id": 4, "z": -2, "mixed": 1, "on": True},
        {"id": 5, "mixed": "one", "on": None},
        {"id": 6, "mixed": "1"},
    ]
    write_records(stack.ports, stack.admin, table, WriteAction.INSERT, records)
    query = TableQuery(order=(Order(attribute="id"),))
    run = export(stack, table, query, RowFormat.PARQUET, "dogs.parquet")
    assert (run.state, run.metrics["rows_written"]) == (RunState.SUCCEEDED, 6)
    found = pq.read_table(io.BytesIO(written("dogs.parquet")))
    times = pa.timestamp("us", tz="UTC")
    assert dict(zip(found.schema.names, found.schema.types, strict=True)) == {
        "id": pa.int64(), "__createdtime__": times, "__updatedtime__": times, "a": pa.string(), "b": pa.string(),
        "mixed": pa.string(), "on": pa.bool_(), "z": pa.float64(),
    }  # fmt: skip
    assert found["id"].to_pylist() == [1, 2, 3, 4, 5, 6]
    assert found["z"].to_pylist() == [None, 1.5, None, -2, None, None]
    assert found["a"].to_pylist()[:2] == [None, 'say "hi"']
    assert found["b"].to_pylist()[2] == '[1,{"c":true}]'
    assert found["mixed"].to_pylist()[3:] == ["1", '"one"', '"1"']
    assert found["__createdtime__"].null_count == 0


def test_keys_of_both_kinds_are_texts_in_a_parquet_file_and_dates_are_dates(stack: Stack) -> None:
    table = stack.table()
    stack.operate(stack.load(table, b"id,at\nx,2026-01-02T03:04:05.678Z\n7,2026-01-02T00:00:00Z\n"))
    run = export(stack, table, TableQuery(keys=(7, "x"), attributes=("id", "at")), RowFormat.PARQUET, "keys")
    assert run.metrics["rows_written"] == 2
    found = pq.read_table(io.BytesIO(written("keys")))
    assert found["id"].to_pylist() == ["7", "x"]
    assert [at.isoformat() for at in found["at"].to_pylist()] == [
        "2026-01-02T00:00:00+00:00",
        "2026-01-02T03:04:05.678000+00:00",
    ]


def test_row_groups_of_a_parquet_file_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", 100)
    parts = [pa.table({"a": pa.array(range(at, at + 30))}) for at in range(0, 1000, 30)]
    pieces = list(write_parquet_file(parts))
    assert len(pieces) > 7, "nothing waits for the end"
    file = pq.ParquetFile(io.BytesIO(b"".join(pieces)))
    sizes = [file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)]
    assert max(sizes) <= 100
    assert file.read()["a"].to_pylist() == list(range(sum(sizes)))


def test_all_attributes_are_the_key_the_times_and_the_others_by_name(stack: Stack, table: Table) -> None:
    query = TableQuery(conditions=(Condition(attribute="id", value=2),))
    export(stack, table, query, RowFormat.CSV, "all.csv")
    head, line = written("all.csv").decode().split("\n")
    assert head == '"id","__createdtime__","__updatedtime__","a","b","z"'
    assert line.startswith("2,1")


def test_no_rows_are_an_empty_array_or_an_empty_file(stack: Stack) -> None:
    cats = stack.table("cats")
    for form, content in ((RowFormat.JSON, b"[]"), (RowFormat.CSV, b"")):
        assert export(stack, cats, TableQuery(), form, "none").state == "SUCCEEDED"
        assert written("none") == content
    export(stack, cats, TableQuery(attributes=("id", "a")), RowFormat.PARQUET, "none")
    found = pq.read_table(io.BytesIO(written("none")))
    assert (found.num_rows, found.schema.names) == (0, ["id", "a"])


def test_an_attribute_that_is_not_there_fails_the_export_by_name(stack: Stack, table: Table) -> None:
    run = export(stack, table, TableQuery(attributes=("nope",)), RowFormat.JSON, "x.json")
    assert (run.state, run.error_code, run.message) == (RunState.FAILED, "UnknownAttributeError", "nope")


def test_what_s3_refuses_is_said_in_its_words(stack: Stack, table: Table) -> None:
    from jobruns.operation import CallerCredentials
    from tests.integration.operations.conftest import call

    told = {"s3": {"access_key_id": "AKIA1", "secret_access_key": "hush"}}
    request = OperationRequest(door="test", credentials=CallerCredentials.model_validate(told))
    place = S3Object(bucket="no-such-bucket", key="x")
    run = start_export(stack.ports, stack.admin, table, TableQuery(), RowFormat.JSON, place, request)
    [event] = stack.functions.told
    assert event["function"] == "handed-over"
    stack.begin(run)
    call("handed_over", {**event})
    failed = stack.read(run)
    assert (failed.state, failed.message) == (RunState.FAILED, "The specified bucket does not exist")


def test_a_large_file_goes_up_in_parts_and_is_what_was_given(stack: Stack) -> None:
    pieces = [bytes([number]) * (3 << 20) for number in range(7)]
    told = upload(client("s3"), LANDING, "large", pieces)
    stored = client("s3").get_object(Bucket=LANDING, Key="large")
    assert told["bytes_written"] == stored["ContentLength"] == 21 << 20
    assert told["etag"] == stored["ETag"]
    assert stored["ETag"].endswith('-3"')
    digest = hashlib.sha256(stored["Body"].read()).hexdigest()
    assert digest == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_rows_that_break_off_leave_no_file_and_no_parts(stack: Stack) -> None:
    def pieces() -> Iterator[bytes]:
        yield from (bytes(9 << 20), bytes(9 << 20))
        raise OSError("the table is gone")

    with pytest.raises(OSError, match="gone"):
        upload(client("s3"), LANDING, "broken", pieces())
    assert "Contents" not in client("s3").list_objects_v2(Bucket=LANDING, Prefix="broken")
    assert "Uploads" not in client("s3").list_multipart_uploads(Bucket=LANDING)


def test_parts_grow_so_that_ten_thousand_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "FIRST_PART_BYTES", 4)
    monkeypatch.setattr(exports, "PARTS_OF_A_SIZE", 3)
    pieces: Any = [b"ab"] * 40
    sizes = [len(part) for part in exports._parts(pieces)]
    assert sizes == [4, 4, 4, 8, 8, 8, 16, 16, 12]
