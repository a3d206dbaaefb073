"""Any table that Python's csv module writes reads back equal, in any packing, wherever the blocks are cut."""

import bz2
import csv
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import jobruns_data.blocks
from jobruns.formats import Compression, CsvFormat
from jobruns.transform import Column, ColumnType, Element, Source, Transform
from jobruns_data.packing import Unpacked
from jobruns_data.readers import read_rows


def zipped(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.csv", data)
    return packed.getvalue()


PACK: Final[dict[Compression, Callable[[bytes], bytes]]] = {
    Compression.NONE: bytes,
    Compression.GZIP: lambda data: gzip.compress(data[:40]) + gzip.compress(data[40:]),
    Compression.ZLIB: zlib.compress,
    Compression.DEFLATE: lambda data: zlib.compress(data, wbits=-zlib.MAX_WBITS),
    Compression.BZIP2: bz2.compress,
    Compression.ZIP: zipped,
}

COLUMNS: Final = (
    Column(name="ts", type=ColumnType.TIMESTAMP, primary=True),
    Column(name="word", type=ColumnType.STRING),
    Column(name="n", type=ColumnType.INT64),
    Column(name="small", type=ColumnType.UINT8),
    Column(name="x", type=ColumnType.DOUBLE),
    Column(name="yes", type=ColumnType.BOOLEAN),
    Column(name="tags", type=ColumnType.ARRAY, element=Element(type=ColumnType.STRING)),
    Column(name="last", type=ColumnType.STRING),
)
PLACED: Final = tuple(column.model_copy(update={"source": Source(index=i)}) for i, column in enumerate(COLUMNS))

# The awkward characters often, every other sometimes. A carriage return is left to the quoted dialects: Python writes
# it bare in the others, and does not read that back itself.
AWKWARD: Final = "\"',;|\t\n\\#ab é\u2028\U0001f600\x00 "
CHARACTER = st.sampled_from(AWKWARD) | st.characters(exclude_categories=("Cs",), exclude_characters="\r")
WORD = st.text(CHARACTER, max_size=8)
WORD_WITH_RETURNS = st.text(CHARACTER | st.just("\r"), max_size=8)


def rows_of(words: st.SearchStrategy[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    row = {
        "ts": st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        "word": words,
        "n": st.none() | st.integers(-(2**63), 2**63 - 1),
        "small": st.none() | st.integers(0, 255),
        "x": st.none() | st.floats(allow_nan=False),
        "yes": st.none() | st.booleans(),
        "tags": st.none() | st.lists(words | st.none(), max_size=3),
        "last": words,
    }
    return st.lists(st.fixed_dictionaries(row), max_size=8)


def dialect(quoting: int, delimiter: str, end: str, *, escape: str | None, double: bool) -> tuple[Any, CsvFormat]:
    """Give the options of the writer, and the format that says the same."""
    options = {
        "quoting": quoting,
        "delimiter": delimiter,
        "lineterminator": end,
        "escapechar": escape,
        "doublequote": double,
        "quotechar": None if quoting == csv.QUOTE_NONE else '"',
    }
    form = CsvFormat(delimiter=delimiter, escape=escape, quote=None if quoting == csv.QUOTE_NONE else '"', comment=None)
    return options, form


DIALECTS = st.builds(
    lambda quoting, delimiter, end, escape: dialect(
        quoting,
        delimiter,
        end,
        escape="\\" if escape or quoting == csv.QUOTE_NONE else None,
        double=not escape and quoting != csv.QUOTE_NONE,
    ),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE]),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)


class Trickle(io.RawIOBase):
    """Gives its bytes a few at a time, as a connection may."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__()
        self._data = io.BytesIO(data)
        self._size = size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._data.seek(offset, whence)

    def readinto(self, buffer: Any, /) -> int:
        piece = self._data.read(min(len(buffer), self._size))
        buffer[: len(piece)] = piece
        return len(piece)


def cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value


def written(rows: list[dict[str, Any]], options: dict[str, Any], *, header: bool) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, **options)
    if header:
        writer.writerow([column.name for column in COLUMNS])
    writer.writerows([cell(row[column.name]) for column in COLUMNS] for row in rows)
    return out.getvalue().encode()


def check(data: bytes, rows: list[dict[str, Any]], transform: Transform, compression: Compression, size: int) -> None:
    packed = PACK[compression](data)
    transform = transform.model_copy(update={"compression": compression})
    unpacked = Unpacked(Trickle(packed, max(size, 8)), compression, packed_bytes=len(packed))
    parts = list(read_rows(unpacked, transform))
    assert [reject for part in parts for reject in part.rejects] == []
    assert [row for part in parts for row in part.batch.to_pylist()] == rows


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the size at which blocks are cut."""

    def set_size(size: int) -> None:
        monkeypatch.setattr(jobruns_data.blocks.cut_blocks, "__kwdefaults__", {"skip_lines": 0, "block_bytes": size})

    return set_size


@given(
    rows=rows_of(WORD),
    spoken=DIALECTS,
    header=st.booleans(),
    compression=st.sampled_from(list(Compression)),
    size=st.integers(1, 400),
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_every_dialect_in_every_packing(
    cut: Callable[[int], None],
    rows: list[dict[str, Any]],
    spoken: tuple[Any, CsvFormat],
    header: bool,
    compression: Compression,
    size: int,
) -> None:
    cut(size)
    options, form = spoken
    transform = Transform(name="t", format=form, columns=COLUMNS if header else PLACED)
    check(written(rows, options, header=header), rows, transform, compression, size)


@given(rows=rows_of(WORD_WITH_RETURNS), end=st.sampled_from(["\n", "\r\n"]), size=st.integers(1, 400))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_line_ends_of_any_kind_are_kept_inside_quotes(
    cut: Callable[[int], None], rows: list[dict[str, Any]], end: str, size: int
) -> None:
    cut(size)
    options, form = dialect(csv.QUOTE_ALL, ",", end, escape=None, double=True)
    transform = Transform(name="t", format=form, columns=COLUMNS)
    check(written(rows, options, header=True), rows, transform, Compression.NONE, size)
