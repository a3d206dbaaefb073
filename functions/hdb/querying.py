"""Runs statements of SQL: queries by the engine, and writes as the operations they stand for.

The parser takes a while to load, so only what has a statement loads it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hdb.admission import Caller
from hdb.errors import FailedRequestError
from hdb.fields import Target
from hdb.grants import require_rights
from hdb.loads import Action
from hdb.messages import unknown_column
from hdb.searches import SqlSearch
from hdb.stored_tables import find_table, key_of
from hdb.writing import delete_rows, write_rows
from jobruns.errors import NoAttributeError
from jobruns.grants import Need, Right
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
    from hdb.sql_statements import Insert, Select, read_statement, relation_name

    statement = read_statement(request.sql)
    if isinstance(statement, Insert):
        require_rights(caller.grants, [_need(statement.target, Right.INSERT)])
        return write_rows(Action.INSERT, caller, find_table(caller, statement.target), statement.records)
    if isinstance(statement, Select):
        return _select(caller, statement.sql, find_tables(caller, statement.tables))
    changes = _need(statement.target, Right.DELETE if statement.deletes else Right.UPDATE)
    tables = find_tables(caller, statement.tables, changes)
    table = tables[relation_name(statement.target)]
    key = key_of(table)
    rows = _select(caller, statement.select(key), tables)
    if statement.deletes:
        return delete_rows(caller, table, [row[key] for row in rows])
    return write_rows(Action.UPDATE, caller, table, rows)


def _select(caller: Caller, sql: str, tables: Mapping[str, Table]) -> list[dict[str, Any]]:
    try:
        return query_rows(caller.ports, caller.principal, sql, tables)
    except NoAttributeError as error:
        raise FailedRequestError(unknown_column(error.name)) from None


def find_tables(caller: Caller, targets: Sequence[Target], *needs: Need) -> dict[str, Table]:
    """Read the tables of a query, by the names they have in it.

    Raises
    ------
    RestrictedError
        The caller may not read one of them, or lacks what else there is need of. It is looked for before the tables
        are, so that nobody learns which ones there are.
    """
    from hdb.sql_statements import relation_name

    require_rights(caller.grants, [*needs, *(_need(target, Right.READ) for target in targets)])
    return {relation_name(target): find_table(caller, target) for target in targets}


def _need(target: Target, right: Right) -> Need:
    return Need.of(target.schema, target.table, right)
