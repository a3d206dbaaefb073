"""Searches, beside the same condition asked of every row in Python."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobruns.operation import Comparator, Condition, Group, Order, WriteAction
from jobruns_data import sorting
from jobruns_data.catalog import load_table
from jobruns_data.errors import UnknownAttributeError
from jobruns_data.incoming import incoming_texts
from jobruns_data.keyed import write_rows
from jobruns_data.searching import find_by_keys, search
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


def plain(row: dict[str, Any], condition: Condition | Group) -> bool:
    """The condition, one value at a time."""
    if isinstance(condition, Group):
        return (all if condition.every else any)(plain(row, one) for one in condition.conditions)
    if condition.comparator is Comparator.NOT_EQUAL:
        return not plain(row, condition.model_copy(update={"comparator": Comparator.EQUALS}))
    value = row.get(condition.attribute)
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


def condition_of(attribute: str, comparator: Comparator, one: Any, other: Any = None) -> Condition:
    value = one
    if comparator is Comparator.BETWEEN:
        value = [one, other]
    elif comparator in {Comparator.CONTAINS, Comparator.STARTS_WITH, Comparator.ENDS_WITH}:
        value = one if isinstance(one, str) else "1"
    return Condition(attribute=attribute, comparator=comparator, value=value)


CONDITIONS = st.recursive(
    st.builds(condition_of, st.sampled_from(["id", "name", "age", "good"]), st.sampled_from(Comparator), MIXED, MIXED),
    lambda inner: st.builds(Group, conditions=st.lists(inner, min_size=1, max_size=3), every=st.booleans()),
    max_leaves=4,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(conditions=st.lists(CONDITIONS, min_size=1, max_size=2), every=st.booleans())
def test_a_search_finds_what_every_row_in_python_would(
    table: KeyedTable, conditions: list[Condition | Group], every: bool
) -> None:
    loaded = load_table(table.catalog, table.target)
    found = [row["id"] for row in search(loaded, conditions, every=every, attributes=["id"])]
    together = all if every else any
    wanted = [row["id"] for row in ROWS if together(plain(row, condition) for condition in conditions)]
    assert sorted(map(repr, found)) == sorted(map(repr, wanted))


@pytest.mark.parametrize("every", [True, False])
def test_many_conditions_are_looked_at_without_going_down_for_each(table: KeyedTable, every: bool) -> None:
    loaded = load_table(table.catalog, table.target)
    comparator = Comparator.NOT_EQUAL if every else Comparator.EQUALS
    some = tuple(Condition(attribute="id", comparator=comparator, value=number) for number in range(2, 1002))
    found = {row["id"] for row in search(loaded, [Group(conditions=some, every=every)], attributes=["id"])}
    assert found == ({1, "x", "1", 1.5} if every else {2, 3})


def test_not_equal_finds_the_rows_without_a_value_too(table: KeyedTable) -> None:
    loaded = load_table(table.catalog, table.target)

    def ids(value: Any) -> list[Any]:
        condition = Condition(attribute="good", comparator=Comparator.NOT_EQUAL, value=value)
        return [row["id"] for row in search(loaded, [condition], attributes=["id"], order=[Order(attribute="id")])]

    assert ids(True) == [1.5, 2, 3, "1", "x"]
    assert ids(None) == [1, "x"]


def place(value: Any) -> tuple[Any, ...]:
    """Where a value comes in an order."""
    match value:
        case None:
            return (0,)
        case bool():
            return (1, value)
        case int() | float():
            return (2, value)
        case str():
            return (3, value)
    return (5, str(value))


@pytest.mark.parametrize("lot_bytes", [1, 4000, 1 << 20])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    falling=st.booleans(),
    first=st.sampled_from(["name", "age", "good", "tags", "id", "__createdtime__"]),
    offset=st.integers(0, 4),
    limit=st.none() | st.integers(0, 9),
)
def test_rows_come_in_the_order_of_their_values_whatever_their_kind_and_however_many_there_are(
    table: KeyedTable, lot_bytes: int, falling: bool, first: str, offset: int, limit: int | None
) -> None:
    loaded = load_table(table.catalog, table.target)
    orders = [Order(attribute=first, descending=falling), Order(attribute="age", descending=not falling)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "LOT_BYTES", lot_bytes)
        names = ["id", "age", first]
        found = list(search(loaded, [], attributes=names, order=orders, offset=offset, limit=limit))
    rows = [{"id": row["id"], "age": row.get("age"), first: row.get(first)} for row in ROWS]
    if first.startswith("__"):
        rows = [{**row, first: 1767225601000.0 + 1000 * (number > 1)} for number, row in enumerate(rows)]
    wanted = sorted(rows, key=lambda row: place(row["id"]))
    for order in reversed(orders):
        wanted.sort(key=lambda row: place(row[order.attribute]), reverse=order.descending)
        # What is equal stays in the order of the keys also where the order falls.
    assert found == wanted[offset : None if limit is None else offset + limit]


def test_more_rows_than_are_kept_come_in_order_and_dates_behind_texts(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorting, "LOT_BYTES", 100_000)
    table = KeyedTable(lake.catalog)
    count = 9000
    texts = ["2026-01-02T03:04:05Z", "2025-01-02T03:04:05Z", "", "true", "12", "-3.5", "null", "[1]"]
    for part in range(3):
        cells = {
            "id": pa.array(str(number) for number in range(part, count, 3)),
            "a": pa.array(texts[number * 7 % len(texts)] for number in range(part, count, 3)),
        }
        rows = [incoming_texts(cells, "id", structures=True)]
        write_rows(table.catalog, table.target, WriteAction.INSERT, rows, run_id=f"r{part}", at=table.now)
    loaded = load_table(table.catalog, table.target)
    for falling in (False, True):
        found = list(
            search(loaded, [], attributes=["a", "id"], order=[Order(attribute="a", descending=falling)], limit=count)
        )
        assert len(found) == count
        values = list(dict.fromkeys(str(row["a"]) for row in found))
        wanted = [
            "None",
            "True",
            "-3.5",
            "12",
            "",
            texts[1].replace("Z", ".000Z"),
            texts[0].replace("Z", ".000Z"),
            "[1]",
        ]
        assert values == (wanted[::-1] if falling else wanted)
        keys = [row["id"] for row in found if row["a"] == 12]
        assert keys == sorted(keys)
    top = search(loaded, [], attributes=["id"], order=[Order(attribute="id", descending=True)], offset=1, limit=2)
    assert list(top) == [{"id": count - 2}, {"id": count - 3}]


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
        list(search(loaded, [condition_of(name, Comparator.EQUALS, 1)]))
    assert raised.value.name == name
    with pytest.raises(UnknownAttributeError):
        list(search(loaded, [], order=[Order(attribute=name)]))


def test_a_key_is_looked_for_in_the_files_that_can_have_it(lake: Lake, small_files: None, faults: Faults) -> None:
    table = KeyedTable(lake.catalog)
    table.write("insert", [{"id": number, "a": number} for number in range(100)])
    loaded = load_table(table.catalog, table.target)
    faults.seen.clear()
    assert find_by_keys(loaded, [50], ["a"]) == [{"a": 50}]
    by_key = len(faults.seen)
    assert [row["id"] for row in search(loaded, [condition_of("a", Comparator.BETWEEN, 50, 51)])] == [50, 51]
    assert by_key < 8
    assert len(faults.seen) - by_key < 10
