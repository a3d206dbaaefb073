"""Databases and tables as they are described."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hdb.moments import write_milliseconds
from jobruns.grants import Grants


@dataclass(frozen=True, slots=True)
class DescribedAttribute:
    """An attribute of a table."""

    name: str
    indexed: bool = True


@dataclass(frozen=True, slots=True)
class DescribedTable:
    """A table, and how large it is.

    Parameters
    ----------
    schema, name, key : str
        Names of the database, of the table and of its primary key.
    attributes : tuple of DescribedAttribute
        In the order in which they came to be.
    record_count, table_bytes, database_bytes : int
        Sizes.
    updated_at : datetime, optional
        When a row was written last.
    schema_defined : bool
        Whether the attributes were declared; those that loads bring are not.
    """

    schema: str
    name: str
    key: str
    attributes: tuple[DescribedAttribute, ...] = ()
    record_count: int = 0
    table_bytes: int = 0
    database_bytes: int = 0
    updated_at: datetime | None = None
    schema_defined: bool = False


def describe_table(table: DescribedTable) -> dict[str, Any]:
    """Write a table."""
    last = {} if table.updated_at is None else {"last_updated_record": write_milliseconds(table.updated_at)}
    return {
        "schema": table.schema,
        "name": table.name,
        "hash_attribute": table.key,
        "audit": False,
        "schema_defined": table.schema_defined,
        "attributes": [_describe_attribute(attribute, table.key) for attribute in table.attributes],
        "db_size": table.database_bytes,
        "record_count": table.record_count,
        "table_size": table.table_bytes,
        "db_audit_size": 0,
        **last,
    }


def describe_schema(tables: Iterable[DescribedTable], grants: Grants) -> dict[str, Any]:
    """Write the tables of a database that a caller sees, by their names."""
    return {table.name: describe_table(table) for table in tables if grants.sees(table.schema, table.name)}


def describe_all(schemas: Mapping[str, Iterable[DescribedTable]], grants: Grants) -> dict[str, Any]:
    """Write the databases, by their names; one of whose tables a caller sees none is shown to the super user only."""
    described = {name: describe_schema(tables, grants) for name, tables in schemas.items()}
    return {name: tables for name, tables in described.items() if tables or grants.may_shape(name)}


def _describe_attribute(attribute: DescribedAttribute, key: str) -> dict[str, Any]:
    if attribute.name == key:
        return {"attribute": attribute.name, "is_primary_key": True}
    return {"attribute": attribute.name, **({"indexed": True} if attribute.indexed else {})}
