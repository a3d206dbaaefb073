"""Delimited text becomes rows.

A block is parsed with its types at once. Only if that meets something bad is it parsed again as texts, to find out
which cells and rows are to blame; the other rows are loaded from there.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from pyarrow import csv as arrow_csv

from jobruns.formats import CsvFormat
from jobruns.transform import FALSE_TEXTS, TRUE_TEXTS, ColumnType, Transform
from jobruns_data.blocks import Block, Grammar, cut_blocks
from jobruns_data.cells import CellReader
from jobruns_data.errors import UnreadableFileError
from jobruns_data.rows import Reject, Rows, empty_batch, typed_rows
from jobruns_data.schema import arrow_schema
from jobruns_data.source import Readable

__all__ = ["BlockParser", "Parsers", "cut_csv", "read_csv"]

Parsers = dict[tuple[str, ...] | int, "BlockParser"]
"""Parsers by the header; by the number of fields where there is none."""

_MAX_PARSERS: Final = 16
_BLANK_LINES: Final = re.compile(rb"(?:\r?\n)++")


def read_csv(stream: Readable, transform: Transform) -> Iterator[Rows]:
    """Read a file.

    Raises
    ------
    UnreadableFileError
        See `cut_csv`.
    """
    for parser, block in cut_csv(stream, transform, {}):
        yield parser.rows(block)


def cut_csv(stream: Readable, transform: Transform, parsers: Parsers) -> Iterator[tuple[BlockParser, Block]]:
    """Cut a file into blocks of rows, each with what parses it.

    Parameters
    ----------
    stream : Readable
    transform : Transform
    parsers : dict
        Kept from file to file: most have the same header, and then the same parser.

    Raises
    ------
    UnreadableFileError
        See `cut_blocks`; or the header lacks a column.
    """
    form = transform.format
    if not isinstance(form, CsvFormat):
        raise TypeError(f"transform {transform.name} is not for CSV")
    grammar = Grammar(form)
    parser: BlockParser | None = None
    for whole in cut_blocks(stream, grammar, skip_lines=form.skip_head):
        block: Block | None = whole
        if parser is None:
            block, first = _first_record(whole, grammar, form, keep=not transform.uses_header)
            if first is None:
                continue
            parser = _parser(transform, grammar, first, parsers)
        if block is not None and block.data:
            yield parser, block


def _parser(transform: Transform, grammar: Grammar, first: list[str], parsers: Parsers) -> BlockParser:
    named = transform.uses_header or any(column.reads.remainder for column in transform.columns)
    key = tuple(first) if named else len(first)
    if key not in parsers:
        if len(parsers) >= _MAX_PARSERS:
            parsers.clear()
        parsers[key] = BlockParser(transform, grammar, first)
    return parsers[key]


def _first_record(
    block: Block, grammar: Grammar, form: CsvFormat, *, keep: bool
) -> tuple[Block | None, list[str] | None]:
    """Take the first record that is neither empty nor a comment; gives what is to be parsed, and its fields."""
    at, line = 0, block.line
    while at < len(block.data):
        if (blank := _BLANK_LINES.match(block.data, at)) is not None:
            line += block.data.count(b"\n", at, blank.end())
            at = blank.end()
            continue
        match = grammar.record.match(block.data, at)
        end = match.end() if match is not None else len(block.data)
        raw = block.data[at:end]
        comment = form.comment is not None and raw.startswith(form.comment.encode())
        if raw.strip(b"\r\n") and not comment:
            rest = at if keep else end
            rest_line = line if keep else line + raw.count(b"\n")
            return Block(block.data[rest:], rest_line, block.complete), _fields(raw.decode(), form)
        at, line = end, line + raw.count(b"\n")
    return None, None


def _fields(text: str, form: CsvFormat) -> list[str]:
    """Split one record."""
    reader = csv.reader(
        io.StringIO(text.strip("\r\n"), newline=""),
        delimiter=form.delimiter,
        quotechar=form.quote,
        escapechar=form.escape,
        quoting=csv.QUOTE_MINIMAL if form.quote is not None else csv.QUOTE_NONE,
    )
    try:
        return next(reader, [])
    except csv.Error:  # longer than the module's limit for one field, say
        return [text]


@dataclass(frozen=True, slots=True)
class _Binding:
    """Where a column's texts are in the parsed table: a position, or nowhere and the same for every row.

    With ``rest``, its value is an object of those positions' texts by these names.
    """

    cells: CellReader
    position: int | None
    rest: dict[str, int] | None = None

    def raw(self, columns: Mapping[int, pa.Array], rows: int) -> pa.Array | list[object]:
        """Give what the column's values are read from."""
        if self.position is not None:
            return columns[self.position]
        if self.rest is None:
            return pa.repeat(pa.scalar(self.cells.column.reads.constant, pa.string()), rows)
        if not self.rest:
            return [None] * rows
        texts = zip(*(columns[position].to_pylist() for position in self.rest.values()), strict=True)
        return [dict(zip(self.rest, row, strict=True)) for row in texts]

    def read(self, columns: Mapping[int, pa.Array], rows: int) -> tuple[pa.Array, list[int]]:
        """Read the column."""
        raw = self.raw(columns, rows)
        return self.cells.values(raw) if isinstance(raw, list) else self.cells.read(raw)


class BlockParser:
    """Parses blocks that all have the same fields."""

    def __init__(self, transform: Transform, grammar: Grammar, first: list[str]) -> None:
        form = transform.format
        assert isinstance(form, CsvFormat)  # noqa: S101 - read_csv has checked; this tells the type checker
        self._grammar = grammar
        self._form = form
        self._schema = arrow_schema(transform)
        self._bindings = _bind(transform, first)
        used = {b.position for b in self._bindings if b.position is not None}
        used.update(position for b in self._bindings for position in (b.rest or {}).values())
        # The parser takes an empty choice of columns for all of them.
        used = used or {0}
        self._names = [str(i) for i in range(max(len(first), max(used, default=0) + 1))]
        self._parse = {
            "delimiter": form.delimiter,
            "quote_char": form.quote if form.quote is not None else False,
            "escape_char": form.escape if form.escape is not None else False,
            "newlines_in_values": True,
        }
        # Which columns the parser can type itself; the others are read as texts and typed by their CellReader.
        direct = [b for b in self._bindings if _is_direct(b.cells, transform)]
        times = [b.position for b in self._bindings] + [p for b in self._bindings for p in (b.rest or {}).values()]
        self._direct = {b.position: b.cells.type for b in direct if times.count(b.position) == 1}
        self._narrow = {
            b.position: pa.type_for_alias(b.cells.column.type.value)
            for b in direct
            if b.position in self._direct and b.cells.column.type.integer_range is not None
        }
        self._typed = arrow_csv.ConvertOptions(
            check_utf8=False,  # the block is UTF-8 already
            column_types={
                name: self._narrow.get(int(name), self._direct.get(int(name), pa.string()))
                for name in self._names
                if int(name) in used
            },
            include_columns=[name for name in self._names if int(name) in used],
            null_values=["", *transform.null_values],
            true_values=sorted(TRUE_TEXTS),
            false_values=sorted(FALSE_TEXTS),
            strings_can_be_null=False,
        )
        self._texts = arrow_csv.ConvertOptions(
            check_utf8=False,
            column_types=dict.fromkeys(self._names, pa.string()),
            strings_can_be_null=False,
        )

    def rows_together(self, blocks: Sequence[Block]) -> pa.RecordBatch | None:
        """Give the rows of several blocks one behind the other, if all are good; else None: read each by itself."""
        if self._form.comment is not None or not all(block.complete for block in blocks):
            return None
        return self._fast(b"".join(b.data if b.data.endswith(b"\n") else b.data + b"\n" for b in blocks))

    def rows(self, block: Block) -> Rows:
        """Read one block."""
        lines: list[int] | None = None
        if not block.complete:
            return self._unclosed(block)
        if self._form.comment is not None and self._form.comment.encode() in block.data:
            block, lines = self._without_comments(block)
        if not block.data:
            return Rows(empty_batch(self._schema))
        batch = self._fast(block.data)
        return Rows(batch) if batch is not None else self._careful(block, lines)

    def _fast(self, data: bytes) -> pa.RecordBatch | None:
        """Give the rows if all of them are good, else None."""
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(data),
                read_options=arrow_csv.ReadOptions(column_names=self._names, block_size=len(data) + 1),
                parse_options=arrow_csv.ParseOptions(**self._parse),
                convert_options=self._typed,
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                return empty_batch(self._schema)
            return None
        arrays = []
        columns = {int(name): _whole(table[name]) for name in table.column_names}
        for binding in self._bindings:
            column, position = binding.cells.column, binding.position
            if position is None or position not in self._direct:
                values, bad = binding.read(columns, table.num_rows)
                if bad:
                    return None
            else:
                values = columns[position]
                if position in self._narrow:
                    values = values.cast(binding.cells.type)
            if (column.primary or not column.nullable) and values.null_count:
                return None
            arrays.append(values)
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _careful(self, block: Block, lines: list[int] | None) -> Rows:
        """Give the good rows and a reason for every other."""
        ragged: list[arrow_csv.InvalidRow] = []

        def skip(row: arrow_csv.InvalidRow) -> str:
            ragged.append(row)
            return "skip"

        table = arrow_csv.read_csv(
            pa.BufferReader(block.data),
            # One thread: only then does the parser number the rows it could not split.
            read_options=arrow_csv.ReadOptions(
                column_names=self._names, block_size=len(block.data) + 1, use_threads=False
            ),
            parse_options=arrow_csv.ParseOptions(**self._parse, invalid_row_handler=skip),
            convert_options=self._texts,
        )
        columns = {int(name): _whole(table[name]) for name in self._names}
        total = table.num_rows + len(ragged)
        if lines is None or len(lines) != total:
            lines = self._lines(block, total)
        broken = {row.number - 1 for row in ragged}
        ordinals = [i for i in range(total) if i not in broken]

        def text_of(row: int, cells: CellReader) -> object:
            binding = next(b for b in self._bindings if b.cells is cells)
            raw = binding.raw({i: column.slice(row, 1) for i, column in columns.items()}, 1)[0]
            return raw.as_py() if isinstance(raw, pa.Scalar) else raw

        rows = typed_rows(
            [binding.cells for binding in self._bindings],
            [binding.read(columns, table.num_rows) for binding in self._bindings],
            text_of,
            lambda row, reason: Reject(lines[ordinals[row]], [c[row].as_py() for c in columns.values()], reason),
            self._schema,
        )
        rejects = rows.rejects + [
            Reject(
                lines[row.number - 1],
                _fields(row.text, self._form),
                f"the row has {row.actual_columns} fields instead of {row.expected_columns}",
            )
            for row in ragged
        ]
        return Rows(rows.batch, sorted(rejects, key=lambda reject: reject.line))

    def _lines(self, block: Block, total: int) -> list[int]:
        """Give the line on which each row starts."""
        if block.data.count(b"\n") + (not block.data.endswith(b"\n")) != total:
            # Rows of several lines, or empty ones: go through the records.
            _, lines = self._records(block)
            if len(lines) == total:
                return lines
        return list(range(block.line, block.line + total))

    def _without_comments(self, block: Block) -> tuple[Block, list[int]]:
        kept, lines = self._records(block)
        return Block(b"".join(kept), block.line), lines

    def _records(self, block: Block) -> tuple[list[bytes], list[int]]:
        """Split into the records that are rows, with the line each starts on."""
        comment = self._form.comment.encode() if self._form.comment is not None else None
        data = block.data if block.data.endswith(b"\n") else block.data + b"\n"
        kept: list[bytes] = []
        lines: list[int] = []
        line = block.line
        for match in self._grammar.record.finditer(data):
            raw = match[0]
            if raw.strip(b"\r\n") and (comment is None or not raw.startswith(comment)):
                kept.append(raw)
                lines.append(line)
            line += raw.count(b"\n")
        return kept, lines

    def _unclosed(self, block: Block) -> Rows:
        text = block.data.decode()
        shown = text if len(text) <= 1000 else text[:1000] + "…"
        return Rows(
            empty_batch(self._schema),
            [Reject(block.line, [shown], "a quote is opened in this row and closed nowhere behind it")],
        )


def _bind(transform: Transform, first: list[str]) -> list[_Binding]:
    """Find the columns in a file whose first row is ``first``: its header, if the transform uses one."""
    cells = [CellReader(column, transform.null_values) for column in transform.columns]
    positions = [_position(column.reads.index, column.reads.field, first) for column in transform.columns]
    bindings = []
    for reader, position in zip(cells, positions, strict=True):
        rest = None
        if reader.column.reads.remainder:
            read = {p for p in positions if p is not None} | {s.index for s in transform.ignored if s.index is not None}
            ignored = {s.field.strip() for s in transform.ignored if s.field is not None}
            rest = _unread(first, read, ignored)
        bindings.append(_Binding(reader, position, rest))
    return bindings


def _unread(first: list[str], read: set[int], ignored: set[str]) -> dict[str, int]:
    """Give the names and positions of the header that no column reads."""
    rest: dict[str, int] = {}
    for position, name in enumerate(name.strip() for name in first):
        if position in read or name in ignored:
            continue
        if name in rest:
            raise UnreadableFileError(
                f'the header names "{name}" twice, and a column takes all the fields that no other reads;'
                " correct the file, or read these two by index"
            )
        rest[name] = position
    return rest


def _position(index: int | None, field: str | None, first: list[str]) -> int | None:
    if field is None:
        return index
    names = [name.strip() for name in first]
    found = [i for i, name in enumerate(first) if name == field] or [
        i for i, name in enumerate(names) if name == field.strip()
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnreadableFileError(f'the header names "{field}" {len(found)} times; read the column by its index')
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    raise UnreadableFileError(
        f'the header has no "{field}" (it has: {shown}); correct the file, or the source of the transform\'s column'
    )


def _is_direct(cells: CellReader, transform: Transform) -> bool:
    """Whether the CSV parser reads this column exactly as its CellReader would."""
    column = cells.column
    if column.reads.constant is not None or column.default is not None or column.null_values or column.denullify:
        return False
    if column.type is ColumnType.STRING:
        return not transform.null_values
    if column.type is ColumnType.UINT64:
        return False
    return column.type in {ColumnType.BOOLEAN, ColumnType.DOUBLE} or column.type.integer_range is not None


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
