"""The same queries of the same rows, asked of PostgreSQL and of this door: the same answers, and the same errors."""

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.types.json import Jsonb

from pgrest.binding import bind_query
from pgrest.columns import Column, ColumnType, Relation
from pgrest.conditions import compile_conditions
from pgrest.errors import RefusedError
from pgrest.ordering import order_rows
from pgrest.projection import project_row
from pgrest.query import read_query, split_query
from tests.integration.pgrest import sql
from tests.unit.pgrest.queries import RELATIONS, make_query, make_rows, render

ROWS = 120
QUERIES = 500
ZONES = ("UTC", "America/Chicago", "Asia/Kolkata")

Rows = list[dict[str, Any]]
Answer = list[dict[str, Any]] | str
"""Rows as JSON has them, or the code of an error."""


@pytest.fixture(scope="module")
def tables(postgres: psycopg.Connection[Any]) -> Mapping[str, Rows]:
    random = Random(5)
    tables = {}
    for relation in RELATIONS:
        rows = tables[relation.name] = make_rows(random, relation, ROWS)
        postgres.execute(sql.create(relation))
        names = ", ".join(sql.name(column.name) for column in relation.columns)
        places = ", ".join(["%s"] * len(relation.columns))
        with postgres.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO {sql.name(relation.name)} ({names}) VALUES ({places})",
                [[_adapt(column, row[column.name]) for column in relation.columns] for row in rows],
            )
    return tables


def _adapt(column: Column, value: Any) -> Any:
    return value if value is None or column.type is not ColumnType.JSONB else Jsonb(value)


def ask_postgres(postgres: psycopg.Connection[Any], text: str, zone: str) -> Answer:
    try:
        postgres.execute(f"SET timezone = '{zone}'")
        row = postgres.execute(text).fetchone()
    except psycopg.Error as error:
        return error.sqlstate or repr(error)
    assert row
    return json.loads(row[0])


def ask_door(rows: Sequence[dict[str, Any]], raw: str, relation: Relation, zone: str) -> Answer:
    try:
        query = read_query(split_query(raw))
        bound = bind_query(query, relation, ZoneInfo(zone))
        passes = compile_conditions(bound.conditions)
        ordered = order_rows((row for row in rows if passes(row)), bound.order)
        first = query.offset or 0
        shown = ordered[first:] if query.limit is None else ordered[first : first + query.limit]
        return [project_row(row, bound.shown, bound.zone) for row in shown]
    except RefusedError as error:
        return error.code.value


def compare(postgres: psycopg.Connection[Any], tables: Mapping[str, Rows], seed: int, count: int) -> None:
    random = Random(seed)
    answered = refused = 0
    for _ in range(count):
        relation = random.choice(RELATIONS)
        zone = random.choice(ZONES)
        query = make_query(random, relation)
        raw, text = render(query), sql.select(query, relation)
        theirs = ask_postgres(postgres, text, zone)
        ours = ask_door(tables[relation.name], raw, relation, zone)
        assert ours == theirs, f"{relation.name}?{raw}\n{text}\nin {zone}"
        answered += isinstance(theirs, list) and bool(theirs)
        refused += isinstance(theirs, str)
    # The queries are worth asking: most find rows, and some are wrong.
    assert answered > count / 3
    assert refused > count / 50


@pytest.mark.parametrize("seed", range(6))
def test_answers_are_those_of_postgresql(
    postgres: psycopg.Connection[Any], tables: Mapping[str, Rows], seed: int
) -> None:
    compare(postgres, tables, seed, QUERIES)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_many_more_answers_are_those_of_postgresql(
    postgres: psycopg.Connection[Any], tables: Mapping[str, Rows], seed: int
) -> None:
    compare(postgres, tables, seed, 3000)
