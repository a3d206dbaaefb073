"""Output columns of a transform document, turned into the core's."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hydrolix.errors import InvalidDocumentError, Path
from jobruns.transform import Column, ColumnType, EpochUnit, Resolution, TimestampFormat
from jobruns.transform import Source as ColumnSource

TYPES = {
    **{kind.value: kind for kind in ColumnType if kind.integer_range is not None},
    "double": ColumnType.DOUBLE,
    "string": ColumnType.STRING,
    "bool": ColumnType.BOOLEAN,
    "boolean": ColumnType.BOOLEAN,
    "datetime": ColumnType.TIMESTAMP,
    "epoch": ColumnType.TIMESTAMP,
    # Nested values are kept as JSON text.
    "json": ColumnType.JSON,
    "array": ColumnType.JSON,
    "map": ColumnType.JSON,
}
EPOCHS = {**{unit.value: unit for unit in EpochUnit}, "seconds": EpochUnit.SECONDS}
RESOLUTIONS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), Resolution.SECONDS),
    **dict.fromkeys(("ms", "milli", "millis", "millisecond", "milliseconds"), Resolution.MILLISECONDS),
}
_ZEROS = {ColumnType.STRING: "", ColumnType.DOUBLE: "0", ColumnType.BOOLEAN: "false", ColumnType.JSON: "null"}
"""What a null is read as with `denullify`; of integers it is 0."""

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
    primary: bool = False
    format: Words | None = None
    resolution: Words | None = None
    source: SentSource | None = None
    default: Any = None
    null_values: list[str] | None = None
    denullify: bool | None = None
    ignore: bool | None = None
    suppress: bool | None = None
    catch_all: bool | None = None
    catch_rejects: bool | None = None
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
    _refuse_unsupported(datatype, path)
    if datatype.type not in TYPES:
        raise InvalidDocumentError(
            [((*path, "type"), f"must be one of {', '.join(TYPES)}, not {datatype.type[:64]!r}")]
        )
    target = TYPES[datatype.type]
    return Column(
        name=column.name,
        type=target,
        source=_read_source(column, kind, path),
        primary=datatype.primary,
        default=_read_default(datatype, target),
        null_values=tuple(datatype.null_values or ()),
        timestamp=_read_format(datatype, path) if target is ColumnType.TIMESTAMP else None,
        resolution=_read_resolution(datatype, path),
    )


def _refuse_unsupported(datatype: Datatype, path: Path) -> None:
    wanted = {
        "script": datatype.script,
        "sql_expression": datatype.sql_expression,
        "catch_all": datatype.catch_all,
        "catch_rejects": datatype.catch_rejects,
    }
    if problems := [((*path, name), "cannot be run here; leave it out") for name, value in wanted.items() if value]:
        raise InvalidDocumentError(problems)


def _read_source(column: OutputColumn, kind: Literal["csv", "json"], path: Path) -> ColumnSource | None:
    sent, path = column.datatype.source, (*path, "source")
    given = [] if sent is None else [name for name in SentSource.model_fields if getattr(sent, name) is not None]
    if len(given) > 1:
        raise InvalidDocumentError([(path, f"says {' and '.join(given)}; it may say one")])
    if sent is None or not given:
        if kind == "json":
            return None
        if column.position is None:
            raise InvalidDocumentError([(path, "is required for csv: from_input_index or from_input_field")])
        return ColumnSource(index=column.position)
    if sent.from_automatic_value is not None:
        raise InvalidDocumentError([((*path, given[0]), "cannot be done here; leave the column out")])
    if sent.from_input_index is not None:
        return ColumnSource(index=sent.from_input_index)
    if sent.from_json_pointers is not None:
        return ColumnSource(pointers=tuple(sent.from_json_pointers))
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
    if datatype.type == "datetime":
        return TimestampFormat(layout=text)
    if text not in EPOCHS:
        raise InvalidDocumentError([(path, f"must be one of {', '.join(EPOCHS)} for an epoch, not {text[:64]!r}")])
    return TimestampFormat(epoch=EPOCHS[text])


def _read_resolution(datatype: Datatype, path: Path) -> Resolution:
    text = datatype.resolution or "seconds"
    if text not in RESOLUTIONS:
        raise InvalidDocumentError(
            [((*path, "resolution"), f"must be seconds or milliseconds, or short for them, not {text[:64]!r}")]
        )
    return RESOLUTIONS[text]


def _read_default(datatype: Datatype, target: ColumnType) -> str | None:
    value = datatype.default
    if value is None:
        if not datatype.denullify or target is ColumnType.TIMESTAMP:
            return None
        return _ZEROS.get(target, "0")
    if isinstance(value, str) and target is not ColumnType.JSON:
        return value
    if isinstance(value, str):
        return value if _is_json(value) else json.dumps(value)
    return json.dumps(value)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
