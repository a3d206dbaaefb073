"""Files that nobody should have sent end with a reason, and long before they fill the memory."""

import bz2
import gzip
import io
import zlib
from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from jobruns.formats import Compression, CsvFormat, JsonFormat
from jobruns.transform import Column, ColumnType, Source, Transform
from jobruns_data.errors import UnreadableFileError
from jobruns_data.packing import Unpacked
from jobruns_data.readers import RowReader
from tests.peaks import Peak

MEGABYTE = 1 << 20
PEAK_BYTES = 250 * MEGABYTE
"""A record of 16 MiB, a block read behind it, and what is made of both. The limit of the whole worker is 512 MB."""

DAY = "2024-01-01T00:00:00Z"
ROW = b"2024-01-01T00:00:00Z," + b"n" * 200 + b"\n"


class Pieces(io.RawIOBase):
    """A stream that makes its content as it is read, and counts it."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._rest = b""
        self.given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        if not self._rest:
            self._rest = next((piece for piece in self._pieces if piece), b"")
        data, self._rest = self._rest[: len(view)], self._rest[len(view) :]
        view[: len(data)] = data
        self.given += len(data)
        return len(data)


def packed(pieces: Iterator[bytes], wbits: int = 31) -> Iterator[bytes]:
    pack = zlib.compressobj(9, zlib.DEFLATED, wbits)
    for piece in pieces:
        yield pack.compress(piece)
    yield pack.flush()


def bz2_of_newlines() -> bytes:
    pack = bz2.BZ2Compressor()
    return b"".join([*(pack.compress(b"\n" * MEGABYTE) for _ in range(200)), pack.flush()])


LINE = b"x" * MEGABYTE
ROWS = ROW * 4000
NOISY = b"".join(b"2024-01-01T00:00:00Z,%d\n" % (i * i) for i in range(400_000))
CSV, JSON = CsvFormat(), JsonFormat()


@pytest.mark.parametrize(
    ("form", "compression", "size", "content", "reason"),
    [
        (CSV, "none", 1 << 30, lambda: chain([ROW], repeat(LINE, 1024)), "line 2 starts a row longer than 16 MiB"),
        (CSV, "none", 1 << 30, lambda: chain([b'"'], repeat(LINE, 1024)), "row longer than 16 MiB"),
        (CSV, "gzip", MEGABYTE, lambda: packed(chain([ROW], repeat(LINE, 1024))), "row longer than 16 MiB"),
        (JSON, "none", 1 << 30, lambda: chain([b'{"a":"'], repeat(LINE, 1024)), "longer than 16 MiB"),
        (CSV, "bzip2", 100, lambda: iter([bz2_of_newlines()]), "unpacks to more than 1,100 times its size"),
        (CSV, "none", 1 << 30, lambda: chain(repeat(ROWS, 50), [b"\xff\n"], repeat(ROWS)), "line 200001 is not UTF-8"),
        (CSV, "gzip", 10 * MEGABYTE, lambda: iter([gzip.compress(NOISY)[:-1000]]), "ends too early"),
        (CSV, "zlib", MEGABYTE, lambda: chain(packed(repeat(ROWS, 50), 15), [LINE]), "corrupt"),
    ],
)  # fmt: skip
def test_a_bad_file_ends_with_a_reason_in_bounded_memory(
    form: CsvFormat | JsonFormat, compression: str, size: int, content: object, reason: str
) -> None:
    transform = Transform(
        name="t",
        format=form,
        compression=Compression(compression),
        columns=(Column(name="ts", type=ColumnType.TIMESTAMP, primary=True, source=Source(constant=DAY)),),
    )
    stream = Pieces(content())  # type: ignore[operator]
    reader = RowReader(transform, lambda *_: None)
    peak = Peak()
    with pytest.raises(UnreadableFileError, match=reason):
        reader.read("a", Unpacked(stream, transform.compression, packed_bytes=size))
    assert peak.bytes < PEAK_BYTES
    assert stream.given < 100 * MEGABYTE
