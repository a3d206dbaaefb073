"""JSON objects become rows.

As with CSV, a block is first read by Arrow with its types at once, where the columns are members of the objects or of
objects in them; if it meets anything else than exactly what the columns say, the block is read again object by object.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from jobruns.formats import JsonFormat
from jobruns.transform import Transform
from jobruns_data.blocks import Block, Grammar, cut_blocks
from jobruns_data.cells import CellReader
from jobruns_data.json_fast import FastReader
from jobruns_data.json_fields import FieldReader
from jobruns_data.json_shape import has_lines
from jobruns_data.json_values import Values, cut_values, decode_lines
from jobruns_data.rows import Reject, Rows, empty_batch, typed_rows
from jobruns_data.schema import arrow_schema
from jobruns_data.source import Readable

__all__ = ["JsonParser", "read_json"]


def read_json(stream: Readable, transform: Transform, parser: JsonParser | None = None) -> Iterator[Rows]:
    """Read a file: an object a line, or objects one behind the other, or arrays of objects.

    Parameters
    ----------
    stream : Readable
    transform : Transform
    parser : JsonParser, optional
        Of the transform, kept from file to file.

    Raises
    ------
    UnreadableFileError
        See `has_lines`, `cut_blocks` and `cut_values`.
    """
    if not isinstance(transform.format, JsonFormat):
        raise TypeError(f"transform {transform.name} is not for JSON")
    parser = parser or JsonParser(transform)
    lines, stream = has_lines(stream)
    if lines:
        for block in cut_blocks(stream, Grammar(None)):
            yield from parser.rows_of_lines(block)
    else:
        for values in cut_values(stream):
            yield parser.rows_of_values(values)


class JsonParser:
    """Makes rows.

    Parameters
    ----------
    transform : Transform
        Of JSON files.
    """

    def __init__(self, transform: Transform) -> None:
        self._schema = arrow_schema(transform)
        self._cells = [CellReader(column, transform.null_values) for column in transform.columns]
        self._fields = FieldReader(transform)
        self._fast = FastReader(transform, self._cells)

    def rows_of_lines(self, block: Block) -> Iterator[Rows]:
        """Read one block of lines."""
        batch = self._fast.read(block.data, block.data.count(b"\n") + (not block.data.endswith(b"\n")))
        if batch is not None:
            yield Rows(batch)
        else:
            yield from map(self._careful, decode_lines(block))

    def rows_of_values(self, values: Values) -> Rows:
        """Read values that were cut out of a stream."""
        if not values.rejects:
            batch = self._fast.read("\n".join(values.texts).encode(), len(values))
            if batch is not None:
                return Rows(batch)
        return self._careful(values)

    def _careful(self, values: Values) -> Rows:
        """Give the good rows and a reason for every other."""
        rejects = values.rejects
        fields: list[dict[str, Any]] = []
        kept: list[int] = []
        for i, item in enumerate(values.objects):
            try:
                fields.append(self._fields.flatten(item))
                kept.append(i)
            except ValueError as error:
                values.refuse(values.lines[i], values.texts[i], str(error))
        if not kept:
            return Rows(empty_batch(self._schema), sorted(rejects, key=_line))
        objects = values.objects if len(kept) == len(values.objects) else [values.objects[i] for i in kept]
        found = self._fields.find(fields, objects)
        position = {id(cells): i for i, cells in enumerate(self._cells)}

        def reject(row: int, reason: str) -> Reject:
            i = kept[row]
            return Reject(values.lines[i], [_shown(values.objects[i], values.texts[i])], reason)

        rows = typed_rows(
            self._cells,
            [_read(cells, column) for cells, column in zip(self._cells, found, strict=True)],
            lambda row, cells: found[position[id(cells)]][row],
            reject,
            self._schema,
        )
        return Rows(rows.batch, sorted([*rejects, *rows.rejects], key=_line) if rejects else rows.rejects)


def _read(cells: CellReader, found: list[Any]) -> tuple[pa.Array, list[int]]:
    # A constant is the text a file would have, not a JSON value.
    return cells.values(found) if cells.column.reads.constant is None else cells.read(pa.array(found, pa.string()))


def _line(reject: Reject) -> int:
    return reject.line


def _shown(value: dict[str, Any], text: str) -> object:
    """Give what is kept of a row: the object, or its text where Python's json would not write it again as JSON."""
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    return value
