"""Queries in SQL over tables with a primary key: what is read of them, and what the query may take."""

import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from jobruns.errors import InvalidInputError
from jobruns.operation import Condition, Group
from jobruns_data.catalog import TableTarget, load_table
from jobruns_data.errors import UnknownAttributeError
from jobruns_data.relations import empty_relation, read_relation
from jobruns_sql.errors import SqlError, SqlExhaustedError
from jobruns_sql.session import SqlSession
from operations.cells import json_rows
from operations.relation import Relation

SECONDS = 14.0
"""For reading and for the query. Whoever waits gives up after 18."""

MAX_READ_BYTES = 256 << 20
"""Of all tables of a query, in memory. Of some columns a copy is made beside; the function has 2 GB."""

MEMORY_BYTES = 512 << 20

_COUNTS_ROWS = re.compile(r"\(\s*\*\s*\)")
_OF_SEVERAL_KINDS = (
    "a column with values of several kinds can be selected, compared and sorted by; for anything else say what to take"
    " it for: CAST(x AS VARCHAR), or TRY_CAST(CAST(x AS VARCHAR) AS DOUBLE)"
)
_UNKNOWN = re.compile(r'(?:Referenced column|does not have a column named) "((?:[^"]|"")*)"')


def select_rows(
    catalog: Catalog, lake_bucket: str, sql: str, relations: Sequence[Relation], seconds: float | None = None
) -> Iterator[dict[str, Any]]:
    """Run a query and give its rows as they come; for the rest see `select_batches`."""
    for batch in select_batches(catalog, lake_bucket, sql, relations, seconds):
        yield from json_rows(batch)


def select_batches(
    catalog: Catalog, lake_bucket: str, sql: str, relations: Sequence[Relation], seconds: float | None = None
) -> Iterator[pa.RecordBatch]:
    """Run a query and give its rows as they come; the first part has none, and tells the columns.

    Parameters
    ----------
    catalog : Catalog
    lake_bucket : str
    sql : str
        One SELECT.
    relations : sequence of Relation
    seconds : float, optional
        Time for it all; left out, what somebody waits.

    Raises
    ------
    SqlExhaustedError
        There is too much to be read, or it took too long, or too much memory.
    UnknownAttributeError
        The query names a column that there is not.
    SqlError
        It is no query, or cannot be run.
    SchemaConflictError
        A table has no primary key.
    """
    budget = _Budget(SECONDS if seconds is None else seconds)
    with SqlSession(memory_bytes=MEMORY_BYTES) as session:
        of, conditions = session.find_conditions(sql)
        for relation in relations:
            narrowed = conditions if relation.name.casefold() == of.casefold() else ()
            # "main" is where a name without a schema is looked for.
            session.add_table("main", relation.name, _read(catalog, lake_bucket, relation, sql, budget, narrowed))
        try:
            yield from session.select(sql, seconds=budget.left(), of_seconds=budget.seconds)
        except SqlExhaustedError:
            raise
        except SqlError as error:
            unknown = _UNKNOWN.search(error.message)
            if unknown is None and "UNION(" in error.message:
                raise SqlError(_OF_SEVERAL_KINDS) from error
            if unknown is None:
                raise
            raise UnknownAttributeError(unknown[1].replace('""', '"')) from error


class _Budget:
    """What a query may still read, and how long it may still take."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds
        self._bytes = MAX_READ_BYTES

    def take(self, size: int) -> None:
        self._bytes -= size
        if self._bytes < 0:
            raise SqlExhaustedError(
                f"the tables hold more than the {MAX_READ_BYTES >> 20} MB that a query reads: "
                "name fewer columns, or the primary key in WHERE, or search by conditions instead"
            )
        self.left()

    def left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise SqlExhaustedError(
                f"reading the tables took longer than {self.seconds:g} s: "
                "name fewer columns, or the primary key in WHERE, or search by conditions instead"
            )
        return left


def _read(
    catalog: Catalog,
    lake_bucket: str,
    relation: Relation,
    sql: str,
    budget: _Budget,
    conditions: Sequence[Condition | Group],
) -> pa.Table:
    target = TableTarget(relation.database, relation.table, f"s3://{lake_bucket}/{relation.location}")
    try:
        table = load_table(catalog, target)
    except NoSuchTableError:
        if relation.key is None:
            raise InvalidInputError(f"the table {relation.name} has no primary key", field="table") from None
        return empty_relation(relation.key)
    said = sql.casefold()
    # A column is asked for by its name, by a star, or by the name of its table, as a whole row.
    everything = "*" in _COUNTS_ROWS.sub("", said) or "natural" in said or "columns" in said

    def is_needed(name: str) -> bool:
        return everything or '"' in name or name.casefold() in said

    return read_relation(table, relation.attributes, is_needed, budget.take, conditions)
