"""The transform document: what may be sent, what it means in the core's words, and how it is shown."""

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hydrolix.admission import DOOR, Caller
from hydrolix.bodies import check_document
from hydrolix.errors import InvalidDocumentError, Path
from hydrolix.members import Description, Identity, Name
from hydrolix.moments import write_time
from hydrolix.transform_columns import OutputColumn, made_at, read_column, read_ignored
from jobruns.formats import Compression, CsvFormat, Flattening, JsonFormat, Surround
from jobruns.table import Table, TableTransform
from jobruns.transform import Transform

COMPRESSIONS = {
    **dict.fromkeys(("", "none", "identity"), Compression.NONE),
    **dict.fromkeys(("gzip", "x-gzip", "gz"), Compression.GZIP),
    **dict.fromkeys(("bzip2", "x-bzip2", "bz2"), Compression.BZIP2),
    **dict.fromkeys(("deflate", "flate"), Compression.DEFLATE),
    "zlib": Compression.ZLIB,
    "zip": Compression.ZIP,
}
SETTINGS: dict[str, Any] = {
    "format_details": {},
    "compression": "none",
    "sql_transform": None,
    "sample_data": None,
    "rate_limit": None,
    "wurfl": None,
    "shadow_table": None,
}
"""Shown where a transform says nothing else."""

MAX_COLUMNS = 2000
_COLUMNS: Path = ("settings", "output_columns")
_FORMAT: Path = ("settings", "format_details")

Letter = Annotated[str, StringConstraints(max_length=8)] | Annotated[int, Field(ge=0, le=127)]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


class FlatteningStrategy(_Sent):
    """What is put around a nested key in the name that is made with it."""

    left: Annotated[str, StringConstraints(max_length=16)] | None = None
    right: Annotated[str, StringConstraints(max_length=16)] | None = None


class FlatteningDetails(_Sent):
    """Whether nested values become fields of their own; the kind without a strategy does not."""

    active: bool = False
    depth: int | None = Field(default=None, ge=0)
    map_flattening_strategy: FlatteningStrategy | None = None
    slice_flattening_strategy: FlatteningStrategy | None = None


class FormatDetails(_Sent):
    """How the files are written. A letter may be given as its ASCII code."""

    delimiter: Letter | None = None
    escape: Letter | None = None
    quote: Letter | None = None
    comment: Letter | None = None
    skip_head: int | None = Field(default=None, ge=0)
    skip_comments: bool | None = None
    windows_ending: bool | None = None  # rows may end either way in any case
    flattening: FlatteningDetails | None = None
    subtype: str | None = None


class TransformSettings(_Sent):
    """What a transform does. What is not named here is kept and shown, and does nothing."""

    output_columns: list[OutputColumn] = Field(min_length=1, max_length=MAX_COLUMNS)
    format_details: FormatDetails | None = None
    is_default: bool | None = None
    compression: str | None = None
    null_values: list[str] | None = None
    sql_transform: str | None = None


class TransformDocument(BaseModel):
    """What is sent to create or to replace a transform."""

    model_config = ConfigDict(strict=True, frozen=True)

    name: Name
    description: Description | None = None
    uuid: Identity | None = None
    type: Literal["csv", "json"]
    settings: TransformSettings

    @property
    def wants_default(self) -> bool:
        """Whether it is to be the table's default transform."""
        return bool(self.settings.is_default)


def read_transform(body: dict[str, Any]) -> tuple[TransformDocument, Transform]:
    """Check what was sent and say it in the core's words.

    Raises
    ------
    InvalidDocumentError
        It is wrong, or asks for something that cannot be done here; each wrong member is named.
    """
    document = check_document(TransformDocument.model_validate, body)
    settings = document.settings
    if settings.sql_transform:
        problem = "cannot be run here; write what it computes into a view, and leave it out"
        raise InvalidDocumentError([(("settings", "sql_transform"), problem)])
    compression = settings.compression or "none"
    if compression not in COMPRESSIONS:
        known = ", ".join(name for name in COMPRESSIONS if name)
        raise InvalidDocumentError([(("settings", "compression"), f"must be one of {known}, not {compression[:64]!r}")])
    columns, ignored = [], []
    for index, column in enumerate(settings.output_columns):
        path = (*_COLUMNS, index)
        if column.stored:
            columns.append(made_at(path, partial(read_column, column, document.type, path)))
        else:
            ignored.append(made_at(path, partial(read_ignored, column, document.type, path)))
    transform = made_at(
        _COLUMNS,
        lambda: Transform(
            name=document.name,
            format=made_at(_FORMAT, lambda: _read_format(document)),
            compression=COMPRESSIONS[compression],
            columns=tuple(columns),
            null_values=tuple(settings.null_values or ()),
            ignored=tuple(source for source in ignored if source is not None),
        ),
    )
    return document, transform


def keep_transform(body: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """Give what the core keeps for us with the transform: its `extra`, with what was sent put in place."""
    kept = {name: body[name] for name in ("description", "type", "settings") if name in body}
    return {**extra, DOOR: kept}


def render_transform(held: TableTransform, table: Table, caller: Caller) -> dict[str, Any]:
    """Show a transform. One that was not made through this door shows its columns only."""
    kept = held.extra.get(DOOR) or _describe(held.transform)
    base = f"{caller.org_url}/projects/{table.project_id}/tables/{table.table_id}"
    return {
        "name": held.transform.name,
        "description": kept.get("description"),
        "uuid": held.transform_id,
        "table": table.table_id,
        "url": f"{base}/transforms/{held.transform_id}/",
        "created": write_time(held.created_at),
        "modified": write_time(held.modified_at),
        "type": kept["type"],
        "settings": {
            **SETTINGS,
            **kept["settings"],
            "is_default": held.transform_id == table.default_transform_id,
        },
    }


def _read_format(document: TransformDocument) -> CsvFormat | JsonFormat:
    details = document.settings.format_details or FormatDetails()
    if document.type == "json":
        if details.subtype:
            problem = "cannot be read here; unwrap the rows before they are uploaded, and leave it out"
            raise InvalidDocumentError([((*_FORMAT, "subtype"), problem)])
        return JsonFormat(flattening=_read_flattening(details.flattening))
    quote = _letter(details.quote)
    return CsvFormat(
        delimiter=_letter(details.delimiter) or ",",
        quote='"' if quote is None else quote or None,
        escape=_letter(details.escape) or None,
        comment=(_letter(details.comment) or "#") if details.skip_comments else None,
        skip_head=details.skip_head or 0,
    )


def _read_flattening(sent: FlatteningDetails | None) -> Flattening | None:
    if sent is None or not sent.active:
        return None
    return Flattening(
        depth=sent.depth,
        objects=_read_strategy(sent.map_flattening_strategy),
        arrays=_read_strategy(sent.slice_flattening_strategy),
    )


def _read_strategy(sent: FlatteningStrategy | None) -> Surround | None:
    return Surround(left=sent.left or "", right=sent.right or "") if sent is not None else None


def _letter(sent: str | int | None) -> str | None:
    if isinstance(sent, int):
        return chr(sent) if sent else ""
    return "\t" if sent == "\\t" else sent


def _describe(transform: Transform) -> dict[str, Any]:
    columns = [
        {"name": column.name, "datatype": {"type": str(column.type), "primary": column.primary}}
        for column in transform.columns
    ]
    return {"type": transform.format.kind, "settings": {"output_columns": columns}}
