"""Reads lineage events strictly: by OpenLineage's published schema, and with the models that it makes of its schemas.

The schema leaves facets open. The models have each facet, but take what they are given; what they do not know, or miss,
or is of another type, is refused here.
"""

import enum
import hashlib
import importlib
import importlib.metadata
import json
import pkgutil
import types
import typing
from functools import cache
from typing import Any

import attr
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from openlineage.client import generated
from openlineage.client.event_v2 import RunEvent
from openlineage.client.generated.base import BaseFacet

SCHEMA_SHA256 = "69f68bee00b9beac88a87059c0102410e7bb05f3f43c46d02a0409831eceb0d2"
"""Of spec/OpenLineage.json as OpenLineage tagged it, so that it does not matter who ships it."""


class RefusedError(ValueError):
    """The document is none that the schema allows."""


def read_event(document: dict[str, Any]) -> RunEvent:
    """Read a run event.

    Raises
    ------
    RefusedError
        The schema does not allow it.
    """
    try:
        published_schema().validate(document)
    except ValidationError as error:
        raise RefusedError(f"{error.json_path}: {error.message}") from error
    told = dict(document)
    if told.pop("schemaURL", None) != RunEvent._get_schema():
        raise RefusedError(f"schemaURL {document.get('schemaURL')}")
    event: RunEvent = _build(RunEvent, told, "event")
    return event


@cache
def published_schema() -> Draft202012Validator:
    """Give what validates by the published schema, with its formats: dates, UUIDs."""
    files = importlib.metadata.files("querygraph") or []
    (file,) = [file for file in files if file.name == "OpenLineage-2-0-2.json"]
    content = file.read_binary()
    assert hashlib.sha256(content).hexdigest() == SCHEMA_SHA256
    schema = json.loads(content)
    assert RunEvent._get_schema() == f"{schema['$id']}#/$defs/RunEvent"
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


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
