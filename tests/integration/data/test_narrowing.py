"""Queries in SQL that read less of a table, beside the same queries over all of it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyiceberg.table import Table

from jobruns.operation import Comparator, Condition, Group
from jobruns_data.catalog import load_table
from jobruns_data.relations import read_relation
from jobruns_sql.errors import SqlError
from jobruns_sql.session import SqlSession
from tests.integration.data.keyed_tables import KeyedTable
from tests.integration.data.lakes import Faults, Lake

PLAIN: list[dict[str, Any]] = [
    {"id": number, "name": f"n{number % 4}", "age": number / 2, "tags": [number] if number == 3 else None}
    for number in range(12)
]
MIXED: list[dict[str, Any]] = [
    *PLAIN[:4], {"id": "x", "name": "n1", "age": "2"}, {"id": "7", "name": 3, "age": 1}, {"id": 1.5, "name": "n0"},
]  # fmt: skip
TEXTS: list[dict[str, Any]] = [{**row, "id": f"k{row['id']}"} for row in PLAIN]
TABLES = {"plain": PLAIN, "mixed": MIXED, "texts": TEXTS}

LITERALS = st.sampled_from(["1", "2", "3.0", "2.5", "-1", "'n1'", "'k3'", "'2'", "'x'", "''", "NULL", "TRUE", "1e1"])
COLUMNS = st.sampled_from(["id", "d.id", '"ID"', "name", "age", "zz.id"])
COMPARISONS = st.one_of(
    st.builds("{} {} {}".format, COLUMNS, st.sampled_from(["=", "<", "<=", ">", ">=", "<>"]), LITERALS),
    st.builds("{} {} {}".format, LITERALS, st.sampled_from(["=", "<", ">="]), COLUMNS),
    st.builds("{} BETWEEN {} AND {}".format, COLUMNS, LITERALS, LITERALS),
    st.builds("{} IN ({}, {})".format, COLUMNS, LITERALS, LITERALS),
    st.just("name IS NULL"),
    st.just("tags IS NULL"),
    st.just("age > (SELECT avg(id) FROM dog)"),
)
WHERE = st.recursive(
    COMPARISONS,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner)
        | st.builds("(NOT {})".format, inner)
    ),
    max_leaves=4,
)


@pytest.fixture
def tables(lake: Lake) -> dict[str, tuple[Table, pa.Table]]:
    """Each as it is loaded, and all of it."""
    made = {}
    for name, rows in TABLES.items():
        table = KeyedTable(lake.catalog)
        for at in range(0, len(rows), 4):
            table.write("insert", rows[at : at + 4])
        loaded = load_table(table.catalog, table.target)
        made[name] = (loaded, read_relation(loaded, None, lambda name: True, lambda size: None))
    return made


def ask(sql: str, table: Table, whole: pa.Table | None = None) -> list[dict[str, Any]]:
    with SqlSession(threads=1) as session:
        rows = whole
        if rows is None:
            _, conditions = session.find_conditions(sql)
            rows = read_relation(table, None, lambda name: True, lambda size: None, conditions)
        session.add_table("main", "dog", rows)
        return [row for batch in session.select(sql, seconds=5) if batch.num_rows for row in rows_of(batch)]


def rows_of(batch: Any) -> list[dict[str, Any]]:
    from operations.cells import json_rows

    return list(json_rows(batch))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(list(TABLES)), where=WHERE)
@example("plain", "id = '2'")
@example("plain", "id > 2.5 AND __createdtime__ > 1")
@example("plain", "name = 3 OR age = '2'")
@example("texts", "id = 2")
@example("mixed", "age = '2'")
@example("mixed", "id = '7'")
def test_a_query_gives_the_same_rows_as_over_the_whole_table(
    tables: dict[str, tuple[Table, pa.Table]], name: str, where: str
) -> None:
    sql = f"SELECT id, name, age, tags FROM dog AS d WHERE {where} ORDER BY name, age, id"
    try:
        whole = ask(sql, *tables[name])
    except SqlError:
        return
    assert ask(sql, tables[name][0]) == whole


def test_files_that_cannot_have_the_rows_are_not_read(lake: Lake, small_files: None, faults: Faults) -> None:
    table = KeyedTable(lake.catalog)
    table.write("insert", [{"id": number, "a": number} for number in range(200)])
    loaded = load_table(table.catalog, table.target)

    def read(where: str) -> int:
        faults.seen.clear()
        ask(f"SELECT a FROM dog WHERE {where}", loaded)
        return len(faults.seen)

    everything = read("a + 0 = 50")
    assert everything > 20
    for where in ("id = 50", "id IN (50, 51) AND a > 3", "49 < id AND id < 52", "id BETWEEN 50 AND 51"):
        assert read(where) < everything / 2, where


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("d.id = 1", (Condition(attribute="id", value=1),)),
        ("2 <= id AND f(x) = 1", (Condition(attribute="id", comparator=Comparator.GREATER_THAN_EQUAL, value=2),)),
        ("id = 'a' OR id = f(x)", ()),
        ("e.id = 1", ()),
        ("id NOT IN (1, 2)", ()),
        ("id IN (SELECT 1)", ()),
        ("id IN (1)", None),
        ("id = 1 AND a > (SELECT max(a) FROM dog)", ()),
    ],
)
def test_only_what_is_simple_and_of_the_only_place_of_the_table_narrows(where: str, found: Any) -> None:
    one = (Group(conditions=(Condition(attribute="id", value=1),), every=False),)
    with SqlSession() as session:
        _, conditions = session.find_conditions(f"SELECT * FROM dog d WHERE {where}")
    assert conditions == (one if found is None else found)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM dog a, dog b WHERE a.id = 1",
        "WITH x AS (SELECT 1) SELECT * FROM dog WHERE id = 1",
        "SELECT * FROM dog WHERE id = 1 UNION SELECT * FROM dog",
        "SELECT * FROM dog AS d(x) WHERE id = 1",
        "SELECT 1",
        "DELETE FROM dog WHERE id = 1",
        "nonsense",
    ],
)
def test_other_queries_are_read_whole(sql: str) -> None:
    with SqlSession() as session:
        assert session.find_conditions(sql)[1] == ()
