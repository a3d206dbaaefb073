"""A database that gives what it was given, and reaches nothing else."""

import time
from pathlib import Path

import pyarrow as pa
import pytest

from jobruns_sql.errors import SqlError, SqlExhaustedError, SqlRefusedError
from jobruns_sql.session import SqlSession

DOGS = pa.table({"id": [1, 2, 3], "name": ["Ash", 'B"irch', None]})


def ask(sql: str, *, seconds: float = 10, **more: int) -> list[dict[str, object]]:
    with SqlSession(**more) as session:
        session.add_table("dev", "dog", DOGS)
        session.add_table('o"dd', "name; drop", DOGS.slice(0, 1).to_reader())
        return [row for batch in session.select(sql, seconds=seconds) for row in batch.to_pylist()]


def test_rows_are_selected() -> None:
    assert ask("SELECT count(*) AS n, max(id) AS most FROM dev.dog WHERE name IS NOT NULL") == [{"n": 2, "most": 2}]
    assert ask('SELECT d.id FROM dev.dog d JOIN "o""dd"."name; drop" o USING (id)') == [{"id": 1}]
    assert ask("WITH x AS (SELECT 1 AS a) SELECT * FROM x") == [{"a": 1}]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM dev.dog", "INSERT INTO dev.dog VALUES (1, 'x')", "CREATE TABLE t (a INT)", "DROP VIEW dev.dog",
        "SET memory_limit = '9GB'", "PRAGMA version", "ATTACH 'x.db'", "COPY dev.dog TO 'x.csv'", "LOAD json",
        "INSTALL httpfs", "CALL pragma_version()", "SELECT 1; SELECT 2", "", "EXPLAIN ANALYZE SELECT 1", "CHECKPOINT",
    ],
)  # fmt: skip
def test_what_is_no_select_is_refused(sql: str) -> None:
    with pytest.raises(SqlRefusedError):
        ask(sql)


@pytest.mark.parametrize(
    "source", ["read_csv('{0}')", "read_text('{0}')", "'{0}'", "glob('/*')", "read_parquet('http://127.0.0.1:1/x')"]
)
def test_no_file_and_no_address_is_reached(source: str, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\nsecret\n")
    with pytest.raises(SqlError) as raised:
        ask(f"SELECT * FROM {source.format(tmp_path / 'secret.csv')}")
    assert "secret\n" not in str(raised.value)


def test_variables_of_the_service_are_no_tables() -> None:
    with pytest.raises(SqlError):
        ask("SELECT * FROM DOGS")


def test_a_query_that_runs_for_ever_is_stopped() -> None:
    began = time.monotonic()
    with pytest.raises(SqlExhaustedError, match=r"longer than 0.2 s"):
        ask("SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range % 7 = b.range % 5", seconds=0.2)
    assert time.monotonic() - began < 5


def test_a_query_that_needs_too_much_memory_is_stopped() -> None:
    with pytest.raises(SqlExhaustedError, match="memory"):
        ask("SELECT list(range) FROM range(100000000)", memory_bytes=64 << 20)


def test_what_duckdb_does_not_understand_is_told_in_its_words() -> None:
    for sql in ("SELEC 1", "SELECT zz FROM dev.dog", "SELECT * FROM dev.zzz"):
        with pytest.raises(SqlError) as raised:
            ask(sql)
        assert not isinstance(raised.value, SqlExhaustedError)
