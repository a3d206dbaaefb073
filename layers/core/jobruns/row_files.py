"""Files of exports and tables in answers: rows as JSON or CSV, written piece by piece."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jobruns.row_values import to_text, write_bare, write_json

PIECE_BYTES = 256 * 1024
"""Pieces are so large or a row larger; joining them to the parts of an upload is up to whoever uploads."""

Row = Mapping[str, Any]


def write_json_file(rows: Iterable[Row], piece_bytes: int = PIECE_BYTES) -> Iterator[bytes]:
    """Write rows as one array on one line."""
    yield from _join(_json_texts(rows), piece_bytes)


def write_csv_file(
    rows: Iterable[Row], columns: Sequence[str] | None = None, piece_bytes: int = PIECE_BYTES
) -> Iterator[bytes]:
    """Write rows as CSV: names first, then a line for each row, none of them ended by the last line.

    Parameters
    ----------
    rows : iterable of mapping
        A column that a row does not have is empty there.
    columns : sequence of str, optional
        Names of the columns; those of the first row where they are not given.
    piece_bytes : int
        Size of the pieces.

    Returns
    -------
    iterator of bytes
        Nothing at all where there are no rows: then not even the names are written.
    """
    yield from _join(_csv_texts(rows, columns), piece_bytes)


def write_cell(value: Any) -> str:
    """Write a value as a cell: numbers and truth values bare, null as nothing, the rest between quotes."""
    if isinstance(value, str):
        return _quote(value)
    bare = write_bare(value)
    if bare is not None:
        return "" if bare == "null" else bare
    return _quote(write_json(value) if isinstance(value, Mapping | list | tuple) else to_text(value))


def _json_texts(rows: Iterable[Row]) -> Iterator[str]:
    before = "["
    for row in rows:
        yield before + write_json(row)
        before = ","
    yield "[]" if before == "[" else "]"


def _csv_texts(rows: Iterable[Row], columns: Sequence[str] | None) -> Iterator[str]:
    names = columns
    for number, row in enumerate(rows):
        if number == 0:
            names = list(row) if names is None else names
            yield ",".join(map(_quote, names))
        yield "\n" + ",".join(write_cell(row.get(name)) for name in names or ())


def _quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _join(texts: Iterable[str], piece_bytes: int) -> Iterator[bytes]:
    pending: list[str] = []
    size = 0
    for text in texts:
        pending.append(text)
        size += len(text)
        if size >= piece_bytes:
            yield _encode(pending)
            pending, size = [], 0
    if pending:
        yield _encode(pending)


def _encode(texts: Iterable[str]) -> bytes:
    # Half of a character is escaped in JSON and cannot be in CSV; there it becomes a question mark.
    return "".join(texts).encode(errors="replace")
