"""One JSON array of objects, as long as may be, read an object at a time."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from jobruns_data.blocks import RECORD_BYTES
from jobruns_data.errors import UnreadableFileError
from jobruns_data.source import Readable

NO_ARRAY = "Top-level object should be an array."
CUT_OFF = "Parser has expected a value"

_PIECE_BYTES = 1 << 20
_SPACE = re.compile(r"[ \t\r\n]*")
_decode = json.JSONDecoder().raw_decode


def read_json_array(stream: Readable) -> Iterator[dict[str, Any]]:
    """Read a file to its end.

    Raises
    ------
    UnreadableFileError
        It is no array of objects, is cut off, is not UTF-8, or an object is too long.
    """
    text = _Text(stream)
    if text.next() != "[":
        raise UnreadableFileError(NO_ARRAY)
    text.take()
    if text.next() == "]":
        text.take()
    else:
        for number, value in enumerate(_values(text), 1):
            if not isinstance(value, dict):
                raise UnreadableFileError(f"element {number} of the array is no object")
            yield value
    if text.next():
        raise UnreadableFileError("there is more behind the end of the array")


def _values(text: "_Text") -> Iterator[Any]:
    while True:
        text.next()
        yield text.value()
        following = text.next()
        if following not in {",", "]"}:
            raise UnreadableFileError(CUT_OFF)
        text.take()
        if following == "]":
            return


class _Text:
    """What was read of a stream and is not used up."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._left = ""
        self._at = 0
        self._complete = False

    def next(self) -> str:
        """Give the next character that is no space, without using it up; none at the end."""
        while True:
            found = _SPACE.match(self._left, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._left):
                return self._left[self._at]
            if self._complete:
                return ""
            self._read()

    def take(self) -> None:
        """Use up a character."""
        self._at += 1

    def value(self) -> Any:
        """Use up a JSON value and give it."""
        while True:
            try:
                value, end = _decode(self._left, self._at)
            except RecursionError:
                raise UnreadableFileError("a value is nested too deeply") from None
            except json.JSONDecodeError:
                if self._complete:
                    raise UnreadableFileError(CUT_OFF) from None
            else:
                # A number that ends with what was read may go on.
                if end < len(self._left) or self._complete:
                    self._at = end
                    return value
            if len(self._left) - self._at > RECORD_BYTES:
                raise UnreadableFileError(f"a value is longer than {RECORD_BYTES} bytes, or is no JSON")
            self._read(len(self._left) - self._at)

    def _read(self, size: int = 0) -> None:
        piece = self._stream.read(max(size, _PIECE_BYTES))
        self._complete = not piece
        try:
            more = self._decoder.decode(piece, final=self._complete)
        except UnicodeDecodeError:
            raise UnreadableFileError("it is not UTF-8") from None
        self._left, self._at = self._left[self._at :] + more, 0
