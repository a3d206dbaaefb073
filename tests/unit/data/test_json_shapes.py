"""JSON files of every shape: what json writes reads back equal, and nothing that is no JSON is lost without a word."""

import bz2
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import jobruns_data.blocks
import jobruns_data.json_values
from jobruns.formats import Compression, JsonFormat
from jobruns.transform import Column, ColumnType, Source, Transform
from jobruns_data.errors import UnreadableFileError
from jobruns_data.packing import Unpacked
from jobruns_data.readers import read_rows
from jobruns_data.rows import Reject, Rows

Read = Callable[..., tuple[list[dict[str, Any]], list[Reject]]]

WHOLE = Source(pointers=("",))
TIME = Column(name="ts", type=ColumnType.TIMESTAMP, primary=True, source=Source(constant="2024-01-01T00:00:00Z"))
NUMBERS = Transform(name="t", format=JsonFormat(), columns=(TIME, Column(name="n", type=ColumnType.INT64)))
OBJECTS = Transform(
    name="t",
    format=JsonFormat(),
    columns=(TIME, Column(name="n", type=ColumnType.INT64), Column(name="all", type=ColumnType.JSON, source=WHOLE)),
)


def numbers(rows: list[dict[str, Any]]) -> list[int]:
    return [row["n"] for row in rows]


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make blocks of so many bytes."""

    def make(size: int) -> None:
        monkeypatch.setattr(jobruns_data.blocks.cut_blocks, "__kwdefaults__", {"skip_lines": 0, "block_bytes": size})
        monkeypatch.setattr(jobruns_data.json_values.cut_values, "__kwdefaults__", {"block_bytes": size})
        monkeypatch.setattr("jobruns_data.json_shape._HEAD_BYTES", size)

    return make


@pytest.mark.parametrize(
    "text",
    [
        '{"n":1}\n{"n":2}\n{"n":3}',
        '{"n":1}\r\n{"n":2}\r\n{"n":3}\r\n',
        '\n\n{"n":1}\n{"n":2}\n\n{"n":3}\n',
        '{"n":1}{"n":2}{"n":3}',
        '{"n":1} {"n":2}\n{"n":3}',
        '{"n":1}\r{"n":2}\r{"n":3}\r',
        '{\n "n": 1\n}\n{\n "n": 2\n}\n{\n "n": 3\n}\n',
        '{"n":\n1}{"n":2}\n{"n":3}',
        '[{"n":1},{"n":2},{"n":3}]',
        '\ufeff [\n{"n":1},\n{"n":2},\n{"n":3}\n]\n',
        '[{"n":1}]\n[]\n[{"n":2},{"n":3}]',
        '[\n]{"n":1}[{"n":2}]{"n":3}',
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_every_shape_gives_the_same_rows(read: Read, cut: Callable[[int], None], text: str, size: int) -> None:
    cut(size)
    rows, rejects = read(text.encode(), NUMBERS)
    assert (numbers(rows), rejects) == ([1, 2, 3], [])


@pytest.mark.parametrize("text", ["", " \n\t\r\n ", "\ufeff", "[]", " [ ] ", "\ufeff[]\n[]\n"])
def test_a_file_without_values_has_no_rows(read: Read, text: str) -> None:
    assert read(text.encode(), NUMBERS) == ([], [])


@pytest.mark.parametrize(
    "bad", ["{bad", '{"n": 1,}', '{"n": 1} x', '{"n": 1},', "[INFO] started", "[2024-01-01]",
            "x", "nul", '"open', "]", "-", '{"a": "\t"}'],
)  # fmt: skip
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_line_is_rejected_alone_even_if_it_is_the_first(read: Read, bad: str, place: int) -> None:
    lines = ['{"n":1}', '{"n":2}']
    lines.insert(place, bad)
    rows, rejects = read("\n".join(lines).encode(), NUMBERS)
    assert numbers(rows) == [1, 2]
    assert [(reject.line, reject.data) for reject in rejects] == [(place + 1, [bad])]


def test_a_first_line_that_is_cut_off_is_rejected_alone(read: Read) -> None:
    rows, rejects = read(b'{"a": "cut o\n{"n": 1}\n{"n": 2}', NUMBERS)
    assert numbers(rows) == [1, 2]
    assert [reject.line for reject in rejects] == [1]
    assert [reject.line for reject in read(b'{"n": 1, ', NUMBERS)[1]] == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"n":1},\n{"n":2},\n{"n" 3},\n{"n":4}]', "line 3 is not JSON, after 2 whole values: Expecting ':'"),
        ('[{"n":1},{"n":2} {"n":3}]', "line 1 is not JSON, after 2 whole values: a comma or"),
        ('[{"n":1},\n{"n":2},\n]', "line 3 is not JSON, after 2 whole values: Expecting value"),
        ('{\n"n":1}\n{\n"n":2\n"m":3}', "line 5 is not JSON, after 1 whole values: Expecting ',' delimiter"),
        ('{"n":1}{"n":2}\nx\n{"n":3}', "line 2 is not JSON, after 2 whole values: Expecting value"),
        ('[{"n":1}]]', "line 1 is not JSON, after 1 whole values: Expecting value"),
        ('[{"n":1},\n{"n":2', "the file ends within the value that begins on line 2"),
        ('\n[{"n":1},\n{"n":2}\n', "the file ends within the array that begins on line 2"),
        ('{\n"n":1}\n{"n":2', "the file ends within the value that begins on line 3"),
        ('{\n"n": 1,\n', "the file ends within the value that begins on line 1"),
        ("[", "the file ends within the array that begins on line 1"),
        ('[{"n":1},\n' + "[" * 100_000, "the value that begins on line 2 is nested more than 500 levels"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [5, 1 << 16])
def test_a_broken_stream_fails_with_its_line(
    read: Read, cut: Callable[[int], None], text: str, message: str, size: int
) -> None:
    cut(size)
    with pytest.raises(UnreadableFileError, match="^" + message.replace("(", r"\(")):
        read(text.encode(), NUMBERS)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("null", "null is not a JSON object"),
        ("true", "true is not a JSON object"),
        ("-1.5e3", "a number is not a JSON object"),
        ('"x"', "a string is not a JSON object"),
        ('{"n":NaN}', "NaN is not a JSON number; write null"),
        ('{"n":-Infinity}', "-Infinity is not a JSON number; write null"),
        ('{"n":' + "1" * 5000 + "}", "it has a number of more than 4,300 digits"),
        ('{"n":1e999}', 'column "n": '),
    ],
)
@pytest.mark.parametrize(
    "form", ['{{"n":0}}\n{}\n{{"n":1}}', '[{{"n":0}},\n{}\n,{{"n":1}}]', '{{"n":0}}{{"n":0}}\n{}{{"n":1}}']
)
@pytest.mark.parametrize("size", [3, 1 << 16])
def test_a_value_that_is_no_row_is_rejected_alone_in_every_shape(
    read: Read, cut: Callable[[int], None], value: str, reason: str, form: str, size: int
) -> None:
    cut(size)
    if "}}{}" in form.replace("\n", ""):
        value += "\n"
    rows, rejects = read(form.format(value).encode(), NUMBERS)
    assert sorted({*numbers(rows)}) == [0, 1]
    assert [reject.line for reject in rejects] == [2]
    assert rejects[0].reason.startswith(reason)
    json.dumps([reject.data for reject in rejects], allow_nan=False)


@pytest.mark.parametrize("text", ['null\n{"n":1}', ' null\r\n{"n":1}', '[null,{"n":1}]', 'null\nnull\n{"n":1}', "null"])
def test_a_null_in_the_first_place_is_rejected(read: Read, text: str) -> None:
    """Arrow's parser takes null for a row of nulls, and does not survive one in the first place."""
    rows, rejects = read(text.encode(), NUMBERS)
    assert len(rows) == text.count('n":1')
    assert [reject.reason for reject in rejects] == ["null is not a JSON object"] * text.count("null")


@pytest.mark.parametrize("text", ['{"n":1}\n[{"n":2},{"n":3}]\n{"n":4}', '[{"n":1},\n[{"n":2},{"n":3}],{"n":4}]'])
def test_an_array_in_the_place_of_a_row_is_rejected(read: Read, text: str) -> None:
    rows, rejects = read(text.encode(), NUMBERS)
    assert numbers(rows) == [1, 4]
    assert [(reject.line, reject.reason) for reject in rejects] == [(2, "an array is not a JSON object")]


def test_of_members_of_the_same_name_the_last_counts(read: Read) -> None:
    for text in ('{"n":1,"n":2}\n{"n":3}', '[{"n":1,"n":2},{"n":3}]', '{"n":1,"n":2}\n{"n":3}\nbad'):
        assert numbers(read(text.encode(), NUMBERS)[0]) == [2, 3]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_other_encodings_are_named(read: Read, encoding: str) -> None:
    with pytest.raises(UnreadableFileError, match="convert the file to UTF-8"):
        read('{"n":1}'.encode(encoding), NUMBERS)


@pytest.mark.parametrize("head", [b'{"n":1}\n', b"[\n", b"{\n"])
def test_bytes_that_are_no_text_are_named_with_their_line(read: Read, head: bytes) -> None:
    with pytest.raises(UnreadableFileError, match=r"^line 3 is not UTF-8 \(byte 0xff\)"):
        read(head + b'"n":\n"\xff"', NUMBERS)


@pytest.mark.parametrize("form", ["{}\n", "[{}\n", '{{"n":1}}{}', "{{\n}}{}"])
def test_a_value_that_is_too_long_is_refused(
    read: Read, monkeypatch: pytest.MonkeyPatch, cut: Callable[[int], None], form: str
) -> None:
    cut(1000)
    for module in ("blocks", "json_values", "json_shape"):
        monkeypatch.setattr(f"jobruns_data.{module}.RECORD_BYTES", 4000)
    long = '{"n":1,"x":"' + "é" * 2500 + '"}'
    with pytest.raises(UnreadableFileError, match=r"^line [12] starts a (row|value) longer than"):
        read(form.format(long).encode(), NUMBERS)
    assert numbers(read(form.format(long.replace("é", "e")).encode() + b"]" * (form[0] == "["), NUMBERS)[0])[-1] == 1


def test_a_gigantic_line_is_refused_before_it_is_read_to_its_end() -> None:
    class Endless:
        given = 0

        def __init__(self, start: bytes) -> None:
            self.start = start

        def read(self, size: int, /) -> bytes:
            data = self.start or b"a" * min(size, 1 << 20)
            self.start = b""
            self.given += len(data)
            return data

    for start in (b'{"n":"', b'[{"n":"', b'{"n":1}{"n":"', b"[1,2", b"x"):
        stream = Endless(start)
        with pytest.raises(UnreadableFileError):
            list(read_rows(stream, NUMBERS))
        assert stream.given < 40 << 20


def test_an_array_is_read_in_bounded_memory(cut: Callable[[int], None]) -> None:
    class Array:
        """A million objects, as they are asked for."""

        def __init__(self) -> None:
            self.rows = self.given = 0

        def read(self, size: int, /) -> bytes:
            last = self.rows + max(size // 12, 1)
            text = "".join(f'{"[" if n == 0 else ","}{{"n":{n}}}' for n in range(self.rows, last))
            self.rows = last
            self.given += len(text)
            return text.encode()

    cut(10_000)
    array = Array()
    parts: Iterator[Rows] = read_rows(array, NUMBERS)
    assert sum(next(parts).batch.num_rows for _ in range(100)) > 50_000
    assert array.given < 100 * 20_000


def test_many_tiny_rows_are_made_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobruns_data.json_values.VALUES_AT_ONCE", 100)
    for text in ("{}\n" * 999 + "[]\n", "[" + "{}," * 999 + "[]]"):
        parts = list(read_rows(io.BytesIO(text.encode()), OBJECTS))
        assert [part.batch.num_rows + len(part.rejects) for part in parts] == [100] * 10


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(blacklist_categories=("Cs",)), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
ROWS = st.lists(
    st.fixed_dictionaries({"n": st.none() | st.integers(-(2**63), 2**63 - 1)}, optional={"v": VALUES}), max_size=6
)


def written(rows: list[Any], shape: str, separator: str, **how: Any) -> str:
    if shape == "array":
        return json.dumps(rows, **how)
    return ("\n" if shape == "lines" else separator).join(json.dumps(row, **how) for row in rows)


def pack(data: bytes, compression: Compression) -> bytes:
    if compression is Compression.ZIP:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("rows.json", data)
        return packed.getvalue()
    deflate = zlib.compressobj(wbits=-15)
    return {
        Compression.NONE: lambda: data,
        Compression.GZIP: lambda: gzip.compress(data),
        Compression.ZLIB: lambda: zlib.compress(data),
        Compression.DEFLATE: lambda: deflate.compress(data) + deflate.flush(),
        Compression.BZIP2: lambda: bz2.compress(data),
    }[compression]()


HOW = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "indent": st.sampled_from([None, 0, 1, "\t"]),
        "separators": st.sampled_from([None, (",", ":"), (" , ", " : ")]),
    }
)


@given(
    ROWS,
    st.sampled_from(["lines", "concatenated", "array"]),
    st.sampled_from(["", " ", "\n", "\r\n\t"]),
    HOW,
    st.sampled_from(list(Compression)),
    st.integers(1, 40) | st.just(1 << 16),
    st.booleans(),
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_python_writes_in_whatever_shape_and_packing_reads_back_equal(
    cut: Callable[[int], None],
    rows: list[dict[str, Any]],
    shape: str,
    separator: str,
    how: dict[str, Any],
    compression: Compression,
    size: int,
    fast: bool,
) -> None:
    cut(size)
    packed = pack(written(rows, shape, separator, **how).encode(), compression)
    stream = Unpacked(io.BytesIO(packed), compression, packed_bytes=len(packed))  # type: ignore[arg-type]
    parts = list(read_rows(stream, NUMBERS if fast else OBJECTS))
    assert [reject for part in parts for reject in part.rejects] == []
    got = [row for part in parts for row in part.batch.to_pylist()]
    assert numbers(got) == [row["n"] for row in rows]
    if not fast:
        assert [json.loads(row["all"]) for row in got] == rows


PIECES = [
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\n", b" ", b'{"n":1}', b'{"n":1}\n', b'"n"', b"1", b"-"),
    *(
        b"NaN",
        b"1e999",
        b"null",
        b"tru",
        b"\xef\xbb\xbf",
        b"\xc3",
        b"\xa9",
        b"\0",
        b'{"n":"x"}',
        b'"\\ud800"',
        b"\\u12",
    ),
    *(b"[" * 2000, b'{"a":' * 900, b"9" * 4400),
]


@given(
    st.binary(max_size=30) | st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join),
    st.integers(1, 20) | st.just(1 << 16),
)
@example(b'{"n":1' + b"0" * 40 + b"}", 3)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_are_rows_and_rejects_or_one_readable_error(
    cut: Callable[[int], None], data: bytes, size: int
) -> None:
    cut(size)
    try:
        parts = list(read_rows(io.BytesIO(data), OBJECTS))
    except UnreadableFileError:
        return
    rejects = [reject for part in parts for reject in part.rejects]
    json.dumps([reject.data for reject in rejects])
    if data.strip(b" \t\r\n\xef\xbb\xbf[]"):
        assert sum(part.batch.num_rows for part in parts) + len(rejects) > 0


@given(st.lists(VALUES, max_size=6), st.sampled_from(["lines", "concatenated", "array"]), st.integers(1, 40))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_value_is_a_row_or_a_reject(
    read: Read, cut: Callable[[int], None], values: list[object], shape: str, size: int
) -> None:
    cut(size)
    # No member that a column reads: it might be of another type.
    values = [{f"_{key}": part for key, part in one.items()} if isinstance(one, dict) else one for one in values]
    values = [{"first": 1}, *values]
    if shape == "concatenated":  # where an array at the top holds rows
        values = [{"second": 2} if isinstance(value, list) else value for value in values]
    rows, rejects = read(written(values, shape, " ").encode(), OBJECTS)
    assert len(rows) == sum(isinstance(value, dict) for value in values)
    assert len(rows) + len(rejects) == len(values)
