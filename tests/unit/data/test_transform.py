"""Transforms are checked where they are made, with messages that say what to do."""

from typing import Any

import pytest
from pydantic import ValidationError

from jobruns.datatypes import ColumnType, Element, TimestampFormat
from jobruns.formats import CsvFormat, JsonFormat
from jobruns.transform import Column, Source, Transform

TS = Column(name="ts", type=ColumnType.TIMESTAMP, primary=True)


def test_round_trips_through_json() -> None:
    transform = Transform(
        name="web",
        format=CsvFormat(delimiter="\t", comment="#", skip_head=2),
        columns=(TS, Column(name="n", type=ColumnType.UINT8, source=Source(index=3), default="7", nullable=False)),
        null_values=("-",),
    )
    assert Transform.model_validate_json(transform.model_dump_json()) == transform
    assert transform.primary == TS
    assert transform.uses_header


def test_an_implied_source_and_layout_are_spelled_out_on_reading() -> None:
    assert TS.reads == Source(field="ts")
    assert TS.moment.layout == "2006-01-02T15:04:05Z07:00"


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ([], "at least 1"),
        ([{"name": "a", "type": "string"}], "exactly one timestamp column must be primary; none is"),
        ([{"name": n, "type": "timestamp", "primary": True} for n in ("a", "b")], "a and b are"),
        ([{"name": "a", "type": "string", "primary": True}], "it must be a timestamp"),
        ([{"name": "A", "type": "string"}, {"name": "a", "type": "timestamp", "primary": True}], "the same name"),
        (
            [{"name": "a", "type": "int32", "default": "x"}],
            'the default cannot be read: "x" is not a whole',
        ),
        ([{"name": "a", "type": "uint8", "default": "256"}], "out of the range of uint8"),
        ([{"name": "a", "type": "boolean", "default": "yes"}], "neither true nor false"),
        ([{"name": "a", "type": "double", "source": {"constant": "1,5"}}], "the constant of column"),
        ([{"name": "a", "type": "timestamp", "default": "now"}], "does not follow the layout"),
        ([{"name": "a", "type": "json", "default": "{"}], "the default cannot be read"),
        ([{"name": "a", "type": "timestamp", "timestamp": {"layout": "15:04"}}], "no year"),
        ([{"name": "a", "type": "timestamp", "timestamp": {}}], "exactly one of layout and epoch"),
        ([{"name": "a", "type": "int8", "timestamp": {"epoch": "s"}}], "the type int8 has no timestamp format"),
        ([{"name": "a", "type": "float16"}], "Input should be"),
        ([{"name": "a", "type": "string", "source": {}}], "this one has none"),
        ([{"name": "a", "type": "string", "source": {"index": 1, "field": "b"}}], "index and field"),
        ([{"name": "a", "type": "string", "source": {"index": -1}}], "greater than or equal to 0"),
        ([{"name": "a", "type": "string", "source": {"pointers": ["b"]}}], 'must start with "/"'),
        ([{"name": "a", "type": "string", "source": {"pointers": ["/b~"]}}], "must be written"),
        ([{"name": "x" * 300, "type": "string"}], "at most 255"),
    ],
)
def test_refuses_columns(columns: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Transform.model_validate({"name": "t", "columns": columns})


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"delimiter": ",,"}, "the delimiter must be one ASCII character"),
        ({"delimiter": "é"}, "one ASCII character"),
        ({"quote": "\n"}, "the quote must be"),
        ({"delimiter": '"'}, "must be different"),
        ({"skip_head": -1}, "greater than or equal to 0"),
    ],
)
def test_refuses_a_csv_format(form: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        CsvFormat.model_validate(form)


def test_an_escape_that_is_the_quote_means_doubling() -> None:
    assert CsvFormat(escape='"').escape is None


def test_sources_belong_to_formats() -> None:
    pointed = Column(name="a", type=ColumnType.STRING, source=Source(pointers=("/a",)))
    with pytest.raises(ValidationError, match="a CSV column needs an index or a field"):
        Transform(name="t", columns=(TS, pointed))
    placed = Column(name="a", type=ColumnType.STRING, source=Source(index=0))
    with pytest.raises(ValidationError, match="a JSON column needs a field or pointers"):
        Transform(name="t", format=JsonFormat(), columns=(TS, placed))


@pytest.mark.parametrize("kind", [k for k in ColumnType if k.integer_range])
def test_integer_ranges_are_exact(kind: ColumnType) -> None:
    column = Column(name="n", type=kind)
    smallest, largest = kind.integer_range or (0, 0)
    for fine in (smallest, largest):
        column.check(str(fine))
    for wrong in (smallest - 1, largest + 1, 10**60):
        with pytest.raises(ValueError, match="out of the range"):
            column.check(str(wrong))


def test_an_epoch_may_have_decimals() -> None:
    column = Column(name="t", type=ColumnType.TIMESTAMP, timestamp=TimestampFormat(epoch="s"))
    column.check("1704067200.5")
    for wrong in ("", "1e9", "NaN", "1_0"):
        with pytest.raises(ValueError, match="is not a number of s"):
            column.check(wrong)


REST = Column(name="rest", type=ColumnType.STRING, source=Source(remainder=True))


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ([{"name": "a", "type": "array"}], "the type array needs an element"),
        ([{"name": "a", "type": "map", "element": {"type": "array"}}], "the type array needs an element"),
        ([{"name": "a", "type": "int8", "element": {"type": "int8"}}], "the type int8 has no element"),
        ([{"name": "a", "type": "array", "element": {"type": "int8", "primary": True}}], "Extra inputs"),
        (
            [{"name": "a", "type": "array", "element": {"type": "int8", "timestamp": {"epoch": "s"}}}],
            "the type int8 has no timestamp format",
        ),
        (
            [{"name": "a", "type": "array", "element": {"type": "int8"}, "default": "[1,300]"}],
            r'the default cannot be read: \[1\]: "300" is out of the range of int8',
        ),
        ([{"name": "a", "type": "array", "element": {"type": "int8", "default": "x"}}], "the default cannot be read"),
        ([{"name": "a", "type": "int8", "source": {"remainder": True}}], "it must be a map, a string or json"),
    ],
)
def test_refuses_nested_columns(columns: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Transform.model_validate({"name": "t", "columns": [TS.model_dump(), *columns]})


def test_nested_columns_round_trip_through_json() -> None:
    inner = Element(type=ColumnType.TIMESTAMP, timestamp=TimestampFormat(epoch="ms"), default="0")
    deep = Column(name="m", type=ColumnType.MAP, element=Element(type=ColumnType.ARRAY, element=inner), default="{}")
    transform = Transform(name="t", format=JsonFormat(), columns=(TS, deep, REST), ignored=(Source(field="x"),))
    assert Transform.model_validate_json(transform.model_dump_json()) == transform
    assert deep.nesting == 2


def test_a_name_that_iceberg_has_for_what_is_in_a_column_is_refused() -> None:
    inner = Element(type=ColumnType.ARRAY, element=Element(type=ColumnType.INT8))
    grid = Column(name="g", type=ColumnType.MAP, element=inner)
    for name in ("g.key", "G.value", "g.value.element"):
        with pytest.raises(ValidationError, match="give it another name"):
            Transform(name="t", columns=(TS, grid, Column(name=name, type=ColumnType.INT8)))
    assert Transform(name="t", columns=(TS, grid, Column(name="g.element", type=ColumnType.INT8)))


def test_one_column_takes_what_remains_and_a_csv_file_needs_a_header_for_it() -> None:
    assert Transform(name="t", columns=(TS, REST)).uses_header
    with pytest.raises(ValidationError, match="only one column may take the remaining fields; rest and more do"):
        Transform(name="t", columns=(TS, REST, REST.model_copy(update={"name": "more"})))
    placed = TS.model_copy(update={"source": Source(index=0)})
    with pytest.raises(ValidationError, match="another column must read its field by name"):
        Transform(name="t", columns=(placed, REST))
    constant = TS.model_copy(update={"source": Source(constant="2024-01-01T00:00:00Z")})
    assert Transform(name="t", format=JsonFormat(), columns=(constant, REST))
