"""Requests of searches."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdb.errors import FailedRequestError, InvalidRequestError, describe_error
from hdb.fields import Target
from hdb.searches import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_ORDERS,
    Comparator,
    Condition,
    ConditionSearch,
    Group,
    HashSearch,
    Junction,
    Order,
    SqlSearch,
    ValueSearch,
    read_condition_search,
    read_hash_search,
    read_sql,
    read_value_search,
)
from jobruns.errors import JobrunsError

DOG = {"schema": "dev", "table": "dog"}
TARGET = Target("dev", "dog")


def refuse(read: Any, fields: dict[str, Any], status: int) -> str:
    with pytest.raises(JobrunsError) as refusal:
        read(fields)
    assert describe_error(refusal.value).status == status
    return refusal.value.message


def test_search_by_hash() -> None:
    for keys, attributes in (("hash_values", ["*"]), ("ids", ["a", "b", "a"])):
        search = read_hash_search({**DOG, keys: [3, "x"], "get_attributes": attributes, "hash_attribute": "id"})
        assert search == HashSearch(TARGET, (3, "x"), tuple(dict.fromkeys(attributes)))


def test_search_by_hash_needs_attributes() -> None:
    assert refuse(read_hash_search, {**DOG, "hash_values": [1]}, 500) == "'get_attributes' is required"
    assert refuse(read_hash_search, {**DOG, "get_attributes": ["*"]}, 500) == "'hash_values' is required"


@pytest.mark.parametrize(
    ("value", "condition"),
    [
        ("Pen", Condition("name", Comparator.EQUALS, "Pen")),
        ("Pen*", Condition("name", Comparator.STARTS_WITH, "Pen")),
        ("*ny", Condition("name", Comparator.ENDS_WITH, "ny")),
        ("*enn*", Condition("name", Comparator.CONTAINS, "enn")),
        ("P*y", Condition("name", Comparator.EQUALS, "P*y")),
        ("*", None),
        ("**", None),
        ("", Condition("name", Comparator.EQUALS, "")),
        (7, Condition("name", Comparator.EQUALS, 7)),
        (None, Condition("name", Comparator.EQUALS, None)),
    ],
)
def test_search_by_value_has_stars_at_the_ends(value: Any, condition: Condition | None) -> None:
    for names in (("search_attribute", "search_value"), ("attribute", "value")):
        search = read_value_search({**DOG, names[0]: "name", names[1]: value})
        assert search == ValueSearch(TARGET, condition, ("*",))


def test_search_by_value_is_500_where_something_is_missing() -> None:
    assert refuse(read_value_search, {**DOG, "search_value": 1}, 500) == "'search_attribute' is required"
    assert refuse(read_value_search, {**DOG, "search_attribute": "a"}, 500) == "'search_value' is required"


def test_search_by_conditions() -> None:
    conditions = [
        {"search_attribute": "age", "search_type": "between", "search_value": [1, 5]},
        {"operator": "or", "conditions": [{"attribute": "a", "value": None}, {"attribute": "b", "value": "x"}]},
    ]
    fields = {**DOG, "operator": "and", "offset": 2, "limit": 3, "get_attributes": ["id"], "conditions": conditions}
    inner = (Condition("a", Comparator.EQUALS, None), Condition("b", Comparator.EQUALS, "x"))
    where = Group(Junction.AND, (Condition("age", Comparator.BETWEEN, (1, 5)), Group(Junction.OR, inner)))
    assert read_condition_search(fields) == ConditionSearch(TARGET, where, ("id",), 2, 3)


def test_searches_sort_by_an_attribute_and_then_by_the_next() -> None:
    sort = {"attribute": "age", "descending": True, "next": {"attribute": "name"}}
    orders = (Order("age", descending=True), Order("name"))
    assert read_condition_search({**DOG, "conditions": [ONE], "sort": sort}).orders == orders
    assert read_value_search({**DOG, **ONE, "sort": sort}).orders == orders
    endless: dict[str, Any] = {"attribute": "a"}
    for _ in range(MAX_ORDERS):
        endless = {"attribute": "a", "next": endless}
    for wrong in ("age", {}, {"attribute": 5}, {"attribute": ""}, {"attribute": "a", "next": []}, endless):
        assert refuse(read_condition_search, {**DOG, "conditions": [ONE], "sort": wrong}, 400).startswith("'sort' must")
        assert refuse(read_value_search, {**DOG, **ONE, "sort": wrong}, 500).startswith("'sort' must")


ONE = {"attribute": "a", "value": 1}


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"conditions": []}, "'conditions' must contain at least 1 items"),
        ({}, "'conditions' is required"),
        ({"conditions": {}}, "'conditions' must be an array"),
        ({"conditions": [1]}, "'conditions[0]' must be of type object"),
        ({"conditions": [{**ONE, "comparator": "bogus"}]}, 'Unknown query comparator "bogus"'),
        ({"conditions": [{"value": 1}]}, "'conditions[0].search_attribute' is required"),
        ({"conditions": [{"attribute": "a"}]}, "'conditions[0].search_value' is required"),
        ({"conditions": [ONE], "operator": "xor"}, "'operator' must be one of [and, or]"),
        ({"conditions": [ONE], "limit": -1}, "'limit' must be greater than or equal to 0"),
        ({"conditions": [ONE], "offset": "x"}, "'offset' must be an integer"),
    ],
)
def test_search_by_conditions_that_is_wrong(members: dict[str, Any], told: str) -> None:
    assert refuse(read_condition_search, {**DOG, **members}, 400) == told


def test_conditions_are_bounded() -> None:
    deep: dict[str, Any] = {"conditions": [ONE]}
    for _ in range(MAX_DEPTH - 1):
        deep = {"conditions": [deep]}
    assert read_condition_search({**DOG, **deep})
    for members in ({"conditions": [deep]}, {"conditions": [ONE] * (MAX_CONDITIONS + 1)}):
        assert "too many" in refuse(read_condition_search, {**DOG, **members}, 400)


def test_sql() -> None:
    assert read_sql({"sql": "SELECT 1"}) == SqlSearch("SELECT 1")
    for fields in ({}, {"sql": None}, {"sql": ""}):
        assert refuse(read_sql, fields, 400) == "The 'sql' parameter is missing from the request body"
    assert refuse(read_sql, {"sql": 5}, 400) == "'sql' must be a string"


_odd = st.none() | st.booleans() | st.integers() | st.text(max_size=4)
_condition = st.dictionaries(
    st.sampled_from(["attribute", "comparator", "value", "operator"]), _odd | st.sampled_from([*Comparator, "and"])
)
_conditions = st.recursive(
    _condition, lambda inner: st.fixed_dictionaries({"conditions": st.lists(inner, max_size=3) | _odd}), max_leaves=6
)


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["table", "hash_values", "get_attributes", "search_attribute", "search_value", "sort", "sql"]),
        _odd | st.lists(_odd, max_size=2),
    ),
    _odd | st.lists(_conditions, max_size=3),
)
def test_any_members_are_a_search_or_an_error_of_this_door(fields: dict[str, Any], conditions: Any) -> None:
    for read in (read_hash_search, read_value_search, read_condition_search, read_sql):
        told = "nothing"
        try:
            read({"table": "t", **fields, "conditions": conditions})
        except (InvalidRequestError, FailedRequestError) as error:
            told = error.message
        assert told
