"""What the root shows: an OpenAPI description, version 2.0, of the relations."""

from collections.abc import Iterable
from typing import Any

from pgrest.columns import Column, ColumnType, Default, Relation

_JSON_TYPES = {
    ColumnType.INTEGER: "integer",
    ColumnType.BIGINT: "integer",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.TEXT: "string",
    ColumnType.TIMESTAMPTZ: "string",
}
_FORMATS = {ColumnType.INTEGER: "int32", ColumnType.BIGINT: "int64"}
_MEDIA_TYPES = [
    "application/json",
    "application/vnd.pgrst.object+json",
    "application/vnd.pgrst.object+json;nulls=stripped",
    "application/vnd.pgrst.array+json;nulls=stripped",
    "text/csv",
]
_BODY_TYPES = ["application/json", "text/csv", "application/x-www-form-urlencoded"]

_SHARED: dict[str, dict[str, Any]] = {
    "select": {"name": "select", "in": "query", "type": "string", "description": "Columns to show"},
    "order": {"name": "order", "in": "query", "type": "string", "description": "Order of the rows"},
    "limit": {"name": "limit", "in": "query", "type": "string", "description": "The most rows to show"},
    "offset": {"name": "offset", "in": "query", "type": "string", "description": "Rows to leave out before"},
    "on_conflict": {"name": "on_conflict", "in": "query", "type": "string", "description": "What tells rows apart"},
    "columns": {"name": "columns", "in": "query", "type": "string", "description": "Columns to take from the body"},
    "range": {"name": "Range", "in": "header", "type": "string", "description": "Rows to show, as 0-24"},
    "rangeUnit": {"name": "Range-Unit", "in": "header", "type": "string", "default": "items"},
    "prefer": {"name": "Prefer", "in": "header", "type": "string", "description": "Preferences"},
}

_PARAMETERS = {
    "get": ("select", "order", "range", "rangeUnit", "offset", "limit", "prefer"),
    "post": ("select", "columns", "on_conflict", "prefer"),
    "patch": ("select", "columns", "prefer"),
    "delete": ("select", "prefer"),
}
_ANSWERS = {"get": ("200", "206"), "post": ("201",), "patch": ("200", "204"), "delete": ("200", "204")}
_WITH_BODY = frozenset({"post", "patch"})


def describe_relations(relations: Iterable[Relation], *, title: str, version: str, base_path: str) -> dict[str, Any]:
    """Describe relations, and what can be done with them."""
    relations = list(relations)
    root = {"get": {"tags": ["Introspection"], "summary": "This description", "responses": {"200": _answer()}}}
    return {
        "swagger": "2.0",
        "info": {"title": title, "version": version},
        "basePath": base_path,
        "schemes": ["https"],
        "consumes": _BODY_TYPES,
        "produces": _MEDIA_TYPES,
        "paths": {"/": root, **{f"/{relation.name}": _describe_path(relation) for relation in relations}},
        "definitions": {relation.name: _describe_rows(relation) for relation in relations},
        "parameters": {
            **_SHARED,
            **{key: value for relation in relations for key, value in _describe_parameters(relation).items()},
        },
    }


def _describe_path(relation: Relation) -> dict[str, Any]:
    filters = [{"$ref": f"#/parameters/rowFilter.{relation.name}.{column.name}"} for column in relation.columns]
    path = {}
    for verb, shared in _PARAMETERS.items():
        if verb != "get" and not relation.writable:
            continue
        parameters = [{"$ref": f"#/parameters/{name}"} for name in shared]
        parameters += [{"$ref": f"#/parameters/body.{relation.name}"}] if verb in _WITH_BODY else []
        parameters += [] if verb == "post" else filters
        path[verb] = {
            "tags": [relation.name],
            "summary": relation.description,
            "parameters": parameters,
            "responses": {status: _answer(relation if status != "204" else None) for status in _ANSWERS[verb]},
        }
    return path


def _answer(relation: Relation | None = None) -> dict[str, Any]:
    if relation is None:
        return {"description": "OK"}
    return {
        "description": "OK",
        "schema": {"type": "array", "items": {"$ref": f"#/definitions/{relation.name}"}},
    }


def _describe_rows(relation: Relation) -> dict[str, Any]:
    return {
        "type": "object",
        "description": relation.description,
        "required": [column.name for column in relation.columns if not column.nullable],
        "properties": {column.name: _describe_column(column, relation) for column in relation.columns},
    }


def _describe_column(column: Column, relation: Relation) -> dict[str, Any]:
    key = "\n\nNote:\nThis is a Primary Key.<pk/>" if column.name == relation.key else ""
    described: dict[str, Any] = {
        "description": f"{column.description}{key}",
        "format": _FORMATS.get(column.type, column.type.value),
    }
    if column.type in _JSON_TYPES:
        described["type"] = _JSON_TYPES[column.type]
    if column.default is not None and column.default is not Default.SERIAL:
        described["default"] = "now()" if column.default is Default.NOW else column.default
    for check in relation.checks:
        if check.column == column.name:
            described["enum"] = list(check.allowed)
    return described


def _describe_parameters(relation: Relation) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        f"rowFilter.{relation.name}.{column.name}": {
            "name": column.name,
            "in": "query",
            "type": "string",
            "description": column.description,
        }
        for column in relation.columns
    }
    if relation.writable:
        schema = {"$ref": f"#/definitions/{relation.name}"}
        parameters[f"body.{relation.name}"] = {"name": relation.name, "in": "body", "schema": schema}
    return parameters
