"""Takes JSON apart into the values that may become rows: out of lines, or out of a stream without any.

Where every line is one object, a bad line is one reject. In a stream (objects one behind the other, with or without
white space, or the entries of arrays) nothing tells where the next value begins once one of them is broken, so that a
syntax error fails the file. A value whose end is known and that is no row, such as a scalar, is a reject in both.
"""

from __future__ import annotations

import codecs
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, NoReturn

from jobruns_data.blocks import RECORD_BYTES, Block
from jobruns_data.errors import UnreadableFileError
from jobruns_data.rows import Reject
from jobruns_data.source import Readable

__all__ = ["SPACE", "Values", "cut_values", "decode_lines", "scan"]

SPACE: Final = re.compile(r"[ \t\r\n]*+")

VALUES_AT_ONCE: Final = 50_000
"""Rows made at a time. The shortest object takes 3 bytes in a file and hundreds in memory."""

VALUES_BYTES: Final = 1 << 20
"""Text of a stream that is decoded at a time: less than of lines, since its objects are there all at once."""

MAX_NESTING: Final = 500
"""Levels of a value. Python's json goes as deep as the stack lets it, and what was read at its edge can often not be
written again. Arrow, which passes over what no column reads, does not count them."""

_TOO_DEEP: Final = f"it is nested more than {MAX_NESTING} levels deep"
_LONGEST_WORD: Final = (
    16  # what the decoder looks at before it says where it stopped, such as -Infinity or \ud83d\ude00
)


class _ConstantError(ValueError):
    """A word that Python's json writes for a number and that is not JSON."""


def _refuse_constant(name: str) -> float:
    raise _ConstantError(f"{name} is not a JSON number; write null")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)
# Reads on where the other refuses a value, to find its end. Its numbers are not used.
_LENIENT: Final = json.JSONDecoder(parse_int=float)


@dataclass(slots=True)
class Values:
    """Consecutive values of a file, in its order.

    Parameters
    ----------
    lines : list of int, length (objects,)
        On which each begins, from 1.
    texts : list of str, length (objects,)
        As they are written.
    objects : list of dict, length (objects,)
        What they mean. Of members of the same name the last one counts.
    rejects : list of Reject
        The values among them that are no objects.
    """

    lines: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    objects: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.objects) + len(self.rejects)

    def take(self, line: int, text: str, value: object) -> None:
        """Add a value."""
        if not isinstance(value, dict):
            self.refuse(line, text, f"{_kind(value)} is not a JSON object")
        elif text.count("{") + text.count("[") > MAX_NESTING and _is_too_deep(value):
            self.refuse(line, text, _TOO_DEEP)
        else:
            self.lines.append(line)
            self.texts.append(text)
            self.objects.append(value)

    def refuse(self, line: int, text: str, reason: str) -> None:
        """Add a value that cannot be a row."""
        self.rejects.append(Reject(line, [text if len(text) <= 1000 else f"{text[:1000]}…"], reason))


def _kind(value: object) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (list, str)):
        return "an array" if isinstance(value, list) else "a string"
    return "a number"


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_NESTING):
        level = [
            part
            for whole in level
            for part in (whole.values() if isinstance(whole, dict) else whole)  # type: ignore[attr-defined]
            if isinstance(part, (dict, list))
        ]
        if not level:
            return False
    return True


def decode_lines(block: Block) -> Iterator[Values]:
    """Take each line of a block for a value; lines of white space are left out."""
    values = Values()
    for line, text in enumerate(block.data.decode().split("\n"), block.line):
        if not text or SPACE.fullmatch(text):
            continue
        try:
            value = _DECODER.decode(text)
        except json.JSONDecodeError as error:
            values.refuse(line, text, f"the line is not JSON: {error.msg} (column {error.colno})")
        except RecursionError:
            values.refuse(line, text, _TOO_DEEP)
        except ValueError as error:
            values.refuse(line, text, _explained(error))
        else:
            values.take(line, text, value)
        if len(values) >= VALUES_AT_ONCE:
            yield values
            values = Values()
    if len(values):
        yield values


def _explained(error: ValueError) -> str:
    if isinstance(error, _ConstantError):
        return str(error)
    return f"it has a number of more than {sys.get_int_max_str_digits():,} digits"


def scan(text: str, at: int, *, complete: bool) -> tuple[object, int, str | None] | None:
    """Decode the value that begins at a place.

    Parameters
    ----------
    text : str
    at : int
    complete : bool
        Whether nothing comes behind the text.

    Returns
    -------
    (value, end, reason) or None
        None if what comes behind the text decides. With a reason the value cannot be used.

    Raises
    ------
    json.JSONDecodeError, RecursionError
        There is no value.
    """
    reason = None
    try:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except json.JSONDecodeError:
            raise
        except ValueError as error:
            reason = _explained(error)
            value, end = _LENIENT.raw_decode(text, at)
    except json.JSONDecodeError as error:
        # The decoder goes from left to right: if it stopped well before the end, no more text would change its mind.
        # Of a string that is not closed it names the start.
        if not complete and (error.pos + _LONGEST_WORD >= len(text) or error.msg.startswith("Unterminated string")):
            return None
        raise
    if not complete and end + _LONGEST_WORD >= len(text) and text[end - 1] not in '}]"':
        return None  # a number may go on behind what looks like its end, as 1 does in 1e+3
    return value, end, reason


def cut_values(stream: Readable, *, block_bytes: int = VALUES_BYTES) -> Iterator[Values]:
    """Read a stream to its end as values; those of an array at the top are its entries.

    Parameters
    ----------
    stream : Readable
    block_bytes : int
        How much is looked at and given at a time. A single value may need more, up to 16 MiB.

    Raises
    ------
    UnreadableFileError
        It is not UTF-8 or not JSON, ends too early, or has a value that is too long or nested too deeply.
    """
    return _Cutter(stream, block_bytes).values()


class _Due(Enum):
    """What comes next in an array."""

    VALUE_OR_END = auto()
    VALUE = auto()
    COMMA_OR_END = auto()


class _Cutter:
    """Walks through the text of a stream."""

    def __init__(self, stream: Readable, block_bytes: int) -> None:
        self._stream = stream
        self._block_bytes = block_bytes
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0
        self._line = 1
        self._complete = False
        self._array_line: int | None = None
        self._due = _Due.VALUE_OR_END
        self._given = 0

    def values(self) -> Iterator[Values]:
        """Give them all."""
        values, characters = Values(), 0
        while self._to_value():
            line, text, value, reason = self._value()
            if reason is None:
                values.take(line, text, value)
            else:
                values.refuse(line, text, reason)
            self._given += 1
            characters += len(text)
            if characters >= self._block_bytes or len(values) >= VALUES_AT_ONCE:
                yield values
                values, characters = Values(), 0
        if len(values):
            yield values

    def _to_value(self) -> bool:
        """Go to where the next value begins; False at the end."""
        while (found := self._next_character()) is not None:
            if self._array_line is None:
                if found != "[":
                    return True
                self._array_line, self._due = self._line, _Due.VALUE_OR_END
            elif found == "]" and self._due is not _Due.VALUE:
                self._array_line = None
            elif self._due is not _Due.COMMA_OR_END:
                self._due = _Due.COMMA_OR_END
                return True
            elif found == ",":
                self._due = _Due.VALUE
            else:
                self._fail("a comma or the array's end is missing", self._at)
            self._at += 1
        if self._array_line is not None:
            raise UnreadableFileError(
                f"the file ends within the array that begins on line {self._array_line}; upload the complete file"
            )
        return False

    def _next_character(self) -> str | None:
        """Go to what is no white space, and return it; None at the end."""
        while True:
            # There always is a match, of nothing if need be.
            self._go(SPACE.match(self._text, self._at).end())  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                return None

    def _go(self, at: int) -> None:
        self._line += self._text.count("\n", self._at, at)
        self._at = at

    def _value(self) -> tuple[int, str, object, str | None]:
        """Decode the value that begins here: its line, text and meaning, and why it cannot be used."""
        while True:
            try:
                found = scan(self._text, self._at, complete=self._complete)
            except RecursionError:
                raise UnreadableFileError(
                    f"the value that begins on line {self._line} is nested more than {MAX_NESTING} levels deep; "
                    "leave it out, or write one object a line"
                ) from None
            except json.JSONDecodeError as error:
                self._refuse_long(len(self._text))
                self._fail(error.msg, error.pos)
            if found is not None:
                break
            self._refuse_long(len(self._text))
            self._fill()
        value, end, reason = found
        self._refuse_long(end)
        line, text = self._line, self._text[self._at : end]
        self._go(end)
        return line, text, value, reason

    def _refuse_long(self, end: int) -> None:
        # A character takes at most 4 bytes.
        if (end - self._at) * 4 > RECORD_BYTES and len(self._text[self._at : end].encode()) > RECORD_BYTES:
            raise UnreadableFileError(
                f"line {self._line} starts a value longer than {RECORD_BYTES >> 20} MiB; split it, or close it"
            )

    def _fail(self, problem: str, at: int) -> NoReturn:
        if at >= len(self._text):
            raise UnreadableFileError(
                f"the file ends within the value that begins on line {self._line}; upload the complete file"
            )
        line = self._line + self._text.count("\n", self._at, at)
        near = self._text[max(0, at - 20) : at + 20]
        raise UnreadableFileError(
            f"line {line} is not JSON, after {self._given:,} whole values: {problem} (at {near!r}); correct it, or "
            "write one object a line, where only the bad lines are left out"
        )

    def _fill(self) -> bool:
        """Read on behind what is not decoded yet; False at the end of the stream."""
        self._text = self._text[self._at :]
        self._at = 0
        # As much again as there is, so that a long value is not decoded from its start too often; a piece of a
        # character is no text yet.
        before = len(self._text)
        while len(self._text) == before and not self._complete:
            self._read(max(self._block_bytes, before))
        return bool(self._text)

    def _read(self, want: int) -> None:
        pieces: list[bytes] = []
        while want > 0 and not self._complete:
            pieces.append(self._stream.read(want))
            self._complete = not pieces[-1]
            want -= len(pieces[-1])
        try:
            self._text += self._utf8.decode(b"".join(pieces), final=self._complete)
        except UnicodeDecodeError as error:
            line = self._line + self._text.count("\n") + error.object.count(b"\n", 0, error.start)
            raise UnreadableFileError(
                f"line {line} is not UTF-8 (byte 0x{error.object[error.start]:02x}); convert the file to UTF-8"
            ) from error
