"""Bodies: rows to write, in JSON, CSV or as a form, each cell the text PostgreSQL would read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from pgrest.csv_tables import read_csv
from pgrest.errors import Code, RefusedError
from pgrest.json_bodies import read_rows

_JSON = "application/json"
_CSV = "text/csv"
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Payload:
    """Rows of a body, and the columns that it names."""

    rows: tuple[Mapping[str, str | None], ...]
    names: tuple[str, ...]


def read_body(content_type: str | None, body: bytes, *, columns_given: bool = False) -> Payload:
    """Read a body.

    Parameters
    ----------
    content_type : str or None
        The header; JSON where there is none.
    body : bytes
        As it was sent.
    columns_given : bool
        Whether the query says which columns count. If not, every row has to name the same.

    Raises
    ------
    RefusedError
        It is empty, cannot be read, or its type is not served.
    """
    kind = (content_type or _JSON).partition(";")[0].strip().lower()
    try:
        match kind:
            case "application/json":
                rows = read_rows(body.decode())
                names = _collect_names(rows)
            case "text/csv":
                names, rows = read_csv(body.decode("utf-8-sig"))
            case "application/x-www-form-urlencoded":
                rows = [_read_form(body)]
                names = _collect_names(rows)
            case _:
                raise RefusedError(
                    Code.BODY,
                    f"Content-Type not acceptable: {kind[:80]}",
                    hint=f"Send {_JSON}, {_CSV} or {_FORM}.",
                )
    except (ValueError, RecursionError) as error:
        reason = "it is too deep" if isinstance(error, RecursionError) else str(error)
        raise RefusedError(Code.BODY, "Empty or invalid body", details=f"The body is no {kind}: {reason}") from None
    if not columns_given and any(row.keys() != rows[0].keys() for row in rows):
        raise RefusedError(Code.BODY, "All object keys must match")
    if any("\0" in cell for row in rows for cell in row.values() if cell is not None):
        raise RefusedError(Code.UNTRANSLATABLE, "A text cannot have the character \\u0000")
    return Payload(tuple(rows), names)


def _collect_names(rows: Iterable[Mapping[str, str | None]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in row))


def _read_form(body: bytes) -> dict[str, str | None]:
    row: dict[str, str | None] = {}
    if not body:
        raise ValueError("it is empty")
    for piece in body.replace(b"+", b" ").split(b"&"):
        key, equals, value = (unquote_to_bytes(part).decode() for part in piece.partition(b"="))
        if not equals:
            raise ValueError(f'"{key[:80]}" has no value')
        if key in row:
            raise ValueError(f'"{key[:80]}" is there twice')
        row[key] = value
    return row
