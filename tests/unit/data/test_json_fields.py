"""Where the values of JSON columns come from: flattened fields, pointers, and what is left over."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobruns.datatypes import Element
from jobruns.formats import Flattening, JsonFormat, Surround
from jobruns.transform import Column, ColumnType, Source, Transform
from jobruns_data.json_fields import FieldReader
from jobruns_data.rows import Reject

Read = Callable[..., tuple[list[dict[str, Any]], list[Reject]]]

TIME = Column(name="ts", type=ColumnType.TIMESTAMP, primary=True, source=Source(constant="2024-01-01T00:00:00Z"))
DOTS, BRACKETS = Surround(left="."), Surround(left="[", right="]")
ALL = Flattening(objects=DOTS, arrays=BRACKETS)
REST = Column(name="rest", type=ColumnType.JSON, source=Source(remainder=True))


def json_of(*columns: Column, flattening: Flattening | None = ALL, ignored: tuple[Source, ...] = ()) -> Transform:
    return Transform(name="t", format=JsonFormat(flattening=flattening), columns=(TIME, *columns), ignored=ignored)


def column(field: str, kind: str = "string", **more: Any) -> Column:
    return Column(name=f"c{abs(hash(field))}", type=ColumnType(kind), source=Source(field=field), **more)


def pointed(*pointers: str, kind: str = "string") -> Column:
    return Column(name="p", type=ColumnType(kind), source=Source(pointers=pointers))


def only(rows: list[dict[str, Any]], *, but: str = "") -> Any:
    """Give the value of the one column there is beside the time, or `but`."""
    (row,) = rows
    return next(value for name, value in row.items() if name not in {"ts", but})


def lines(*objects: object) -> bytes:
    return "\n".join(map(json.dumps, objects)).encode()


NESTED = {"a": {"b": [1, {"c": "x"}], "e": {}}, "l": [[], "y"], "n": 5, "z": None}


@pytest.mark.parametrize(
    ("flattening", "fields"),
    [
        (ALL, {"n": 5, "z": None, "a.b[0]": 1, "a.b[1].c": "x", "a.e": {}, "l[0]": [], "l[1]": "y"}),
        (Flattening(objects=DOTS), {"l": [[], "y"], "n": 5, "z": None, "a.b": [1, {"c": "x"}], "a.e": {}}),
        (Flattening(arrays=Surround(left="_")), {"a": NESTED["a"], "n": 5, "z": None, "l_0": [], "l_1": "y"}),
        (Flattening(depth=1, objects=DOTS, arrays=BRACKETS),
         {"n": 5, "z": None, "a.b": [1, {"c": "x"}], "a.e": {}, "l[0]": [], "l[1]": "y"}),
        (Flattening(depth=2, objects=DOTS, arrays=BRACKETS),
         {"n": 5, "z": None, "a.b[0]": 1, "a.b[1]": {"c": "x"}, "a.e": {}, "l[0]": [], "l[1]": "y"}),
        (Flattening(depth=0, objects=DOTS, arrays=BRACKETS), NESTED),
        (Flattening(), NESTED),
        (None, NESTED),
    ],
)  # fmt: skip
def test_nested_values_become_fields_named_by_the_way_to_them(
    read: Read, flattening: Flattening | None, fields: dict[str, Any]
) -> None:
    rows, rejects = read(lines(NESTED), json_of(REST, flattening=flattening))
    assert rejects == []
    assert json.loads(only(rows)) == fields
    for name, value in fields.items():
        rows, _ = read(lines(NESTED), json_of(column(name, "json"), flattening=flattening))
        assert only(rows) == (None if value is None else json.dumps(value, separators=(",", ":")))


def test_a_nested_value_that_a_column_reads_by_its_name_stays_whole(read: Read) -> None:
    """Its parts are fields too, if a column reads them."""
    item = {"tags": ["x", "y"], "o": {"k": {"m": 1}, "j": 2}}
    tags = column("tags", "array", element=Element(type=ColumnType.STRING))
    whole = column("o.k", "json")
    part = column("o.k.m", "int32")
    rows, rejects = read(lines(item), json_of(tags, whole, part, REST))
    assert rejects == []
    assert list(rows[0].values())[1:] == [["x", "y"], '{"m":1}', 1, '{"o.j":2}']


def test_a_member_goes_before_a_nested_value_of_the_same_name(read: Read) -> None:
    for item in ({"a.b": 1, "a": {"b": 2, "c": 3}}, {"a": {"b": 2, "c": 3}, "a.b": 1}):
        assert only(read(lines(item), json_of(column("a.b", "int32")))[0]) == 1
        assert json.loads(only(read(lines(item), json_of(REST))[0])) == {"a.b": 1, "a.c": 3}
    twice = {"a": {"b.c": 1}, "a.b": {"c": 2}}
    assert only(read(lines(twice), json_of(column("a.b.c", "int32")))[0]) == 2


def test_columns_of_one_file_are_the_same_whichever_way_reads_them(read: Read) -> None:
    """A block with a bad line is read object by object, one without by Arrow where no name may be a made one."""
    columns = (column("n", "int32"), column("word"))
    items = [{"n": i, "word": f"w{i}", "deep": {"n": 9, "word": [1]}} for i in range(5)]
    rows, _ = read(lines(*items), json_of(*columns))
    again, rejects = read(lines(*items) + b"\nbad", json_of(*columns))
    assert rows == again
    assert [reject.line for reject in rejects] == [6]
    empty = Surround()
    made = lines({"wo": {"rd": "x"}}, {"word": "y"})
    rows, _ = read(made, json_of(column("word"), flattening=Flattening(objects=empty)))
    assert [list(row.values())[1] for row in rows] == ["x", "y"]


@pytest.mark.parametrize(
    ("pointers", "value"),
    [
        (("/a/b",), "1"),
        (("/x/y", "/a/b"), "1"),
        (("/null", "/a/b"), "1"),
        (("/a/list/1",), "6"),
        (("/a/list/01", "/a/list/-", "/a/list/2", "/a/list/99999999999", "/a/list/1/0"), None),
        (("/m~0n", "/x"), "tilde"),
        (("/s~1t",), "slash"),
        (("/~01",), "tilde one"),
        (("/",), "empty"),
        (("/a/0",), "zero"),
        (("/made.name",), "literal"),
        (("/a.b",), None),
    ],
)
def test_pointers_lead_into_the_object_as_it_is(read: Read, pointers: tuple[str, ...], value: str | None) -> None:
    item = {
        "a": {"b": 1, "list": [5, 6], "0": "zero"},
        "null": None,
        "m~n": "tilde",
        "s/t": "slash",
        "~1": "tilde one",
        "": "empty",
        "made.name": "literal",
    }
    assert only(read(lines(item), json_of(pointed(*pointers), flattening=None))[0]) == value
    flattened = only(read(lines(item), json_of(pointed(*pointers)))[0])
    assert flattened == ("1" if pointers == ("/a.b",) else value)  # one step is a field's name as well


def test_a_pointer_may_have_hundreds_of_steps(read: Read) -> None:
    item: Any = "x"
    for _ in range(400):
        item = {"a": item}
    for flattening in (None, ALL):
        assert only(read(lines(item), json_of(pointed("/a" * 400), flattening=flattening))[0]) == "x"


def test_the_remainder_is_what_no_column_reads(read: Read) -> None:
    item = {"id": 1, "a": {"b": 2, "c": [3, 4]}, "s": "text", "t": True, "u": None, "x": 1.5}
    ident, deep = column("id", "int32"), pointed("/a/b", "/s")
    transform = json_of(ident, deep, REST, flattening=None, ignored=(Source(field="t"), Source(pointers=("/x",))))
    rows, _ = read(lines(item), transform)
    assert json.loads(rows[0]["rest"]) == {"a": {"b": 2, "c": [3, 4]}, "u": None}
    rows, _ = read(lines(item), json_of(ident, deep, REST, ignored=(Source(field="a.c[0]"),)))
    assert json.loads(rows[0]["rest"]) == {"a.c[1]": 4, "t": True, "u": None, "x": 1.5}
    by_ordinal = pointed("/a/c/1")
    rows, _ = read(lines(item), json_of(by_ordinal, REST))
    assert "a.c[1]" not in json.loads(rows[0]["rest"])


@pytest.mark.parametrize("bad", [b"", b"\nbad"])
@pytest.mark.parametrize(
    ("kind", "constant", "value"),
    [("json", '{"a":1}', '{"a":1}'), ("json", "5", "5"), ("array", "[1,null]", [1, None]), ("int64", "5", 5)],
)
def test_a_constant_is_the_text_that_a_file_would_have(
    read: Read, kind: str, constant: str, value: object, bad: bytes
) -> None:
    element = Element(type=ColumnType.INT8) if kind == "array" else None
    made = Column(name="c", type=ColumnType(kind), element=element, source=Source(constant=constant))
    rows, _ = read(lines({"id": 1}) + bad, json_of(column("id", "int32"), made))
    assert [row["c"] for row in rows] == [value]


@pytest.mark.parametrize("bad", [b"", b"\nbad"])
def test_an_empty_remainder_is_null(read: Read, bad: bytes) -> None:
    rows, _ = read(lines({"id": 1}, {"id": 2, "x": 1}) + bad, json_of(column("id", "int32"), REST))
    assert [row["rest"] for row in rows] == [None, '{"x":1}']


def test_a_remainder_may_be_a_map_or_a_string(read: Read) -> None:
    item = {"s": "text", "n": 1, "t": True, "u": None, "o": {"k": [1.5]}}
    texts = Column(
        name="rest", type=ColumnType.MAP, element=Element(type=ColumnType.STRING), source=Source(remainder=True)
    )
    rows, rejects = read(lines(item), json_of(texts, flattening=None))
    assert rejects == []
    expected = {"s": "text", "n": "1", "t": "true", "u": None, "o": '{"k":[1.5]}'}
    assert dict(rows[0]["rest"]) == expected
    rows, _ = read(lines(item), json_of(REST.model_copy(update={"type": ColumnType.STRING}), flattening=None))
    assert json.loads(rows[0]["rest"]) == item


def test_arrays_and_maps_are_read_by_their_elements(read: Read) -> None:
    numbers = column("numbers", "array", element=Element(type=ColumnType.INT8))
    grid = column("grid", "array", element=Element(type=ColumnType.ARRAY, element=Element(type=ColumnType.DOUBLE)))
    names = column("names", "map", element=Element(type=ColumnType.STRING))
    good = [{"numbers": [1, None, -128], "grid": [[1, 2.5], []]}, {"numbers": [], "grid": None}, {}]
    expected = [[[1, None, -128], [[1.0, 2.5], []]], [[], None], [None, None]]
    transform = json_of(numbers, grid, flattening=None)
    for more, rejected in ((b"", []), (b'\n{"numbers":[1,200]}\n{"grid":[["x"]]}\n{"numbers":{}}', [4, 5, 6])):
        rows, rejects = read(lines(*good) + more, transform)
        assert [list(row.values())[1:] for row in rows] == expected
        assert [reject.line for reject in rejects] == rejected
    rows, _ = read(lines({"names": {"a": "x", "b": 2}}, {"names": None}), json_of(names, flattening=None))
    assert [list(row.values())[1] for row in rows] == [[("a", "x"), ("b", "2")], None]


def test_a_row_of_too_many_fields_is_rejected(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobruns_data.json_fields.MAX_FIELDS", 10)
    rows, rejects = read(lines({"l": [1] * 10}, {"l": [1] * 11}, {"l": [2]}), json_of(REST))
    assert [len(json.loads(row["rest"])) for row in rows] == [10, 1]
    assert [reject.line for reject in rejects] == [2]
    assert "flatten fewer levels" in rejects[0].reason
    monkeypatch.setattr("jobruns_data.json_fields.MAX_NAME_CHARACTERS", 1000)
    assert len(read(lines({"x" * 500: [1, 2]}), json_of(REST))[1]) == 1


def test_no_more_than_a_hundred_levels_are_opened(read: Read) -> None:
    value: Any = 1
    for _ in range(150):
        value = {"k": value}
    rows, rejects = read(lines(value), json_of(REST))
    assert rejects == []
    (name,) = json.loads(rows[0]["rest"])
    assert name == ".".join("k" * 101)


NAMES = ["a", "b", "a.b", "b.a", "a.a.b", "a..b", "a[0]", "b[1].a", "a.", ""]
POINTERS = ["/a", "/a/b", "/b/a", "/a.b", "/a/0", "/b/1/a", "/", ""]
SOURCES = st.one_of(
    st.sampled_from(NAMES).map(lambda name: Source(field=name)),
    st.lists(st.sampled_from(POINTERS), min_size=1, max_size=2).map(lambda found: Source(pointers=tuple(found))),
    st.just(Source(constant="5")),
)
FLATTENINGS = st.sampled_from(
    [
        *(
            None,
            ALL,
            Flattening(objects=DOTS),
            Flattening(depth=1, objects=DOTS),
            Flattening(objects=DOTS, arrays=DOTS),
        ),
        *(Flattening(objects=Surround(right=".")), Flattening(objects=Surround()), Flattening(objects=BRACKETS)),
    ]
)


def objects_of(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    keys = st.sampled_from(["a", "b", "a.b", "", "x"])
    inner = st.dictionaries(keys, leaves, max_size=2)
    parts = leaves | inner | st.dictionaries(keys, inner, max_size=2) | st.lists(leaves | inner, max_size=2)
    mostly = st.dictionaries(keys, leaves | inner | st.dictionaries(keys, inner, max_size=2), max_size=3)
    return st.lists(mostly, max_size=4) | st.lists(st.dictionaries(keys, parts, max_size=3), max_size=3)


OBJECTS = objects_of(st.none() | st.integers(0, 9)) | objects_of(st.none() | st.integers(0, 9) | st.just("7"))


@given(OBJECTS, st.lists(SOURCES, min_size=1, max_size=2), FLATTENINGS, st.sampled_from(["int64", "string"]))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_values_are_found_in_the_same_places_whatever_stands_beside_them(
    read: Read, items: list[Any], sources: list[Source], how: Flattening | None, kind: str
) -> None:
    """A bad line takes all the others to the careful way; nested values are found on the fast one too."""
    columns = [Column(name=f"c{i}", type=ColumnType(kind), source=source) for i, source in enumerate(sources)]
    transform = json_of(Column(name="id", type=ColumnType.INT64), *columns, flattening=how)
    items = [{"id": i, **item} for i, item in enumerate(items)]
    together, rejects = read(lines(*items), transform)
    with_bad, more = read(lines(*items) + b"\nbad", transform)
    alone = [read(lines(item), transform) for item in items]
    assert together == with_bad == [row for rows, _ in alone for row in rows]
    assert [reject.reason for reject in rejects] == [reject.reason for reject in more[:-1]]
    assert len(together) + len(rejects) == len(items)


@pytest.mark.parametrize("depth", [499, 500, 501, 900, 930, 940, 945, 950, 955, 960, 970, 2000])
def test_what_is_nested_more_than_500_levels_deep_is_rejected(read: Read, depth: int) -> None:
    """Python's stack would end somewhere near 950, at one depth for reading and at another for writing."""
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    columns = (column("a", "json"), column("b", "array", element=Element(type=ColumnType.JSON)))
    for line in (
        deep,
        deep.replace(b"{", b'{"x":0,"y":"{[",'),
        b'{"b":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}",
    ):
        for flattening in (None, ALL):
            rows, rejects = read(b"{}\n" + line, json_of(*columns, REST, flattening=flattening))
            assert len(rows) + len(rejects) == 2
            assert bool(rejects) == (depth > 500)
            json.dumps([reject.data for reject in rejects])


KEYS = st.text("a.[]01", max_size=3)
ITEMS = st.dictionaries(
    KEYS,
    st.recursive(st.none() | st.integers(0, 9), lambda inner: st.lists(inner, max_size=2)
                 | st.dictionaries(KEYS, inner, max_size=2), max_leaves=6),
    max_size=3,
)  # fmt: skip
SURROUNDS = st.none() | st.builds(Surround, left=st.sampled_from(["", ".", "["]), right=st.sampled_from(["", "]"]))


@given(
    ITEMS, st.builds(Flattening, depth=st.none() | st.integers(0, 3), objects=SURROUNDS, arrays=SURROUNDS), st.data()
)
@settings(max_examples=150, deadline=None)
def test_a_column_reads_what_the_remainder_would_show(
    item: dict[str, Any], how: Flattening, data: st.DataObject
) -> None:
    """Whether the fields no column reads are kept or passed over, a column finds the same."""
    rest = FieldReader(json_of(REST, flattening=how))
    shown = rest.find([rest.flatten(item)], [item])[1][0] or {}
    if not shown:
        assert not item
        return
    name = data.draw(st.sampled_from(sorted(shown)))
    for columns in ((column(name, "json"),), (column(name, "json"), REST)):
        reader = FieldReader(json_of(*columns, flattening=how))
        found = reader.find([reader.flatten(item)], [item])
        # A nested value of that name, which the remainder shows in its parts, stays whole for the column.
        assert found[1] == [shown[name]] or isinstance(found[1][0], (dict, list))


@given(ITEMS)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_flattening_loses_no_value(read: Read, item: dict[str, Any]) -> None:
    """With surrounds that are in no key, every value has a field of its own."""
    rows, _ = read(
        lines(item), json_of(REST, flattening=Flattening(objects=Surround(left="/"), arrays=Surround(left="#")))
    )
    fields = json.loads(only(rows) or "{}")
    assert sorted(map(json.dumps, fields.values())) == sorted(map(json.dumps, leaves(item) if item else []))


def leaves(value: Any) -> list[Any]:
    if not value or not isinstance(value, (dict, list)):
        return [value]
    return [leaf for part in (value.values() if isinstance(value, dict) else value) for leaf in leaves(part)]
