"""Units of files become data files, rejects and counts; a file that cannot be read is named, never raised."""

import bz2
import gzip
import io
import json
import re
import secrets
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import botocore.response
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from jobruns.formats import Compression, JsonFormat
from jobruns.transform import Column, ColumnType, Transform
from jobruns_data.aws import s3_client
from jobruns_data.commit import commit_run
from jobruns_data.units import SourceFile
from tests.integration.data.lakes import LANDING, TARGET, WORK, Faults, Lake

HEADER = "ts,id,note\n"
DAY_1 = "2024-01-01T00:00:00Z"


def lines(first: int, last: int, month: int = 1) -> str:
    return "".join(f"2024-{month:02}-01T00:00:00Z,{i},n{i}\n" for i in range(first, last))


def zipped(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.csv", data)
    return packed.getvalue()


def test_rows_of_several_files_are_loaded_by_month(lake: Lake) -> None:
    a = lake.put("a.csv", HEADER + lines(0, 3, 1) + lines(3, 5, 2))
    b = lake.put("b.csv", HEADER + lines(5, 8, 2))
    result = lake.index(a, b)
    assert (result.rows_loaded, result.rows_rejected, result.files, result.failed) == (8, 0, 2, ())
    assert result.bytes_read == a.size + b.size
    assert sorted(file.record_count for file in result.data_files) == [3, 5]
    assert all(file.file_path.startswith(TARGET.run_prefix("run-1")) for file in result.data_files)
    assert "ts_month=2024-01/" in "".join(lake.keys())
    commit_run(lake.catalog, lake.target, "run-1", [result])
    rows = lake.rows()
    assert [row["id"] for row in rows] == list(range(8))
    assert rows[0] == {"ts": datetime(2024, 1, 1, tzinfo=UTC), "id": 0, "note": "n0"}


def test_a_query_on_the_primary_timestamp_opens_only_its_month(lake: Lake) -> None:
    result = lake.index(lake.put("a.csv", HEADER + "".join(lines(m * 10, m * 10 + 10, m) for m in range(1, 11))))
    commit_run(lake.catalog, lake.target, "run-1", [result])
    scan = lake.table().scan(row_filter="ts >= '2024-03-01T00:00:00+00:00' and ts < '2024-03-02T00:00:00+00:00'")
    assert len(list(scan.plan_files())) == 1
    assert sorted(scan.to_arrow()["id"].to_pylist()) == list(range(30, 40))


def test_lots_keep_memory_bounded_and_lose_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobruns_data.blocks.cut_blocks.__kwdefaults__", {"skip_lines": 0, "block_bytes": 2000})
    monkeypatch.setattr("jobruns_data.readers._TOGETHER_BYTES", 1)
    text = HEADER + "".join(lines(d * 100, d * 100 + 100, 1 + d % 3) for d in range(10))
    result = lake.index(lake.put("a.csv", text), lot_bytes=4000)
    assert len(result.data_files) > 6
    commit_run(lake.catalog, lake.target, "run-1", [result])
    assert [row["id"] for row in lake.rows()] == list(range(1000))


def test_no_data_file_has_more_rows_than_were_asked_for(lake: Lake) -> None:
    files = [lake.put(f"{d}.csv", HEADER + lines(d * 100, d * 100 + 100, 1 + d % 2)) for d in range(5)]
    result = lake.index(*files, max_file_rows=70)
    assert sorted(file.record_count for file in result.data_files) == [20, 60, 70, 70, 70, 70, 70, 70]
    commit_run(lake.catalog, lake.target, "run-1", [result])
    assert [row["id"] for row in lake.rows()] == list(range(500))


def test_bad_rows_go_to_the_rejects_and_the_others_are_loaded(lake: Lake) -> None:
    file = lake.put("dir/a b.csv", HEADER + lines(0, 2) + f"{DAY_1},x,bad\n,7,untimed\nshort\n" + lines(2, 4))
    result = lake.index(file, unit=7)
    assert (result.rows_loaded, result.rows_rejected) == (4, 3)
    (key,) = lake.keys(WORK)
    assert key == "rejects/run-1/000007-00000.json"
    body = s3_client().get_object(Bucket=WORK, Key=key)["Body"].read()
    rejected = [json.loads(line) for line in body.splitlines()]
    assert [list(record) for record in rejected] == [["project_id", "table_id", "transform_id", "data", "reason"]] * 3
    assert rejected[0]["data"] == [DAY_1, "x", "bad"]
    assert rejected[0]["reason"] == (
        's3://landing/dir/a b.csv line 4: column "id": cannot read "x" is not a whole number'
    )
    assert "line 5: " in rejected[1]["reason"]
    assert "primary timestamp is missing" in rejected[1]["reason"]
    assert "line 6: the row has 1 fields instead of 3" in rejected[2]["reason"]
    lake.index(file, unit=7)
    assert lake.keys(WORK) == [key]


def test_rejects_are_written_in_parts(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobruns_data.rejects.PART_BYTES", 1000)
    result = lake.index(lake.put("a.csv", HEADER + "bad,1,x\n" * 100))
    assert (result.rows_loaded, result.rows_rejected, result.data_files) == (0, 100, ())
    keys = lake.keys(WORK)
    assert len(keys) > 5
    bodies = [s3_client().get_object(Bucket=WORK, Key=key)["Body"].read() for key in keys]
    assert sum(body.count(b"\n") for body in bodies) == 100


@pytest.mark.parametrize("data", ["", HEADER, "\n"])
def test_an_empty_file_is_fine(lake: Lake, data: str) -> None:
    result = lake.index(lake.put("empty.csv", data))
    assert (result.rows_loaded, result.rows_rejected, result.failed, result.data_files) == (0, 0, (), ())
    assert lake.keys(WORK) == []


def test_an_empty_object_is_fine_where_gzip_is_expected(lake: Lake) -> None:
    lake.transform = lake.transform.model_copy(update={"compression": Compression.GZIP})
    assert lake.index(lake.put("empty.gz", b"")).failed == ()


def test_gzip_of_several_members(lake: Lake) -> None:
    lake.transform = lake.transform.model_copy(update={"compression": Compression.GZIP})
    data = gzip.compress((HEADER + lines(0, 3)).encode()) + gzip.compress(lines(3, 5).encode(), mtime=0)
    result = lake.index(lake.put("a.csv.gz", data))
    assert (result.rows_loaded, result.bytes_read) == (5, len(data))


@pytest.mark.parametrize(
    ("compression", "pack"),
    [
        (Compression.ZLIB, zlib.compress),
        (Compression.DEFLATE, lambda data: zlib.compress(data, wbits=-zlib.MAX_WBITS)),
        (Compression.BZIP2, bz2.compress),
        (Compression.ZIP, zipped),
    ],
)
def test_every_packing_is_read_from_the_bucket(
    lake: Lake, compression: Compression, pack: Callable[[bytes], bytes]
) -> None:
    lake.transform = lake.transform.model_copy(update={"compression": compression})
    data = pack((HEADER + lines(0, 5000)).encode())
    result = lake.index(lake.put("a.packed", data))
    assert (result.rows_loaded, result.rows_rejected, result.failed) == (5000, 0, ())
    assert result.bytes_read >= len(data)


def test_a_zip_is_read_once_and_its_end_before(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.transform = lake.transform.model_copy(update={"compression": Compression.ZIP})
    noise = "".join(f"{DAY_1},{number},{secrets.token_hex(60)}\n" for number in range(40_000))
    file = lake.put("a.zip", zipped((HEADER + noise).encode()))
    opened: list[str | None] = []
    get = s3_client().get_object

    def count(**request: Any) -> Any:
        opened.append(request.get("Range"))
        return get(**request)

    monkeypatch.setattr(s3_client(), "get_object", count)
    result = lake.index(file)
    assert (result.rows_loaded, result.failed) == (40_000, ())
    assert len(opened) <= 6
    # Beside the whole of it only what a read from near the end gives, a buffer at a time.
    assert file.size <= result.bytes_read <= file.size + 5 * (1 << 20)


PACKED = gzip.compress((HEADER + lines(0, 5000)).encode(), mtime=0)  # tests are named after it


@pytest.mark.parametrize(
    ("data", "compression", "why"),
    [
        (PACKED[:-20], "gzip", "ends too early"),
        (PACKED[:40], "gzip", "ends too early"),
        (PACKED[:1], "gzip", "corrupt"),
        (PACKED[:2000] + b"\0\1\2" * 50 + PACKED[2150:], "gzip", "corrupt"),
        ((HEADER + lines(0, 5)).encode(), "gzip", "is not gzip; set the transform's compression to none"),
        (PACKED, "none", "is not UTF-8"),
        (b"ts,id,note\n2024-01-01T00:00:00Z,1,\xff\n", "none", r"line 2 is not UTF-8 \(byte 0xff\)"),
        (b"ts,id\n2024-01-01T00:00:00Z,1\n", "none", 'the header has no "note"'),
        (b"ts,id,note\n" + b"x" * (17 << 20), "none", "row longer than 16 MiB"),
    ],
)
def test_a_file_that_cannot_be_read_fails_with_a_reason(lake: Lake, data: bytes, compression: str, why: str) -> None:
    lake.transform = lake.transform.model_copy(update={"compression": Compression(compression)})
    good = lake.put("good", PACKED if compression == "gzip" else gzip.decompress(PACKED))
    result = lake.index(good, lake.put("bad", data), good)
    assert (result.rows_loaded, result.data_files, result.files) == (0, (), 3)
    (failed,) = result.failed
    assert failed.url == "s3://landing/bad"
    assert re.search(why, failed.reason)


def test_what_was_written_before_a_failure_is_not_named(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobruns_data.readers._TOGETHER_BYTES", 1)
    good = lake.put("good", HEADER + lines(0, 100))
    result = lake.index(good, lake.put("bad", b"\xff"), lot_bytes=1)
    assert result.data_files == ()
    assert len(lake.keys(prefix="web/events/data/run-1/")) == 1


def test_an_object_that_is_gone_changed_or_elsewhere_fails_the_file(lake: Lake) -> None:
    changed = lake.put("changed", HEADER)
    lake.put("changed", HEADER + lines(0, 1))
    gone = SourceFile(bucket=LANDING, key="gone", size=1)
    elsewhere = SourceFile(bucket="no-such-bucket", key="k", size=1)
    reasons = {file.url: file.reason for file in lake.index(changed, gone, elsewhere).failed}
    assert "was changed after it was listed" in reasons["s3://landing/changed"]
    assert "does not exist" in reasons["s3://landing/gone"]
    assert "the bucket does not exist" in reasons["s3://no-such-bucket/k"]


def test_a_forbidden_object_fails_the_file(lake: Lake, faults: Faults) -> None:
    file = lake.put("a", HEADER)
    denied = ClientError(
        {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}},
        "GetObject",  # type: ignore[typeddict-item]
    )
    lake.table()
    faults.arm("GetObject", nth=2, error=denied)  # the first reads the table's metadata
    (failed,) = lake.index(file, read_ahead=0).failed
    assert "allow this service's role s3:GetObject" in failed.reason


def test_a_connection_that_breaks_is_resumed_where_it_broke(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEADER + lines(0, 50_000)
    file = lake.put("a", text)
    read, calls = botocore.response.StreamingBody.read, []

    def breaking(body: Any, amt: int | None = None) -> bytes:
        calls.append(amt)
        if len(calls) in (3, 5):
            raise ReadTimeoutError(endpoint_url="s3")
        return read(body, None if amt is None else min(amt, 300_000))

    lake.table()
    monkeypatch.setattr(botocore.response.StreamingBody, "read", breaking)
    result = lake.index(file)
    assert (result.failed, result.rows_loaded, result.bytes_read) == ((), 50_000, len(text))


def test_a_connection_that_keeps_breaking_fails_the_file(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    file = lake.put("a", HEADER + lines(0, 10))
    table = lake.table()

    def breaking(body: Any, amt: int | None = None) -> bytes:
        raise ReadTimeoutError(endpoint_url="s3")

    monkeypatch.setattr(Lake, "table", lambda self: table)
    monkeypatch.setattr(botocore.response.StreamingBody, "read", breaking)
    (failed,) = lake.index(file, read_ahead=0).failed
    assert "the connection broke 6 times" in failed.reason


def test_a_dry_run_counts_and_rejects_and_writes_nothing(lake: Lake) -> None:
    lake.table()
    before = lake.keys()
    result = lake.index(lake.put("a", HEADER + lines(0, 5) + "bad,1,x\n"), write=False)
    assert (result.rows_loaded, result.rows_rejected, result.data_files) == (5, 1, ())
    assert lake.keys() == before


def test_every_type_reads_back_from_the_table(lake: Lake) -> None:
    kinds = [kind for kind in ColumnType if kind is not ColumnType.TIMESTAMP and not kind.nested]
    values: dict[str, object] = {
        kind.value: kind.integer_range[1] if kind.integer_range else None for kind in kinds
    } | {"boolean": True, "double": 0.1, "string": "é", "json": {"a": [1]}}
    lake.transform = Transform(
        name="typed",
        format=JsonFormat(),
        columns=(
            Column(name="ts", type=ColumnType.TIMESTAMP, primary=True),
            Column(name="id", type=ColumnType.INT32),
            *(Column(name=kind.value, type=kind) for kind in kinds),
        ),
    )
    data = json.dumps({"ts": "1965-03-04T05:06:07.891Z", "id": 1} | values)
    result = lake.index(lake.put("a", data + "\n" + json.dumps({"ts": DAY_1, "id": 2})))
    assert result.rows_rejected == 0
    commit_run(lake.catalog, lake.target, "run-1", [result])
    first, second = lake.rows()
    expected = values | {"ts": datetime(1965, 3, 4, 5, 6, 7, 891_000, tzinfo=UTC), "id": 1, "json": '{"a":[1]}'}
    assert first == expected
    assert {second[kind.value] for kind in kinds} == {None}


def test_the_writer_does_what_pyiceberg_would(lake: Lake) -> None:
    """The entries made without opening a footer equal those PyIceberg reads from the footers."""
    from pyiceberg.io.pyarrow import parquet_file_to_data_file

    result = lake.index(lake.put("a", HEADER + lines(0, 50, 1) + lines(50, 70, 2)))
    table = lake.table()
    for file in result.data_files:
        theirs = parquet_file_to_data_file(table.io, table.metadata, file.file_path)
        ours = file.to_data_file()
        for name in ("record_count", "file_size_in_bytes", "value_counts", "null_value_counts", "lower_bounds",
                     "upper_bounds", "column_sizes", "split_offsets"):  # fmt: skip
            assert getattr(ours, name) == getattr(theirs, name), name
        assert ours.partition[0] == theirs.partition[0]
