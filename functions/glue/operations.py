"""Every operation this door serves, by Glue's name for it."""

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

from glue import bookmarks, jobs, runs, tags, triggers
from glue.admission import Caller

Operation = Callable[[Caller, dict[str, Any]], dict[str, Any]]
"""Serves one request: its members, checked and without absent ones, to those of the answer."""

_RESOURCES: Iterable[Mapping[str, Operation]] = (
    jobs.OPERATIONS,
    runs.OPERATIONS,
    bookmarks.OPERATIONS,
    triggers.OPERATIONS,
    tags.OPERATIONS,
)

OPERATIONS: Mapping[str, Operation] = dict(chain.from_iterable(resource.items() for resource in _RESOURCES))
