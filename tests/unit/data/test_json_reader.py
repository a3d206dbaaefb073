"""Objects a line: what json writes reads back equal, whichever of the two ways reads it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import jobruns_data.blocks
from jobruns.datatypes import Element
from jobruns.formats import JsonFormat
from jobruns.transform import Column, ColumnType, Source, TimestampFormat, Transform
from jobruns_data.rows import Reject

Read = Callable[..., tuple[list[dict[str, Any]], list[Reject]]]

PRIMARY = Column(name="ts", type=ColumnType.TIMESTAMP, primary=True, source=Source(constant="2024-01-01T00:00:00Z"))
TIMED = Column(name="ts", type=ColumnType.TIMESTAMP, primary=True)


def json_of(*columns: Column, primary: Column = PRIMARY, null_values: tuple[str, ...] = ()) -> Transform:
    return Transform(name="t", format=JsonFormat(), columns=(primary, *columns), null_values=null_values)


def column(name: str, kind: str, *pointers: str, **more: Any) -> Column:
    source = Source(pointers=pointers) if pointers else None
    return Column(name=name, type=ColumnType(kind), source=source, **more)


ROW = st.fixed_dictionaries(
    {
        "ts": st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        "word": st.none() | st.text(st.characters(blacklist_categories=("Cs",)), max_size=8),
        "n": st.none() | st.integers(-(2**63), 2**63 - 1),
        "small": st.none() | st.integers(0, 255),
        "x": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "yes": st.none() | st.booleans(),
    }
)
ALL = json_of(
    column("word", "string"),
    column("n", "int64"),
    column("small", "uint8"),
    column("x", "double"),
    column("yes", "boolean"),
    primary=TIMED,
)


@given(st.lists(ROW, max_size=8), st.booleans(), st.booleans(), st.integers(1, 300))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_python_writes_reads_back_equal(
    read: Read, monkeypatch: Any, rows: list[dict[str, Any]], ascii_only: bool, dirty: bool, size: int
) -> None:
    monkeypatch.setattr(jobruns_data.blocks.cut_blocks, "__kwdefaults__", {"skip_lines": 0, "block_bytes": size})
    lines = [json.dumps(row | {"ts": row["ts"].isoformat()}, ensure_ascii=ascii_only) for row in rows]
    got, rejects = read("\n".join([*lines, "{}"] if dirty else lines).encode(), ALL)
    assert got == rows
    assert [reject.line for reject in rejects] == ([len(rows) + 1] if dirty else [])


def test_what_is_no_object_is_rejected_where_it_is(read: Read) -> None:
    lines = ['{"n": 1}', "", "[1]", "{", '{"n": NaN}', '{"n": 2} {"n": 3}', '"x"', '{"n": 4}', "[" * 100_000]
    rows, rejects = read("\n".join(lines).encode(), json_of(column("n", "int32")))
    assert [row["n"] for row in rows] == [1, 4]
    assert [reject.line for reject in rejects] == [3, 4, 5, 6, 7, 9]
    assert "not a JSON object" in rejects[0].reason
    assert "NaN is not a JSON number" in rejects[2].reason


def test_bad_values_are_rejected_with_the_object(read: Read) -> None:
    rows, rejects = read(b'{"n":1}\n{"n":"x"}\n{"n":300}\n{"n":true}\n{"n":1.5}\n', json_of(column("n", "int8")))
    assert [row["n"] for row in rows] == [1]
    assert [(r.line, r.data) for r in rejects] == [
        (2, [{"n": "x"}]), (3, [{"n": 300}]), (4, [{"n": True}]), (5, [{"n": 1.5}]),
    ]  # fmt: skip
    assert 'column "n": cannot read "x" is not a whole number' in rejects[0].reason
    assert "out of the range of int8" in rejects[1].reason


@pytest.mark.parametrize("dirty", [False, True])
@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", "", ""),
        ("string", 5, "5"),
        ("string", {"a": [1]}, '{"a":[1]}'),
        ("string", True, "true"),
        ("int32", "12", 12),
        ("int32", 3.0, 3),
        ("int32", "", None),
        ("double", 3, 3.0),
        ("double", "2.5", 2.5),
        ("boolean", "true", True),
        ("uint64", 2**64 - 1, Decimal(2**64 - 1)),
        ("json", {"a": ["é"]}, '{"a":["é"]}'),
        ("json", "x", '"x"'),
        ("json", None, None),
    ],
)
def test_values_of_other_json_types(read: Read, kind: str, value: object, expected: object, dirty: bool) -> None:
    data = json.dumps({"v": value}) + ("\nnot json" if dirty else "")
    rows, rejects = read(data.encode(), json_of(column("v", kind)))
    assert [row["v"] for row in rows] == [expected]
    assert len(rejects) == dirty


def test_pointers_lead_into_the_object_and_the_first_hit_wins(read: Read) -> None:
    transform = json_of(
        column("deep", "int32", "/a/b", "/a/list/1", "/n"),
        column("odd", "string", "/x~1y~0z"),
        column("whole", "json", ""),
    )
    lines = [
        {"a": {"b": 1}, "n": 9},
        {"a": {"list": [5, 6]}, "n": 9},
        {"a": [1], "n": 7, "x/y~z": "s"},
        {"a": {"b": None}},
    ]
    rows, rejects = read("\n".join(map(json.dumps, lines)).encode(), transform)
    assert rejects == []
    assert [row["deep"] for row in rows] == [1, 6, 7, None]
    assert [row["odd"] for row in rows] == [None, None, "s", None]
    assert json.loads(rows[0]["whole"]) == lines[0]


def test_half_a_surrogate_pair_is_rejected(read: Read) -> None:
    rows, rejects = read(b'{"w":"\\ud800"}\n{"w":"\\ud83d\\ude00"}\n', json_of(column("w", "string")))
    assert [row["w"] for row in rows] == ["\U0001f600"]
    assert [reject.line for reject in rejects] == [1]


def test_epoch_numbers_defaults_and_nulls(read: Read) -> None:
    transform = json_of(
        column("at", "timestamp", timestamp=TimestampFormat(epoch="ms")),
        column("n", "int32", default="7"),
        column("w", "string", default="?"),
        column("must", "int32", nullable=False),
        null_values=("-",),
    )
    rows, rejects = read(b'{"at":1,"n":null,"must":1}\n{"at":"-","n":1,"w":"-","must":2}\n{"at":5}\n', transform)
    assert [(row["at"], row["n"], row["w"]) for row in rows] == [
        (datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC), 7, "?"),
        (None, 1, None),
    ]
    assert [(r.line, r.reason) for r in rejects] == [(3, 'column "must": the value is missing')]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["v", "w", "ts"]), inner, max_size=3),
    max_leaves=6,
)
LEAVES = [ColumnType.INT8, ColumnType.DOUBLE, ColumnType.BOOLEAN, ColumnType.STRING, ColumnType.TIMESTAMP]
ELEMENTS = st.sampled_from(LEAVES).map(lambda kind: Element(type=kind))
TYPES = st.one_of(
    st.sampled_from([kind for kind in ColumnType if not kind.nested]).map(lambda kind: {"type": kind}),
    st.just({"type": ColumnType.TIMESTAMP, "timestamp": TimestampFormat(epoch="ms")}),
    st.builds(lambda element: {"type": ColumnType.ARRAY, "element": element}, ELEMENTS),
    st.builds(lambda element: {"type": ColumnType.MAP, "element": element}, ELEMENTS),
    st.builds(lambda e: {"type": ColumnType.ARRAY, "element": Element(type="array", element=e)}, ELEMENTS),
)
COLUMNS = st.builds(
    lambda kind, nulls, **more: Column(name="v", null_values=tuple(nulls), **kind, **more),
    TYPES,
    st.lists(st.sampled_from(["1", "-0", "1.0", "true", "x", ""]), max_size=2),
    denullify=st.booleans(),
    nullable=st.booleans(),
)
PLAIN = (
    st.none() | st.booleans() | st.integers(-2, 300) | st.sampled_from([0.0, -0.0, 1.0, 1.5, 1e300, "", "x", "1", "-0"])
)
ALIKE = st.one_of(
    *(
        st.lists(kind, max_size=5)
        for kind in (st.integers(-2, 200), st.booleans(), st.sampled_from(["", "x", "1", "7"]))
    ),
    st.lists(st.lists(st.none() | st.integers(-2, 200), max_size=3), max_size=5),
    st.lists(st.none() | st.sampled_from([1.0, -0.0, 1.5, 2**53 + 1, 1e22, 0]), max_size=5),
    st.lists(PLAIN | st.lists(PLAIN | st.lists(PLAIN, max_size=2), max_size=2), max_size=5),
    st.lists(JSON, max_size=5),
)


@given(ALIKE, COLUMNS)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_read_does_not_depend_on_what_stands_beside_it(read: Read, values: list[object], made: Column) -> None:
    """A bad line takes a block to the careful way; a block of one row, or one of good ones, may go the fast one."""
    lines = [json.dumps({"v": value}) for value in values]
    together, rejects = read("\n".join(lines).encode(), json_of(made))
    assert len(together) + len(rejects) == len(values)
    with_bad, more = read("\n".join([*lines, "bad"]).encode(), json_of(made))
    alone = [read(line.encode(), json_of(made)) for line in lines]
    assert repr(together) == repr(with_bad) == repr([row for rows, _ in alone for row in rows])
    assert [reject.line for reject in [*rejects, *more]] == [*[reject.line for reject in rejects] * 2, len(values) + 1]
    assert [reject.reason for reject in rejects] == [reject.reason for _, bad in alone for reject in bad]
