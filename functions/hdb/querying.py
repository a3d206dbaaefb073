"""Runs statements of SQL: queries by the engine, and writes as the operations they stand for.

The parser takes a while to load, so only what has a statement loads it.
"""

from collections.abc import Sequence
from typing import Any

from hdb.admission import Caller
from hdb.errors import FailedRequestError
from hdb.loads import Target
from hdb.messages import unknown_column
from hdb.searches import SqlSearch
from hdb.stored_tables import find_table, key_of
from hdb.tables import Deletion, Rows
from hdb.writing import delete, insert, update
from jobruns.errors import NoAttributeError
from jobruns.service.records import query_rows
from jobruns.table import Table


def run_statement(caller: Caller, request: SqlSearch) -> list[dict[str, Any]] | dict[str, Any]:
    """Run one statement: the rows of a query, or what the operation answers that a write stands for.

    Raises
    ------
    InvalidRequestError
        It is not one that is run here.
    FailedRequestError
        It names a column that no table of it has.
    """
    from hdb.sql_statements import Insert, Select, read_statement

    statement = read_statement(request.sql)
    if isinstance(statement, Select):
        return select_rows(caller, statement.sql, statement.tables)
    if isinstance(statement, Insert):
        return insert(caller, Rows(statement.target, statement.records))
    key = key_of(find_table(caller, statement.target))
    rows = select_rows(caller, statement.select(key), statement.tables)
    if statement.deletes:
        return delete(caller, Deletion(statement.target, tuple(row[key] for row in rows)))
    return update(caller, Rows(statement.target, tuple(rows)))


def select_rows(caller: Caller, sql: str, targets: Sequence[Target]) -> list[dict[str, Any]]:
    """Give the rows of a query that has been looked through."""
    try:
        return query_rows(caller.ports, caller.principal, sql, find_tables(caller, targets))
    except NoAttributeError as error:
        raise FailedRequestError(unknown_column(error.name)) from None


def find_tables(caller: Caller, targets: Sequence[Target]) -> dict[str, Table]:
    """Read the tables of a query, by the names they have in it."""
    from hdb.sql_statements import relation_name

    return {relation_name(target): find_table(caller, target) for target in targets}
