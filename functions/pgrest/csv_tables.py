"""Tables as CSV, with a line of names first. A field left empty is null when written; read, the word NULL is."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

_NEEDS_QUOTES = re.compile(r'[",\r\n]|^\s|\s$|^$|^NULL$')
_FIELD = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|\Z)')


def write_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Write rows, all of the same columns; of no rows nothing is known, not even the columns."""
    if not rows:
        return ""
    lines = [",".join(_write_field(name) for name in rows[0])]
    lines += [",".join(_write_field(value) for value in row.values()) for row in rows]
    return "\n".join(lines)


def _write_field(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES.search(text) else text


def read_csv(text: str) -> tuple[tuple[str, ...], list[dict[str, str | None]]]:
    """Read a table.

    Returns
    -------
    tuple
        The names of the first line, and the lines after it by these names. Empty lines are none.

    Raises
    ------
    ValueError
        There is no first line, a name is there twice, a line is longer or shorter than the first, or a quote is where
        none can be.
    """
    lines = _read_lines(text)
    names = tuple(name or "" for name in next(lines, ()))
    if not names:
        raise ValueError("there is no line of names")
    if len(set(names)) < len(names):
        raise ValueError("a column is there twice")
    rows = []
    for number, fields in enumerate(lines, 2):
        if len(fields) != len(names):
            raise ValueError(f"row {number} has {len(fields)} fields, not {len(names)}")
        rows.append(dict(zip(names, fields, strict=True)))
    return names, rows


def _read_lines(text: str) -> Iterator[list[str | None]]:
    position, fields = 0, list[str | None]()
    while position < len(text) or fields:
        match = _FIELD.match(text, position)
        if match is None:
            raise ValueError(f"there is a quote, or none, where it cannot be, at character {position + 1}")
        quoted, bare, end = match.groups()
        position = match.end()
        if quoted is not None:
            fields.append(quoted.replace('""', '"'))
        else:
            fields.append(None if bare == "NULL" else bare)
        if end != ",":
            if len(fields) > 1 or match[0] != end:
                yield fields
            fields = []
