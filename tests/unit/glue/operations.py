"""What the door is to serve, and values made from Glue's own description of them."""

import string
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from hypothesis import strategies as st

from glue.constraints import CHECKED_ENUMS, OPAQUE
from glue.shapes import load_service

OPERATIONS = (
    "BatchGetJobs",
    "BatchGetTriggers",
    "BatchStopJobRun",
    "CreateJob",
    "CreateTrigger",
    "DeleteJob",
    "DeleteTrigger",
    "GetJob",
    "GetJobBookmark",
    "GetJobRun",
    "GetJobRuns",
    "GetJobs",
    "GetTags",
    "GetTrigger",
    "GetTriggers",
    "ListJobs",
    "ListTriggers",
    "ResetJobBookmark",
    "StartJobRun",
    "StartTrigger",
    "StopTrigger",
    "TagResource",
    "UntagResource",
    "UpdateJob",
    "UpdateTrigger",
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def input_shape(operation: str) -> StructureShape:
    shape = load_service().operation_model(operation).input_shape
    assert isinstance(shape, StructureShape)
    return shape


def reachable(shape: Shape) -> list[Shape]:
    """A shape and all below it that the door looks at."""
    below: list[Shape] = []
    match shape:
        case _ if shape.name in OPAQUE:
            pass
        case StructureShape():
            below = list(shape.members.values())
        case ListShape():
            below = [shape.member]
        case MapShape():
            below = [shape.key, shape.value]
    return [shape, *(found for one in below for found in reachable(one))]


def good(shape: Shape) -> st.SearchStrategy[Any]:
    """Values that keep every rule."""
    least = shape.metadata.get("min", 0)
    match shape:
        case _ if shape.name in OPAQUE:
            return st.just({})
        case StructureShape():
            needed = {name: good(member) for name, member in shape.members.items() if name in shape.required_members}
            others = {name: good(member) for name, member in shape.members.items() if name not in needed}
            return st.fixed_dictionaries(needed, optional=others)
        case ListShape():
            return st.lists(good(shape.member), min_size=least, max_size=least + 2)
        case MapShape():
            return st.dictionaries(good(shape.key), good(shape.value), max_size=2)
        case _:
            return good_scalar(shape)


def good_scalar(shape: Shape) -> st.SearchStrategy[Any]:
    given = shape.metadata
    if shape.name == "GlueResourceArn":
        return st.sampled_from(["arn:aws:glue:us-east-1:123456789012:job/x", "arn:aws-cn:glue:::trigger/a/b:c"])
    if isinstance(shape, StringShape) and shape.name in CHECKED_ENUMS:
        return st.sampled_from(shape.enum)
    numbers = {
        "integer": st.integers(given.get("min", 0), given.get("max", 2**31 - 1)),
        "double": st.floats(0, 1e6) | st.integers(0, 1000),
        "boolean": st.booleans(),
    }
    texts = st.text(string.ascii_letters + " -äß🌙", min_size=max(1, given.get("min", 0)), max_size=6)
    return texts if shape.type_name == "string" else numbers[shape.type_name]


def mostly_good(shape: Shape) -> st.SearchStrategy[Any]:
    """Values of which any part may be anything."""
    match shape:
        case StructureShape():
            members = {name: mostly_good(member) for name, member in shape.members.items()}
            return st.fixed_dictionaries({}, optional=members | {"Unknown": ANYTHING}) | ANYTHING
        case ListShape():
            return st.lists(mostly_good(shape.member), max_size=3) | ANYTHING
    return good(shape) | ANYTHING
