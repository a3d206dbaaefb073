"""An operation: a run, with everything that is needed to do what it says."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from jobruns.errors import InvalidInputError
from jobruns.operation import DeleteBefore, Export, Load, SqlQuery, TableQuery, read_operation
from jobruns.run import Run
from jobruns.service.operations import check_inline_key
from jobruns.service.ports import Ports
from jobruns.service.starts import load_arguments
from jobruns.service.tables import find_table_by_id
from jobruns.table import Table
from jobruns_data.catalog import TableTarget
from operations.relation import Relation


@dataclass(frozen=True, slots=True)
class Operation:
    """A run and what it does to which table.

    ``at`` is what the times of the rows become that it writes.
    """

    run: Run
    spec: Load | DeleteBefore | Export
    table: Table
    key: str
    target: TableTarget
    at: datetime


_QUERY: TypeAdapter[TableQuery | SqlQuery] = TypeAdapter(TableQuery | SqlQuery)


def open_operation(ports: Ports, lake_bucket: str, run: Run) -> Operation:
    """Read what a run is to do.

    Raises
    ------
    NotFoundError
        There is no such table (any more).
    InvalidInputError
        The run's arguments are not those of an operation, or the table has no primary key.
    """
    spec = read_operation(load_arguments(ports, run))
    table = find_table_by_id(ports, run.org, spec.table_id)
    if table.key is None:
        raise InvalidInputError(f"the table {table.full_name} has no primary key", field="table")
    target = TableTarget(table.database, table.lake_table, f"s3://{lake_bucket}/{table.location}")
    return Operation(run, spec, table, table.key, target, ports.clock())


def read_query(ports: Ports, operation: Operation, export: Export) -> TableQuery | SqlQuery:
    """Read which rows an export is of.

    Raises
    ------
    InvalidInputError
        It names no query of its org's.
    """
    stored = ports.objects.get_json(check_inline_key(operation.run.org, export.query_key))
    try:
        return _QUERY.validate_python(stored)
    except ValidationError:
        raise InvalidInputError("what the run names is no query", field="query_key") from None


def find_relations(ports: Ports, org: str, query: SqlQuery) -> list[Relation]:
    """Find the tables that a query in SQL reads.

    Raises
    ------
    NotFoundError
        One is gone.
    """
    found = [(told, find_table_by_id(ports, org, told.table_id)) for told in query.tables]
    return [
        Relation(
            name=told.name,
            database=table.database,
            table=table.lake_table,
            location=table.location,
            key=table.key,
            attributes=told.attributes,
        )
        for told, table in found
    ]
