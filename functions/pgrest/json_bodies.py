"""JSON bodies: an object or an array of objects, each member's value as the text PostgreSQL would read.

A number is the text it was written as, so that 1.50 stays 1.50 in a column of text.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

_BLANKS = re.compile(r"[ \t\n\r]*")


def read_rows(text: str) -> list[dict[str, str | None]]:
    """Read a body.

    Raises
    ------
    ValueError
        It is no JSON, or another thing than an object or an array of them, or an object has a key twice.
    RecursionError
        It is too deep.
    """
    reader = _Reader(text)
    rows = list(reader.members("]", reader.row)) if reader.sees("[") else [reader.row()]
    reader.end()
    return rows


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


class _Reader:
    """Reads JSON from left to right."""

    # Numbers stay text: the longest that Python reads as an int has 4,300 digits.
    _decoder = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse_constant)

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._skip_blanks()

    def sees(self, character: str) -> bool:
        """Whether that character is next."""
        return self._text.startswith(character, self._position)

    def take(self, character: str) -> None:
        """Pass over a character that has to be next, and the blanks behind it."""
        if not self.sees(character):
            raise ValueError(f"expected {character} at character {self._position + 1}")
        self._position += 1
        self._skip_blanks()

    def end(self) -> None:
        """Be at the end."""
        if self._position < len(self._text):
            raise ValueError(f"unexpected text at character {self._position + 1}")

    def members(self, closing: str, read: Any) -> Iterator[Any]:
        """Read the members of an array or an object, which are `read` one by one."""
        self.take("[" if closing == "]" else "{")
        if not self.sees(closing):
            yield read()
            while self.sees(","):
                self.take(",")
                yield read()
        self.take(closing)

    def row(self) -> dict[str, str | None]:
        """Read an object."""
        pairs = list(self.members("}", self._pair))
        row = dict(pairs)
        if len(row) < len(pairs):
            raise ValueError("an object has a key twice")
        return row

    def _pair(self) -> tuple[str, str | None]:
        if not self.sees('"'):
            raise ValueError(f"expected a key at character {self._position + 1}")
        key, _ = self._value()
        self.take(":")
        value, written = self._value()
        return key, value if value is None or written.startswith('"') else written

    def _value(self) -> tuple[Any, str]:
        start = self._position
        value, self._position = self._decoder.raw_decode(self._text, start)
        written = self._text[start : self._position]
        if isinstance(value, str):
            value.encode()  # half of a surrogate pair is no text
        self._skip_blanks()
        return value, written

    def _skip_blanks(self) -> None:
        match = _BLANKS.match(self._text, self._position)
        self._position = match.end() if match else self._position
