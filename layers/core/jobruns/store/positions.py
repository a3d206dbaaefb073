"""Positions in a list: opaque texts that say where its next page begins, and of no other list."""

import base64
import hashlib
import json
import re

from jobruns.errors import InvalidInputError

_PRINTABLE = re.compile(r"[\x21-\x7e]{1,120}\Z")
_DIGITS = re.compile(r"[0-9]{1,10}\Z")


def write_position(scope: str, after: str) -> str:
    """Spell the position behind the entry `after` of the list that `scope` describes."""
    return base64.urlsafe_b64encode(json.dumps([_mark(scope), after]).encode()).decode()


def read_position(scope: str, position: str, *, digits: bool = False) -> str:
    """Read what `write_position` wrote of the same list.

    Raises
    ------
    InvalidInputError
        It is no position, or that of another list; or not of `digits`, as it should.
    """
    try:
        mark, after = json.loads(base64.urlsafe_b64decode(position.encode()))
    except (ValueError, TypeError):  # also what is no base64, no UTF-8, or no pair
        mark, after = None, None
    if mark != _mark(scope) or not isinstance(after, str) or not (_DIGITS if digits else _PRINTABLE).match(after):
        raise InvalidInputError("the position is not one of this list's; begin again without it", field="position")
    return after


def _mark(scope: str) -> str:
    return hashlib.sha256(scope.encode()).hexdigest()[:16]
