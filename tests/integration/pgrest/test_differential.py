"""The same queries of the same rows, asked of PostgreSQL and of this door: the same answers, and the same errors."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
from pgrest.job_rows import is_shown, job_row
from pgrest.jobs import JOBS
from pgrest.ordering import order_rows
from pgrest.projection import project_row
from pgrest.query import read_query, split_query
from pgrest.ranges import read_window
from pgrest.reads import MAX_ROWS, read_rows
from tests.integration.pgrest import sql
from tests.unit.pgrest.ledgers import MemoryRuns, make_caller, make_question, make_runs
from tests.unit.pgrest.queries import RELATIONS, make_query, make_rows, render

ROWS = 120
QUERIES = 500
PLANNED = replace(JOBS, name="planned")
ZONES = ("UTC", "America/Chicago", "Asia/Kolkata")

Rows = list[dict[str, Any]]
Answer = list[dict[str, Any]] | str
"""Rows as JSON has them, or the code of an error."""


@pytest.fixture(scope="module")
def tables(postgres: psycopg.Connection[Any]) -> Mapping[str, Rows]:
    random = Random(5)
    tables = {}
    for relation in RELATIONS:
        tables[relation.name] = make_rows(random, relation, ROWS)
        keep_rows(postgres, relation, tables[relation.name])
    return tables


def keep_rows(postgres: psycopg.Connection[Any], relation: Relation, rows: Rows) -> None:
    postgres.execute(sql.create(relation))
    names = ", ".join(sql.name(column.name) for column in relation.columns)
    places = ", ".join(["%s"] * len(relation.columns))
    with postgres.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {sql.name(relation.name)} ({names}) VALUES ({places})",
            [[_adapt(column, row[column.name]) for column in relation.columns] for row in rows],
        )


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


@pytest.fixture(scope="module")
def ledger(postgres: psycopg.Connection[Any]) -> MemoryRuns:
    """A ledger, of which PostgreSQL has what the relation ``jobs`` shows."""
    runs = [run.model_copy(update={"look_back_seconds": 0}) for run in make_runs(Random(6), ROWS)]
    keep_rows(postgres, PLANNED, [job_row(run) for run in runs if is_shown(run)])
    return MemoryRuns(runs)


def ask_planned(ledger: MemoryRuns, raw: str, zone: str) -> Answer:
    """Ask the door as its handler does: a path is found, and rows are read from a ledger along it."""
    try:
        query = read_query(split_query(raw))
        window = read_window(query.limit, query.offset, None, MAX_ROWS)
        return read_rows(make_caller(ledger), bind_query(query, JOBS, ZoneInfo(zone)), window).rows
    except RefusedError as error:
        return error.code.value


def compare_planned(postgres: psycopg.Connection[Any], ledger: MemoryRuns, seed: int, count: int) -> None:
    random = Random(seed)
    numbers = [run.number for run in ledger.runs.values() if run.number is not None]
    answered = 0
    for _ in range(count):
        zone = random.choice(ZONES)
        query = make_question(random, numbers) if random.random() < 0.7 else make_query(random, JOBS)
        if not query.order:
            query = replace(query, limit=None, offset=None)
        raw, text = render(query), sql.select(query, PLANNED)
        theirs, ours = ask_postgres(postgres, text, zone), ask_planned(ledger, raw, zone)
        if not query.order and isinstance(theirs, list) and isinstance(ours, list):
            theirs, ours = (sorted(rows, key=json.dumps) for rows in (theirs, ours))
        assert ours == theirs, f"{raw}\n{text}\nin {zone}"
        answered += isinstance(theirs, list) and bool(theirs)
    assert answered > count / 4


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


@pytest.mark.parametrize("seed", range(2))
def test_planned_answers_are_those_of_postgresql(
    postgres: psycopg.Connection[Any], ledger: MemoryRuns, seed: int
) -> None:
    compare_planned(postgres, ledger, seed, QUERIES)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 110))
def test_many_more_planned_answers_are_those_of_postgresql(
    postgres: psycopg.Connection[Any], ledger: MemoryRuns, seed: int
) -> None:
    compare_planned(postgres, ledger, seed, 3000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_many_more_answers_are_those_of_postgresql(
    postgres: psycopg.Connection[Any], tables: Mapping[str, Rows], seed: int
) -> None:
    compare(postgres, tables, seed, 3000)
