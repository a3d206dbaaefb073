"""What members a document has, as ``OPTIONS`` tells it: derived from the model that checks the document.

The shape is that of Django's REST framework: ``actions``, then the method, then each member with its ``type``. Clients
go by it to list and to change settings: a ``nested object`` with ``children`` is gone through member by member, and
what is ``read_only`` is left out.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

_TYPES = {
    "string": "string",
    "integer": "integer",
    "number": "float",
    "boolean": "boolean",
    "array": "list",
}
_LIMITS = {"maxLength": "max_length", "minLength": "min_length", "minimum": "min_value", "maximum": "max_value"}
_OF_VALUES: tuple[tuple[type, str], ...] = ((bool, "boolean"), (int, "integer"), (str, "string"), (list, "list"))
_ANYTHING = "field"
_NESTED = "nested object"

Field = dict[str, Any]


def describe_fields(
    model: type[BaseModel], *, read_only: Mapping[str, str], shown: Mapping[str, Any] | None = None
) -> dict[str, Field]:
    """Describe the members of a document.

    Parameters
    ----------
    model : type of BaseModel
        Checks what is sent.
    read_only : mapping of str to str
        Members that are shown and cannot be sent, with their types.
    shown : mapping, optional
        Default values of members that the model lets pass without knowing them; their types are taken from these.
    """
    schema = model.model_json_schema()
    fields = _members(schema, schema.get("$defs", {}), frozenset())
    for name, value in (shown or {}).items():
        fields[name] = _complete(fields.get(name), name, value)
    return {**{name: _field(kind, name, read_only=True) for name, kind in read_only.items()}, **fields}


def describe_actions(name: str, method: str, fields: dict[str, Field]) -> dict[str, Any]:
    """Make the answer to ``OPTIONS``: what may be sent by `method`."""
    types = ["application/json"]
    return {"name": name, "description": "", "renders": types, "parses": types, "actions": {method: fields}}


def _members(schema: Mapping[str, Any], models: Mapping[str, Any], above: frozenset[str]) -> dict[str, Field]:
    required = schema.get("required", ())
    return {
        name: _read(node, name, models, above, required=name in required)
        for name, node in schema.get("properties", {}).items()
    }


def _read(
    node: Mapping[str, Any], name: str, models: Mapping[str, Any], above: frozenset[str], *, required: bool
) -> Field:
    options = [option for option in node.get("anyOf", [node]) if option.get("type") != "null"]
    if len(options) != 1:
        return _field(_ANYTHING, name, required=required)
    reference = options[0].get("$ref", "").rpartition("/")[2]
    option = models[reference] if reference else options[0]
    # A model that holds itself, as arrays of arrays do, is not gone into again.
    below = {} if reference in above else _members(option, models, above | {reference})
    if below:
        return {**_field(_NESTED, name, required=required), "children": below}
    if option.get("type") == "object":
        return _field(_ANYTHING, name, required=required)
    choices = option.get("enum", [option["const"]] if "const" in option else None)
    if choices is not None:
        listed = [{"value": choice, "display_name": str(choice)} for choice in choices]
        return {**_field("choice", name, required=required), "choices": listed}
    limits = {ours: option[theirs] for theirs, ours in _LIMITS.items() if theirs in option}
    return {**_field(_TYPES.get(option.get("type", ""), _ANYTHING), name, required=required), **limits}


def _complete(known: Field | None, name: str, value: Any) -> Field:
    """Describe a member by its default value, where that says more than the model does."""
    if isinstance(value, Mapping) and value:
        below = dict((known or {}).get("children", {}))
        children = {**below, **{inner: _complete(below.get(inner), inner, its) for inner, its in value.items()}}
        return {**_field(_NESTED, name), **(known or {}), "type": _NESTED, "children": children}
    if known is not None:
        return known
    return _field(next((word for kind, word in _OF_VALUES if isinstance(value, kind)), _ANYTHING), name)


def _field(kind: str, name: str, *, required: bool = False, read_only: bool = False) -> Field:
    label = name.replace("_", " ").capitalize()
    return {"type": kind, "required": required, "read_only": read_only, "label": label}
