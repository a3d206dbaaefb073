"""Databases and tables by the names that requests give them."""

from hdb.admission import Caller
from hdb.errors import InvalidRequestError, NoDatabaseError, NoTableError
from hdb.fields import Target
from jobruns.errors import NotFoundError
from jobruns.service.tables import find_project_by_name, find_table_by_name
from jobruns.table import Project, Table


def find_database(caller: Caller, schema: str) -> Project:
    """Read a database.

    Raises
    ------
    NoDatabaseError
        There is none of this name.
    """
    try:
        return find_project_by_name(caller.ports, caller.principal, schema)
    except NotFoundError:
        raise NoDatabaseError(schema) from None


def find_table(caller: Caller, target: Target) -> Table:
    """Read a table.

    Raises
    ------
    NoDatabaseError, NoTableError
        There is none of this name.
    InvalidRequestError
        It has no primary key: other doors load it, by appending.
    """
    try:
        table = find_table_by_name(caller.ports, caller.principal, f"{target.schema}.{target.table}")
    except NotFoundError:
        find_database(caller, target.schema)
        raise NoTableError(target.schema, target.table) from None
    key_of(table)
    return table


def key_of(table: Table) -> str:
    """Give the name of a table's primary key.

    Raises
    ------
    InvalidRequestError
        It has none.
    """
    if table.key is None:
        raise InvalidRequestError(f"Table '{table.full_name}' has no primary key; rows are loaded into it, not written")
    return table.key
