"""CSV: every row is loaded or rejected where it is, with a reason that says what to do."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import jobruns_data.blocks
from jobruns.datatypes import ColumnType, EpochUnit, Resolution, TimestampFormat
from jobruns.formats import CsvFormat
from jobruns.transform import Column, Source, Transform
from jobruns_data.errors import UnreadableFileError
from jobruns_data.readers import read_rows
from jobruns_data.rows import Reject

Read = Callable[..., tuple[list[dict[str, Any]], list[Reject]]]
Make = Callable[..., Transform]


@given(good=st.lists(st.booleans(), min_size=1, max_size=30), size=st.integers(1, 60), newline=st.booleans())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_bad_row_is_rejected_with_its_line_and_every_other_loaded(
    read: Read, csv_of: Make, monkeypatch: Any, good: list[bool], size: int, newline: bool
) -> None:
    monkeypatch.setattr(jobruns_data.blocks.cut_blocks, "__kwdefaults__", {"skip_lines": 0, "block_bytes": size})
    text, line, lines = "n,w\n", 2, {}
    for i, fine in enumerate(good):
        word = '"a\nb"' if newline and i % 3 == 0 else "w"
        text += f"{i if fine else 'bad'},{word}\n"
        lines[i] = line
        line += 1 + word.count("\n")
    rows, rejects = read(text.encode(), csv_of(n="int32", w="string"))
    assert [row["n"] for row in rows] == [i for i, fine in enumerate(good) if fine]
    assert [reject.line for reject in rejects] == [lines[i] for i, fine in enumerate(good) if not fine]
    assert all('column "n": cannot read "bad" is not a whole number' in reject.reason for reject in rejects)


def test_ragged_rows_are_rejected_with_their_fields(read: Read, csv_of: Make) -> None:
    rows, rejects = read(b'n,w\n1,a\n2\n\n3,"b,c",d\n4,e\n', csv_of(n="int32", w="string"))
    assert [row["n"] for row in rows] == [1, 4]
    assert rejects == [
        Reject(3, ["2"], "the row has 1 fields instead of 2"),
        Reject(5, ["3", "b,c", "d"], "the row has 3 fields instead of 2"),
    ]


def test_a_file_of_nothing_but_ragged_rows(read: Read, csv_of: Make) -> None:
    rows, rejects = read(b"n,w\n1\n2\n", csv_of(n="int32", w="string"))
    assert rows == []
    assert [reject.line for reject in rejects] == [2, 3]


@pytest.mark.parametrize("data", [b"", b"n,w\n", b"n,w", b"\n\n", b"\xef\xbb\xbf", b"n,w\r\n\r\n"])
def test_an_empty_file_is_no_rows(read: Read, csv_of: Make, data: bytes) -> None:
    assert read(data, csv_of(n="int32", w="string")) == ([], [])


def test_a_row_without_its_primary_timestamp_is_rejected(read: Read) -> None:
    transform = Transform(name="t", columns=(Column(name="ts", type=ColumnType.TIMESTAMP, primary=True),))
    rows, rejects = read(b'ts\n2024-01-01T00:00:00Z\n""\nx\n', transform)
    assert [row["ts"] for row in rows] == [datetime(2024, 1, 1, tzinfo=UTC)]
    assert [(r.line, r.data) for r in rejects] == [(3, [""]), (4, ["x"])]
    assert rejects[0].reason == 'column "ts": the primary timestamp is missing'
    assert 'does not follow the layout "2006-01-02T15:04:05Z07:00"' in rejects[1].reason


def test_columns_by_position_need_no_header(read: Read, csv_of: Make) -> None:
    transform = csv_of(
        last=Column(name="last", type=ColumnType.STRING, source=Source(index=2)),
        first=Column(name="first", type=ColumnType.INT32, source=Source(index=0)),
    )
    rows, rejects = read(b"1,x,a\n2,y,b\n3,z\n", transform)
    assert [(row["first"], row["last"]) for row in rows] == [(1, "a"), (2, "b")]
    assert [reject.line for reject in rejects] == [3]


def test_comments_and_skipped_lines_count_as_lines(read: Read, csv_of: Make) -> None:
    form = CsvFormat(comment="#", skip_head=1)
    rows, rejects = read(b'banner\n# "c\nn\n1\n#x\nbad\n# y\n2\n', csv_of(form, n="int32"))
    assert [row["n"] for row in rows] == [1, 2]
    assert [reject.line for reject in rejects] == [6]


def test_escapes_and_no_quotes(read: Read, csv_of: Make) -> None:
    rows, rejects = read(b'w,v\na\\,b,"c\n', csv_of(CsvFormat(quote=None, escape="\\"), w="string", v="string"))
    assert rejects == []
    assert (rows[0]["w"], rows[0]["v"]) == ("a,b", '"c')


def test_a_quote_that_is_never_closed_rejects_the_rest(read: Read, csv_of: Make) -> None:
    rows, rejects = read(b'n,w\n1,a\n2,"b\n3,c\n', csv_of(n="int32", w="string"))
    assert [row["n"] for row in rows] == [1]
    assert rejects == [
        Reject(3, ['2,"b\n3,c\n'], "a quote is opened in this row and closed nowhere behind it"),
    ]


@pytest.mark.parametrize(
    ("header", "why"),
    [(b"a,b\n", 'the header has no "n"'), (b"n,n\n", 'the header names "n" 2 times')],
)
def test_a_header_without_the_column_fails_the_file(read: Read, csv_of: Make, header: bytes, why: str) -> None:
    with pytest.raises(UnreadableFileError, match=why):
        read(header + b"1,2\n", csv_of(n="int32"))


CLEAN_AND_DIRTY = pytest.mark.parametrize("dirty", [False, True])


@CLEAN_AND_DIRTY
@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int32", " 12 ", 12),
        ("int64", "-9223372036854775808", -(2**63)),
        ("uint64", "18446744073709551615", Decimal(2**64 - 1)),
        ("uint32", "4294967295", 2**32 - 1),
        ("double", "1e3", 1000.0),
        ("double", "-inf", -math.inf),
        ("boolean", "T", True),
        ("boolean", "false", False),
        ("json", '{"a": [1]}', '{"a": [1]}'),
        ("json", "", None),
        ("timestamp", "2024-01-01T02:00:00.5+02:00", datetime(2024, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("timestamp", "2024-01-01T00:00:00.123456789Z", datetime(2024, 1, 1, 0, 0, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_a_value_reads_the_same_beside_a_bad_one(
    read: Read, csv_of: Make, kind: str, text: str, value: object, dirty: bool
) -> None:
    quoted = '"' + text.replace('"', '""') + '"'
    rows, rejects = read(f"v,w\n{quoted},1\n{'wrong,2' if dirty else ''}\n".encode(), csv_of(v=kind, w="int8"))
    assert [row["v"] for row in rows] == [value]
    assert len(rejects) == dirty


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("int8", "128", '"128" is out of the range of int8'),
        ("uint8", "-1", '"-1" is out of the range of uint8'),
        ("int64", "9223372036854775808", "is out of the range of int64"),
        ("uint64", "18446744073709551616", "is out of the range of uint64"),
        ("int32", "1.0", '"1.0" is not a whole number'),
        ("int32", "1_000", "is not a whole number"),
        ("int32", "9" * 5000, "is out of the range"),
        ("double", "1,5", '"1,5" is not a number'),
        ("boolean", "yes", "neither true nor false"),
        ("json", "{", '"{"'),
        ("timestamp", "2024-02-30T00:00:00Z", "day is out of range"),
        ("timestamp", "2024-01-01", "does not follow the layout"),
        ("timestamp", "2024-01-01T00:00:00", "does not follow the layout"),
    ],
)
def test_reasons_name_column_value_and_fault(read: Read, csv_of: Make, kind: str, text: str, why: str) -> None:
    rows, rejects = read(f'v\n"{text}"\n'.encode(), csv_of(v=kind))
    assert rows == []
    assert rejects[0].line == 2
    assert rejects[0].reason.startswith('column "v": cannot read "')
    assert why in rejects[0].reason or len(text) > 200


@pytest.mark.parametrize(
    ("unit", "text", "expected"),
    [
        (EpochUnit.SECONDS, "1704067200", "2024-01-01T00:00:00"),
        (EpochUnit.SECONDS, "1704067200.25", "2024-01-01T00:00:00.25"),
        (EpochUnit.CENTISECONDS, "170406720050", "2024-01-01T00:00:00.5"),
        (EpochUnit.MILLISECONDS, "-1", "1969-12-31T23:59:59.999"),
        (EpochUnit.MICROSECONDS, "1704067200000001", "2024-01-01T00:00:00.000001"),
        (EpochUnit.NANOSECONDS, "1704067200000001999", "2024-01-01T00:00:00.000001"),
        (EpochUnit.NANOSECONDS, "-1", "1969-12-31T23:59:59.999999"),
    ],
)
@CLEAN_AND_DIRTY
def test_epochs(read: Read, csv_of: Make, unit: EpochUnit, text: str, expected: str, dirty: bool) -> None:
    column = Column(name="v", type=ColumnType.TIMESTAMP, timestamp=TimestampFormat(epoch=unit))
    rows, rejects = read(f"v\n{text}\n{'wrong' if dirty else ''}\n".encode(), csv_of(v=column))
    assert [row["v"] for row in rows] == [datetime.fromisoformat(expected).replace(tzinfo=UTC)]
    assert len(rejects) == dirty


PER_SECOND = {"s": 1, "cs": 100, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@given(
    unit=st.sampled_from(list(EpochUnit)),
    numbers=st.lists(st.decimals(-(10**9), 10**9, places=4) | st.integers(-(10**9), 10**9), min_size=1, max_size=4),
    resolution=st.sampled_from(list(Resolution)),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_epoch_is_cut_towards_the_past(
    read: Read, csv_of: Make, unit: EpochUnit, numbers: list[Decimal | int], resolution: Resolution
) -> None:
    form = TimestampFormat(epoch=unit)
    column = Column(name="v", type=ColumnType.TIMESTAMP, timestamp=form, resolution=resolution)
    rows, rejects = read("\n".join(["v", *(f"{number:f}" if isinstance(number, Decimal) else str(number)
                                            for number in numbers)]).encode(), csv_of(v=column))  # fmt: skip
    assert rejects == []
    step = Fraction(resolution.microseconds, 1_000_000)
    for row, number in zip(rows, numbers, strict=True):
        seconds = Fraction(number) / PER_SECOND[unit] // step * step
        assert row["v"] == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(seconds * 1_000_000))


@pytest.mark.parametrize("text", ["99999999999999", "9" * 25])
def test_moments_no_reader_could_show_are_rejected(read: Read, csv_of: Make, text: str) -> None:
    column = Column(name="v", type=ColumnType.TIMESTAMP, timestamp=TimestampFormat(epoch="s"))
    rows, rejects = read(f"v\n{text}\n".encode(), csv_of(v=column))
    assert rows == []
    assert text in rejects[0].reason


@CLEAN_AND_DIRTY
@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("2006-01-02T15:04:05Z07:00", "1969-12-31T23:59:58.987654Z"),
        ("2006-01-02 15:04:05", "1969-12-31 23:59:58.987654"),
        ("02/Jan/2006 15:04:05.000000", "31/Dec/1969 23:59:58.987654"),
    ],
)
def test_resolution_cuts_towards_the_past(read: Read, csv_of: Make, layout: str, text: str, dirty: bool) -> None:
    column = Column(
        name="v", type=ColumnType.TIMESTAMP, timestamp=TimestampFormat(layout=layout), resolution=Resolution.SECONDS
    )
    rows, _ = read(f"v\n{text}\n{'wrong' if dirty else ''}\n".encode(), csv_of(v=column))
    assert [row["v"] for row in rows] == [datetime(1969, 12, 31, 23, 59, 58, tzinfo=UTC)]


def test_line_ends_of_any_kind_inside_quotes_are_kept(read: Read, csv_of: Make) -> None:
    rows, rejects = read(b'w,n\r\n"a\rb\r\nc\n",1\r\n"",2\r\n', csv_of(w="string", n="int8"))
    assert rejects == []
    assert [row["w"] for row in rows] == ["a\rb\r\nc\n", ""]


def test_one_field_may_feed_two_columns(read: Read, csv_of: Make) -> None:
    transform = csv_of(
        n=Column(name="n", type=ColumnType.INT32, source=Source(field="v")),
        w=Column(name="w", type=ColumnType.STRING, source=Source(field="v")),
    )
    rows, rejects = read(b"v\n1\nx\n", transform)
    assert [(row["n"], row["w"]) for row in rows] == [(1, "1")]
    assert [reject.line for reject in rejects] == [3]


@given(st.text(alphabet=st.sampled_from('1a,"\n\r-'), max_size=60), st.integers(1, 30))
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_is_rows_and_rejects_and_nothing_else(
    read: Read, csv_of: Make, monkeypatch: Any, text: str, size: int
) -> None:
    monkeypatch.setattr(jobruns_data.blocks.cut_blocks, "__kwdefaults__", {"skip_lines": 0, "block_bytes": size})
    rows, rejects = read(("n,w\n" + text).encode(), csv_of(n="int32", w="string"))
    assert all(reject.reason and reject.line >= 2 for reject in rejects)
    assert all(row["n"] is None or isinstance(row["n"], int) for row in rows)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_end_either_way_and_may_mix(read: Read, csv_of: Make, end: str) -> None:
    rows, rejects = read(f'n,w{end}1,a\r\n2,"b\r\nc"\n3,d{end}'.encode(), csv_of(n="int32", w="string"))
    assert rejects == []
    assert [(row["n"], row["w"]) for row in rows] == [(1, "a"), (2, "b\r\nc"), (3, "d")]


def test_a_bare_carriage_return_outside_of_quotes_ends_a_row(read: Read, csv_of: Make) -> None:
    rows, rejects = read(b"n,w\n1,a\r2,b\n3,c\rd\n", csv_of(n="int32", w="string"))
    assert [(row["n"], row["w"]) for row in rows] == [(1, "a"), (2, "b"), (3, "c")]
    assert [reject.data for reject in rejects] == [["d"]]


def test_a_nul_byte_is_a_character(read: Read, csv_of: Make) -> None:
    rows, rejects = read(b'w,n\na\0b,1\n"\0",2\nc,\x003\n', csv_of(w="string", n="int32"))
    assert [(row["w"], row["n"]) for row in rows] == [("a\0b", 1), ("\0", 2)]
    assert [reject.line for reject in rejects] == [4]


class Endless:
    """A stream of one line that never ends."""

    def __init__(self, start: bytes) -> None:
        self._start = start
        self.given = 0

    def read(self, size: int, /) -> bytes:
        data, self._start = self._start[:size], self._start[size:]
        data += b"x" * (size - len(data))
        self.given += size
        return data


@pytest.mark.parametrize(
    ("start", "form", "line"),
    [
        (b"w\nfine\n", CsvFormat(), 3),
        (b"w\nfine\n", CsvFormat(quote=None), 3),
        (b'w\nfine\n"', CsvFormat(), 3),
        (b'w\nfine\n"', CsvFormat(escape="\\", comment="#"), 3),
        (b"w\nfine\n#", CsvFormat(comment="#"), 3),
        (b"", CsvFormat(), 1),
        (b"a\n", CsvFormat(skip_head=1), 2),
    ],
)
def test_a_line_without_end_ends_the_file_and_is_named(csv_of: Make, start: bytes, form: CsvFormat, line: int) -> None:
    stream = Endless(start)
    with pytest.raises(UnreadableFileError, match=f"line {line} starts a row longer than 16 MiB"):
        list(read_rows(stream, csv_of(form, w="string")))
    assert stream.given <= 40 << 20
