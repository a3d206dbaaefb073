"""The types that columns and what is in them have, and which texts and JSON values can be read as each."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, model_validator

from jobruns.layout import compile_layout

__all__ = [
    "FALSE_TEXTS",
    "ISO_LAYOUT",
    "MAX_NESTING",
    "TRUE_TEXTS",
    "ColumnType",
    "Datatype",
    "Element",
    "EpochUnit",
    "Resolution",
    "TimestampFormat",
    "parse_json",
]

ISO_LAYOUT: Final = "2006-01-02T15:04:05Z07:00"
"""How a timestamp is read when nothing else is said: RFC 3339, with a fraction or without."""

TRUE_TEXTS: Final = frozenset({"true", "True", "TRUE", "t", "T", "1"})
FALSE_TEXTS: Final = frozenset({"false", "False", "FALSE", "f", "F", "0"})

MAX_NESTING: Final = 8
"""Arrays and maps inside one another; readers of the table have bounds of their own, far above any real data."""

_INTEGER: Final = re.compile(r"[+-]?\d+", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?\d{1,30}(\.\d{0,30})?", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?|nan)", re.ASCII | re.IGNORECASE)


class ColumnType(StrEnum):
    """Type of a stored value. Integers hold exactly the range their name says."""

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
    ARRAY = "array"
    MAP = "map"

    @property
    def nested(self) -> bool:
        """Whether a value is made of values of another type."""
        return self in {ColumnType.ARRAY, ColumnType.MAP}

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


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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


class Datatype(_Model):
    """A type, and how values of it are written.

    What stands in a file becomes a value in this order:

    1. Where there is nothing, a JSON null or an empty text, it is the default; without one it is null, but for an empty
       text that is to be a string, which is itself.
    2. A text that means null is null, whatever the default: somebody wrote it there on purpose.
    3. With ``denullify`` a null that is left is the default after all, and without one the zero of the type.
    4. Any other text is read by the type; one that cannot be rejects the row.

    An array or a map is written as JSON. What is in it is read in the same way by its own type, where a JSON number or
    boolean counts as the text that a file of texts would have in its place; the texts that mean null outside do inside.

    Parameters
    ----------
    type : ColumnType
    element : Element, optional
        What an array holds, or a map under its keys, which are strings; for these only, and required there.
    timestamp : TimestampFormat, optional
        For timestamps only; left out, `ISO_LAYOUT`.
    resolution : Resolution
        For timestamps only.
    default : str, optional
        Text read in place of a missing or empty value, written as the input would write it.
    null_values : tuple of str
        Input texts that mean null, beside those of the transform.
    denullify : bool
        Whether there is to be no null: zero is 0, false, the empty text, array or map, 1970-01-01, or JSON's ``null``.
    """

    type: ColumnType
    element: Element | None = None
    timestamp: TimestampFormat | None = None
    resolution: Resolution = Resolution.MICROSECONDS
    default: str | None = None
    null_values: tuple[str, ...] = ()
    denullify: bool = False

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.type.nested and self.element is None:
            raise ValueError(f"the type {self.type.value} needs an element: the type of what is in it")
        if self.element is not None and not self.type.nested:
            raise ValueError(f"the type {self.type.value} has no element")
        if self.nesting > MAX_NESTING:
            raise ValueError(f"arrays and maps are nested more than {MAX_NESTING} deep")
        if self.timestamp is not None and self.type is not ColumnType.TIMESTAMP:
            raise ValueError(f"the type {self.type.value} has no timestamp format")
        if self.default is not None:
            try:
                self.check(self.default)
            except ValueError as error:
                raise ValueError(f"the default cannot be read: {error}") from error
        return self

    @property
    def nesting(self) -> int:
        """How many arrays and maps are inside one another."""
        return 0 if self.element is None else 1 + self.element.nesting

    @property
    def moment(self) -> TimestampFormat:
        """The timestamp format, with the implied one spelled out."""
        return self.timestamp if self.timestamp is not None else TimestampFormat(layout=ISO_LAYOUT)

    def text_of(self, value: object) -> str | None:
        """Give a parsed JSON value as the text it would be in a file of texts; None for null.

        Raises
        ------
        ValueError
            It cannot be a value of this type, whatever its text.
        """
        if self.type is ColumnType.JSON:
            return None if value is None else _json_text(value)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bool):
            if self.type not in {ColumnType.BOOLEAN, ColumnType.STRING}:
                raise ValueError(f"{_json_text(value)} is not of the type {self.type.value}")
            return "true" if value else "false"
        if isinstance(value, (int, float)):
            whole = isinstance(value, float) and value.is_integer() and self.type.integer_range is not None
            return str(int(value)) if whole else str(value)
        if not self.type.nested and self.type is not ColumnType.STRING:
            raise ValueError(f"{_json_text(value)} is not of the type {self.type.value}")
        return _json_text(value)

    def check(self, text: str) -> None:
        """Raise ValueError with a readable reason unless ``text`` can be a value of this type."""
        if self.type.nested:
            self._check_parts(parse_json(text))
        elif self.type.integer_range is not None:
            _check_integer(text, self.type)
        elif self.type is ColumnType.TIMESTAMP:
            _check_moment(text, self.moment)
        elif self.type is ColumnType.JSON:
            parse_json(text)
        elif self.type is ColumnType.DOUBLE and _NUMBER.fullmatch(text.strip()) is None:
            raise ValueError(f'"{text}" is not a number')
        elif self.type is ColumnType.BOOLEAN and text.strip() not in TRUE_TEXTS | FALSE_TEXTS:
            raise ValueError(f'"{text}" is neither true nor false')

    def parts(self, value: object) -> list[tuple[str, object]]:
        """Give what is in an array or a map, each with where it is: ``[0]``, ``["key"]``.

        Raises
        ------
        ValueError
            ``value`` is neither.
        """
        if self.type is ColumnType.ARRAY and isinstance(value, list):
            return [(f"[{i}]", part) for i, part in enumerate(value)]
        if self.type is ColumnType.MAP and isinstance(value, dict):
            return [(f"[{_json_text(key)}]", part) for key, part in value.items()]
        kind = "a JSON array" if self.type is ColumnType.ARRAY else "a JSON object"
        raise ValueError(f"{_json_text(value)} is not {kind}")

    def _check_parts(self, value: object) -> None:
        if self.element is None or value is None:
            return
        for where, part in self.parts(value):
            try:
                text = self.element.text_of(part)
                if text or (text is not None and self.element.type is ColumnType.STRING):
                    self.element.check(text)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from error


class Element(Datatype):
    """What is in an array or a map."""


def parse_json(text: str) -> Any:
    """Parse JSON text.

    Raises
    ------
    ValueError
        It is not JSON, or nested too deep to be read.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("the JSON is nested too deep") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _json_text(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except RecursionError as error:
        raise ValueError("the value is nested too deep") from error


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
