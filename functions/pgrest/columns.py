"""Relations: what a table of this door looks like, column by column."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum, auto, unique
from functools import cached_property
from typing import Any

from pgrest.errors import Code, RefusedError
from pgrest.jsonb import Comparable

Value = int | str | datetime | Comparable
"""What a cell holds as it is compared; ``bool`` is an ``int``."""

Row = Mapping[str, Any]
"""Cells by column: a number, a truth value, a text, a time, JSON, or ``None``."""


@unique
class ColumnType(StrEnum):
    """Type of a column, by PostgreSQL's name."""

    INTEGER = "integer"
    BIGINT = "bigint"
    BOOLEAN = "boolean"
    TEXT = "text"
    TIMESTAMPTZ = "timestamp with time zone"
    JSONB = "jsonb"


@unique
class Default(Enum):
    """A default that is no constant."""

    NOW = auto()
    SERIAL = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    ``max_bytes`` bounds a text as the store counts it, encoded in UTF-8.
    """

    name: str
    type: ColumnType
    nullable: bool = True
    default: Default | str | None = None
    max_bytes: int | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A constraint: the column holds one of these words."""

    name: str
    column: str
    allowed: tuple[str, ...]


@dataclass(frozen=True)
class Relation:
    """A table or view. ``key`` names its primary key, by which equal rows are told apart and ordered."""

    name: str
    columns: tuple[Column, ...]
    key: str
    checks: tuple[Check, ...] = ()
    writable: bool = True
    description: str = ""

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """Columns by name."""
        return {column.name: column for column in self.columns}

    def column(self, name: str) -> Column:
        """Give a column that a query names.

        Raises
        ------
        RefusedError
            There is none of that name.
        """
        if (column := self.by_name.get(name)) is None:
            raise RefusedError(Code.NO_COLUMN, f"column {self.name}.{name} does not exist")
        return column

    def body_column(self, name: str) -> Column:
        """Give a column that a body, or the list of columns to take from it, names.

        Raises
        ------
        RefusedError
            There is none of that name.
        """
        if (column := self.by_name.get(name)) is None:
            raise RefusedError(Code.BODY_COLUMN, f"Could not find the '{name}' column of '{self.name}'")
        return column
