"""Reads lineage events strictly, with the models that OpenLineage makes of its published schema.

The models take what they are given; what they do not know, or miss, or is of another type, is refused here.
"""

import enum
import importlib
import pkgutil
import types
import typing
from functools import cache
from typing import Any

import attr
from openlineage.client import generated
from openlineage.client.event_v2 import RunEvent
from openlineage.client.generated.base import BaseFacet


class RefusedError(ValueError):
    """The document is none that the schema allows."""


def read_event(document: dict[str, Any]) -> RunEvent:
    """Read a run event.

    Raises
    ------
    RefusedError
        The schema does not allow it.
    """
    told = dict(document)
    if told.pop("schemaURL", None) != RunEvent._get_schema():
        raise RefusedError(f"schemaURL {document.get('schemaURL')}")
    event: RunEvent = _build(RunEvent, told, "event")
    return event


@cache
def _facets() -> dict[str, type[BaseFacet]]:
    found = {}
    for module in pkgutil.iter_modules(generated.__path__):
        members = vars(importlib.import_module(f"{generated.__name__}.{module.name}")).values()
        for member in members:
            if isinstance(member, type) and issubclass(member, BaseFacet):
                found[member._get_schema()] = member
    return found


def _facet(base: type[BaseFacet], value: dict[str, Any], at: str) -> BaseFacet:
    told = dict(value)
    model = _facets().get(told.pop("_schemaURL", ""))
    if model is None or not issubclass(model, base):
        raise RefusedError(f"{at} is no {base.__name__} of a published schema: {value.get('_schemaURL')}")
    told["producer"] = told.pop("_producer", None)  # attrs takes a name without the line before it
    facet: BaseFacet = _build(model, told, at)
    return facet


def _build(model: type, value: Any, at: str) -> Any:
    if not isinstance(value, dict):
        raise RefusedError(f"{at} is no object")
    fields = {(field.alias or field.name): field for field in attr.fields(model) if field.init}
    if unknown := value.keys() - fields.keys():
        raise RefusedError(f"{at} has {sorted(unknown)}, which {model.__name__} has not")
    if missing := {name for name, field in fields.items() if field.default is attr.NOTHING} - value.keys():
        raise RefusedError(f"{at} has no {sorted(missing)}")
    hints = typing.get_type_hints(model)
    return model(**{name: _read(hints[fields[name].name], one, f"{at}.{name}") for name, one in value.items()})


def _read(hint: Any, value: Any, at: str) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:  # optional in the schema is left out, not null
            raise RefusedError(f"{at} is null")
        return _read(next(part for part in inner if part is not type(None)), value, at)
    if origin is list:
        return [_read(inner[0], one, f"{at}[{place}]") for place, one in enumerate(value)]
    if origin is dict:
        return {name: _read(inner[1], one, f"{at}.{name}") for name, one in value.items()}
    return _read_one(hint, value, at)


def _read_one(model: type, value: Any, at: str) -> Any:
    if issubclass(model, BaseFacet):
        return _facet(model, value, at)
    if issubclass(model, enum.Enum):
        return model(value)
    if attr.has(model):
        return _build(model, value, at)
    if not isinstance(value, model) or isinstance(value, bool) is not (model is bool):
        raise RefusedError(f"{at} is {value!r} and no {model.__name__}")
    return value
