"""Output columns of a transform document, turned into the core's."""

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from hydrolix.errors import InvalidDocumentError, Path, describe_invalid
from jobruns.datatypes import MAX_NESTING, ColumnType, Element, EpochUnit, Resolution, TimestampFormat
from jobruns.transform import Column
from jobruns.transform import Source as ColumnSource

TYPES = {
    **{kind.value: kind for kind in ColumnType if kind.integer_range is not None},
    "double": ColumnType.DOUBLE,
    "string": ColumnType.STRING,
    "bool": ColumnType.BOOLEAN,
    "boolean": ColumnType.BOOLEAN,
    "datetime": ColumnType.TIMESTAMP,
    "datetime64": ColumnType.TIMESTAMP,
    "epoch": ColumnType.TIMESTAMP,
    "json": ColumnType.JSON,
    "array": ColumnType.ARRAY,
    "map": ColumnType.MAP,
}
EPOCHS = {**{unit.value: unit for unit in EpochUnit}, "seconds": EpochUnit.SECONDS}
RESOLUTIONS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), Resolution.SECONDS),
    **dict.fromkeys(("ms", "milli", "millis", "millisecond", "milliseconds"), Resolution.MILLISECONDS),
}
ELEMENTS = {ColumnType.ARRAY: 1, ColumnType.MAP: 2}
"""How many datatypes there are inside: what an array holds; the keys of a map and what is under them."""

_REFUSED = {
    "script": "cannot be run here; compute the value before the upload, or in a view, and leave it out",
    "sql_expression": "cannot be run here; compute the value in a view, and leave it out",
}

ModelT = TypeVar("ModelT")
Words = Annotated[str, StringConstraints(max_length=1024)]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


class SentSource(_Sent):
    """Where a value is found."""

    from_input_index: int | None = Field(default=None, ge=0)
    from_input_field: Words | None = None
    from_input_fields: list[Words] | None = None
    from_json_pointers: list[Words] | None = None
    from_automatic_value: Words | None = None


class Datatype(_Sent):
    """How a value is read and kept. What is not named here is kept and shown, and does nothing."""

    type: str
    primary: bool | None = None
    format: Words | None = None
    resolution: Words | None = None
    elements: list["Datatype"] | None = None
    source: SentSource | None = None
    default: Any = None
    null_values: list[str] | None = None
    denullify: bool | None = None
    ignore: bool | None = None
    suppress: bool | None = None
    virtual: bool | None = None
    catch_all: bool | None = None
    script: str | None = None
    sql_expression: str | None = None


class OutputColumn(_Sent):
    """One column; `position` is the older way to say which field of a CSV row it is."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    position: int | None = Field(default=None, ge=0)
    datatype: Datatype

    @property
    def stored(self) -> bool:
        """Whether the table has this column."""
        return not (self.datatype.ignore or self.datatype.suppress)


def made_at(path: Path, make: Callable[[], ModelT]) -> ModelT:
    """Make a model of the core; its complaints are about what is at `path`."""
    try:
        return make()
    except ValidationError as error:
        first = describe_invalid(error).problems[0][1]
        raise InvalidDocumentError([(path, f"cannot be used: {first}")]) from None


def read_column(column: OutputColumn, kind: Literal["csv", "json"], path: Path) -> Column:
    """Turn a column that is stored into the core's.

    Raises
    ------
    InvalidDocumentError
        It cannot be, or asks for something that cannot be done; `path` says where it is in the document.
    pydantic.ValidationError
        The core finds its parts do not go together.
    """
    datatype, path = column.datatype, (*path, "datatype")
    read = _read_datatype(datatype, path)
    source = _read_remainder(datatype, path) if datatype.catch_all else _read_source(column, kind, path)
    if source is None and datatype.virtual and read.default is not None:
        source = ColumnSource(constant=read.default)
    if source is None and kind == "csv":
        problem = "is required for csv: from_input_index or from_input_field"
        raise InvalidDocumentError([((*path, "source"), problem)])
    return Column(**_members(read), name=column.name, source=source, primary=bool(datatype.primary))


def read_ignored(column: OutputColumn, kind: Literal["csv", "json"], path: Path) -> ColumnSource | None:
    """Say which fields a column that is not stored would have read, if any.

    Raises
    ------
    InvalidDocumentError
        Its source is wrong.
    """
    sent = column.datatype.source
    if sent is not None and sent.from_automatic_value is not None:
        return None
    return _read_source(column, kind, (*path, "datatype")) or ColumnSource(field=column.name)


def _read_datatype(datatype: Datatype, path: Path, depth: int = 0) -> Element:
    """Read a column's datatype, or one inside of it."""
    refused = [((*path, name), problem) for name, problem in _REFUSED.items() if getattr(datatype, name)]
    if depth:
        refused += [
            ((*path, name), "belongs to a column, not to what is in it")
            for name in ("primary", "catch_all")
            if getattr(datatype, name)
        ]
    if refused:
        raise InvalidDocumentError(refused)
    if datatype.type not in TYPES:
        raise InvalidDocumentError(
            [((*path, "type"), f"must be one of {', '.join(TYPES)}, not {datatype.type[:64]!r}")]
        )
    target = TYPES[datatype.type]
    element = _read_elements(datatype, target, path, depth)
    resolution = _read_resolution(datatype, path)
    bare = Element(type=target, element=element)
    if target is ColumnType.TIMESTAMP:
        bare = Element(type=target, timestamp=_read_format(datatype, path), resolution=resolution)
    return Element(
        **{
            **_members(bare),
            "default": _read_default(datatype.default, bare, (*path, "default")),
            "null_values": tuple(datatype.null_values or ()),
            "denullify": bool(datatype.denullify),
        }
    )


def _members(datatype: Element) -> dict[str, Any]:
    return {name: getattr(datatype, name) for name in type(datatype).model_fields}


def _read_elements(datatype: Datatype, target: ColumnType, path: Path, depth: int) -> Element | None:
    given, wanted, path = datatype.elements or [], ELEMENTS.get(target, 0), (*path, "elements")
    if len(given) != wanted:
        if not wanted:
            raise InvalidDocumentError([(path, f"belongs to array and map, not to {datatype.type}")])
        parts = "the datatype of what is in it" if wanted == 1 else "the datatypes of its keys and of its values"
        raise InvalidDocumentError([(path, f"must be {wanted} for {datatype.type}: {parts}; here are {len(given)}")])
    if not wanted:
        return None
    if depth + 1 > MAX_NESTING:
        raise InvalidDocumentError([(path, f"is nested more than {MAX_NESTING} deep")])
    if wanted == 2 and (key := given[0].type) != "string":
        raise InvalidDocumentError([((*path, 0, "type"), f"must be string: keys of a map are; not {key[:64]!r}")])
    return _read_datatype(given[-1], (*path, wanted - 1), depth + 1)


def _read_remainder(datatype: Datatype, path: Path) -> ColumnSource:
    if _given(datatype.source):
        problem = "must be left out with catch_all, which takes what no other column reads"
        raise InvalidDocumentError([((*path, "source"), problem)])
    if TYPES[datatype.type] not in {ColumnType.MAP, ColumnType.STRING, ColumnType.JSON}:
        raise InvalidDocumentError([((*path, "catch_all"), f"belongs to a map or a string, not to {datatype.type}")])
    return ColumnSource(remainder=True)


def _given(sent: SentSource | None) -> list[str]:
    return [] if sent is None else [name for name in SentSource.model_fields if getattr(sent, name) is not None]


def _read_source(column: OutputColumn, kind: Literal["csv", "json"], path: Path) -> ColumnSource | None:
    sent, path = column.datatype.source, (*path, "source")
    given = _given(sent)
    if len(given) > 1:
        raise InvalidDocumentError([(path, f"says {' and '.join(given)}; it may say one")])
    if sent is None or not given:
        return ColumnSource(index=column.position) if kind == "csv" and column.position is not None else None
    if sent.from_automatic_value is not None:
        problem = "cannot be filled in here; put the value into the files, or leave the column out"
        raise InvalidDocumentError([((*path, given[0]), problem)])
    if sent.from_input_index is not None:
        return ColumnSource(index=sent.from_input_index)
    if sent.from_json_pointers is not None:
        return made_at((*path, given[0]), lambda: ColumnSource(pointers=tuple(sent.from_json_pointers or ())))
    fields = [sent.from_input_field] if sent.from_input_field is not None else sent.from_input_fields or []
    if len(fields) == 1:
        return ColumnSource(field=fields[0])
    if kind == "csv" or not fields:
        raise InvalidDocumentError([((*path, given[0]), f"must name one field of a {kind} file")])
    return ColumnSource(pointers=tuple(f"/{_escape(field or '')}" for field in fields))


def _escape(field: str) -> str:
    return field.replace("~", "~0").replace("/", "~1")


def _read_format(datatype: Datatype, path: Path) -> TimestampFormat:
    text, path = datatype.format, (*path, "format")
    if not text:
        raise InvalidDocumentError([(path, f"is required for {datatype.type}")])
    if datatype.type != "epoch":
        return made_at(path, lambda: TimestampFormat(layout=text))
    if text not in EPOCHS:
        raise InvalidDocumentError([(path, f"must be one of {', '.join(EPOCHS)} for an epoch, not {text[:64]!r}")])
    return TimestampFormat(epoch=EPOCHS[text])


def _read_resolution(datatype: Datatype, path: Path) -> Resolution:
    text = datatype.resolution or ("ms" if datatype.type == "datetime64" else "s")
    if text not in RESOLUTIONS:
        raise InvalidDocumentError(
            [((*path, "resolution"), f"must be seconds or milliseconds, or short for them, not {text[:64]!r}")]
        )
    return RESOLUTIONS[text]


def _read_default(value: Any, datatype: Element, path: Path) -> str | None:
    """Give a default as the input would write it; an empty one is none, but for strings."""
    if value is None or (value == "" and datatype.type is not ColumnType.STRING):
        return None
    try:
        if datatype.type is ColumnType.JSON and isinstance(value, str) and _is_json(value):
            return value
        text = datatype.text_of(value)
        if text is not None:
            datatype.check(text)
    except (ValueError, RecursionError) as error:
        raise InvalidDocumentError([(path, f"cannot be read: {error}")]) from None
    return text


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
