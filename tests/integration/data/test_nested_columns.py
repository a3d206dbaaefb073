"""Arrays and maps go into the table as such: with field ids, statistics and all, and come back equal."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyiceberg.io.pyarrow import parquet_file_to_data_file

from jobruns.datatypes import ColumnType, Element, TimestampFormat
from jobruns.formats import CsvFormat, JsonFormat
from jobruns.transform import Column, Transform
from jobruns_data.aws import glue_client
from jobruns_data.catalog import ensure_table
from jobruns_data.commit import commit_run
from jobruns_data.errors import SchemaConflictError
from tests.integration.data.lakes import Lake

TS = "2024-01-01T00:00:00Z"


def element(kind: str, inner: Element | None = None, **more: Any) -> Element:
    return Element(type=ColumnType(kind), element=inner, **more)


def array(name: str, inner: Element, **more: Any) -> Column:
    return Column(name=name, type=ColumnType.ARRAY, element=inner, **more)


def mapping(name: str, inner: Element) -> Column:
    return Column(name=name, type=ColumnType.MAP, element=inner)


def transform_of(*columns: Column, form: CsvFormat | JsonFormat | None = None) -> Transform:
    timed = Column(name="ts", type=ColumnType.TIMESTAMP, primary=True)
    numbered = Column(name="id", type=ColumnType.INT64)
    return Transform(name="nested", format=form or JsonFormat(), columns=(timed, numbered, *columns))


def load(lake: Lake, run_id: str, *rows: dict[str, Any]) -> Any:
    lines = [json.dumps({"ts": TS, **row}) for row in rows]
    result = lake.index(lake.put(run_id, "\n".join(lines)), run_id=run_id)
    assert (result.failed, result.rows_rejected) == ((), 0)
    commit_run(lake.catalog, lake.target, run_id, [result])
    return result


EVERYTHING = transform_of(
    array("tags", element("string")),
    array("big", element("uint64")),
    array("moments", element("timestamp", timestamp=TimestampFormat(epoch="s"))),
    array("grid", element("array", element("int32"))),
    mapping("labels", element("string")),
    mapping("deep", element("map", element("array", element("double")))),
    array("pairs", element("map", element("boolean"))),
)
ROW = {
    "id": 1,
    "tags": ["a", "", None],
    "big": [0, 2**64 - 1],
    "moments": [0, None],
    "grid": [[1], [], None],
    "labels": {"a": "x", "b": None},
    "deep": {"a": {"b": [0.5]}, "c": {}},
    "pairs": [{"t": True}, {}],
}
READ = ROW | {
    "ts": datetime(2024, 1, 1, tzinfo=UTC),
    "big": [Decimal(0), Decimal(2**64 - 1)],
    "moments": [datetime(1970, 1, 1, tzinfo=UTC), None],
    "labels": [("a", "x"), ("b", None)],
    "deep": [("a", [("b", [0.5])]), ("c", [])],
    "pairs": [[("t", True)], []],
}


def test_they_read_back_equal_and_null_is_not_empty(lake: Lake) -> None:
    lake.transform = EVERYTHING
    empty = {name: [] if isinstance(value, list) else {} for name, value in ROW.items() if name != "id"}
    load(lake, "run-1", ROW, {"id": 2, **empty}, {"id": 3})
    first, second, third = lake.rows()
    assert first == READ
    assert {name: value for name, value in second.items() if name not in ("ts", "id")} == {name: [] for name in empty}
    assert {third[name] for name in empty} == {None}
    types = {
        column["Name"]: column["Type"]
        for column in glue_client().get_table(DatabaseName="web", Name="events")["Table"]["StorageDescriptor"][
            "Columns"
        ]
    }
    assert types["grid"] == "array<array<int>>"
    assert types["deep"] == "map<string,map<string,array<double>>>"


def test_files_carry_the_ids_and_the_statistics_of_what_is_in_them(lake: Lake) -> None:
    lake.transform = EVERYTHING
    result = load(lake, "run-1", ROW, {"id": 2})
    table = lake.table()
    (file,) = result.data_files
    with table.io.new_input(file.file_path).open() as opened:
        schema = pq.read_schema(opened)
    tags = table.schema().find_field("tags.element")
    assert schema.field("tags").type.value_field.metadata[b"PARQUET:field_id"] == str(tags.field_id).encode()
    value = table.schema().find_field("deep.value.value.element")
    deepest = schema.field("deep").type.item_type.item_type.value_field
    assert deepest.metadata[b"PARQUET:field_id"] == str(value.field_id).encode()
    theirs = parquet_file_to_data_file(table.io, table.metadata, file.file_path)
    ours = file.to_data_file()
    for name in ("record_count", "value_counts", "null_value_counts", "lower_bounds", "upper_bounds", "column_sizes"):
        assert getattr(ours, name) == getattr(theirs, name), name


def test_csv_cells_hold_them_as_json_text(lake: Lake) -> None:
    lake.transform = transform_of(
        array("tags", element("int8")), mapping("labels", element("string")), form=CsvFormat(delimiter=";")
    )
    data = f'ts;id;tags;labels\n{TS};1;[1,2];"{{""a"":""x;y""}}"\n{TS};2;;\n{TS};3;[400];\n'
    result = lake.index(lake.put("a.csv", data))
    assert (result.rows_loaded, result.rows_rejected) == (2, 1)
    commit_run(lake.catalog, lake.target, "run-1", [result])
    assert [(row["tags"], row["labels"]) for row in lake.rows()] == [([1, 2], [("a", "x;y")]), (None, None)]


def test_a_table_gets_them_later_and_its_elements_become_wider(lake: Lake) -> None:
    load_csv = lake.index(lake.put("a.csv", f"ts,id,note\n{TS},1,n\n"), run_id="run-0")
    commit_run(lake.catalog, lake.target, "run-0", [load_csv])
    lake.transform = transform_of(array("a.b[0]", element("int16")), mapping("m", element("int8")))
    load(lake, "run-1", {"id": 2, "a.b[0]": [1, 2], "m": {"k": 1}})
    lake.transform = transform_of(array("a.b[0]", element("int64")), mapping("m", element("uint32")))
    load(lake, "run-2", {"id": 3, "a.b[0]": [2**40], "m": {"k": 2**31}})
    lake.transform = transform_of(array("a.b[0]", element("int8")))
    load(lake, "run-3", {"id": 4, "a.b[0]": [5]})
    rows = [(row["id"], row["a.b[0]"], row["m"]) for row in lake.rows()]
    assert rows == [
        (1, None, None), (2, [1, 2], [("k", 1)]), (3, [2**40], [("k", 2**31)]), (4, [5], None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (Column(name="c", type=ColumnType.JSON), array("c", element("int8")), "stores it as string"),
        (array("c", element("int8")), Column(name="c", type=ColumnType.JSON), "stores it as list<int>"),
        (array("c", element("int8")), array("c", element("string")), "stores it as list<int>"),
        (array("c", element("int8")), mapping("c", element("int8")), "stores it as list<int>"),
        (mapping("c", element("string")), mapping("c", element("json")), None),
    ],
)
def test_a_type_that_does_not_fit_is_refused(lake: Lake, before: Column, after: Column, why: str | None) -> None:
    ensure_table(lake.catalog, lake.target, transform_of(before))
    if why is None:
        ensure_table(lake.catalog, lake.target, transform_of(after))
    else:
        with pytest.raises(SchemaConflictError, match=rf"{why}; change the column's type or its name"):
            ensure_table(lake.catalog, lake.target, transform_of(after))
