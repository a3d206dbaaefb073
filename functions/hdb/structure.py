"""Makes, drops and describes databases, tables and attributes."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

from hdb import messages
from hdb.admission import DOOR, Caller
from hdb.descriptions import DescribedAttribute, DescribedTable, describe_all, describe_schema, describe_table
from hdb.errors import (
    DatabaseExistsError,
    InvalidRequestError,
    MissingAttributeError,
    NoDatabaseError,
    TableExistsError,
)
from hdb.fields import Target
from hdb.stored_tables import find_database, find_table, key_of
from hdb.tables import Attribute, Database, Everything, NewTable
from jobruns.errors import AlreadyExistsError, InvalidInputError
from jobruns.grants import Right
from jobruns.operation import TableFacts
from jobruns.service.records import TIMES, create_attribute, describe_records, drop_attribute
from jobruns.service.tables import (
    define_project,
    define_table,
    delete_project,
    delete_table,
    list_projects,
    list_tables,
)
from jobruns.table import Project, Table

LOOKS_AT_ONCE: Final = 8
"""Tables of a database that are described at the same time."""


def create_schema(caller: Caller, request: Database) -> dict[str, Any]:
    """Make a database."""
    try:
        _make_database(caller, request.schema)
    except AlreadyExistsError:
        raise DatabaseExistsError(request.schema) from None
    return {"message": messages.database_created(request.schema)}


def drop_schema(caller: Caller, request: Database) -> dict[str, Any]:
    """Drop a database with all its tables."""
    project, principal = find_database(caller, request.schema), caller.to_shape(request.schema)
    tables = list_tables(caller.ports, principal, project.project_id)
    for table in tables:
        key_of(table)  # what other doors load is not dropped through this one
    for table in tables:
        delete_table(caller.ports, principal, table)
    delete_project(caller.ports, principal, project)
    return {"message": messages.database_dropped(request.schema)}


def create_table(caller: Caller, request: NewTable) -> dict[str, Any]:
    """Make a table, and its database where there is none."""
    schema, name = request.target.schema, request.target.table
    project = _find_or_make(caller, schema)
    try:
        define_table(caller.ports, caller.to_shape(schema), project, name, door=DOOR, key=request.key)
    except AlreadyExistsError:
        raise TableExistsError(schema, name) from None
    except InvalidInputError as error:
        raise _name_better(error, "table") from None
    return {"message": messages.table_created(schema, name)}


def drop_table(caller: Caller, request: Target) -> dict[str, Any]:
    """Drop a table."""
    delete_table(caller.ports, caller.to_shape(request.schema), find_table(caller, request))
    return {"message": messages.table_dropped(request.schema, request.table)}


def create_declared_attribute(caller: Caller, request: Attribute) -> dict[str, Any]:
    """Make an attribute before there is a row that has it."""
    table = find_table(caller, request.target)
    try:
        made = create_attribute(caller.ports, caller.principal, table, request.attribute)
    except InvalidInputError as error:
        if error.field != "attribute":
            raise
        raise InvalidRequestError(messages.bad_attribute(request.attribute)) from None
    if not made:
        raise InvalidRequestError(messages.attribute_exists(table.project, table.name, request.attribute))
    return {"message": messages.attribute_created(table.project, table.name, request.attribute)}


def drop_table_attribute(caller: Caller, request: Attribute) -> dict[str, Any]:
    """Drop an attribute with all its values."""
    table = find_table(caller, request.target)
    try:
        found = drop_attribute(caller.ports, caller.principal, table, request.attribute)
    except InvalidInputError as error:
        if error.field != "attribute":
            raise
        raise InvalidRequestError(messages.kept_attribute(request.attribute)) from None
    if not found:
        raise MissingAttributeError(table.project, table.name, request.attribute)
    return {"message": messages.attribute_dropped(request.attribute)}


def show_table(caller: Caller, request: Target) -> dict[str, Any]:
    """Describe a table."""
    return describe_table(_look_at(caller, find_table(caller, request)))


def show_schema(caller: Caller, request: Database) -> dict[str, Any]:
    """Describe the tables of a database that the caller sees."""
    described = describe_schema(_look_into(caller, find_database(caller, request.schema)), caller.grants)
    if not described and not caller.grants.may_shape(request.schema):
        seen = caller.grants.everywhere or caller.grants.tables.get(request.schema)
        if not seen:
            raise NoDatabaseError(request.schema)
    return described


def show_all(caller: Caller, request: Everything) -> dict[str, Any]:
    """Describe all databases and tables that the caller sees."""
    projects = list_projects(caller.ports, caller.principal)
    return describe_all({project.name: _look_into(caller, project) for project in projects}, caller.grants)


def _find_or_make(caller: Caller, schema: str) -> Project:
    try:
        return find_database(caller, schema)
    except NoDatabaseError:
        try:
            return _make_database(caller, schema)
        except AlreadyExistsError:  # somebody else made it meanwhile
            return find_database(caller, schema)


def _make_database(caller: Caller, schema: str) -> Project:
    try:
        return define_project(caller.ports, caller.to_shape(schema), schema)
    except InvalidInputError as error:
        raise _name_better(error, "schema") from None


def _name_better(error: InvalidInputError, member: str) -> InvalidInputError:
    # The reference lets names have 250 characters. Ours are parts of the names of jobs, which have 255 and a dot.
    return InvalidRequestError(messages.bad_name(member)) if error.field == "name" else error


def _look_into(caller: Caller, project: Project) -> list[DescribedTable]:
    tables = list_tables(caller.ports, caller.principal, project.project_id)
    seen = [table for table in tables if table.key is not None and caller.grants.sees(project.name, table.name)]
    with ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:  # each waits for an answer of a function
        looked = list(pool.map(lambda table: _look_at(caller, table), seen))
    size = sum(table.table_bytes for table in looked)
    return [replace(table, database_bytes=size) for table in looked]


def _look_at(caller: Caller, table: Table) -> DescribedTable:
    key = key_of(table)
    # Who only writes sees that the table is there, and nothing of what is in it.
    reads = Right.READ in caller.grants.on(table.project, table.name)
    facts = describe_records(caller.ports, caller.principal, table) if reads else TableFacts()
    shown = [*TIMES, *facts.attributes, key]
    return DescribedTable(
        schema=table.project,
        name=table.name,
        key=key,
        attributes=tuple(DescribedAttribute(name) for name in shown),
        record_count=facts.rows,
        table_bytes=facts.bytes,
        database_bytes=facts.bytes,
        updated_at=facts.changed_at,
    )
