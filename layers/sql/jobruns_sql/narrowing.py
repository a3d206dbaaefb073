"""What the WHERE of a query says of the one table it is of, as far as it is simple: so that less has to be read.

It is read from what DuckDB itself has understood of the query. Whatever is not known here, also what a later version
calls otherwise, narrows nothing; the query itself looks at every row again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import duckdb

from jobruns.operation import Comparator, Condition, Group

__all__ = ["find_conditions"]

_COMPARATORS: Final[Mapping[str, tuple[Comparator, Comparator]]] = {
    "COMPARE_EQUAL": (Comparator.EQUALS, Comparator.EQUALS),
    "COMPARE_GREATERTHAN": (Comparator.GREATER_THAN, Comparator.LESS_THAN),
    "COMPARE_GREATERTHANOREQUALTO": (Comparator.GREATER_THAN_EQUAL, Comparator.LESS_THAN_EQUAL),
    "COMPARE_LESSTHAN": (Comparator.LESS_THAN, Comparator.GREATER_THAN),
    "COMPARE_LESSTHANOREQUALTO": (Comparator.LESS_THAN_EQUAL, Comparator.GREATER_THAN_EQUAL),
}
"""Of the column on the left, and on the right."""

_DEPTH: Final = 16
_VALUES: Final = 1_000


class _UnknownError(Exception):
    """It is nothing that narrows."""


def find_conditions(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[str, tuple[Condition | Group, ...]]:
    """Give the table of a query, and conditions that all rows meet which the query can need; often none.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    sql : str
        A query.
    """
    nothing = "", ()
    try:
        ((told,),) = connection.execute("SELECT json_serialize_sql($1)", [sql]).fetchall()
        (statement,) = json.loads(told)["statements"]
        node, source = statement["node"], statement["node"]["from_table"]
        table = source["table_name"]
        simple = (
            node["type"] == "SELECT_NODE"
            and source["type"] == "BASE_TABLE"
            and not source["column_name_alias"]
            and not node["cte_map"]["map"]
            # Another place of the query may need the rows that this one does not.
            and sum(name.casefold() == table.casefold() for name in _tables(statement)) == 1
        )
        if not simple or node["where_clause"] is None:
            return nothing
        names = {source["alias"].casefold() or table.casefold()}
        return table, tuple(_conjuncts(node["where_clause"], names))
    except (duckdb.Error, KeyError, TypeError, ValueError):
        return nothing  # what is wrong with the query is told when it is run


def _tables(tree: Any) -> Iterator[str]:
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if isinstance(name := node.get("table_name"), str):
                yield name
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)


def _conjuncts(node: Mapping[str, Any], names: set[str]) -> Iterator[Condition | Group]:
    children = node["children"] if node["type"] == "CONJUNCTION_AND" else [node]
    for child in children:
        try:
            yield _read(child, names, _DEPTH)
        except (_UnknownError, KeyError):
            continue


def _read(node: Mapping[str, Any], names: set[str], depth: int) -> Condition | Group:
    kind = node["type"]
    if kind in {"CONJUNCTION_AND", "CONJUNCTION_OR"} and depth:
        members = tuple(_read(child, names, depth - 1) for child in node["children"])
        return Group(conditions=members, every=kind == "CONJUNCTION_AND")
    if kind == "COMPARE_BETWEEN":
        ends = (_value(node["lower"]), _value(node["upper"]))
        return Condition(attribute=_column(node["input"], names), comparator=Comparator.BETWEEN, value=ends)
    if kind == "COMPARE_IN":
        column, *values = node["children"]
        return _one_of(_column(column, names), [_value(value) for value in values])
    if kind not in _COMPARATORS:
        raise _UnknownError
    left, right = node["left"], node["right"]
    flipped = left["class"] == "CONSTANT"
    column, constant = (right, left) if flipped else (left, right)
    return Condition(attribute=_column(column, names), comparator=_COMPARATORS[kind][flipped], value=_value(constant))


def _one_of(attribute: str, values: Sequence[Any]) -> Group:
    if not values or len(values) > _VALUES:
        raise _UnknownError
    return Group(conditions=tuple(Condition(attribute=attribute, value=value) for value in values), every=False)


def _column(node: Mapping[str, Any], names: set[str]) -> str:
    if node["class"] != "COLUMN_REF":
        raise _UnknownError
    *before, name = node["column_names"]
    if before and (len(before) > 1 or before[0].casefold() not in names):
        raise _UnknownError
    return str(name)


def _value(node: Mapping[str, Any]) -> Any:
    literal = node["literal"]
    match literal["kind"]:
        case "STRING":
            return literal["text"]
        case "INTEGER":
            return int(literal["text"])
        case "NUMERIC":
            return float(literal["text"])
    raise _UnknownError
