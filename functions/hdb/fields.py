"""Members of a request: the names each goes by, and what is said of those that are wrong.

The reference checks in two ways, and clients see which: one names a member in quotes and tells everything as
sentences, the other begins with the member's name in plain words and separates what it tells by commas.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from hdb.errors import InvalidRequestError
from jobruns.errors import JobrunsError

DEFAULT_SCHEMA = "data"
MAX_NAME_LENGTH = 250

SCHEMA = ("database", "schema")
KEY = ("primary_key", "hash_attribute")
KEYS = ("hash_values", "ids")
SEARCH_ATTRIBUTE = ("search_attribute", "attribute")
SEARCH_TYPE = ("search_type", "comparator")
SEARCH_VALUE = ("search_value", "value")

_FORBIDDEN = re.compile(r"[`/]")
_WORDS = re.compile(r"[._]")


class Missing:
    """Stands for a member that is not there, which null is not."""


MISSING: Final = Missing()

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Target:
    """A table, by the names of the request."""

    schema: str
    table: str


def pick(fields: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Give a member by the first of its names that the request has, `MISSING` where it has none."""
    return next((fields[name] for name in names if name in fields), MISSING)


class Reader:
    """Takes members out of a request and collects what is wrong with them.

    Parameters
    ----------
    fields : mapping
        The request.
    separator : str
        What stands between two things that are wrong.
    error : callable
        Makes the error of what is wrong.
    """

    def __init__(
        self,
        fields: Mapping[str, Any],
        separator: str = ". ",
        error: Callable[[str], JobrunsError] = InvalidRequestError,
    ) -> None:
        self.fields = fields
        self._separator = separator
        self._error = error
        self._problems: list[str] = []

    def fail(self, problem: str) -> None:
        """Take note of something that is wrong."""
        self._problems.append(problem)

    def finish(self, result: Callable[[], ValueT]) -> ValueT:
        """Make what was read, if nothing is wrong.

        Raises
        ------
        JobrunsError
            Something is.
        """
        if self._problems:
            raise self._error(self._separator.join(self._problems))
        return result()

    def name(self, names: Sequence[str], label: str | None = None, default: str | None = None) -> str:
        """Read the name of a database, a table or an attribute."""
        label = label or names[-1]
        value = pick(self.fields, names)
        if value is MISSING and default is not None:
            return default
        if not self._is_text(value, label):
            return ""
        if _FORBIDDEN.search(value):
            self.fail(f"'{label}' names cannot include backticks or forward slashes")
        elif len(value) > MAX_NAME_LENGTH:
            self.fail(f"'{label}' length must be less than or equal to {MAX_NAME_LENGTH} characters long")
        return str(value)

    def schema(self) -> str:
        """Read the name of the database; there is one that is meant where none is named."""
        return self.name(SCHEMA, default=DEFAULT_SCHEMA)

    def table(self) -> str:
        """Read the name of the table."""
        return self.name(("table",))

    def target(self) -> Target:
        """Read the names of the database and of the table."""
        return Target(self.schema(), self.table())

    def plain_target(self) -> Target:
        """Read the names of the database and of the table, by checks that tell in plain words."""
        return Target(self.plain_name(SCHEMA, DEFAULT_SCHEMA), self.plain_name(("table",)))

    def text(self, name: str) -> str:
        """Read a text that has to be there."""
        value = self.fields.get(name, MISSING)
        return value if self._is_text(value, name) else ""

    def array(self, names: Sequence[str]) -> list[Any]:
        """Read an array that has to be there."""
        value = pick(self.fields, names)
        if value is MISSING:
            self.fail(f"'{names[0]}' is required")
        elif not isinstance(value, list):
            self.fail(f"'{names[0]}' must be an array")
        else:
            return value
        return []

    def count(self, name: str) -> int | None:
        """Read a whole number from 0 on, if it is there."""
        value = self.fields.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.fail(f"'{name}' must be an integer")
        elif value < 0:
            self.fail(f"'{name}' must be greater than or equal to 0")
        else:
            return value
        return None

    def plain_name(self, names: Sequence[str], default: str | None = None) -> str:
        """Read a name whose check tells in plain words."""
        label = in_words(names[-1])
        value = pick(self.fields, names)
        if value is MISSING and default is not None:
            return default
        if value is MISSING or value is None or value == "":
            self.fail(f"{label} can't be blank")
        elif not isinstance(value, str):
            self.fail(f"{label} must be a string")
        elif _FORBIDDEN.search(value):
            self.fail(f"{label} names cannot include backticks or forward slashes")
        elif len(value) > MAX_NAME_LENGTH:
            self.fail(f"{label} cannot exceed {MAX_NAME_LENGTH} characters")
        else:
            return value
        return ""

    def plain_text(self, name: str) -> str:
        """Read a text that may not be blank, told in plain words."""
        value = self.fields.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            self.fail(f"{in_words(name)} can't be blank")
        elif not isinstance(value, str):
            self.fail(f"{in_words(name)} must be a string")
        else:
            return value
        return ""

    def _is_text(self, value: Any, label: str) -> bool:
        if value is MISSING:
            self.fail(f"'{label}' is required")
        elif not isinstance(value, str):
            self.fail(f"'{label}' must be a string")
        elif not value:
            self.fail(f"'{label}' is not allowed to be empty")
        else:
            return True
        return False


def in_words(name: str) -> str:
    """Write a member's name as plain words: ``s3.aws_access_key_id`` as ``S3 aws access key id``."""
    words = _WORDS.sub(" ", name)
    return words[:1].upper() + words[1:]
