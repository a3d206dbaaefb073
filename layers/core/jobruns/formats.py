"""How the files of a load are written: packed, delimited, as JSON. In words of no door, like `jobruns.transform`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator, model_validator

__all__ = ["Compression", "CsvFormat", "Flattening", "JsonFormat", "Surround"]


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


def _one_ascii(text: str | None, what: str) -> str | None:
    if text is not None and (len(text.encode()) != 1 or text in "\r\n\0"):
        raise ValueError(f"the {what} must be one ASCII character that is not a line end, not {text!r}")
    return text


class CsvFormat(_Model):
    r"""Rows of delimited text.

    Outside of quotes a row ends with ``\n``, ``\r\n`` or a bare ``\r``, which is no line of its own when lines are
    counted. The first row, after ``skip_head`` lines, is a header exactly when a column's source is a field.

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


class Surround(_Model):
    """What is put before and behind the key of a nested value, where its name is made of both."""

    left: Annotated[str, StringConstraints(max_length=16)] = ""
    right: Annotated[str, StringConstraints(max_length=16)] = ""


class Flattening(_Model):
    """How nested values become fields of the object they are in, named by the way to them.

    Parameters
    ----------
    depth : int, optional
        How many levels are opened; without it, all. Never more than 100.
    objects : Surround, optional
        How the key of an object's member is written; without it objects are left as they are.
    arrays : Surround, optional
        The same for the ordinal of an array's entry.
    """

    depth: int | None = Field(default=None, ge=0)
    objects: Surround | None = None
    arrays: Surround | None = None


class JsonFormat(_Model):
    """JSON objects, one a line or one behind the other, or in arrays.

    Parameters
    ----------
    flattening : Flattening, optional
        Without it a column reads a field of the object itself.
    """

    kind: Literal["json"] = "json"
    flattening: Flattening | None = None
