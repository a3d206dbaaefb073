"""Checks requests against botocore's own description of Glue, and gives answers the types that it describes.

boto3 checks less than that description says: neither maximum lengths and values, nor patterns, nor enums. AWS does so
in two steps, and so does this: first the JSON types, where the first wrong one ends it (``SerializationException``),
then the constraints, where all that is broken is told of at once (``ValidationException``).

Members that this version of the description does not know are ignored: newer clients may send them.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from glue.constraints import OPAQUE, Path, find_problems, join_path, member_path
from glue.errors import BrokenConstraintError, UnreadableBodyError

MAX_PROBLEMS = 20
"""Broken constraints that are told of at once; a list may have thousands of members, each of them wrong."""

_INTEGERS = {"integer": 2**31, "long": 2**63}
_FLOATS = frozenset({"float", "double", "timestamp"})


@cache
def load_service() -> ServiceModel:
    """Load the description of Glue: 60 ms, once in a process."""
    return ServiceModel(Loader().load_service_model("glue", "service-2"), "glue")


def check_request(operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Check a request.

    Parameters
    ----------
    operation : str
        One of Glue's.
    parameters : mapping of str to any
        The body, as JSON has it.

    Returns
    -------
    dict of str to any
        The members that are there. ``null`` is as good as absent, and numbers of type double are floats.

    Raises
    ------
    UnreadableBodyError
        A member has the wrong JSON type.
    BrokenConstraintError
        Members are missing, too long, too short, out of range, or of the wrong form.
    """
    shape = load_service().operation_model(operation).input_shape
    if shape is None:
        return {}
    request: dict[str, Any] = _read(shape, parameters, ())
    problems = list(islice(find_problems(shape, request), MAX_PROBLEMS))
    if problems:
        raise BrokenConstraintError(problems)
    return request


def shape_answer(operation: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Give an answer's members the JSON types that clients expect, and leave out those that are ``None``.

    No SDK converts what it gets: a whole number where a double is expected, or a time in text, reaches the user so.
    """
    shape = load_service().operation_model(operation).output_shape
    shaped: dict[str, Any] = {} if shape is None else _write(shape, answer)
    return shaped


def _read(shape: Shape, value: Any, path: Path) -> Any:
    match shape:
        case _ if shape.name in OPAQUE:
            return _typed(value, dict, "an object", path)
        case StructureShape():
            given = _typed(value, dict, "an object", path)
            return {
                name: _read(member, given[name], member_path(path, name))
                for name, member in shape.members.items()
                if given.get(name) is not None
            }
        case ListShape():
            members = enumerate(_typed(value, list, "a list", path), 1)
            return [_read(shape.member, member, (*path, str(place), "member")) for place, member in members]
        case MapShape():
            entries = _typed(value, dict, "an object", path).items()
            return {key: _read(shape.value, entry, (*path, key[:128], "member")) for key, entry in entries}
        case _:
            return _read_scalar(shape.type_name, value, path)


def _read_scalar(kind: str, value: Any, path: Path) -> Any:
    if bound := _INTEGERS.get(kind):
        number: int = _typed(value, int, "a whole number", path)
        if not -bound <= number < bound:
            raise UnreadableBodyError(f"'{join_path(path)}' must be a whole number below {bound}")
        return number
    if kind in _FLOATS:
        try:
            return float(_typed(value, (int, float), "a number", path))
        except OverflowError:
            raise UnreadableBodyError(f"'{join_path(path)}' is too large a number") from None
    if kind == "boolean":
        return _typed(value, bool, "true or false", path)
    return _typed(value, str, "a string", path)


def _typed(value: Any, kind: type | tuple[type, ...], name: str, path: Path) -> Any:
    # True and False are whole numbers to Python, but not to JSON.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise UnreadableBodyError(f"'{join_path(path)}' must be {name}")
    return value


def _write(shape: Shape, value: Any) -> Any:
    match shape:
        case _ if shape.name in OPAQUE:
            return value
        case StructureShape():
            members = shape.members
            return {
                name: _write(members[name], member) if name in members else member
                for name, member in value.items()
                if member is not None
            }
        case ListShape():
            return [_write(shape.member, member) for member in value]
        case MapShape():
            return {key: _write(shape.value, entry) for key, entry in value.items()}
        case _:
            return _write_scalar(shape.type_name, value)


def _write_scalar(kind: str, value: Any) -> Any:
    if kind in _INTEGERS:
        return int(value)
    if kind == "timestamp":
        return round(value.timestamp() if isinstance(value, datetime) else float(value), 3)
    return float(value) if kind in _FLOATS else value
