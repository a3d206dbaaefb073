"""Cuts a stream of bytes into blocks of whole records, with the line each block starts on.

A record of CSV may hold line ends inside quotes, so that the cut has to know what is quoted. It goes by the rule of
the parser behind it (pyarrow): a quote opens a quoted value only where a value starts, is written twice inside one,
and stands for itself anywhere else.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from jobruns.formats import CsvFormat
from jobruns_data.errors import UnreadableFileError
from jobruns_data.source import Readable

__all__ = ["Block", "Grammar", "cut_blocks"]

BLOCK_BYTES: Final = 4 << 20
RECORD_BYTES: Final = 16 << 20
_BOM: Final = b"\xef\xbb\xbf"
_SPARSE: Final = 400  # bytes per quote above which walking from quote to quote beats the regular expression


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records.

    Parameters
    ----------
    data : bytes
        Valid UTF-8. The last record of a file may lack its line end.
    line : int
        Line of the file on which it starts, from 1.
    complete : bool
        False for the rest of a file after a quote that is never closed.
    """

    data: bytes
    line: int
    complete: bool = True


class Grammar:
    """Where records of one format end.

    Parameters
    ----------
    csv : CsvFormat or None
        None for plain lines.
    """

    def __init__(self, csv: CsvFormat | None) -> None:
        self._quote = csv.quote.encode() if csv is not None and csv.quote is not None else None
        self._simple = csv is None or (csv.quote is None and csv.escape is None)
        self._walkable = csv is not None and csv.escape is None and csv.comment is None
        self._before = frozenset(b"\r\n") | frozenset(csv.delimiter.encode() if csv is not None else b"")
        self.record = _record_pattern(csv)
        self._records = re.compile(b"(?:" + self.record.pattern + b")*+", re.DOTALL)
        self._quoted = _quoted_pattern(self._quote) if self._quote is not None else None

    def end_of_records(self, data: bytes) -> int:
        """Return where the last complete record of ``data``, which starts with a record, ends; 0 if there is none."""
        if self._simple or (self._walkable and self._quote not in data):  # type: ignore[operator]  # then it is set
            return data.rfind(b"\n") + 1
        if self._walkable and data.count(self._quote) * _SPARSE < len(data):  # type: ignore[arg-type]  # as above
            return self._walk(data)
        match = self._records.match(data)
        return match.end() if match is not None else 0

    def _walk(self, data: bytes) -> int:
        """Do the same from quote to quote; several times faster where quotes are rare."""
        spans: list[tuple[int, int]] = []
        limit, at = len(data), 0
        quoted, before = self._quoted, self._before
        while (found := quoted.search(data, at)) is not None:  # type: ignore[union-attr]  # a quote is in the data
            start = found.start()
            if start and data[start - 1] not in before:
                at = start + 1
            elif found[1]:
                at = found.end()
                spans.append((start, at))
            else:
                limit = start
                break
        end = data.rfind(b"\n", 0, limit)
        starts = [span[0] for span in spans]
        while end >= 0:
            inside = bisect_right(starts, end) - 1
            if inside < 0 or spans[inside][1] <= end:
                break
            end = data.rfind(b"\n", 0, spans[inside][0])
        return end + 1


def _quoted_pattern(quote: bytes) -> re.Pattern[bytes]:
    q = re.escape(quote)
    return re.compile(q + b"[^" + q + b"]*+(?:" + q + q + b"[^" + q + b"]*+)*+(" + q + b")?", re.DOTALL)


def _record_pattern(csv: CsvFormat | None) -> re.Pattern[bytes]:
    """Match one record with its line end, from its start."""
    if csv is None:
        return re.compile(rb"[^\n]*+\n", re.DOTALL)
    q = re.escape(csv.quote.encode()) if csv.quote is not None else b""
    e = re.escape(csv.escape.encode()) if csv.escape is not None else b""
    d = re.escape(csv.delimiter.encode())
    plain = b"[^\\n" + q + e + b"]++"
    escaped = e + b"." if e else b""
    inside = b"(?:[^" + q + e + b"]++|" + q + q + (b"|" + escaped if e else b"") + b")*+"
    opens, stray = (b"(?:(?<=[\\r\\n" + d + b"])|(?<![\\s\\S]))", b"(?<=[^\\r\\n" + d + b"])") if q else (b"", b"")
    parts = [plain]
    if q:
        parts += [opens + q + inside + q, stray + q]
    if e:
        parts.append(escaped)
    row = b"(?:" + b"|".join(parts) + b")*+\\n"
    comment = re.escape(csv.comment.encode()) + rb"[^\n]*+\n|" if csv.comment is not None else b""
    return re.compile(b"(?:" + comment + row + b")", re.DOTALL)


def cut_blocks(
    stream: Readable, grammar: Grammar, *, skip_lines: int = 0, block_bytes: int = BLOCK_BYTES
) -> Iterator[Block]:
    """Read the stream to its end as blocks of whole records.

    Parameters
    ----------
    stream : Readable
    grammar : Grammar
    skip_lines : int
        Lines to leave out at the start, whatever they hold.
    block_bytes : int
        Size aimed at; a single record may need more, up to 16 MiB.

    Raises
    ------
    UnreadableFileError
        It is not UTF-8, or a record is too long.
    """
    rest, line = _read_start(stream), 1
    while True:
        want = max(block_bytes, len(rest)) - (0 if len(rest) >= block_bytes else len(rest))
        read = stream.read(want)
        data = rest + read
        if skip_lines:
            data, skipped = _skip(data, skip_lines)
            line, skip_lines = line + skipped, skip_lines - skipped
            if skip_lines:
                if not read:
                    return
                rest = data if len(data) <= RECORD_BYTES else b""  # what is skipped may be of any length
                continue
        end = grammar.end_of_records(data)
        if not read:
            yield from _last_blocks(data, grammar, line)
            return
        if end == 0 and len(data) >= RECORD_BYTES:
            raise UnreadableFileError(
                f"line {line} starts a row longer than {RECORD_BYTES >> 20} MiB; split it, or close its quotes"
            )
        block, rest = data[:end], data[end:]
        if block:
            yield Block(_checked(block, line), line)
            line += block.count(b"\n")


def _read_start(stream: Readable) -> bytes:
    """Read as far as a byte order mark goes, which may come in pieces, and leave it out."""
    start = b""
    while len(start) < len(_BOM) and (piece := stream.read(len(_BOM) - len(start))):
        start += piece
    return start.removeprefix(_BOM)


def _skip(data: bytes, lines: int) -> tuple[bytes, int]:
    """Leave out up to ``lines`` lines; returns what is left and how many were left out."""
    at = skipped = 0
    while skipped < lines and (end := data.find(b"\n", at) + 1):
        at, skipped = end, skipped + 1
    return data[at:], skipped


def _last_blocks(data: bytes, grammar: Grammar, line: int) -> Iterator[Block]:
    """Give what is left at the end of the stream: its last line may lack the line end, or the quote."""
    if not data:
        return
    _checked(data, line)
    # The line end that is missing may be put there: behind an open quote it changes nothing.
    end = min(grammar.end_of_records(data if data.endswith(b"\n") else data + b"\n"), len(data))
    if end:
        yield Block(data[:end], line)
    if end < len(data):
        yield Block(data[end:], line + data.count(b"\n", 0, end), complete=False)


def _checked(data: bytes, line: int) -> bytes:
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError as error:
            at = line + data.count(b"\n", 0, error.start)
            raise UnreadableFileError(
                f"line {at} is not UTF-8 (byte 0x{data[error.start]:02x}); convert the file to UTF-8"
            ) from error
    return data
