"""Finds out how the objects of a JSON file are laid out, by how it begins.

A stream begins with an array, with a value of several lines, or with two values on one line. All else has lines: that
which begins with one value on its first line, and that whose first line is no JSON, which is one bad line then.
"""

from __future__ import annotations

import json
from typing import Final

from jobruns_data.blocks import RECORD_BYTES
from jobruns_data.errors import UnreadableFileError
from jobruns_data.json_values import SPACE, scan
from jobruns_data.source import Readable

__all__ = ["has_lines"]

_HEAD_BYTES: Final = 64 << 10
_BOM: Final = "\ufeff"
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")


def has_lines(stream: Readable) -> tuple[bool, Readable]:
    """Look at the beginning of a stream.

    Returns
    -------
    (lines, stream) : tuple of (bool, Readable)
        Whether each line is a value of its own, and the whole stream again.

    Raises
    ------
    UnreadableFileError
        It is in UTF-16 or UTF-32.
    """
    head, want, complete = b"", _HEAD_BYTES, False
    while True:
        pieces = [head]
        while want > 0 and not complete:
            pieces.append(stream.read(want))
            complete = not pieces[-1]
            want -= len(pieces[-1])
        head = b"".join(pieces)
        if head.startswith(_WIDE) or b"\0" in head[:4]:
            raise UnreadableFileError("it is UTF-16 or UTF-32; convert the file to UTF-8")
        # What is no UTF-8 is for who reads it all to find, with its line; the piece of a character at the end too.
        text = head.decode(errors="replace").removeprefix(_BOM)
        lines = _judge(text, complete=complete)
        if lines is None and len(head) > RECORD_BYTES:
            lines = "\n" not in text  # a value this long is refused in either way
        if lines is not None:
            return lines, _Again(head, stream)
        want = len(head)


def _judge(text: str, *, complete: bool) -> bool | None:
    """Say whether a text that begins like this has lines; None if more of it decides."""
    at = _behind_space(text, 0)
    if at == len(text):
        return True if complete else None
    judge = _is_no_array if text[at] == "[" else _begins_with_line
    try:
        return judge(text, at, complete)
    except (json.JSONDecodeError, RecursionError):
        return True


def _begins_with_line(text: str, at: int, complete: bool) -> bool | None:
    try:
        found = scan(text, at, complete=complete)
    except json.JSONDecodeError as error:
        whole = text.rstrip()
        # The file ends within its first value: a bad line if there is but one, else there are no lines.
        if error.pos >= len(whole) and "\n" in whole[at:]:
            return False
        raise
    if found is None:
        return None
    end = found[1]
    if "\n" in text[at:end]:
        return False
    following = _behind_space(text, end)
    if "\n" in text[end:following]:
        return True
    if following == len(text):
        return True if complete else None
    return None if scan(text, following, complete=complete) is None else False


def _is_no_array(text: str, at: int, complete: bool) -> bool | None:
    """Say whether what begins with a bracket is no array but, for instance, a line of a log."""
    first = _behind_space(text, at + 1)
    if first == len(text):
        return False if complete else None
    if text[first] in "{]":
        return False
    found = scan(text, first, complete=complete)
    if found is None:
        return None
    following = _behind_space(text, found[1])
    if following == len(text):
        return False if complete else None
    return text[following] not in ",]"


def _behind_space(text: str, at: int) -> int:
    match = SPACE.match(text, at)
    return match.end() if match is not None else at


class _Again:
    """A stream whose beginning was read already."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        if not self._head:
            return self._rest.read(size)
        data, self._head = self._head[:size], self._head[size:]
        return data
