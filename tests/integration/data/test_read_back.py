"""What is loaded is read by engines that are not ours: PyIceberg's own scan over the catalog, and DuckDB."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from jobruns.datatypes import Element
from jobruns.formats import Flattening, JsonFormat, Surround
from jobruns.transform import Column, ColumnType, Resolution, Source, TimestampFormat, Transform
from jobruns_data.aws import s3_client
from jobruns_data.commit import commit_run
from jobruns_data.s3_io import bucket_and_key
from tests.integration.data.lakes import Lake

ARRAY, MAP, STRING = ColumnType.ARRAY, ColumnType.MAP, ColumnType.STRING
MONTHS = 5
COLUMNS = (
    Column(name="happened_at", type=ColumnType.TIMESTAMP, primary=True),
    *(
        Column(name=kind.value, type=kind)
        for kind in ColumnType
        if not kind.nested and kind not in {ColumnType.TIMESTAMP, ColumnType.JSON}
    ),
    Column(
        name="seen", type=ColumnType.TIMESTAMP, timestamp=TimestampFormat(epoch="ms"), resolution=Resolution.SECONDS
    ),
    Column(name="deep", type=ColumnType.INT32, source=Source(field="nested.deep")),
    Column(name="numbers", type=ARRAY, element=Element(type=ColumnType.UINT64)),
    Column(name="grid", type=ARRAY, element=Element(type=ARRAY, element=Element(type=ColumnType.DOUBLE))),
    Column(name="times", type=ARRAY, element=Element(type=ColumnType.TIMESTAMP)),
    Column(name="counts", type=MAP, element=Element(type=ColumnType.INT64)),
    Column(name="lists", type=MAP, element=Element(type=ARRAY, element=Element(type=STRING))),
    Column(name="raw", type=ColumnType.JSON, source=Source(pointers=("/nested",))),
    Column(name="rest", type=MAP, element=Element(type=STRING), source=Source(remainder=True)),
)


def moment(i: int) -> datetime:
    return datetime(2024, 1 + i % MONTHS, 1 + i % 28, i % 24, 0, i % 60, i, UTC)


def sent(i: int) -> dict[str, Any]:
    """Make a row as a file has it; of every fourth all but the time and the number is missing."""
    must = {"happened_at": moment(i).isoformat(), "int64": -(2**62) - i}
    if i % 4 == 3:
        return must
    return must | {
        "boolean": i % 2 == 0,
        "int8": -128 + i,
        "int16": -(2**15) + i,
        "int32": 2**31 - 1 - i,
        "uint8": 255 - i,
        "uint16": 2**16 - 1 - i,
        "uint32": 2**32 - 1 - i,
        "uint64": 2**64 - 1 - i,
        "double": i / 7,
        "string": f"wörd {i}\n\U0001f600" if i else "",
        "seen": 1_700_000_000_999 + i * 1000,
        "nested": {"deep": i, "other": [{"x": i}]},
        "numbers": [2**64 - 1, None, i],
        "grid": [[0.5, i], []],
        "times": [moment(i + 1).isoformat()],
        "counts": {"é": i, "": None},
        "lists": {"a": ["x", ""], "b": []},
        "more": [{"x": i}],
    }


def meant(i: int) -> dict[str, Any]:
    """Give the row that the table should have, by the names of its columns."""
    row = sent(i)
    if i % 4 == 3:
        return {column.name: None for column in COLUMNS} | row | {"happened_at": moment(i)}
    del row["nested"], row["more"]
    return row | {
        "happened_at": moment(i),
        "uint64": Decimal(row["uint64"]),
        "seen": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC) + timedelta(seconds=i),
        "deep": i,
        "numbers": [Decimal(2**64 - 1), None, Decimal(i)],
        "times": [moment(i + 1)],
        "raw": json.dumps({"deep": i, "other": [{"x": i}]}, separators=(",", ":")),
        "rest": {"more[0].x": str(i)},
    }


@pytest.fixture
def filled(lake: Lake) -> Lake:
    """Load 100 rows over five months from three files, of three shapes, with a bad row in each."""
    flattening = Flattening(objects=Surround(left="."), arrays=Surround(left="[", right="]"))
    lake.transform = Transform(name="events", format=JsonFormat(flattening=flattening), columns=COLUMNS)
    shapes = (
        "\n".join([*(json.dumps(sent(i)) for i in range(40)), "bad"]),
        json.dumps([*(sent(i) for i in range(40, 70)), None], indent=1),
        "".join(json.dumps(row, ensure_ascii=False) for row in [*map(sent, range(70, 100)), {"int64": 1}]),
    )
    result = lake.index(*(lake.put(f"{i}.json", text) for i, text in enumerate(shapes)))
    assert (result.rows_loaded, result.rows_rejected, result.failed) == (100, 3, ())
    commit_run(lake.catalog, lake.target, "run-1", [result])
    return lake


def in_python(value: Any) -> Any:
    """Give maps as dicts: Arrow shows them as lists of pairs."""
    if isinstance(value, list):
        return dict(value) if value and isinstance(value[0], tuple) else [in_python(part) for part in value]
    return value


def fetched(lake: Lake, folder: Path, row_filter: str = "true") -> Iterator[str]:
    """Fetch the data files that a scan of the table has to open."""
    table = lake.catalog.load_table(lake.target.identifier)
    scan = table.scan() if row_filter == "true" else table.scan(row_filter=row_filter)
    for i, task in enumerate(scan.plan_files()):
        assert not task.delete_files
        bucket, key = bucket_and_key(task.file.file_path)
        path = folder / f"{i}.parquet"
        s3_client().download_file(bucket, key, str(path))
        yield str(path)


def by_duckdb(files: list[str], where: str = "true") -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        found = connection.sql(f"SELECT * FROM read_parquet(?) WHERE {where}", params=[files])
        return [{k: in_python(v) for k, v in row.items()} for row in found.to_arrow_table().to_pylist()]


def by_number(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: -row["int64"])


def test_the_catalog_s_own_reader_and_duckdb_read_every_type_row_for_row(filled: Lake, tmp_path: Path) -> None:
    expected = [meant(i) for i in range(100)]
    table = filled.catalog.load_table(filled.target.identifier)
    scanned = [{k: in_python(v) for k, v in row.items()} for row in table.scan().to_arrow().to_pylist()]
    assert by_number(scanned) == expected
    files = list(fetched(filled, tmp_path))
    assert len(files) == MONTHS
    assert by_number(by_duckdb(files)) == expected


def test_a_query_on_the_primary_timestamp_opens_the_files_of_its_months_only(filled: Lake, tmp_path: Path) -> None:
    wanted = "happened_at >= '2024-02-05T00:00:00+00:00' and happened_at < '2024-03-20T00:00:00+00:00'"
    files = list(fetched(filled, tmp_path, wanted))
    assert len(files) == 2
    begin, end = datetime(2024, 2, 5, tzinfo=UTC), datetime(2024, 3, 20, tzinfo=UTC)
    expected = [meant(i) for i in range(100) if begin <= moment(i) < end]
    assert 0 < len(expected) < 40
    assert by_number(by_duckdb(files, wanted)) == expected
    assert list(fetched(filled, tmp_path, "happened_at > '2024-06-01T00:00:00+00:00'")) == []
