"""Transform documents: what each part of them means, and that nothing that is sent can break their reading."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hydrolix.errors import InvalidDocumentError
from hydrolix.sources import SourceSettings, read_url
from hydrolix.transform_columns import EPOCHS, TYPES
from hydrolix.transform_documents import COMPRESSIONS, read_transform
from jobruns.datatypes import ColumnType, Element, Resolution, TimestampFormat
from jobruns.errors import InvalidInputError
from jobruns.formats import CsvFormat, Flattening, JsonFormat, Surround
from jobruns.table import LoadSource
from jobruns.transform import Column, Source, Transform

AT = {"name": "at", "datatype": {"type": "epoch", "primary": True, "format": "s", "source": {"from_input_index": 0}}}


def document(kind: str = "csv", columns: list[Any] | None = None, **settings: Any) -> dict[str, Any]:
    return {"name": "t", "type": kind, "settings": {"output_columns": [AT] if columns is None else columns, **settings}}


def read(**parts: Any) -> Transform:
    return read_transform(document(**parts))[1]


def read_column(kind: str = "csv", **datatype: Any) -> Column:
    """Read a column beside the primary one."""
    given = {"type": "string", "source": {"from_input_field": "c"}, **datatype}
    at = {"name": "at", "datatype": {**AT["datatype"], "source": {"from_input_field": "at"}}}  # type: ignore[dict-item]
    return read(kind=kind, columns=[at, {"name": "c", "datatype": given}]).columns[1]


@pytest.mark.parametrize(
    ("kind", "source", "meant"),
    [
        ("csv", {"from_input_index": 3}, {"index": 3}),
        ("csv", {"from_input_field": "x"}, {"field": "x"}),
        ("csv", {"from_input_fields": ["x"]}, {"field": "x"}),
        ("json", {"from_input_field": "x"}, {"field": "x"}),
        ("json", {"from_input_fields": ["x/y", "z~"]}, {"pointers": ("/x~1y", "/z~0")}),
        ("json", {"from_json_pointers": ["/a/b", "/c"]}, {"pointers": ("/a/b", "/c")}),
        ("json", None, {"field": "c"}),
    ],
)
def test_sources(kind: str, source: Any, meant: dict[str, Any]) -> None:
    assert read_column(kind, source=source).reads.model_dump(exclude_none=True) == meant


def test_the_old_position_is_an_index() -> None:
    column = {"name": "c", "position": 4, "datatype": {"type": "string"}}
    assert read(columns=[AT, column]).columns[1].reads.index == 4


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_type_is_understood(name: str) -> None:
    written = {"datetime": "2006-01-02", "datetime64": "2006-01-02", "epoch": "ms"}.get(name)
    elements = {"array": [{"type": "int8"}], "map": [{"type": "string"}, {"type": "int8"}]}.get(name)
    assert read_column(type=name, format=written, elements=elements).type is TYPES[name]


@pytest.mark.parametrize(
    ("text", "kept"), [(None, "s"), ("sec", "s"), ("seconds", "s"), ("ms", "ms"), ("millisecond", "ms")]
)
def test_resolutions(text: str | None, kept: str) -> None:
    assert read_column(type="datetime", format="2006", resolution=text).resolution.value == kept


@pytest.mark.parametrize("text", sorted(EPOCHS))
def test_epochs(text: str) -> None:
    assert read_column(type="epoch", format=text).moment.epoch is EPOCHS[text]


@pytest.mark.parametrize(
    ("kind", "default", "text"),
    [("string", "x", "x"), ("string", 5, "5"), ("int32", 5, "5"), ("double", 1.5, "1.5"), ("bool", True, "true"),
     ("json", {"a": 1}, '{"a":1}'), ("json", "word", '"word"'), ("json", "[ 1]", "[ 1]"), ("string", None, None),
     ("int32", 5.0, "5"), ("int32", "", None), ("string", "", ""), ("bool", "T", "T"),
     ("string", {"a": []}, '{"a":[]}')],
)  # fmt: skip
def test_defaults_are_written_as_the_input_would_write_them(kind: str, default: Any, text: str | None) -> None:
    assert read_column(type=kind, default=default).default == text


def test_defaults_of_moments_are_written_by_their_format() -> None:
    assert read_column(type="epoch", format="ms", default=1500).default == "1500"
    assert read_column(type="datetime", format="02/01/2006", default="31/12/2024").default == "31/12/2024"


@pytest.mark.parametrize("default", [[1, None], "[1,null]"])
def test_defaults_of_arrays_are_json(default: Any) -> None:
    assert read_column(type="array", elements=[{"type": "int8"}], default=default).default == "[1,null]"


@pytest.mark.parametrize("kind", ["uint8", "string", "double", "bool", "json"])
def test_denullify_and_null_values_are_those_of_the_column(kind: str) -> None:
    column = read_column(type=kind, denullify=True, null_values=["-"])
    assert (column.denullify, column.null_values) == (True, ("-",))
    assert not read_column(type=kind, denullify=None).denullify


MOMENTS = {"type": "datetime64", "format": "2006-01-02 15:04:05.000", "index": False}


def test_arrays_and_maps_hold_datatypes() -> None:
    column = read_column(type="array", elements=[MOMENTS])
    assert column.element == Element(
        type=ColumnType.TIMESTAMP,
        timestamp=TimestampFormat(layout="2006-01-02 15:04:05.000"),
        resolution=Resolution.MILLISECONDS,
    )
    words = {"type": "string", "null_values": ["-"], "default": "", "denullify": True, "primary": False, "source": None}
    rows = {"type": "array", "elements": [{"type": "epoch", "format": "us"}]}
    column = read_column(type="map", elements=[{"type": "string"}, {"type": "map", "elements": [words, rows]}])
    assert column.element is not None
    assert column.element.element == Element(
        type=ColumnType.ARRAY,
        element=Element(
            type=ColumnType.TIMESTAMP, timestamp=TimestampFormat(epoch=EPOCHS["us"]), resolution=Resolution.SECONDS
        ),
    )
    inner = read_column(type="array", elements=[words]).element
    assert inner is not None
    assert (inner.null_values, inner.default, inner.denullify) == (("-",), "", True)


@pytest.mark.parametrize(("kind", "elements"), [("map", [{"type": "string"}] * 2), ("string", None), ("json", [])])
@pytest.mark.parametrize("format_of_files", ["csv", "json"])
def test_catch_all_takes_what_remains_without_what_is_ignored(kind: str, elements: Any, format_of_files: str) -> None:
    at = {"name": "at", "datatype": {**AT["datatype"], "source": {"from_input_field": "at"}}}  # type: ignore[dict-item]
    columns = [
        at,
        {"name": "rest", "datatype": {"type": kind, "elements": elements, "catch_all": True, "source": None}},
        {"name": "secret", "datatype": {"type": "string", "ignore": True}},
        {"name": "own", "datatype": {"type": "string", "suppress": True, "source": {"from_input_field": "x"}}},
        {"name": "now", "datatype": {"type": "epoch", "suppress": True, "source": {"from_automatic_value": "n"}}},
        {"name": "script", "datatype": {"type": "string", "suppress": True, "virtual": True, "script": "1"}},
    ]
    transform = read(kind=format_of_files, columns=columns)
    assert [column.name for column in transform.columns] == ["at", "rest"]
    assert transform.columns[1].reads == Source(remainder=True)
    assert transform.ignored == (Source(field="secret"), Source(field="x"), Source(field="script"))


@pytest.mark.parametrize("format_of_files", ["csv", "json"])
def test_a_virtual_column_is_its_default(format_of_files: str) -> None:
    column = read_column(format_of_files, type="uint8", virtual=True, default=7, source=None)
    assert column.reads == Source(constant="7")


def test_what_does_nothing_here_is_taken() -> None:
    more = {"index": False, "index_options": {"fulltext": True}, "limits": {"max": 1}, "catch_rejects": True,
            "elements": [], "virtual": False, "script": None, "format": None, "resolution": None}  # fmt: skip
    assert read_column(**more) == read_column()


def test_ignored_columns_are_not_stored() -> None:
    ignored = [{"name": name, "datatype": {"type": "string", name: True}} for name in ("ignore", "suppress")]
    assert [column.name for column in read(columns=[AT, *ignored]).columns] == ["at"]


def test_csv_details() -> None:
    details = {"delimiter": "\\t", "quote": 39, "escape": "\\", "skip_head": 2, "skip_comments": True, "own": 1}
    assert read(format_details=details).format == CsvFormat(
        delimiter="\t", quote="'", escape="\\", comment="#", skip_head=2
    )
    assert read(format_details={"comment": "#", "escape": '"', "quote": ""}).format == CsvFormat(quote=None, escape='"')
    details = {"delimiter": 9, "quote": 0, "escape": 92, "comment": "%", "skip_comments": True, "buffer_size": 4096}
    assert read(format_details=details).format == CsvFormat(delimiter="\t", quote=None, escape="\\", comment="%")
    for windows_ending in (True, False, None):
        assert read(format_details={"delimiter": "\t", "windows_ending": windows_ending}).format == CsvFormat(
            delimiter="\t"
        )
    assert read(format_details=None).format == CsvFormat()


def test_json_details() -> None:
    at = {"name": "at", "datatype": {"type": "epoch", "primary": True, "format": "s"}}
    assert read(kind="json", columns=[at], format_details={"flattening": {"active": False}}).format == JsonFormat()
    flattening = {
        "active": True,
        "depth": 3,
        "map_flattening_strategy": {"left": ".", "right": None},
        "slice_flattening_strategy": {"left": "[", "right": "]"},
    }
    surrounds = {"objects": Surround(left="."), "arrays": Surround(left="[", right="]")}
    assert read(kind="json", columns=[at], format_details={"flattening": flattening}).format == JsonFormat(
        flattening=Flattening(depth=3, **surrounds)
    )
    flattening |= {"depth": None, "slice_flattening_strategy": None}
    assert read(kind="json", columns=[at], format_details={"flattening": flattening}).format == JsonFormat(
        flattening=Flattening(objects=Surround(left="."))
    )


@pytest.mark.parametrize("name", [*COMPRESSIONS, None])
def test_compressions(name: str | None) -> None:
    assert read(compression=name).compression is COMPRESSIONS[name or "none"]


def column(**datatype: Any) -> dict[str, Any]:
    source = {"from_input_index": 1}
    return document(columns=[AT, {"name": "c", "datatype": {"type": "string", "source": source, **datatype}}])


def arrays(depth: int) -> list[Any]:
    elements = [{"type": "int8"}]
    for _ in range(depth):
        elements = [{"type": "array", "elements": elements}]
    return elements


CAUGHT = [{"name": name, "datatype": {"type": "string", "catch_all": True}} for name in ("a", "b")]
REFUSED = [
    ({**document(), "type": "parquet"}, ("type",)),
    ({**document(), "settings": None}, ("settings",)),
    (document(columns=[]), ("settings", "output_columns")),
    (document(columns=[{"name": "c", "datatype": {"type": "string", "source": {"from_input_index": 1}}}]),
     ("settings", "output_columns")),
    (document(columns=[AT, AT]), ("settings", "output_columns")),
    (document(columns=[AT, "x"]), ("settings", "output_columns", 1)),
    (document(compression="rar"), ("settings", "compression")),
    (document(sql_transform="select 1"), ("settings", "sql_transform")),
    (document(format_details={"delimiter": "ab"}), ("settings", "format_details")),
    (document(format_details={"delimiter": ",", "quote": ","}), ("settings", "format_details")),
    (document(format_details={"skip_head": -1}), ("settings", "format_details", "skip_head")),
    (document("json", format_details={"flattening": {"active": True, "depth": -1}}),
     ("settings", "format_details", "flattening", "depth")),
    (document("json", format_details={"flattening": {"active": True, "map_flattening_strategy": {"left": "." * 17}}}),
     ("settings", "format_details", "flattening", "map_flattening_strategy", "left")),
    (document("json", format_details={"subtype": "firehose"}), ("settings", "format_details", "subtype")),
    (document("json"), ("settings", "output_columns")),
    (column(type="float16"), ("settings", "output_columns", 1, "datatype", "type")),
    (column(type="datetime"), ("settings", "output_columns", 1, "datatype", "format")),
    (column(type="datetime", format="day"), ("settings", "output_columns", 1, "datatype", "format")),
    (column(type="epoch", format="h"), ("settings", "output_columns", 1, "datatype", "format")),
    (column(resolution="ns"), ("settings", "output_columns", 1, "datatype", "resolution")),
    (column(type="int8", default=300), ("settings", "output_columns", 1, "datatype", "default")),
    (column(type="int8", default=True), ("settings", "output_columns", 1, "datatype", "default")),
    (column(type="epoch", format="s", default="now"), ("settings", "output_columns", 1, "datatype", "default")),
    (column(type="array", elements=[{"type": "int8"}], default=[300]),
     ("settings", "output_columns", 1, "datatype", "default")),
    (column(type="array"), ("settings", "output_columns", 1, "datatype", "elements")),
    (column(type="array", elements=[]), ("settings", "output_columns", 1, "datatype", "elements")),
    (column(type="array", elements=[{"type": "int8"}] * 2), ("settings", "output_columns", 1, "datatype", "elements")),
    (column(type="map", elements=[{"type": "string"}]), ("settings", "output_columns", 1, "datatype", "elements")),
    (column(type="map", elements=[{"type": "int8"}, {"type": "int8"}]),
     ("settings", "output_columns", 1, "datatype", "elements", 0, "type")),
    (column(type="map", elements=[{"type": "string"}, {"type": "float"}]),
     ("settings", "output_columns", 1, "datatype", "elements", 1, "type")),
    (column(type="array", elements=[{"type": "datetime"}]),
     ("settings", "output_columns", 1, "datatype", "elements", 0, "format")),
    (column(type="array", elements=[{"type": "epoch", "format": "s", "primary": True}]),
     ("settings", "output_columns", 1, "datatype", "elements", 0, "primary")),
    (column(type="array", elements=[{"type": "string", "script": "x"}]),
     ("settings", "output_columns", 1, "datatype", "elements", 0, "script")),
    (column(type="int8", elements=[{"type": "int8"}]), ("settings", "output_columns", 1, "datatype", "elements")),
    (column(type="array", elements=arrays(9)),
     ("settings", "output_columns", 1, "datatype", *("elements", 0) * 8, "elements")),
    (column(primary=True), ("settings", "output_columns", 1)),
    (column(script="x"), ("settings", "output_columns", 1, "datatype", "script")),
    (column(sql_expression="x"), ("settings", "output_columns", 1, "datatype", "sql_expression")),
    (column(catch_all=True), ("settings", "output_columns", 1, "datatype", "source")),
    (column(catch_all=True, source=None), ("settings", "output_columns")),
    (column(catch_all=True, source={}, type="int8"), ("settings", "output_columns", 1, "datatype", "catch_all")),
    (document("json", [AT, *CAUGHT]), ("settings", "output_columns")),
    (column(source=None), ("settings", "output_columns", 1, "datatype", "source")),
    (column(source={"from_input_index": 1, "from_input_field": "x"}),
     ("settings", "output_columns", 1, "datatype", "source")),
    (column(source={"from_input_index": -1}),
     ("settings", "output_columns", 1, "datatype", "source", "from_input_index")),
    (column(source={"from_input_fields": ["a", "b"]}),
     ("settings", "output_columns", 1, "datatype", "source", "from_input_fields")),
    (column(source={"from_automatic_value": "now"}),
     ("settings", "output_columns", 1, "datatype", "source", "from_automatic_value")),
    (column(source={"from_json_pointers": ["/a"]}), ("settings", "output_columns")),
]  # fmt: skip


@pytest.mark.parametrize(("body", "where"), REFUSED, ids=lambda value: str(value)[-60:])
def test_what_cannot_be_is_refused_by_its_member(body: dict[str, Any], where: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidDocumentError) as caught:
        read_transform(body)
    assert [path for path, _ in caught.value.problems] == [where]


LAYOUTS = st.text("0123456789-:., _TZJanMoPMST+/", max_size=20) | st.sampled_from(["2006-01-02T15:04:05Z", "s", "ms"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | LAYOUTS
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


def nearly(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Make objects with any of the members, each right or anything at all."""
    return st.fixed_dictionaries({}, optional={name: value | ANYTHING for name, value in members.items()})


DATATYPES = nearly(
    type=st.sampled_from(sorted(TYPES)),
    primary=st.booleans(),
    format=LAYOUTS,
    resolution=st.sampled_from(["s", "ms"]),
    source=nearly(
        from_input_index=st.integers(0, 5),
        from_input_field=st.text(max_size=5),
        from_input_fields=st.lists(st.text(max_size=5), max_size=3),
        from_json_pointers=st.lists(st.text("/~01a", max_size=5), max_size=3),
    ),
    default=SCALARS | st.lists(SCALARS, max_size=2),
    elements=st.lists(
        nearly(type=st.sampled_from(["string", "int8", "epoch", "array"]), format=st.just("s"), primary=st.booleans()),
        max_size=2,
    ),
    catch_all=st.booleans(),
    virtual=st.booleans(),
    null_values=st.lists(st.text(max_size=3), max_size=2),
    denullify=st.booleans(),
    ignore=st.booleans(),
)
COLUMNS = nearly(name=st.text(max_size=5), position=st.integers(0, 5), datatype=DATATYPES)
DOCUMENTS = nearly(
    name=st.text(max_size=5),
    type=st.sampled_from(["csv", "json"]),
    settings=nearly(
        output_columns=st.lists(COLUMNS, max_size=3).map(lambda columns: [AT, *columns]),
        format_details=nearly(
            delimiter=st.text(max_size=2) | st.integers(-1, 130),
            quote=st.text(max_size=1),
            escape=st.text(max_size=1),
            skip_head=st.integers(-1, 5),
        ),
        compression=st.sampled_from(sorted(COMPRESSIONS)),
        is_default=st.booleans(),
    ),
)


@settings(max_examples=600, deadline=None)
@given(DOCUMENTS)
def test_whatever_is_sent_is_read_or_refused(body: dict[str, Any]) -> None:
    with suppress(InvalidInputError):  # and nothing else may come of it
        sent, transform = read_transform(body)
        assert transform.name == sent.name == body["name"]
        assert Transform.model_validate(transform.model_dump(mode="json")) == transform


@settings(max_examples=300, deadline=None)
@given(st.fixed_dictionaries({"type": st.just("datetime"), "format": LAYOUTS, "default": LAYOUTS | st.none()}))
def test_any_layout_is_read_or_refused(datatype: dict[str, Any]) -> None:
    with suppress(InvalidInputError):
        default = read_transform(column(**datatype))[1].columns[1].default
        assert default == (datatype["default"] or None)


BUCKETS = st.from_regex(r"[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]", fullmatch=True)
PATHS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(BUCKETS, PATHS)
def test_a_url_is_its_bucket_and_its_path(bucket: str, path: str) -> None:
    assert read_url(f"s3://{bucket}/{path}") == LoadSource(bucket=bucket, path=path)
    given = SourceSettings(bucket_name=bucket, bucket_path=f"/{path}")
    assert given.place() == SourceSettings(url=f"s3://{bucket}/{path}").place()


def test_a_url_without_path_is_the_whole_bucket() -> None:
    assert read_url("s3://whole").path == read_url("s3://whole/").path == ""


@given(st.text() | st.text().map(lambda rest: f"s3://{rest}"))
def test_any_text_is_a_place_or_a_readable_refusal(text: str) -> None:
    with suppress(ValueError):
        place = read_url(text)
        assert text.startswith(f"s3://{place.bucket}")
        assert text.endswith(place.path)
