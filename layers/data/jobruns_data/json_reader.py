"""Lines of JSON objects become rows.

As with CSV, a block is first read by Arrow with its types at once, where the columns are plain keys of the object; if
it meets anything else than exactly what the columns say, the block is read again line by line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import pyarrow as pa
from pyarrow import json as arrow_json

from jobruns.transform import Column, ColumnType, JsonFormat, Transform
from jobruns_data.blocks import Block, Grammar, cut_blocks
from jobruns_data.cells import CellReader
from jobruns_data.rows import Reject, Rows, empty_batch, typed_rows
from jobruns_data.schema import arrow_schema
from jobruns_data.source import Readable

__all__ = ["read_json_lines"]

_ABSENT: Final = object()


def read_json_lines(stream: Readable, transform: Transform) -> Iterator[Rows]:
    """Read a file.

    Raises
    ------
    UnreadableFileError
        See `cut_blocks`.
    """
    if not isinstance(transform.format, JsonFormat):
        raise TypeError(f"transform {transform.name} is not for JSON")
    parser = _BlockParser(transform)
    for block in cut_blocks(stream, Grammar(None)):
        yield parser.rows(block)


class _BlockParser:
    """Parses blocks of lines."""

    def __init__(self, transform: Transform) -> None:
        self._schema = arrow_schema(transform)
        self._cells = [CellReader(column, transform.null_values) for column in transform.columns]
        self._lookups = [_lookup(column) for column in transform.columns]
        self._keys = [_top_level_key(column) for column in transform.columns]
        self._parse: arrow_json.ParseOptions | None = None
        keys = [key for key in self._keys if key is not None]
        if len(keys) == len(self._keys) and len(set(keys)) == len(keys):
            fields = [
                pa.field(key, _direct_type(cells) or pa.string()) for key, cells in zip(keys, self._cells, strict=True)
            ]
            self._parse = arrow_json.ParseOptions(explicit_schema=pa.schema(fields), unexpected_field_behavior="ignore")

    def rows(self, block: Block) -> Rows:
        """Read one block."""
        batch = self._fast(block.data) if self._parse is not None else None
        return Rows(batch) if batch is not None else self._careful(block)

    def _fast(self, data: bytes) -> pa.RecordBatch | None:
        """Give the rows if all of them are good, else None."""
        try:
            table = arrow_json.read_json(
                pa.BufferReader(data),
                read_options=arrow_json.ReadOptions(block_size=len(data) + 1),
                parse_options=self._parse,
            )
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return None
        # The parser sees objects, not lines: two of them on one line, or one on two, are for the careful way.
        if table.num_rows != data.count(b"\n") + (not data.endswith(b"\n")):
            return None
        arrays = []
        for key, cells in zip(self._keys, self._cells, strict=True):
            values = table[key].combine_chunks() if table[key].num_chunks != 1 else table[key].chunk(0)
            if _direct_type(cells) is None:
                values, bad = cells.read(values)
                if bad:
                    return None
            elif values.type != cells.type:
                values = values.cast(cells.type)
            if (cells.column.primary or not cells.column.nullable) and values.null_count:
                return None
            arrays.append(values)
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _careful(self, block: Block) -> Rows:
        """Give the good rows and a reason for every other."""
        rejects: list[Reject] = []
        objects: list[dict[str, Any]] = []
        lines: list[int] = []
        for line, raw in enumerate(block.data.split(b"\n"), block.line):
            if not raw.strip():
                continue
            try:
                value = json.loads(raw, parse_constant=_refuse_constant)
            except (ValueError, RecursionError) as error:
                rejects.append(Reject(line, [_shown(raw)], f"the line is not JSON: {error}"))
                continue
            if isinstance(value, dict):
                objects.append(value)
                lines.append(line)
            else:
                rejects.append(Reject(line, [_shown(raw)], "the line is not a JSON object"))
        if not objects:
            return Rows(empty_batch(self._schema), rejects)
        found = [[lookup(item) for item in objects] for lookup in self._lookups]
        position = {id(cells): i for i, cells in enumerate(self._cells)}
        rows = typed_rows(
            self._cells,
            [cells.values(values) for cells, values in zip(self._cells, found, strict=True)],
            lambda row, cells: found[position[id(cells)]][row],
            lambda row, reason: Reject(lines[row], [objects[row]], reason),
            self._schema,
        )
        return Rows(rows.batch, sorted([*rejects, *rows.rejects], key=lambda reject: reject.line))


def _lookup(column: Column) -> Callable[[dict[str, Any]], Any]:
    """Return what finds a column's value in an object; None where there is none."""
    source = column.reads
    if source.constant is not None:
        constant = source.constant
        return lambda _: constant
    if source.field is not None:
        key = source.field
        return lambda item: item.get(key)
    paths = [_steps(pointer) for pointer in source.pointers or ()]

    def first_of(item: dict[str, Any]) -> Any:
        for path in paths:
            value = _follow(item, path)
            if value is not _ABSENT and value is not None:
                return value
        return None

    return first_of


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _follow(value: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(value, dict):
            value = value.get(step, _ABSENT)
        elif isinstance(value, list) and step.isdecimal() and step.isascii() and len(step) < 10:
            value = value[int(step)] if int(step) < len(value) else _ABSENT
        else:
            return _ABSENT
    return value


def _top_level_key(column: Column) -> str | None:
    source = column.reads
    if source.field is not None:
        return source.field
    if source.pointers is not None and len(source.pointers) == 1 and len(steps := _steps(source.pointers[0])) == 1:
        return steps[0]
    return None


def _direct_type(cells: CellReader) -> pa.DataType | None:
    """Return the type Arrow's parser gives this column exactly as its CellReader would, None where it cannot."""
    column = cells.column
    if cells.is_plain_text:
        return pa.string()
    if column.default is not None or column.type is ColumnType.UINT64:
        return None
    if column.type is ColumnType.BOOLEAN or column.type is ColumnType.DOUBLE:
        return cells.type
    if column.type.integer_range is not None:
        return pa.type_for_alias(column.type.value)
    return None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _shown(raw: bytes) -> str:
    text = raw.decode()
    return text if len(text) <= 1000 else text[:1000] + "…"
