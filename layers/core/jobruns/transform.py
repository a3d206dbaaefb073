"""How the bytes of a file become the typed columns of a table, in words of no door.

A door turns its own documents into a `Transform`; the ingest layer reads files by it. Nothing here knows how files
are read, so that a transform can be checked where it is made, without the heavy libraries that read by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from jobruns.datatypes import (
    FALSE_TEXTS,
    ISO_LAYOUT,
    TRUE_TEXTS,
    ColumnType,
    Datatype,
    Element,
    EpochUnit,
    Resolution,
    TimestampFormat,
)
from jobruns.formats import Compression, CsvFormat, JsonFormat

__all__ = [
    "FALSE_TEXTS",
    "ISO_LAYOUT",
    "TRUE_TEXTS",
    "Column",
    "ColumnType",
    "Element",
    "EpochUnit",
    "Resolution",
    "Source",
    "TimestampFormat",
    "Transform",
]

MAX_COLUMNS: Final = 2_000
MAX_COLUMN_INDEX: Final = 10_000


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Model):
    """Where a column's value comes from: exactly one of the five.

    Parameters
    ----------
    index : int, optional
        Position in a CSV row, from 0.
    field : str, optional
        Name in the CSV header, or key of the JSON object.
    pointers : tuple of str, optional
        JSON pointers (RFC 6901) into the JSON object; the first that leads to a value wins.
    constant : str, optional
        The same text for every row.
    remainder : True, optional
        It is an object of every field that no other column reads; of an empty one, null. The fields of a CSV file are
        those of its header.
    """

    index: int | None = Field(default=None, ge=0, le=MAX_COLUMN_INDEX)
    field: str | None = None
    pointers: tuple[str, ...] | None = Field(default=None, min_length=1)
    constant: str | None = None
    remainder: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a source needs exactly one of {', '.join(type(self).model_fields)}; "
                + (f"this one has {' and '.join(given)}" if given else "this one has none")
            )
        for pointer in self.pointers or ():
            if pointer and not pointer.startswith("/"):
                raise ValueError(f'the JSON pointer "{pointer}" must start with "/"')
            if re.search(r"~(?![01])", pointer):
                raise ValueError(f'in the JSON pointer "{pointer}" a "~" must be written "~0"')
        return self


class Column(Datatype):
    """One column of the table and how its values are found and read.

    Parameters
    ----------
    name : str
        Name in the table.
    source : Source, optional
        Left out, it is the field named like the column.
    primary : bool
        Whether this is the timestamp the table is partitioned by; a row without it is rejected, ``denullify`` or not.
    nullable : bool
        Whether a row may lack the value; if not, such a row is rejected.
    """

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    source: Source | None = None
    primary: bool = False
    nullable: bool = True

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.primary and self.type is not ColumnType.TIMESTAMP:
            raise ValueError(f'the primary column "{self.name}" has the type {self.type.value}; it must be a timestamp')
        if self.reads.remainder and self.type not in {ColumnType.MAP, ColumnType.STRING, ColumnType.JSON}:
            raise ValueError(
                f'column "{self.name}" takes the remaining fields, but has the type {self.type.value};'
                " it must be a map, a string or json"
            )
        if (text := self.reads.constant) is not None:
            try:
                self.check(text)
            except ValueError as error:
                raise ValueError(f'the constant of column "{self.name}" cannot be read: {error}') from error
        return self

    @property
    def reads(self) -> Source:
        """The source, with the implied one spelled out."""
        return self.source if self.source is not None else Source(field=self.name)


class Transform(_Model):
    """How a file of one format becomes rows of one table.

    Parameters
    ----------
    name : str
    format : CsvFormat or JsonFormat
    compression : Compression
    columns : tuple of Column
        In the order of the table. Exactly one is primary.
    null_values : tuple of str
        Input texts that mean null in every column.
    ignored : tuple of Source
        Fields that are known and not wanted: a column of the remaining fields leaves them out too.
    """

    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    format: Annotated[CsvFormat | JsonFormat, Field(discriminator="kind")] = CsvFormat()
    compression: Compression = Compression.NONE
    columns: tuple[Column, ...] = Field(min_length=1, max_length=MAX_COLUMNS)
    null_values: tuple[str, ...] = ()
    ignored: tuple[Source, ...] = Field(default=(), max_length=MAX_COLUMNS)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_names(self.columns)
        primaries = [column.name for column in self.columns if column.primary]
        if len(primaries) != 1:
            raise ValueError(
                "exactly one timestamp column must be primary; "
                + (f"{' and '.join(primaries)} are" if primaries else "none is")
            )
        for column in self.columns:
            source = column.reads
            if isinstance(self.format, CsvFormat) and source.pointers is not None:
                raise ValueError(f'column "{column.name}" reads JSON pointers; a CSV column needs an index or a field')
            if isinstance(self.format, JsonFormat) and source.index is not None:
                raise ValueError(f'column "{column.name}" reads an index; a JSON column needs a field or pointers')
        takers = [column.name for column in self.columns if column.reads.remainder]
        if len(takers) > 1:
            raise ValueError(f"only one column may take the remaining fields; {' and '.join(takers)} do")
        if takers and isinstance(self.format, CsvFormat) and all(c.reads.field is None for c in self.columns):
            # Without one that reads by name the first row of a file may well be data, and would be lost.
            raise ValueError(
                f'column "{takers[0]}" takes the remaining fields of the header; another column must read its field by'
                " name, so that each file is known to have one"
            )
        return self

    @property
    def primary(self) -> Column:
        """The timestamp column the table is partitioned by."""
        return next(column for column in self.columns if column.primary)

    @property
    def uses_header(self) -> bool:
        """Whether a file's first row must be a header."""
        return isinstance(self.format, CsvFormat) and any(c.reads.field is not None for c in self.columns)


def _check_names(columns: tuple[Column, ...]) -> None:
    """Refuse names that a table cannot have beside one another."""
    seen: dict[str, str] = {}
    for column in columns:
        # Engines that read the table fold case, so two names may not differ by case alone.
        if (other := seen.setdefault(column.name.casefold(), column.name)) is not column.name:
            raise ValueError(f'the columns "{other}" and "{column.name}" have the same name')
    for column in columns:
        for inner in _inner_names(column.name, column):
            if inner.casefold() in seen:
                raise ValueError(
                    f'the column "{seen[inner.casefold()]}" is called like what is in the column "{column.name}"'
                    " in Iceberg; give it another name"
                )


def _inner_names(name: str, datatype: Datatype) -> Iterator[str]:
    """Give the names that Iceberg has for what is in a value (https://iceberg.apache.org/spec/#nested-types)."""
    if datatype.element is None:
        return
    if datatype.type is ColumnType.MAP:
        yield f"{name}.key"
    inner = f"{name}.{'element' if datatype.type is ColumnType.ARRAY else 'value'}"
    yield inner
    yield from _inner_names(inner, datatype.element)
