"""Unpacking: every packing reads back what was packed, in any pieces, and says of broken content what is wrong."""

import bz2
import gzip
import io
import zipfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns.formats import Compression
from jobruns_data.errors import UnreadableFileError
from jobruns_data.packing import ALWAYS_ALLOWED_BYTES, MAX_RATIO, Unpacked


def zipped(data: bytes, *names: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name in names or ("rows.csv",):
            archive.writestr(name, data)
    return packed.getvalue()


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACK: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.NONE: bytes,
    Compression.GZIP: gzip.compress,
    Compression.ZLIB: zlib.compress,
    Compression.DEFLATE: deflated,
    Compression.BZIP2: bz2.compress,
    Compression.ZIP: zipped,
}
PACKED = [compression for compression in Compression if compression is not Compression.NONE]
ROWS = b"".join(b"%d,some text that repeats,%d\n" % (number, number * 7919) for number in range(20_000))


def unpack(packed: bytes, compression: Compression, size: int = 65536) -> bytes:
    stream = Unpacked(io.BytesIO(packed), compression, packed_bytes=len(packed))  # type: ignore[arg-type]
    pieces = []
    while piece := stream.read(size):
        assert len(piece) <= size
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("compression", Compression)
@given(data=st.binary(max_size=5000), size=st.integers(1, 6000))
def test_what_was_packed_is_read_back(compression: Compression, data: bytes, size: int) -> None:
    assert unpack(PACK[compression](data), compression, size) == data


@pytest.mark.parametrize("compression", Compression)
def test_many_pieces_and_an_empty_object(compression: Compression) -> None:
    assert unpack(PACK[compression](ROWS), compression) == ROWS
    assert unpack(b"", compression) == b""


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.BZIP2])
def test_streams_packed_one_after_the_other_are_one_file(compression: Compression) -> None:
    pack = PACK[compression]
    assert unpack(pack(b"a\n") + pack(b"b\n"), compression) == b"a\nb\n"


@pytest.mark.parametrize("compression", PACKED)
def test_a_file_that_ends_too_early_is_refused(compression: Compression) -> None:
    packed = PACK[compression](ROWS)
    with pytest.raises(UnreadableFileError, match=f"{compression.value} data (ends too early|is corrupt)"):
        unpack(packed[: len(packed) // 2], compression)


@pytest.mark.parametrize("compression", PACKED)
def test_a_file_that_is_packed_otherwise_is_refused(compression: Compression) -> None:
    with pytest.raises(UnreadableFileError, match=f"is not {compression.value}|{compression.value} data is corrupt"):
        unpack(ROWS, compression)


@pytest.mark.parametrize("compression", PACKED)
def test_a_file_that_was_damaged_is_refused(compression: Compression) -> None:
    packed = bytearray(PACK[compression](ROWS))
    middle = len(packed) // 2
    packed[middle : middle + 200] = bytes(200)
    if compression is Compression.DEFLATE:
        # It has no checksum: what can be noticed is what makes no sense.
        packed[middle : middle + 200] = b"\xff" * 200
    with pytest.raises(UnreadableFileError, match=f"{compression.value} data"):
        unpack(bytes(packed), compression)


@pytest.mark.parametrize("compression", [Compression.ZLIB, Compression.DEFLATE])
def test_bytes_behind_the_end_are_not_passed_over(compression: Compression) -> None:
    with pytest.raises(UnreadableFileError, match="more behind its end"):
        unpack(PACK[compression](b"a\n") + b"b\n", compression)


@pytest.mark.parametrize("compression", [Compression.BZIP2, Compression.ZIP])
def test_a_bomb_is_not_read_on(compression: Compression) -> None:
    zeros = bytes(ALWAYS_ALLOWED_BYTES)
    bomb = bz2.compress(zeros * 4) if compression is Compression.BZIP2 else zipped(zeros * 4, method=zipfile.ZIP_BZIP2)
    assert len(bomb) * MAX_RATIO + ALWAYS_ALLOWED_BYTES < 4 * len(zeros)
    with pytest.raises(UnreadableFileError, match="1,100 times its size"):
        unpack(bomb, compression, 1 << 20)


@pytest.mark.parametrize(
    ("names", "found"), [(("a.csv", "b.csv"), 2), (("folder/",), 0), (("a.csv", "__MACOSX/._a.csv"), None)]
)
def test_a_zip_holds_one_file(names: tuple[str, ...], found: int | None) -> None:
    packed = zipped(b"" if names == ("folder/",) else b"a\n", *names)
    if found is None:
        assert unpack(packed, Compression.ZIP) == b"a\n"
    else:
        with pytest.raises(UnreadableFileError, match=f"the zip holds {found} files; pack each"):
            unpack(packed, Compression.ZIP)


def test_a_zip_with_a_password_is_refused() -> None:
    packed = bytearray(zipped(b"a\n"))
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(header) + flags] |= 1
    with pytest.raises(UnreadableFileError, match="password"):
        unpack(bytes(packed), Compression.ZIP)
