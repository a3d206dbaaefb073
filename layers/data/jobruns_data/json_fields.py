"""Finds the values of columns in JSON objects: by the name of a field, by pointers, or as all that is left over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from jobruns.formats import Flattening, JsonFormat, Surround
from jobruns.transform import Source, Transform

__all__ = ["FieldReader", "places_of"]

MAX_LEVELS: Final = 100
"""Levels that are opened where a format says all of them. Rows are not deeper, and Python's stack is finite."""

MAX_FIELDS: Final = 100_000
MAX_NAME_CHARACTERS: Final = 64 << 20
"""What one row may become. A few megabytes of it could make gigabytes of names."""

_MAX_PARENTS: Final = 10_000
_MAX_PLACES: Final = 16
_MAX_STEPS: Final = 32
_ABSENT: Final = object()

_Object = dict[str, Any]
_Lookup = Callable[[_Object, _Object], Any]  # the object with its fields flattened, and as it is


class FieldReader:
    """Finds every column's values.

    A field is a member of the object, or, where the format flattens, a nested value under the name it is given:

    * A value that is opened is a field no more, unless a column reads it by its name: that column has it whole.
    * What stays nested is a field as it is: empty objects and arrays, the kind that is not to be opened, and what is
      deeper than the format says (at most 100 levels).
    * A member of the object itself goes before a nested value that is given the same name; of two nested ones the
      last one counts, as of two members of the same name. A null gives way to either.

    Pointers lead into the object as it is. One of a single step is the name of a field too.

    Parameters
    ----------
    transform : Transform
        For JSON.
    """

    def __init__(self, transform: Transform) -> None:
        flattening = transform.format.flattening if isinstance(transform.format, JsonFormat) else None
        sources = [column.reads for column in transform.columns]
        wanted = frozenset(path[0] for source in sources for path in _paths_of(source) if len(path) == 1)
        read = frozenset(_names_read((*sources, *transform.ignored), flattening))
        has_rest = any(source.remainder for source in sources)
        self._flatten = _Flattener(flattening, wanted, keep_rest=has_rest) if flattening else None
        self._lookups = [_lookup(source, read) for source in sources]

    def flatten(self, item: _Object) -> _Object:
        """Give the fields of an object.

        Raises
        ------
        ValueError
            There are too many.
        """
        return item if self._flatten is None else self._flatten(item)

    def find(self, fields: Sequence[_Object], objects: Sequence[_Object]) -> list[list[Any]]:
        """Give the values of each column, None where there is none.

        Parameters
        ----------
        fields : sequence of dict, length (rows,)
            By `flatten`.
        objects : sequence of dict, length (rows,)

        Returns
        -------
        list of list, shape (columns, rows)
        """
        return [list(map(lookup, fields, objects)) for lookup in self._lookups]


def _paths_of(source: Source) -> list[list[str]]:
    """Give the steps to where a value may be found; a field is a single one."""
    return [[source.field]] if source.field is not None else [_steps_of(pointer) for pointer in source.pointers or ()]


def _lookup(source: Source, read: frozenset[str]) -> _Lookup:
    if source.constant is not None:
        return lambda _, __: source.constant
    if source.field is not None:
        key = source.field
        return lambda fields, _: fields.get(key)
    if source.remainder:
        return lambda fields, _: {name: value for name, value in fields.items() if name not in read} or None

    paths = _paths_of(source)

    def first_of(fields: _Object, item: _Object) -> Any:
        for path in paths:
            value = fields.get(path[0]) if len(path) == 1 else _follow(item, path)
            if value is not _ABSENT and value is not None:
                return value
        return None

    return first_of


def _steps_of(pointer: str) -> list[str]:
    """Take a JSON pointer (RFC 6901) apart."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _follow(value: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(value, dict):
            value = value.get(step, _ABSENT)
        elif isinstance(value, list) and _is_ordinal(step):
            value = value[int(step)] if int(step) < len(value) else _ABSENT
        else:
            return _ABSENT
    return value


def _is_ordinal(step: str) -> bool:
    return step == "0" or (step.isdecimal() and step.isascii() and step[0] != "0" and len(step) < 10)


def _names_read(sources: Iterable[Source], flattening: Flattening | None) -> Iterator[str]:
    """Name the fields that are read; a pointer to a part of a field does not read the field."""
    for source in sources:
        for path in _paths_of(source):
            name: str | None = path[0] if path else None
            for step in path[1:]:
                arrays = flattening.arrays if flattening is not None and _is_ordinal(step) else None
                around = arrays or (flattening.objects if flattening is not None else None)
                name = f"{name}{around.left}{step}{around.right}" if name is not None and around is not None else None
            if name is not None:
                yield name


def places_of(source: Source, flattening: Flattening | None) -> list[list[tuple[str, ...]]] | None:
    """Say where a column's value can be in any object, if only objects are on the way to it.

    Returns
    -------
    list of list of tuple of str, or None
        For each of the source's ways, of which the first one that leads to a value counts, the keys from the object
        itself on: to the member of that name, and to all the nested values that get the name. None if that cannot be
        said without the object.
    """
    if source.remainder:
        return None
    places = []
    for path in _paths_of(source):
        several = [tuple(path)] if 0 < len(path) <= _MAX_STEPS else None
        if len(path) == 1 and flattening is not None:
            several = _places_of_name(path[0], flattening)
        if several is None:
            return None
        places.append(several)
    return places


def _places_of_name(name: str, flattening: Flattening) -> list[tuple[str, ...]] | None:
    arrays, around = flattening.arrays, flattening.objects
    if arrays is not None and re.search(rf"{re.escape(arrays.left)}\d+{re.escape(arrays.right)}", name):
        return None
    depth = MAX_LEVELS if flattening.depth is None else min(flattening.depth, MAX_LEVELS)
    places: list[tuple[str, ...]] = []
    behind: list[tuple[str, tuple[str, ...]]] = [(name, ())]
    while behind:
        parent, keys = behind.pop()
        places.append((parent, *keys))
        if len(places) > _MAX_PLACES:
            return None
        if around is None or len(keys) >= depth or not parent.endswith(around.right):
            continue
        inner = parent[: len(parent) - len(around.right)]
        at = inner.find(around.left)
        while at >= 0:
            behind.append((parent[:at], (inner[at + len(around.left) :], *keys)))
            at = inner.find(around.left, at + 1)
    return places


class _Flattener:
    """Makes fields of nested values.

    Parameters
    ----------
    flattening : Flattening
    wanted : frozenset of str
        The names that are read.
    keep_rest : bool
        Whether a column takes all the others too.
    """

    def __init__(self, flattening: Flattening, wanted: frozenset[str], *, keep_rest: bool) -> None:
        self._objects = flattening.objects
        self._arrays = flattening.arrays
        self._depth = MAX_LEVELS if flattening.depth is None else min(flattening.depth, MAX_LEVELS)
        self._wanted = wanted
        self._keep_rest = keep_rest
        self._parents = None if keep_rest else _parents(wanted, flattening)

    def __call__(self, item: _Object) -> _Object:
        fields: _Object = {}
        made = _Made()
        for key, value in item.items():
            surround = self._surround_of(value, 0)
            if surround is None or key in self._wanted:
                fields[key] = value
            if surround is not None:
                self._open(made, key, value, surround, 1, keep_rest=self._keep_rest and key not in self._wanted)
        for name, value in made.fields.items():
            if fields.get(name) is None:
                fields[name] = value
        return fields

    def _surround_of(self, value: Any, level: int) -> Surround | None:
        """Give what is put around the names of a value's parts, None if it stays as it is."""
        if not value or level >= self._depth:
            return None
        if isinstance(value, dict):
            return self._objects
        return self._arrays if isinstance(value, list) else None

    def _open(self, made: _Made, parent: str, value: Any, around: Surround, level: int, *, keep_rest: bool) -> None:
        if self._parents is not None and parent not in self._parents:
            return
        left, right = parent + around.left, around.right
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            name = f"{left}{key}{right}"
            surround = self._surround_of(child, level)
            wanted = name in self._wanted
            made.count(name, kept=wanted or (keep_rest and surround is None))
            if (wanted or (keep_rest and surround is None)) and (child is not None or name not in made.fields):
                made.fields[name] = child
            if surround is not None:
                self._open(made, name, child, surround, level + 1, keep_rest=keep_rest and not wanted)


class _Made:
    """The fields made of one row."""

    def __init__(self) -> None:
        self.fields: _Object = {}
        self._characters = 0

    def count(self, name: str, *, kept: bool) -> None:
        self._characters += len(name)
        if len(self.fields) + kept > MAX_FIELDS or self._characters > MAX_NAME_CHARACTERS:
            raise ValueError(
                f"flattened it has more than {MAX_FIELDS:,} fields, or {MAX_NAME_CHARACTERS >> 20} MiB of names; "
                "flatten fewer levels, or read what is needed by JSON pointers"
            )


def _parents(wanted: frozenset[str], flattening: Flattening) -> frozenset[str] | None:
    """Give every name that could be that of a value in which a wanted one is; None if they are too many to tell."""
    parents: set[str] = set()
    lefts = {surround.left for surround in (flattening.objects, flattening.arrays) if surround is not None}
    for name in wanted:
        for left in lefts:
            at = name.find(left)
            while at >= 0:
                parents.add(name[:at])
                if len(parents) > _MAX_PARENTS:
                    return None
                at = name.find(left, at + 1)
    return frozenset(parents)
