"""Searches: by keys, by one attribute, by conditions and by SQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any

from hdb.errors import FailedRequestError, InvalidRequestError
from hdb.fields import KEYS, MISSING, SEARCH_ATTRIBUTE, SEARCH_TYPE, SEARCH_VALUE, Reader, Target, pick

MAX_DEPTH = 16
"""Conditions inside of one another."""

MAX_CONDITIONS = 500
MAX_ORDERS = 16


@unique
class Comparator(StrEnum):
    """How an attribute is compared with a value."""

    EQUALS = "equals"
    NOT_EQUAL = "not_equal"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    GREATER_THAN = "greater_than"
    GREATER_THAN_EQUAL = "greater_than_equal"
    LESS_THAN = "less_than"
    LESS_THAN_EQUAL = "less_than_equal"
    BETWEEN = "between"


@unique
class Junction(StrEnum):
    """Whether all conditions have to hold or one is enough."""

    AND = "and"
    OR = "or"


@dataclass(frozen=True, slots=True)
class Condition:
    """An attribute compared with a value; with a pair of them where it is to be between."""

    attribute: str
    comparator: Comparator
    value: Any


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions that hold together."""

    junction: Junction
    conditions: tuple["Condition | Group", ...]


@dataclass(frozen=True, slots=True)
class Order:
    """An attribute by whose values rows are sorted."""

    attribute: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class HashSearch:
    """Rows by their keys, in the order of the keys."""

    target: Target
    keys: tuple[Any, ...]
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ValueSearch:
    """Rows by what one attribute has; a star at an end of the value stands for anything."""

    target: Target
    condition: Condition | None
    attributes: tuple[str, ...]
    orders: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class ConditionSearch:
    """Rows for which conditions hold."""

    target: Target
    where: Group
    attributes: tuple[str, ...]
    offset: int = 0
    limit: int | None = None
    orders: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class SqlSearch:
    """A statement, not looked at yet."""

    sql: str


Search = HashSearch | ValueSearch | ConditionSearch | SqlSearch
ALL = ("*",)


def read_hash_search(fields: Mapping[str, Any]) -> HashSearch:
    """Read ``search_by_hash``.

    Raises
    ------
    FailedRequestError
        Members are wrong.
    """
    reader = Reader(fields, error=FailedRequestError)
    target = reader.target()
    keys = reader.array(KEYS)
    _check_keys(keys, reader)
    attributes = _read_attributes(reader, required=True)
    return reader.finish(lambda: HashSearch(target, tuple(keys), attributes))


def read_value_search(fields: Mapping[str, Any]) -> ValueSearch:
    """Read ``search_by_value``.

    Raises
    ------
    FailedRequestError
        Members are wrong.
    """
    reader = Reader(fields, error=FailedRequestError)
    target = reader.target()
    attribute = reader.name(SEARCH_ATTRIBUTE, label=SEARCH_ATTRIBUTE[0])
    value = pick(fields, SEARCH_VALUE)
    if value is MISSING:
        reader.fail(f"'{SEARCH_VALUE[0]}' is required")
    attributes = _read_attributes(reader, required=False)
    orders = _read_orders(fields.get("sort"), reader)
    return reader.finish(lambda: ValueSearch(target, _read_wildcards(attribute, value), attributes, orders))


def read_condition_search(fields: Mapping[str, Any]) -> ConditionSearch:
    """Read ``search_by_conditions``.

    Raises
    ------
    InvalidRequestError
        Members are wrong.
    """
    reader = Reader(fields)
    target = reader.target()
    attributes = _read_attributes(reader, required=False)
    offset, limit = reader.count("offset"), reader.count("limit")
    orders = _read_orders(fields.get("sort"), reader)
    given = fields.get("conditions", MISSING)
    where = Group(Junction.AND, ())
    if given is MISSING:
        reader.fail("'conditions' is required")
    else:
        try:
            where = _read_group(fields, "conditions", [MAX_CONDITIONS], 1)
        except InvalidRequestError as error:
            reader.fail(error.message)
    return reader.finish(lambda: ConditionSearch(target, where, attributes, offset or 0, limit, orders))


def read_sql(fields: Mapping[str, Any]) -> SqlSearch:
    """Read ``sql``.

    Raises
    ------
    InvalidRequestError
        There is no statement.
    """
    sql = fields.get("sql")
    if not sql:
        raise InvalidRequestError("The 'sql' parameter is missing from the request body")
    if not isinstance(sql, str):
        raise InvalidRequestError("'sql' must be a string")
    return SqlSearch(sql)


def is_scalar(value: Any) -> bool:
    """Whether a value is one that a row can be compared with, not one made of others."""
    return value is None or isinstance(value, str | int | float)


def _check_keys(keys: list[Any], reader: Reader) -> None:
    if not all(isinstance(key, str | int | float) and not isinstance(key, bool) for key in keys):
        reader.fail(f"'{KEYS[0]}' must be strings or numbers")


def _read_attributes(reader: Reader, *, required: bool) -> tuple[str, ...]:
    given = reader.fields.get("get_attributes", MISSING)
    if given is MISSING or (given is None and not required):
        if required:
            reader.fail("'get_attributes' is required")
        return ALL
    if not isinstance(given, list) or not all(isinstance(name, str) and name for name in given):
        reader.fail("'get_attributes' must be an array of strings")
        return ALL
    if not given:
        reader.fail("'get_attributes' must contain at least 1 items")
    return tuple(dict.fromkeys(given))


def _read_wildcards(attribute: str, value: Any) -> Condition | None:
    if not isinstance(value, str) or "*" not in {value[:1], value[-1:]}:
        return Condition(attribute, Comparator.EQUALS, value)
    core = value.removeprefix("*").removesuffix("*")
    if not core:
        return None
    match value.startswith("*"), value.endswith("*"):
        case True, True:
            return Condition(attribute, Comparator.CONTAINS, core)
        case True, False:
            return Condition(attribute, Comparator.ENDS_WITH, core)
        case _:
            return Condition(attribute, Comparator.STARTS_WITH, core)


def _read_group(fields: Mapping[str, Any], path: str, left: list[int], depth: int) -> Group:
    given = fields.get("conditions")
    junction = fields.get("operator", Junction.AND)
    if not isinstance(junction, str) or junction.lower() not in set(Junction):
        raise InvalidRequestError(f"'operator' must be one of [{', '.join(Junction)}]")
    if not isinstance(given, list):
        raise InvalidRequestError(f"'{path}' must be an array")
    if not given:
        raise InvalidRequestError(f"'{path}' must contain at least 1 items")
    left[0] -= len(given)
    if depth > MAX_DEPTH or left[0] < 0:
        raise InvalidRequestError(f"'{path}' has too many conditions, or too deep ones")
    members = (_read_member(member, f"{path}[{number}]", left, depth) for number, member in enumerate(given))
    return Group(Junction(junction.lower()), tuple(members))


def _read_member(member: Any, path: str, left: list[int], depth: int) -> Condition | Group:
    if not isinstance(member, Mapping):
        raise InvalidRequestError(f"'{path}' must be of type object")
    if "conditions" in member:
        return _read_group(member, f"{path}.conditions", left, depth + 1)
    attribute = pick(member, SEARCH_ATTRIBUTE)
    if not isinstance(attribute, str) or not attribute:
        raise InvalidRequestError(f"'{path}.{SEARCH_ATTRIBUTE[0]}' is required")
    comparator = pick(member, SEARCH_TYPE)
    if comparator is MISSING:
        comparator = Comparator.EQUALS
    if not isinstance(comparator, str) or comparator not in set(Comparator):
        raise InvalidRequestError(f'Unknown query comparator "{comparator}"')
    value = pick(member, SEARCH_VALUE)
    if value is MISSING:
        raise InvalidRequestError(f"'{path}.{SEARCH_VALUE[0]}' is required")
    return Condition(attribute, Comparator(comparator), _check_value(Comparator(comparator), value, path))


def _check_value(comparator: Comparator, value: Any, path: str) -> Any:
    name = f"{path}.{SEARCH_VALUE[0]}"
    if comparator is Comparator.BETWEEN:
        if not isinstance(value, list) or len(value) != 2 or not all(map(is_scalar, value)):
            raise InvalidRequestError(f"'{name}' must be an array of two values")
        return tuple(value)
    if not is_scalar(value):
        raise InvalidRequestError(f"'{name}' must be a string, a number, a boolean or null")
    return value


def _read_orders(sort: Any, reader: Reader) -> tuple[Order, ...]:
    """Read by what rows are sorted: an attribute, and in ``next`` by what those that have the same value there."""
    orders: list[Order] = []
    while sort is not None:
        if not isinstance(sort, Mapping) or not isinstance(sort.get("attribute"), str) or not sort["attribute"]:
            reader.fail("'sort' must be an object with an attribute")
            return ()
        orders.append(Order(sort["attribute"], sort.get("descending") is True))
        if len(orders) > MAX_ORDERS:
            reader.fail(f"'sort' must have less than or equal to {MAX_ORDERS} attributes")
            return ()
        sort = sort.get("next")
    return tuple(orders)
