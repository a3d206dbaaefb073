"""Use cases around rows of tables with a primary key that are answered at once. They are no runs.

Each raises `MissingRightsError` where the caller may not do that with the rows of the table, or with the attributes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from jobruns.access import Principal
from jobruns.grants import Need, Right
from jobruns.ids import new_id
from jobruns.operation import DeleteResult, TableFacts, TableQuery, TableView, WriteAction, WriteResult
from jobruns.service.ports import Ports
from jobruns.table import Table

TIMES: Final = ("__createdtime__", "__updatedtime__")
"""Attributes that every table with a primary key has, beside the key: when a row was made and changed."""

_RIGHTS: Mapping[WriteAction, tuple[Right, ...]] = {
    WriteAction.INSERT: (Right.INSERT,),
    WriteAction.UPDATE: (Right.UPDATE,),
    WriteAction.UPSERT: (Right.INSERT, Right.UPDATE),
}
_ANY_OTHER: Final = "\0"
"""No attribute is called that: who may read it may read all there are."""


def write_records(
    ports: Ports, principal: Principal, table: Table, action: WriteAction, records: Sequence[Mapping[str, Any]]
) -> WriteResult:
    """Insert, update or upsert records in one commit.

    Raises
    ------
    InvalidInputError
        An attribute cannot have the name it has, or the table has no primary key.
    StaleWriteError
        Other writers changed the table too often meanwhile; nothing was written.
    UnavailableError
        It could not be done now, or nobody knows whether it was.
    """
    names = {name for record in records for name in record} - set(TIMES)
    principal.require_rights(Need.of(table.project, table.name, *_RIGHTS[action], attributes=names, key=table.key))
    return ports.records.write(table, action, records, operation_id=new_id(ports.clock()))


def delete_records(ports: Ports, principal: Principal, table: Table, keys: Sequence[Any]) -> DeleteResult:
    """Delete rows by their keys in one commit; for what is raised see `write_records`."""
    principal.require_rights(Need.of(table.project, table.name, Right.DELETE))
    return ports.records.delete(table, keys, operation_id=new_id(ports.clock()))


def search_records(ports: Ports, principal: Principal, table: Table, query: TableQuery) -> list[dict[str, Any]]:
    """Give the rows of a table that a query asks for, with all attributes that the caller may read where it names none.

    Raises
    ------
    InvalidInputError
        The query names an attribute that the table does not have, or there are more rows than fit into an answer.
    UnavailableError
        They could not be read now.
    """
    return ports.records.search(table, narrow_query(ports, principal, table, query))


def query_rows(ports: Ports, principal: Principal, sql: str, tables: Mapping[str, Table]) -> list[dict[str, Any]]:
    """Give the rows of a query in SQL over tables, each of which is there as far as the caller may read it.

    Parameters
    ----------
    ports : Ports
    principal : Principal
    sql : str
        One SELECT, which the caller has looked through: what it names, and which functions it calls.
    tables : mapping of str to Table
        By the names that they have in it.

    Raises
    ------
    MissingRightsError
        The caller may not read one of the tables.
    InvalidInputError
        It is no query, cannot be run, has to read too much, takes too long, or has more rows than fit into an answer.
    UnavailableError
        It could not be run now.
    """
    return ports.records.select(sql, see_tables(ports, principal, tables))


def see_tables(ports: Ports, principal: Principal, tables: Mapping[str, Table]) -> list[TableView]:
    """Give tables as far as the caller may read them.

    Raises
    ------
    MissingRightsError
        The caller may not read one of them.
    """
    return [
        TableView(name, table, narrow_query(ports, principal, table, TableQuery()).attributes)
        for name, table in tables.items()
    ]


def describe_records(ports: Ports, principal: Principal, table: Table) -> TableFacts:
    """Tell what a table has in it, as far as the caller may read it: nothing where it has never been written to."""
    principal.require_rights(Need.of(table.project, table.name, Right.READ))
    facts = ports.records.describe(table)
    rights = principal.rights
    seen = rights.open_attributes(Right.READ, table.project, table.name, facts.attributes, key=table.key)
    return facts.model_copy(update={"attributes": tuple(seen)})


def create_attribute(ports: Ports, principal: Principal, table: Table, attribute: str) -> bool:
    """Make an attribute of a table before there is a value of it.

    Returns
    -------
    bool
        Whether it was not there.

    Raises
    ------
    AccessDeniedError
        The caller may not change the tables of the project.
    InvalidInputError
        No attribute can have that name.
    """
    principal.cleared_to_shape(table.project)
    return ports.records.create_attribute(table, attribute)


def drop_attribute(ports: Ports, principal: Principal, table: Table, attribute: str) -> bool:
    """Take an attribute and its values out of a table.

    Returns
    -------
    bool
        Whether it was there.

    Raises
    ------
    AccessDeniedError
        The caller may not change the tables of the project.
    InvalidInputError
        It is the primary key or one of the two times, which stay.
    """
    principal.cleared_to_shape(table.project)
    return ports.records.drop_attribute(table, attribute)


def narrow_query(ports: Ports, principal: Principal, table: Table, query: TableQuery) -> TableQuery:
    """Have a query ask for what the caller may read, where it asks for all there is.

    Raises
    ------
    MissingRightsError
        The caller may not read the table, or what the query names of it.
    """
    named = query.named_attributes() - set(TIMES)
    principal.require_rights(Need.of(table.project, table.name, Right.READ, attributes=named, key=table.key))
    rights, place = principal.rights, (table.project, table.name)
    if query.attributes is not None or Right.READ in rights.on_attribute(*place, _ANY_OTHER, key=table.key):
        return query
    known = sorted(ports.records.describe(table).attributes)
    seen = rights.open_attributes(Right.READ, *place, known, key=table.key)
    key = () if table.key is None else (table.key,)
    return query.model_copy(update={"attributes": (*key, *TIMES, *seen)})
