"""Checks answers, as they are on the wire, against Glue's own description of them.

The door gives what it writes the types of that description, but passes on members that are not in it, and knows nothing
of its enums; an SDK would drop the former without a word, and its user trip over the latter.
"""

from collections.abc import Iterator
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from glue.constraints import OPAQUE
from glue.shapes import load_service

ECHOED = frozenset({"ExecutionClass", "JobMode", "SourceControlAuthStrategy", "SourceControlProvider", "WorkerType"})
"""Enums whose values are given back as they came, whatever they are."""

JSON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "double": (float,),
    "float": (float,),
    "timestamp": (int, float),
}


def check_answer(operation: str, answer: Any) -> None:
    """Check the body of a success.

    Parameters
    ----------
    operation : str
        Glue's name for it.
    answer : any
        What ``json.loads`` made of the body.

    Raises
    ------
    AssertionError
        Naming each member that is not as described.
    """
    shape = load_service().operation_model(operation).output_shape
    assert shape is not None, f"{operation} has no output"
    problems = list(find_differences(shape, answer, operation))
    assert not problems, "; ".join(problems)


def find_differences(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """Find in what a value is not as its shape says."""
    kinds = JSON_TYPES[shape.type_name]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        yield f"{path} is {value!r}, not of type {shape.type_name}"
        return
    match shape:
        case _ if shape.name in OPAQUE:
            pass
        case StructureShape():
            yield from _in_structure(shape, value, path)
        case ListShape():
            for place, member in enumerate(value):
                yield from find_differences(shape.member, member, f"{path}[{place}]")
        case MapShape():
            for key, entry in value.items():
                yield from find_differences(shape.value, entry, f"{path}[{key!r}]")
        case StringShape() if shape.enum and shape.name not in ECHOED and value not in shape.enum:
            yield f"{path} is {value!r}, none of {shape.enum}"


def _in_structure(shape: StructureShape, value: dict[str, Any], path: str) -> Iterator[str]:
    yield from (f"{path}.{name} is not described" for name in value if name not in shape.members)
    yield from (f"{path}.{name} is missing" for name in shape.required_members if name not in value)
    for name in value.keys() & shape.members.keys():
        yield from find_differences(shape.members[name], value[name], f"{path}.{name}")
