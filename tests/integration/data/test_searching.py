"""Searches, beside the same condition asked of every row in Python."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobruns_data.catalog import load_table
from jobruns_data.errors import UnknownAttributeError
from jobruns_data.searching import Comparator, Condition, find_by_keys, search
from tests.integration.data.keyed_tables import KeyedTable
from tests.integration.data.lakes import Faults, Lake

ROWS: list[dict[str, Any]] = [
    {"id": 1, "name": "Ash", "age": 5, "good": True},
    {"id": 2, "name": "Birch", "age": 7.5},
    {"id": 3, "name": 12, "age": "7"},
    {"id": "x", "name": "ash tree", "age": None, "good": False, "tags": [1, 2]},
    {"id": "1", "name": "", "age": -1},
    {"id": 1.5, "name": True, "age": 1e300},
]
MIXED = st.sampled_from([1, 2, 7, 7.5, -1, 12, "1", "x", "Ash", "as", "", "12", "7", True, False, 1.5, 1e300])


@pytest.fixture
def table(lake: Lake) -> KeyedTable:
    table = KeyedTable(lake.catalog)
    table.write("insert", ROWS[:2])
    table.write("insert", ROWS[2:])
    return table


def plain(value: Any, condition: Condition) -> bool:
    """The condition, one value at a time."""
    wanted, ends = condition.value, condition.value if isinstance(condition.value, list) else [condition.value]

    def sort(one: Any) -> str:
        return "number" if isinstance(one, (int, float)) and not isinstance(one, bool) else type(one).__name__

    if condition.comparator in {Comparator.CONTAINS, Comparator.STARTS_WITH, Comparator.ENDS_WITH}:
        text, part = str(value), str(wanted)
        fits = {"contains": part in text, "starts_with": text.startswith(part), "ends_with": text.endswith(part)}
        return sort(value) in {"number", "str"} and fits[condition.comparator]
    if any(sort(end) != sort(value) for end in ends):
        return False
    return {
        "equals": lambda: value == wanted,
        "greater_than": lambda: value > wanted,
        "greater_than_equal": lambda: value >= wanted,
        "less_than": lambda: value < wanted,
        "less_than_equal": lambda: value <= wanted,
        "between": lambda: wanted[0] <= value <= wanted[1],
    }[condition.comparator]()


def condition_of(attribute: str, comparator: Comparator, one: Any, other: Any) -> Condition:
    if comparator is Comparator.BETWEEN:
        return Condition(attribute, comparator, [one, other])
    if comparator in {Comparator.CONTAINS, Comparator.STARTS_WITH, Comparator.ENDS_WITH}:
        return Condition(attribute, comparator, one if isinstance(one, str) else "1")
    return Condition(attribute, comparator, one)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    conditions=st.lists(
        st.builds(
            condition_of, st.sampled_from(["id", "name", "age", "good"]), st.sampled_from(Comparator), MIXED, MIXED
        ),
        min_size=1,
        max_size=2,
    ),
    every=st.booleans(),
)
def test_a_search_finds_what_every_row_in_python_would(
    table: KeyedTable, conditions: list[Condition], every: bool
) -> None:
    loaded = load_table(table.catalog, table.target)
    found = [row["id"] for row in search(loaded, conditions, every=every, attributes=["id"])]
    together = all if every else any
    wanted = [row["id"] for row in ROWS if together(plain(row.get(c.attribute), c) for c in conditions)]
    assert sorted(map(repr, found)) == sorted(map(repr, wanted))


def test_rows_by_key_come_in_the_order_asked_for(table: KeyedTable) -> None:
    loaded = load_table(table.catalog, table.target)
    assert find_by_keys(loaded, ["x", 1, "nope", "1", 99], ["name", "id"]) == [
        {"name": "ash tree", "id": "x"},
        {"name": "Ash", "id": 1},
        {"name": "", "id": "1"},
    ]
    (whole,) = find_by_keys(loaded, [2])
    assert whole.keys() == {"id", "__createdtime__", "__updatedtime__", "name", "age", "good", "tags"}
    assert (whole["good"], whole["__createdtime__"]) == (None, 1767225601000.0)
    assert find_by_keys(loaded, []) == []


def test_offset_and_limit_cut_the_same_rows(table: KeyedTable) -> None:
    loaded = load_table(table.catalog, table.target)
    every = list(search(loaded, [], attributes=["id"]))
    assert len(every) == len(ROWS)
    for offset, limit in ((0, 2), (1, 3), (4, 9), (9, 1), (2, 0)):
        assert list(search(loaded, [], attributes=["id"], offset=offset, limit=limit)) == every[offset : offset + limit]


@pytest.mark.parametrize("name", ["zz", "a__any", ""])
def test_an_attribute_that_is_not_there_is_told(table: KeyedTable, name: str) -> None:
    loaded = load_table(table.catalog, table.target)
    with pytest.raises(UnknownAttributeError) as raised:
        list(search(loaded, [Condition(name, Comparator.EQUALS, 1)]))
    assert raised.value.name == name


def test_a_key_is_looked_for_in_the_files_that_can_have_it(lake: Lake, small_files: None, faults: Faults) -> None:
    table = KeyedTable(lake.catalog)
    table.write("insert", [{"id": number, "a": number} for number in range(100)])
    loaded = load_table(table.catalog, table.target)
    faults.seen.clear()
    assert find_by_keys(loaded, [50], ["a"]) == [{"a": 50}]
    by_key = len(faults.seen)
    assert [row["id"] for row in search(loaded, [Condition("a", Comparator.BETWEEN, [50, 51])])] == [50, 51]
    assert by_key < 8
    assert len(faults.seen) - by_key < 10
