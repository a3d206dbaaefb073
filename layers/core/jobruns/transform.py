"""How the bytes of a file become the typed columns of a table, in words of no door.

A door turns its own documents into a `Transform`; the ingest layer reads files by it. Nothing here knows how files
are read, so that a transform can be checked where it is made, without the heavy libraries that read by it.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator, model_validator

from jobruns.layout import compile_layout

__all__ = [
    "FALSE_TEXTS",
    "ISO_LAYOUT",
    "TRUE_TEXTS",
    "Column",
    "ColumnType",
    "Compression",
    "CsvFormat",
    "EpochUnit",
    "JsonFormat",
    "Resolution",
    "Source",
    "TimestampFormat",
    "Transform",
]

ISO_LAYOUT: Final = "2006-01-02T15:04:05Z07:00"
"""How a timestamp is read when a column says nothing: RFC 3339, with a fraction or without."""

TRUE_TEXTS: Final = frozenset({"true", "True", "TRUE", "t", "T", "1"})
FALSE_TEXTS: Final = frozenset({"false", "False", "FALSE", "f", "F", "0"})

_INTEGER: Final = re.compile(r"[+-]?\d+", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?\d{1,30}(\.\d{0,30})?", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?|nan)", re.ASCII | re.IGNORECASE)
MAX_COLUMNS: Final = 2_000
MAX_COLUMN_INDEX: Final = 10_000


class ColumnType(StrEnum):
    """Type of a stored column. Integers hold exactly the range their name says."""

    BOOLEAN = "boolean"
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    UINT8 = "uint8"
    UINT16 = "uint16"
    UINT32 = "uint32"
    UINT64 = "uint64"
    DOUBLE = "double"
    STRING = "string"
    TIMESTAMP = "timestamp"
    JSON = "json"

    @property
    def integer_range(self) -> tuple[int, int] | None:
        """Smallest and largest value, or None for a type that is not an integer."""
        match = re.fullmatch(r"(u?)int(\d+)", self.value)
        if match is None:
            return None
        bits = int(match[2])
        return (0, 2**bits - 1) if match[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


class EpochUnit(StrEnum):
    """What one unit of an epoch number is worth."""

    SECONDS = "s"
    CENTISECONDS = "cs"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    NANOSECONDS = "ns"


class Resolution(StrEnum):
    """Finest part of a timestamp that is kept; the rest is cut off, towards the past."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"

    @property
    def microseconds(self) -> int:
        """Length of one step, in microseconds."""
        return {"s": 1_000_000, "ms": 1_000, "us": 1}[self.value]


class Compression(StrEnum):
    """Packing of a whole file."""

    NONE = "none"
    GZIP = "gzip"
    ZLIB = "zlib"
    DEFLATE = "deflate"
    BZIP2 = "bzip2"
    ZIP = "zip"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Model):
    """Where a column's value comes from: exactly one of the four.

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
    """

    index: int | None = Field(default=None, ge=0, le=MAX_COLUMN_INDEX)
    field: str | None = None
    pointers: tuple[str, ...] | None = Field(default=None, min_length=1)
    constant: str | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        given = [name for name in ("index", "field", "pointers", "constant") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                "a source needs exactly one of index, field, pointers, constant; "
                + (f"this one has {' and '.join(given)}" if given else "this one has none")
            )
        for pointer in self.pointers or ():
            if pointer and not pointer.startswith("/"):
                raise ValueError(f'the JSON pointer "{pointer}" must start with "/"')
            if re.search(r"~(?![01])", pointer):
                raise ValueError(f'in the JSON pointer "{pointer}" a "~" must be written "~0"')
        return self


class TimestampFormat(_Model):
    """How moments are written: exactly one of a layout and an epoch unit.

    Parameters
    ----------
    layout : str, optional
        See `jobruns.layout`. A moment without a zone is UTC.
    epoch : EpochUnit, optional
        The value is a number of these since 1970-01-01T00:00:00Z.
    """

    layout: str | None = None
    epoch: EpochUnit | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.layout is None) == (self.epoch is None):
            raise ValueError("a timestamp format needs exactly one of layout and epoch")
        if self.layout is not None:
            compile_layout(self.layout)
        return self


class Column(_Model):
    """One column of the table and how its values are found and read.

    Parameters
    ----------
    name : str
        Name in the table.
    type : ColumnType
        Type in the table.
    source : Source, optional
        Left out, it is the field named like the column.
    primary : bool
        Whether this is the timestamp the table is partitioned by; a row without it is rejected.
    nullable : bool
        Whether a row may lack the value; if not, such a row is rejected.
    default : str, optional
        Text read in place of a missing or empty value, written as the input would write it.
    null_values : tuple of str
        Input texts that mean null, beside those of the transform.
    timestamp : TimestampFormat, optional
        For timestamps only; left out, `ISO_LAYOUT`.
    resolution : Resolution
        For timestamps only.
    """

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    type: ColumnType
    source: Source | None = None
    primary: bool = False
    nullable: bool = True
    default: str | None = None
    null_values: tuple[str, ...] = ()
    timestamp: TimestampFormat | None = None
    resolution: Resolution = Resolution.MICROSECONDS

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.primary and self.type is not ColumnType.TIMESTAMP:
            raise ValueError(f'the primary column "{self.name}" has the type {self.type.value}; it must be a timestamp')
        if self.timestamp is not None and self.type is not ColumnType.TIMESTAMP:
            raise ValueError(f'column "{self.name}" has a timestamp format but the type {self.type.value}')
        for what, text in (("default", self.default), ("constant", self.reads.constant)):
            if text is not None:
                try:
                    self.check(text)
                except ValueError as error:
                    raise ValueError(f'the {what} of column "{self.name}" cannot be read: {error}') from error
        return self

    @property
    def reads(self) -> Source:
        """The source, with the implied one spelled out."""
        return self.source if self.source is not None else Source(field=self.name)

    @property
    def moment(self) -> TimestampFormat:
        """The timestamp format, with the implied one spelled out."""
        return self.timestamp if self.timestamp is not None else TimestampFormat(layout=ISO_LAYOUT)

    def check(self, text: str) -> None:
        """Raise ValueError with a readable reason unless ``text`` can be a value of this column."""
        if self.type.integer_range is not None:
            _check_integer(text, self.type)
        elif self.type is ColumnType.TIMESTAMP:
            _check_moment(text, self.moment)
        elif self.type is ColumnType.JSON:
            json.loads(text)
        elif self.type is ColumnType.DOUBLE and _NUMBER.fullmatch(text.strip()) is None:
            raise ValueError(f'"{text}" is not a number')
        elif self.type is ColumnType.BOOLEAN and text.strip() not in TRUE_TEXTS | FALSE_TEXTS:
            raise ValueError(f'"{text}" is neither true nor false')


def _check_integer(text: str, kind: ColumnType) -> None:
    smallest, largest = kind.integer_range or (0, 0)
    if _INTEGER.fullmatch(text.strip()) is None:
        raise ValueError(f'"{text}" is not a whole number')
    # Python refuses to convert thousands of digits; no integer type holds more than twenty.
    if len(text.strip()) > 40 or not smallest <= int(text) <= largest:
        raise ValueError(f'"{text}" is out of the range of {kind.value}')


def _check_moment(text: str, moment: TimestampFormat) -> None:
    if moment.layout is not None:
        compile_layout(moment.layout).parse(text)
        return
    if _DECIMAL.fullmatch(text.strip()) is None:
        raise ValueError(f'"{text}" is not a number of {moment.epoch}')


def _one_ascii(text: str | None, what: str) -> str | None:
    if text is not None and (len(text.encode()) != 1 or text in "\r\n\0"):
        raise ValueError(f"the {what} must be one ASCII character that is not a line end, not {text!r}")
    return text


class CsvFormat(_Model):
    r"""Rows of delimited text.

    The first row, after ``skip_head`` lines, is a header exactly when a column's source is a field.

    Parameters
    ----------
    delimiter, quote, escape, comment : str
        One ASCII character each; None switches quoting, escaping or comments off. Inside a quoted value the quote
        is written twice; ``escape`` takes the next character as it is. A line starting with ``comment`` is left
        out.
    skip_head : int
        Lines to leave out at the start of each file.
    """

    kind: Literal["csv"] = "csv"
    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    comment: str | None = None
    skip_head: int = Field(default=0, ge=0, le=1_000_000)

    @field_validator("delimiter", "quote", "escape", "comment")
    @classmethod
    def _is_one_character(cls, value: str | None, info: ValidationInfo) -> str | None:
        value = _one_ascii(value, str(info.field_name))
        if info.field_name == "escape" and value == info.data.get("quote"):
            return None  # a doubled quote is understood in any case
        return value

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        used = [c for c in (self.delimiter, self.quote, self.escape, self.comment) if c is not None]
        if len(set(used)) != len(used):
            raise ValueError("delimiter, quote, escape and comment must be different characters")
        return self


class JsonFormat(_Model):
    """One JSON object per line."""

    kind: Literal["json"] = "json"


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
    """

    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    format: Annotated[CsvFormat | JsonFormat, Field(discriminator="kind")] = CsvFormat()
    compression: Compression = Compression.NONE
    columns: tuple[Column, ...] = Field(min_length=1, max_length=MAX_COLUMNS)
    null_values: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        seen: dict[str, str] = {}
        for column in self.columns:
            # Engines that read the table fold case, so two names may not differ by case alone.
            if (other := seen.setdefault(column.name.casefold(), column.name)) is not column.name:
                raise ValueError(f'the columns "{other}" and "{column.name}" have the same name')
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
        return self

    @property
    def primary(self) -> Column:
        """The timestamp column the table is partitioned by."""
        return next(column for column in self.columns if column.primary)

    @property
    def uses_header(self) -> bool:
        """Whether a file's first row must be a header."""
        return isinstance(self.format, CsvFormat) and any(c.reads.field is not None for c in self.columns)
