"""Queries in SQL over tables with a primary key: what they give, and what stops them."""

import io
import time
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hdb.sql_statements import Change, Select, read_statement, relation_name
from jobruns.access import Role
from jobruns.errors import AccessDeniedError, InvalidInputError
from jobruns.grants import Grants, Right, TableGrant
from jobruns.operation import FileTarget, RowFormat, WriteAction
from jobruns.run import Run, RunState
from jobruns.service.operations import start_sql_export
from jobruns.service.records import query_rows, write_records
from jobruns.table import Table
from operations import records, sql
from tests.integration.operations.conftest import LANDING, ORG, REQUEST, Stack, client

DOGS: list[dict[str, Any]] = [
    {"id": 1, "name": "Ash", "age": 3, "tags": ["a", {"b": 1}], "good": True},
    {"id": 2, "name": "Birch", "age": "", "tags": None},
    {"id": "x", "name": "Cedar", "age": 10.5, "tags": {"c": None}, "good": False},
]


def filled(stack: Stack, rows: list[dict[str, Any]] | None = None, name: str = "dog") -> Table:
    table = stack.table(name)
    write_records(stack.ports, stack.admin, table, WriteAction.INSERT, DOGS if rows is None else rows)
    return table


def ask(stack: Stack, text: str, **tables: Table) -> list[dict[str, Any]]:
    """As the door does: read, written anew, and run."""
    statement = read_statement(text)
    assert isinstance(statement, Select)
    named = {relation_name(target): tables[target.table] for target in statement.tables}
    return query_rows(stack.ports, stack.admin, statement.sql, named)


def test_every_value_comes_back_as_what_it_is(stack: Stack) -> None:
    dog = filled(stack)
    rows = ask(stack, "SELECT * FROM dev.dog ORDER BY name", dog=dog)
    assert list(rows[0]) == ["id", "__createdtime__", "__updatedtime__", "age", "good", "name", "tags"]
    assert all(abs(row["__createdtime__"] / 1000 - time.time()) < 60 for row in rows)
    told = [{name: value for name, value in row.items() if not name.startswith("__")} for row in rows]
    assert told == [{"good": None, **row} for row in DOGS]
    assert [type(row["age"]) for row in told] == [int, str, float]


def test_rows_are_counted_joined_and_found_by_values_of_mixed_kinds(stack: Stack) -> None:
    dog = filled(stack)
    owner = filled(stack, [{"id": 1, "dog": 1}, {"id": 2, "dog": 99}], "owner")
    assert ask(stack, "SELECT count(*) FROM dev.dog", dog=dog) == [{"COUNT(*)": 3}]
    assert ask(stack, "SELECT name FROM dev.dog WHERE age = 3 OR age = ''", dog=dog) == [
        {"name": "Ash"},
        {"name": "Birch"},
    ]
    joined = "SELECT o.id AS owner, d.name FROM dev.owner o JOIN dev.dog d ON d.id = o.dog"
    assert ask(stack, joined, dog=dog, owner=owner) == [{"owner": 1, "name": "Ash"}]
    mixed = "SELECT count(*) AS n FROM dev.dog d JOIN dev.owner o ON o.dog = d.age OR d.tags = o.dog OR d.name = d.tags"
    assert ask(stack, mixed, dog=dog, owner=owner) == [{"n": 0}]
    ordered = ask(stack, "SELECT age FROM dev.dog ORDER BY age DESC", dog=dog)
    assert ordered == [{"age": ""}, {"age": 10.5}, {"age": 3}]
    assert ask(stack, "SELECT age FROM dev.dog WHERE good = TRUE OR id = 'x' ORDER BY id", dog=dog) == ordered[:0:-1]
    mixed = "SELECT count(*) AS n FROM dev.dog d JOIN dev.owner o ON o.dog = d.age AND d.tags <> d.name"
    assert ask(stack, mixed, dog=dog, owner=owner) == [{"n": 0}]
    ordered = ask(stack, "SELECT age FROM dev.dog ORDER BY age DESC", dog=dog)
    assert ordered == [{"age": ""}, {"age": 10.5}, {"age": 3}]
    assert ask(stack, "SELECT age FROM dev.dog WHERE good = TRUE OR id = 'x' ORDER BY id", dog=dog) == ordered[:0:-1]
    summed = "SELECT sum(TRY_CAST(CAST(age AS VARCHAR) AS DOUBLE)) AS years FROM dev.dog"
    assert ask(stack, summed, dog=dog) == [{"years": 13.5}]


@pytest.mark.parametrize("what", ["sum(age)", "age + 1", "CAST(age AS DOUBLE)", "upper(age)", "age LIKE '1%'"])
def test_what_cannot_be_done_with_values_of_several_kinds_says_how_to_cast_them(stack: Stack, what: str) -> None:
    dog = filled(stack)
    with pytest.raises(InvalidInputError, match=r"TRY_CAST\(CAST\(x AS VARCHAR\) AS DOUBLE\)"):
        ask(stack, f"SELECT {what} AS x FROM dev.dog", dog=dog)


def test_the_rows_that_a_change_is_of_are_found(stack: Stack) -> None:
    dog = filled(stack)
    change = read_statement("UPDATE dev.dog SET age = 4 WHERE name LIKE 'A%'")
    assert isinstance(change, Change)
    found = query_rows(stack.ports, stack.admin, change.select("id"), {"dev.dog": dog})
    assert found == [{"id": 1, "age": 4}]


def test_a_table_that_was_never_written_to_has_no_rows(stack: Stack) -> None:
    assert ask(stack, "SELECT * FROM dev.dog", dog=stack.table("dog")) == []


def test_a_column_that_there_is_not_is_told_by_its_name(stack: Stack) -> None:
    dog = filled(stack)
    for text in ("SELECT zz FROM dev.dog", "SELECT d.zz FROM dev.dog d"):
        with pytest.raises(InvalidInputError) as refused:
            ask(stack, text, dog=dog)
        assert "zz" in refused.value.message
        assert "name" not in refused.value.message.replace("named", "")


def test_only_what_a_caller_may_read_is_there(stack: Stack) -> None:
    dog = filled(stack)
    read = frozenset({Right.READ})
    grants = Grants(tables={dog.project: {dog.name: TableGrant(rights=read, attributes={"name": read})}})
    reader = stack.admin.model_copy(update={"role": Role.READER, "grants": grants})
    [row, *_] = query_rows(stack.ports, reader, 'SELECT * FROM "dev.dog"', {"dev.dog": dog})
    assert row.keys() == {"id", "name", "__createdtime__", "__updatedtime__"}
    with pytest.raises(InvalidInputError):
        query_rows(stack.ports, reader, 'SELECT "age" FROM "dev.dog"', {"dev.dog": dog})
    cat = filled(stack, name="cat")
    with pytest.raises(AccessDeniedError):
        query_rows(stack.ports, reader, 'SELECT 1 FROM "dev.dog", "dev.cat"', {"dev.dog": dog, "dev.cat": cat})


@pytest.mark.parametrize(
    "text",
    [
        'DELETE FROM "dev.dog"', 'UPDATE "dev.dog" SET age = 1', 'INSERT INTO "dev.dog" VALUES (1)',
        'DROP VIEW "dev.dog"',
        "ATTACH 'x.db'", "COPY \"dev.dog\" TO '/tmp/x.csv'", "PRAGMA version", "SET threads = 9", "INSTALL httpfs",
        "SELECT 1; SELECT 2", "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text('http://169.254.169.254/latest')", "SELECT * FROM glob('/*')",
    ],
)  # fmt: skip
def test_what_is_no_query_of_tables_is_refused_even_if_a_door_lets_it_through(stack: Stack, text: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        query_rows(stack.ports, stack.admin, text, {"dev.dog": stack.table("dog")})
    assert "root:" not in refused.value.message


def test_a_query_that_never_ends_is_stopped(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "SECONDS", 0.5)
    endless = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t"
    began = time.monotonic()
    with pytest.raises(InvalidInputError, match=r"longer than 0\.5 s"):
        query_rows(stack.ports, stack.admin, endless, {})
    assert time.monotonic() - began < 5


def test_a_query_has_so_much_memory_and_no_more(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "MEMORY_BYTES", 32 << 20)
    with pytest.raises(InvalidInputError, match="memory"):
        query_rows(stack.ports, stack.admin, "SELECT list(range) FROM range(100000000)", {})


def test_more_than_a_query_reads_is_refused_unless_fewer_columns_are_named(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    dog = filled(stack, [{"id": i, "long": f"{i}" * 400} for i in range(100)])
    monkeypatch.setattr(sql, "MAX_READ_BYTES", 20_000)
    with pytest.raises(InvalidInputError, match="name fewer columns"):
        ask(stack, "SELECT * FROM dev.dog", dog=dog)
    assert ask(stack, "SELECT count(*) AS n, max(id) AS most FROM dev.dog", dog=dog) == [{"n": 100, "most": 99}]


def test_more_rows_than_an_answer_has_room_for_are_refused(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_ANSWER_BYTES", 500)
    dog = filled(stack, [{"id": i} for i in range(100)])
    with pytest.raises(InvalidInputError, match="more rows than"):
        ask(stack, "SELECT id FROM dev.dog", dog=dog)
    assert ask(stack, "SELECT id FROM dev.dog ORDER BY id DESC LIMIT 2", dog=dog) == [{"id": 99}, {"id": 98}]


def export(stack: Stack, text: str, form: RowFormat, **tables: Table) -> Run:
    statement = read_statement(text)
    assert isinstance(statement, Select)
    named = {relation_name(target): tables[target.table] for target in statement.tables}
    place = FileTarget(path="out")
    run = start_sql_export(stack.ports, stack.admin, statement.sql, named, form, place, REQUEST)
    return stack.operate(stack.begin(run))


def written() -> bytes:
    content: bytes = client("s3").get_object(Bucket=LANDING, Key=f"{ORG}/files/out")["Body"].read()
    return content


def test_the_rows_of_a_query_are_written_to_a_file(stack: Stack) -> None:
    dog = filled(stack)
    owner = filled(stack, [{"id": 7, "dog": 1}], "owner")
    text = "SELECT d.tags, o.id AS owner, d.name FROM dev.dog d LEFT JOIN dev.owner o ON o.dog = d.id ORDER BY d.name"
    run = export(stack, text, RowFormat.CSV, dog=dog, owner=owner)
    assert (run.state, run.metrics["rows_written"], run.job) == (RunState.SUCCEEDED, 3, "exports")
    lines = [b'"tags","owner","name"', b'"[""a"",{""b"":1}]",7,"Ash"', b',,"Birch"', b'"{""c"":null}",,"Cedar"']
    assert written() == b"\n".join(lines)
    assert text not in run.model_dump_json()
    export(stack, "SELECT name, age FROM dev.dog WHERE id = 'x'", RowFormat.JSON, dog=dog)
    assert written() == b'[{"name":"Cedar","age":10.5}]'
    for form, content in ((RowFormat.JSON, b"[]"), (RowFormat.CSV, b"")):
        export(stack, "SELECT name FROM dev.dog WHERE id = 99", form, dog=dog)
        assert written() == content


def test_a_parquet_file_of_a_query_has_its_types(stack: Stack) -> None:
    dog = filled(stack)
    text = "SELECT name, id, age, tags, good, count(*) OVER () AS n, id AS name FROM dev.dog ORDER BY id DESC"
    run = export(stack, text, RowFormat.PARQUET, dog=dog)
    assert (run.state, run.metrics["rows_written"]) == (RunState.SUCCEEDED, 3)
    found = pq.read_table(io.BytesIO(written()))
    assert found.schema.names == ["name", "id", "age", "tags", "good", "n"]
    assert found.schema.types[-2:] == [pa.bool_(), pa.int64()]
    assert found["tags"].to_pylist() == ['{"c":null}', None, '["a",{"b":1}]']
    assert found["age"].to_pylist() == ["10.5", '""', "3"]
    assert export(stack, "SELECT name FROM dev.dog WHERE id = 99", RowFormat.PARQUET, dog=dog).records == 0
    assert pq.read_table(io.BytesIO(written())).schema == pa.schema({"name": pa.string()})


def test_an_export_whose_query_cannot_be_run_fails_and_writes_nothing(stack: Stack) -> None:
    dog = filled(stack)
    run = export(stack, "SELECT zz FROM dev.dog", RowFormat.JSON, dog=dog)
    assert (run.state, run.error_code, run.message) == (RunState.FAILED, "UnknownAttributeError", "zz")
    with pytest.raises(client("s3").exceptions.NoSuchKey):
        written()
    with pytest.raises(InvalidInputError, match="reads a table"):
        export(stack, "SELECT 1", RowFormat.JSON)
    reader = stack.admin.model_copy(update={"role": Role.READER, "grants": Grants(tables={})})
    with pytest.raises(AccessDeniedError):
        start_sql_export(stack.ports, reader, "SELECT 1", {"a": dog}, RowFormat.JSON, FileTarget(path="x"), REQUEST)
