"""The constraints of Glue's own description of its shapes: length, range, pattern, and the enums that decide something.

Decided for this service: what it does not act on it keeps and gives back unchecked but for its JSON type, as the suites
of well-known clients send values there that Glue itself would refuse.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

UNCHECKED = frozenset(
    {
        "ExecutionClass",
        "GlueVersionString",
        "MaintenanceWindow",
        "PythonVersionString",
        "RuntimeNameString",
    }
)
"""Shapes with constraints that mean nothing to this service."""

CHECKED_ENUMS = frozenset({"CrawlState", "JobRunState", "Logical", "LogicalOperator", "TriggerType"})
"""Shapes whose value decides something here."""

OPAQUE = frozenset({"CodeGenConfigurationNodes"})
"""Shapes of which nothing but the JSON type is looked at, and that are given back as they came."""

SECRET_MEMBERS = frozenset({"AuthToken", "CodeGenConfigurationNodes"})
"""Their values are in no message. Glue marks one of them as sensitive and forgot the other."""

_NUMBERS = frozenset({"integer", "long", "float", "double"})
_SHOWN_CHARACTERS = 200
_HALVES = re.compile(r"\\u(D[89AB][0-9A-F]{2})\\u(D[C-F][0-9A-F]{2})", re.IGNORECASE)

Path = tuple[str, ...]
Rule = tuple[Callable[[Any], bool], str]


def find_problems(shape: Shape, value: Any, path: Path = ()) -> Iterator[str]:
    """Find what in a value breaks the constraints of its shape.

    Parameters
    ----------
    shape : Shape
        What describes the value, whose JSON types are right.
    value : any
        The value; of a structure only members that are there.
    path : tuple of str
        Where in the request the value is.

    Yields
    ------
    str
        One broken constraint, in the words of AWS.
    """
    if shape.name in OPAQUE:
        return
    for holds, text in _rules(shape):
        if not holds(value):
            yield _problem(value, path, text)
    match shape:
        case StructureShape():
            yield from _in_structure(shape, value, path)
        case ListShape():
            for place, member in enumerate(value, 1):
                yield from find_problems(shape.member, member, (*path, str(place), "member"))
        case MapShape():
            yield from _in_map(shape, value, path)


def member_path(path: Path, name: str) -> Path:
    """Give the path of a structure's member: AWS writes the members of requests in camel case."""
    return (*path, name[:1].lower() + name[1:])


def join_path(path: Path) -> str:
    """Write a path as AWS does."""
    return ".".join(path) or "body"


def translate_pattern(pattern: str) -> re.Pattern[str]:
    r"""Translate one of Glue's patterns, which are Java's, where a character above U+FFFF is written as two halves.

    Returns
    -------
    re.Pattern
        To match as a whole. ``\w``, ``\d`` and ``\s`` mean ASCII, as in Java.
    """
    return re.compile(_HALVES.sub(_join_halves, pattern), re.ASCII)


def _in_structure(shape: StructureShape, value: dict[str, Any], path: Path) -> Iterator[str]:
    for name in shape.required_members:
        if name not in value:
            yield _problem(None, member_path(path, name), "Member must not be null")
    for name, member in value.items():
        yield from find_problems(shape.members[name], member, member_path(path, name))


def _in_map(shape: MapShape, value: dict[str, Any], path: Path) -> Iterator[str]:
    for what, parts, of in (("keys", value.keys(), shape.key), ("value", value.values(), shape.value)):
        rules = _rules(of)
        if not all(holds(part) for part in parts for holds, _ in rules):
            yield _problem(value, path, f"Map {what} must satisfy constraint: [{', '.join(text for _, text in rules)}]")


@cache
def _rules(shape: Shape) -> tuple[Rule, ...]:
    if shape.name in UNCHECKED:
        return ()
    given, rules = shape.metadata, list[Rule]()
    measure, what = (float, "value") if shape.type_name in _NUMBERS else (len, "length")
    if (high := given.get("max")) is not None:
        rules.append((lambda value: measure(value) <= high, f"Member must have {what} less than or equal to {high}"))
    if (low := given.get("min")) is not None:
        rules.append((lambda value: measure(value) >= low, f"Member must have {what} greater than or equal to {low}"))
    if (pattern := given.get("pattern")) is not None:
        whole = translate_pattern(pattern)
        rules.append(
            (lambda value: bool(whole.fullmatch(value)), f"Member must satisfy regular expression pattern: {pattern}")
        )
    if shape.name in CHECKED_ENUMS and isinstance(shape, StringShape):
        words = shape.enum
        rules.append((lambda value: value in words, f"Member must satisfy enum value set: [{', '.join(words)}]"))
    return tuple(rules)


def _join_halves(pair: re.Match[str]) -> str:
    high, low = int(pair[1], 16), int(pair[2], 16)
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08X}"


def _problem(value: Any, path: Path, text: str) -> str:
    secret = any(member_path((), name)[0] in path for name in SECRET_MEMBERS)
    shown = "null" if value is None else f"'{_show(value, secret)}'"
    return f"Value {shown} at '{join_path(path)}' failed to satisfy constraint: {text}"


def _show(value: Any, secret: bool = False) -> str:
    if secret:
        return "***"
    match value:
        case dict():
            text = f"{{{', '.join(f'{key}={_show(entry, key in SECRET_MEMBERS)}' for key, entry in value.items())}}}"
        case list():
            text = f"[{', '.join(map(_show, value))}]"
        case _:
            text = str(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
