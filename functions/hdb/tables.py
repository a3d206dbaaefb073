"""Requests on databases, tables, attributes and rows that are answered at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hdb.fields import KEY, KEYS, Reader, Target

MAX_RECORDS = 50_000
"""Rows of one request; what is more is loaded by a job."""


@dataclass(frozen=True, slots=True)
class Everything:
    """A request about all there is."""


@dataclass(frozen=True, slots=True)
class Database:
    """A request about a database."""

    schema: str


@dataclass(frozen=True, slots=True)
class NewTable:
    """A table that is to be made; so is its database, where it is missing."""

    target: Target
    key: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """A request about an attribute of a table."""

    target: Target
    attribute: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that are to be written."""

    target: Target
    records: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Deletion:
    """Rows that are to be deleted, by their keys."""

    target: Target
    keys: tuple[Any, ...]


def read_nothing(fields: Mapping[str, Any]) -> Everything:
    """Read a request that has no members."""
    return Everything()


def read_database(fields: Mapping[str, Any]) -> Database:
    """Read a request about a database.

    Raises
    ------
    InvalidRequestError
        Its name is wrong.
    """
    reader = Reader(fields)
    schema = reader.schema()
    return reader.finish(lambda: Database(schema))


def read_target(fields: Mapping[str, Any]) -> Target:
    """Read a request about a table.

    Raises
    ------
    InvalidRequestError
        Names are wrong.
    """
    reader = Reader(fields)
    target = reader.target()
    return reader.finish(lambda: target)


def read_new_table(fields: Mapping[str, Any]) -> NewTable:
    """Read ``create_table``.

    Raises
    ------
    InvalidRequestError
        Names are wrong.
    """
    reader = Reader(fields)
    target = reader.target()
    key = reader.name(KEY, label=KEY[0])
    return reader.finish(lambda: NewTable(target, key))


def read_attribute(fields: Mapping[str, Any]) -> Attribute:
    """Read a request about an attribute.

    Raises
    ------
    InvalidRequestError
        Names are wrong.
    """
    reader = Reader(fields)
    target = reader.target()
    attribute = reader.name(("attribute",))
    return reader.finish(lambda: Attribute(target, attribute))


def read_rows(fields: Mapping[str, Any]) -> Rows:
    """Read ``insert``, ``update`` or ``upsert``.

    Raises
    ------
    InvalidRequestError
        Members are wrong, or records are none.
    """
    reader = Reader(fields)
    target = reader.target()
    records = reader.array(("records",))
    if len(records) > MAX_RECORDS:
        reader.fail(f"'records' must contain less than or equal to {MAX_RECORDS} items")
    wrong = next((number for number, record in enumerate(records) if not isinstance(record, Mapping)), None)
    if wrong is not None:
        reader.fail(f"'records[{wrong}]' must be of type object")
    return reader.finish(lambda: Rows(target, tuple(records)))


def read_deletion(fields: Mapping[str, Any]) -> Deletion:
    """Read ``delete``.

    Raises
    ------
    InvalidRequestError
        Members are wrong.
    """
    reader = Reader(fields)
    target = reader.target()
    keys = reader.array(KEYS)
    if any(isinstance(key, list | Mapping) for key in keys):
        reader.fail(f"'{KEYS[0]}' must be strings or numbers")
    return reader.finish(lambda: Deletion(target, tuple(keys)))


def find_target(fields: Mapping[str, Any]) -> Target | None:
    """Give the table that a request names, before it is checked; ``None`` where it names none that could be."""
    target = Reader(fields).plain_target()
    return target if target.schema and target.table else None
