"""Which form the answer has: the header ``Accept``."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum, auto, unique

from pgrest.errors import Code, RefusedError


@unique
class Shape(Enum):
    """Form of an answer's body."""

    ARRAY = auto()
    OBJECT = auto()
    CSV = auto()
    OPENAPI = auto()


@dataclass(frozen=True, slots=True)
class MediaType:
    """What an answer is: its form, and whether members that are null are left out."""

    shape: Shape
    nulls_stripped: bool = False

    @property
    def content_type(self) -> str:
        """The header ``Content-Type``."""
        if self.nulls_stripped:
            name = "array" if self.shape is Shape.ARRAY else "object"
            return f"application/vnd.pgrst.{name}+json;nulls=stripped; charset=utf-8"
        return f"{_NAMES[self.shape]}; charset=utf-8"


_NAMES: Mapping[Shape, str] = {
    Shape.ARRAY: "application/json",
    Shape.OBJECT: "application/vnd.pgrst.object+json",
    Shape.CSV: "text/csv",
    Shape.OPENAPI: "application/openapi+json",
}

TABLE = (Shape.ARRAY, Shape.OBJECT, Shape.CSV)
"""Forms of the rows of a table."""

ROOT = (Shape.OPENAPI,)
"""Forms of what the root shows."""

_SHAPES: Mapping[str, Shape] = {
    "text/csv": Shape.CSV,
    "application/vnd.pgrst.object+json": Shape.OBJECT,
    "application/vnd.pgrst.object": Shape.OBJECT,
    "application/vnd.pgrst.array+json": Shape.ARRAY,
    "application/vnd.pgrst.array": Shape.ARRAY,
    "application/openapi+json": Shape.OPENAPI,
}
_ANY = frozenset({"*/*", "application/json"})
_CAN_STRIP = frozenset({"application/vnd.pgrst.object", "application/vnd.pgrst.array"})
_WEIGHT = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def choose_media(header: str | None, offered: Collection[Shape] = TABLE) -> MediaType:
    """Choose the form the caller likes best of those there are; of equals, the first.

    Raises
    ------
    RefusedError
        There is none of those the caller accepts.
    """
    accepted = [_weigh(entry) for entry in (header or "*/*").split(",")]
    for name, parameters, _ in sorted(accepted, key=lambda entry: -entry[2]):
        shape = next(iter(offered)) if name in _ANY else _SHAPES.get(name)
        if shape is not None and shape in offered:
            stripped = parameters.get("nulls") == "stripped" and name.removesuffix("+json") in _CAN_STRIP
            return MediaType(shape, stripped)
    raise RefusedError(
        Code.MEDIA_TYPE,
        f"None of these media types are available: {(header or '')[:200]}",
        hint=f"There are: {', '.join(_NAMES[shape] for shape in offered)}.",
    )


def _weigh(entry: str) -> tuple[str, dict[str, str], float]:
    name, *parameters = (part.strip().lower() for part in entry.split(";"))
    values = {key.strip(): value.strip(' "') for key, _, value in (part.partition("=") for part in parameters)}
    weight = values.get("q", "1")
    # A weight of 0 says what is not wanted; the name is dropped, so that it stands for nothing.
    worth = float(weight) if _WEIGHT.fullmatch(weight) else 1.0
    return (name if worth else "", values, worth)
