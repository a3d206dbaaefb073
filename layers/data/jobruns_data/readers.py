"""Reads files by a transform, whatever their format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from jobruns.formats import CsvFormat
from jobruns.transform import Transform
from jobruns_data.blocks import Block
from jobruns_data.csv_reader import BlockParser, Parsers, cut_csv, read_csv
from jobruns_data.json_reader import JsonParser, read_json
from jobruns_data.rows import Rows
from jobruns_data.source import Readable

__all__ = ["RowReader", "read_rows"]

_TOGETHER_BYTES: Final = 1 << 20
"""A parser takes for a hundred rows about as long as for a thousand: small blocks are parsed together up to this."""


def read_rows(stream: Readable, transform: Transform) -> Iterator[Rows]:
    """Read a decompressed file to its end.

    Parameters
    ----------
    stream : Readable
    transform : Transform

    Yields
    ------
    Rows
        Good rows with the types of `jobruns_data.schema.arrow_schema`, and the rejected ones between them, in the
        order of the file.

    Raises
    ------
    UnreadableFileError
        The file as a whole cannot be read.
    """
    reader = read_csv if isinstance(transform.format, CsvFormat) else read_json
    yield from reader(stream, transform)


class RowReader:
    """Reads many files by one transform, as `read_rows` reads each.

    Parameters
    ----------
    transform : Transform
    take : callable
        Takes a file's name and the next of its rows. It is called in the order of the files, but may be called for one
        only when others have been read; good rows of several files come under the name of the last.
    """

    def __init__(self, transform: Transform, take: Callable[[str, Rows], None]) -> None:
        self._transform = transform
        self._take = take
        self._json: JsonParser | None = None
        self._parsers: Parsers = {}
        self._parser: BlockParser | None = None
        self._held: list[tuple[str, Block]] = []
        self._held_bytes = 0

    def read(self, name: str, stream: Readable) -> None:
        """Read a decompressed file to its end.

        Raises
        ------
        UnreadableFileError
            The file as a whole cannot be read.
        """
        if not isinstance(self._transform.format, CsvFormat):
            self._json = self._json or JsonParser(self._transform)
            for rows in read_json(stream, self._transform, self._json):
                self._take(name, rows)
            return
        for parser, block in cut_csv(stream, self._transform, self._parsers):
            if parser is not self._parser:
                self.finish()
                self._parser = parser
            self._held.append((name, block))
            self._held_bytes += len(block.data)
            if self._held_bytes >= _TOGETHER_BYTES:
                self.finish()

    def finish(self) -> None:
        """Let what is held back be taken."""
        held, self._held, self._held_bytes = self._held, [], 0
        if self._parser is None or not held:
            return
        together = self._parser.rows_together([block for _, block in held]) if len(held) > 1 else None
        if together is not None:
            self._take(held[-1][0], Rows(together))
            return
        for name, block in held:
            self._take(name, self._parser.rows(block))
