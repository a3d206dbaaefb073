"""Delimited text whose columns nobody has declared, as cells.

Nothing is rejected: surplus cells are dropped, missing ones are null, and a quote that is never closed takes in the
rest of the file. It is read in blocks, of which no record may be longer than `jobruns_data.blocks` allows.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

import pyarrow as pa
from pyarrow import csv as arrow_csv

from jobruns.formats import CsvFormat
from jobruns_data.attributes import check_name
from jobruns_data.blocks import Block, Grammar, cut_blocks
from jobruns_data.incoming import Incoming, incoming_texts
from jobruns_data.source import Readable

__all__ = ["read_cells", "read_delimited"]

_DELIMITERS: Final = ",\t;|"
_SAMPLE_LINES: Final = 10
_START_BYTES: Final = 64 << 10
_FIELD_BYTES: Final = 16 << 20
_QUOTED: Final = re.compile(r'"(?:[^"]|"")*"')


def read_delimited(stream: Readable, primary_key: str, *, structures: bool) -> Iterator[Incoming]:
    """Read a file to its end.

    Parameters
    ----------
    stream : Readable
    primary_key : str
    structures : bool
        See `jobruns_data.kinds.type_texts`.

    Raises
    ------
    InvalidAttributeError
        A column has a name that no attribute can have.
    UnreadableFileError
        The file is not UTF-8, or a record is too long.
    """
    for cells in read_cells(stream):
        yield incoming_texts(cells, primary_key, structures=structures)


def read_cells(stream: Readable) -> Iterator[Mapping[str, pa.Array]]:
    """Read a file to its end as texts by column, null where a row ends before the column.

    Raises
    ------
    InvalidAttributeError, UnreadableFileError
        See `read_delimited`.
    """
    start = _Started(stream)
    form = CsvFormat(delimiter=_delimiter(start.head))
    names: list[str] | None = None
    for whole in cut_blocks(start, Grammar(form)):
        block = whole
        if names is None:
            header, block = _header(block, form)
            if header is None:
                continue
            names = _names(header)
        if block.data.strip(b"\r\n"):
            cells = _cells(block, names, form)
            if cells is not None:
                yield cells


class _Started:
    """A stream whose beginning has been looked at."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.head = b""
        while len(self.head) < _START_BYTES and (piece := stream.read(_START_BYTES - len(self.head))):
            self.head += piece
        self._left = self.head

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        if self._left:
            data, self._left = self._left[:size], self._left[size:]
            return data
        return self._stream.read(size)


def _delimiter(head: bytes) -> str:
    """Guess: what most lines have as often as the first, and most of it."""
    text = _QUOTED.sub("", head.decode("utf-8", "replace"))
    lines = [line for line in re.split(r"\r\n|\n|\r", text) if line][:_SAMPLE_LINES]

    def fitness(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in lines]
        times = counts[0] if counts else 0
        return (Counter(counts)[times], times) if times else (0, 0)

    return max(_DELIMITERS, key=fitness)


def _header(block: Block, form: CsvFormat) -> tuple[list[str] | None, Block]:
    """Take the first record that is not empty off a block."""
    text = io.StringIO(block.data.decode(), newline="")
    position = 0
    for line in _records(text, form):
        position = text.tell()
        if line:
            return line, replace(block, data=text.read().encode())
    return None, replace(block, data=block.data[position:])


def _names(header: list[str]) -> list[str]:
    names: dict[str, None] = {}
    for position, wished in enumerate(header, 1):
        name = wished or f"_{position}"
        number = 1
        while name in names:
            name, number = f"{wished}_{number}", number + 1
        check_name(name)
        names[name] = None
    return list(names)


def _cells(block: Block, names: list[str], form: CsvFormat) -> Mapping[str, pa.Array] | None:
    if block.complete:
        places = [str(i) for i in range(len(names))]
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(block.data),
                read_options=arrow_csv.ReadOptions(column_names=places, block_size=len(block.data) + 1),
                parse_options=arrow_csv.ParseOptions(delimiter=form.delimiter, newlines_in_values=True),
                convert_options=arrow_csv.ConvertOptions(
                    check_utf8=False, column_types=dict.fromkeys(places, pa.string()), strings_can_be_null=False
                ),
            )
        except pa.ArrowInvalid:
            pass  # rows of another length, most likely: one by one then
        else:
            return (
                {name: table[place].combine_chunks() for name, place in zip(names, places, strict=True)}
                if len(table)
                else None
            )
    width = len(names)
    rows = [row for row in _records(io.StringIO(block.data.decode(), newline=""), form) if row]
    if not rows:
        return None
    columns = zip(*([*row[:width], *[None] * (width - len(row))] for row in rows), strict=True)
    return {name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)}


def _records(text: io.StringIO, form: CsvFormat) -> Iterator[list[str]]:
    csv.field_size_limit(_FIELD_BYTES)
    return csv.reader(text, delimiter=form.delimiter)
