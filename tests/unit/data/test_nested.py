"""Arrays and maps: what is in them is read by the rules of its type, in files of texts and of JSON alike."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jobruns_data.nested
from jobruns.datatypes import MAX_NESTING, ColumnType, Element, Resolution, TimestampFormat
from jobruns.transform import Column, Transform
from jobruns_data.cells import CellReader
from jobruns_data.rows import Reject
from jobruns_data.schema import arrow_type

Read = Callable[..., tuple[list[dict[str, Any]], list[Reject]]]
Make = Callable[..., Transform]


def element(kind: str, inner: Element | None = None, **more: Any) -> Element:
    return Element(type=ColumnType(kind), element=inner, **more)


def array(inner: Element, **more: Any) -> Column:
    return Column(name="c", type=ColumnType.ARRAY, element=inner, **more)


def mapping(inner: Element, **more: Any) -> Column:
    return Column(name="c", type=ColumnType.MAP, element=inner, **more)


def read_both(column: Column, value: object, null_values: tuple[str, ...] = ()) -> tuple[Any, bool]:
    """Read one value as a JSON file and as a CSV cell would give it, which must come to the same."""
    reader = CellReader(column, null_values)
    text = json.dumps(value)
    values, bad = reader.values([value])
    from_text, bad_text = reader.read(pa.array([text], pa.string()))
    assert values.type == from_text.type == arrow_type(column)
    assert (from_text.to_pylist(), bad_text) == (values.to_pylist(), bad)
    values.validate(full=True)
    assert (reader.fault(value) is None) == (bad == [])
    return values.to_pylist()[0], bad == []


@pytest.mark.parametrize(
    ("inner", "value", "expected"),
    [
        (element("int8"), [1, "-128", None, 3.0, ""], [1, -128, None, 3, None]),
        (element("uint64"), [2**64 - 1], [Decimal(2**64 - 1)]),
        (element("boolean"), [True, "f", 1, None], [True, False, True, None]),
        (element("double"), [1, 2.5, "-inf"], [1.0, 2.5, float("-inf")]),
        (element("string"), ["", "é", 5, True, {"a": [1]}, None], ["", "é", "5", "true", '{"a":[1]}', None]),
        (element("json"), [{"a": 1}, "x", None], ['{"a":1}', '"x"', None]),
        (element("int8"), [], []),
        (element("int8"), None, None),
        (
            element("timestamp", timestamp=TimestampFormat(epoch="ms"), resolution=Resolution.SECONDS),
            [1500, "2999.5"],
            [datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)],
        ),
        (
            element("timestamp", timestamp=TimestampFormat(layout="02/Jan/2006")),
            ["03/Feb/2024"],
            [datetime(2024, 2, 3, tzinfo=UTC)],
        ),
        (element("array", element("int32")), [[1], [], None, [None, 2]], [[1], [], None, [None, 2]]),
        (element("map", element("boolean")), [{"a": True}, {}], [[("a", True)], []]),
    ],
)
def test_arrays(inner: Element, value: object, expected: object) -> None:
    assert read_both(array(inner), value) == (expected, True)


@pytest.mark.parametrize(
    ("inner", "value", "expected"),
    [
        (element("int32"), {"a": 1, "": "2", "é": None}, [("a", 1), ("", 2), ("é", None)]),
        (element("string"), {}, []),
        (element("string"), None, None),
        (element("array", element("int8")), {"k": [1, 2]}, [("k", [1, 2])]),
        (element("map", element("map", element("int8"))), {"a": {"b": {"c": 1}}}, [("a", [("b", [("c", 1)])])]),
    ],
)
def test_maps(inner: Element, value: object, expected: object) -> None:
    assert read_both(mapping(inner), value) == (expected, True)


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        (array(element("int8")), [1, 300], '[1]: "300" is out of the range of int8'),
        (array(element("int8")), [True], "[0]: true is not of the type int8"),
        (array(element("int8")), {"a": 1}, '{"a":1} is not a JSON array'),
        (array(element("int8")), 5, "5 is not a JSON array"),
        (array(element("timestamp")), ["x"], '[0]: "x" does not follow the layout "2006-01-02T15:04:05Z07:00"'),
        (array(element("array", element("int8"))), [[1], [2, "x"]], '[1]: [1]: "x" is not a whole number'),
        (mapping(element("double")), {"a": 1, "b": "x"}, '["b"]: "x" is not a number'),
        (mapping(element("double")), [1], "[1] is not a JSON object"),
        (mapping(element("array", element("int8"))), {"a": [1], "b": 5}, '["b"]: 5 is not a JSON array'),
    ],
)
def test_one_bad_part_is_named_with_its_place(column: Column, value: object, why: str) -> None:
    assert not read_both(column, value)[1]
    assert CellReader(column).fault(value) == why
    with pytest.raises(ValueError, match=re.escape(why)):
        column.check(json.dumps(value))


def test_only_the_rows_with_bad_parts_are_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobruns_data.nested, "_PARTS_AT_ONCE", 2)
    rows = [[1, 2, 3], [], ["x", "y"], None, [4], [[]], [5, 6, 7, "z"], [8]]
    values, bad = CellReader(array(element("int32"))).values(rows)
    assert bad == [2, 5, 6]
    good = [value for i, value in enumerate(values.to_pylist()) if i not in bad]
    assert good == [[1, 2, 3], [], None, [4], [8]]


def test_texts_that_are_not_json_and_half_surrogates_are_bad() -> None:
    reader = CellReader(mapping(element("string")))
    raw = ["{", "[" * 100_000, '{"a": NaN}', {"\ud800": "x"}, {"a": "\udfff"}, '{"a": "b"}', "", None]
    values, bad = reader.values(raw)
    assert bad == [0, 1, 2, 3, 4]
    assert values.to_pylist()[5:] == [[("a", "b")], None, None]
    assert all(reader.fault(raw[i]) for i in bad)


def test_null_words_defaults_and_denullify() -> None:
    texts = pa.array(["[1]", "-", "", None, "[]", '["-", ""]'], pa.string())

    def read(**more: Any) -> list[Any]:
        values, bad = CellReader(array(element("int8"), **more), ["-"]).read(texts)
        assert bad == []
        return values.to_pylist()  # type: ignore[no-any-return]

    assert read() == [[1], None, None, None, [], [None, None]]
    assert read(default="[7]") == [[1], None, [7], [7], [], [None, None]]
    assert read(denullify=True) == [[1], [], [], [], [], [None, None]]
    assert read(default="[7]", denullify=True) == [[1], [7], [7], [7], [], [None, None]]


def test_rows_are_rejected_with_the_reason(read: Read, csv_of: Make) -> None:
    transform = csv_of(c=array(element("int8")), w="string")
    data = 'c,w\n"[1,2]",a\n"[1,""x""]",b\n[],c\n,d\n[1,e\n"[300]",f\n'
    rows, rejects = read(data.encode(), transform)
    assert [(row["c"], row["w"]) for row in rows] == [([1, 2], "a"), ([], "c"), (None, "d")]
    assert [(r.line, r.data) for r in rejects] == [(3, ['[1,"x"]', "b"]), (6, ["[1", "e"]), (7, ["[300]", "f"])]
    assert rejects[0].reason == 'column "c": cannot read [1]: "x" is not a whole number'
    assert rejects[1].reason.startswith('column "c": cannot read ')


VALUES = st.none() | st.integers(-200, 200) | st.sampled_from(["", "x", "5", "-", True, 1.0, 1.5, {}, [[]]])
LISTS = st.lists(st.none() | st.lists(VALUES, max_size=4), max_size=6)


@given(LISTS)
@settings(max_examples=200, deadline=None)
def test_a_row_reads_the_same_whatever_stands_beside_it(rows: list[list[object] | None]) -> None:
    reader = CellReader(array(element("int8")), ["-"])
    together, bad = reader.values(rows)
    for i, row in enumerate(rows):
        alone, bad_alone = reader.values([row])
        assert (i in bad) == bool(bad_alone) == (reader.fault(row) is not None)
        if i not in bad:
            assert together[i].as_py() == alone[0].as_py()


INNER = st.sampled_from([element(kind) for kind in ("int8", "string", "json", "boolean", "double", "uint64")])
ANY = st.recursive(
    VALUES | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)


@given(
    column=st.builds(array, INNER)
    | st.builds(mapping, INNER)
    | st.builds(lambda inner: array(element("array", inner)), INNER),
    value=ANY,
)
@settings(max_examples=400, deadline=None)
def test_what_a_transform_accepts_as_default_can_be_read_and_nothing_else(column: Column, value: object) -> None:
    text = json.dumps(value)
    try:
        column.check(text)
    except ValueError:
        accepted = False
    else:
        accepted = True
    values, bad = CellReader(column).read(pa.array([text], pa.string()))
    assert accepted == (bad == [])
    assert values.type == arrow_type(column)


def nested(depth: int) -> Element:
    inner = element("int8")
    for _ in range(depth):
        inner = element("array", inner)
    return inner


def test_nesting_is_bounded() -> None:
    assert array(nested(MAX_NESTING - 1)).nesting == MAX_NESTING
    with pytest.raises(ValueError, match="nested more than 8 deep"):
        array(nested(MAX_NESTING))


def test_a_long_array_reads() -> None:
    column = array(element("int32"))
    values, bad = CellReader(column).read(pa.array([json.dumps(list(range(200_000)))], pa.string()))
    assert bad == []
    assert values[0].as_py() == list(range(200_000))
