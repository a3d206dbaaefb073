"""Unpacks a file while it is read, in bounded memory, and no further than a file of its size can honestly go."""

from __future__ import annotations

import bz2
import io
import zipfile
import zlib
from gzip import BadGzipFile, GzipFile
from typing import IO, Final

from jobruns.formats import Compression
from jobruns_data.errors import UnreadableFileError
from jobruns_data.source import Readable

__all__ = ["Unpacked"]

_READ_BYTES: Final = 1 << 20

MAX_RATIO: Final = 1100
"""Times a file may grow. Deflate, in whichever wrapping, cannot do more than 1,032; bzip2 can, but no real rows do."""

ALWAYS_ALLOWED_BYTES: Final = 16 << 20

_BROKEN: Final[dict[Compression, tuple[type[Exception], ...]]] = {
    Compression.GZIP: (BadGzipFile, zlib.error),
    Compression.ZLIB: (zlib.error,),
    Compression.DEFLATE: (zlib.error,),
    Compression.BZIP2: (OSError,),
    # The last two are its words for a password and for a method of packing that it does not know.
    Compression.ZIP: (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError),
}
"""What the libraries raise over content that is not what it should be."""


class Unpacked:
    """The content of a stream, decompressed as it is read.

    Parameters
    ----------
    stream : io.RawIOBase
        Of a zip it must be seekable: what is in it is told at its end.
    compression : Compression
    packed_bytes : int
        How large the stream is.
    """

    def __init__(self, stream: io.RawIOBase, compression: Compression, *, packed_bytes: int) -> None:
        self._buffered = io.BufferedReader(stream, _READ_BYTES)
        self._compression = compression
        self._limit = packed_bytes * MAX_RATIO + ALWAYS_ALLOWED_BYTES
        self._given = 0
        self._content: Readable | None = self._buffered if compression is Compression.NONE else None

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end.

        Raises
        ------
        UnreadableFileError
            The content is not packed as was said, corrupt, ends too early, or grows beyond all measure.
        """
        if self._compression is Compression.NONE:
            return self._buffered.read(size)
        name = self._compression.value
        try:
            if self._content is None:
                if not self._buffered.peek(1):
                    return b""  # an empty object holds no rows, packed or not
                self._content = self._open()
            data = self._content.read(size)
        except EOFError as error:
            raise UnreadableFileError(f"the {name} data ends too early; upload the complete file") from error
        except UnreadableFileError:
            raise
        except _BROKEN[self._compression] as error:
            raise UnreadableFileError(f"the {name} data is corrupt ({error}); upload it again") from error
        self._given += len(data)
        if self._given > self._limit:
            raise UnreadableFileError(
                f"it unpacks to more than {MAX_RATIO:,} times its size, as no file of rows does; it is not read on"
            )
        return data

    def close(self) -> None:
        """Close the stream below too."""
        self._buffered.close()

    def _open(self) -> Readable:
        match self._compression:
            case Compression.GZIP:
                self._expect(b"\x1f\x8b")
                return GzipFile(fileobj=self._buffered)
            case Compression.BZIP2:
                self._expect(b"BZh")
                return bz2.BZ2File(self._buffered)
            case Compression.ZLIB:
                return _Inflated(self._buffered, zlib.MAX_WBITS)
            case Compression.DEFLATE:
                return _Inflated(self._buffered, -zlib.MAX_WBITS)
        self._expect(b"PK")
        return _open_zip(self._buffered)

    def _expect(self, magic: bytes) -> None:
        # A first read may give less; what comes of a part that is right so far the library says.
        if not magic.startswith(self._buffered.peek(len(magic))[: len(magic)]):
            raise UnreadableFileError(
                f"it is not {self._compression.value}; set the transform's compression to none or upload it packed"
            )


class _Inflated:
    """A zlib or a raw deflate stream; gzip's own reader knows neither."""

    def __init__(self, packed: Readable, window_bits: int) -> None:
        self._packed = packed
        self._inflate = zlib.decompressobj(window_bits)

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        while not self._inflate.eof:
            piece = self._inflate.unconsumed_tail or self._packed.read(_READ_BYTES)
            if data := self._inflate.decompress(piece, size):
                return data
            if not piece and not self._inflate.eof:
                raise EOFError
        if self._inflate.unused_data or self._packed.read(1):
            raise zlib.error("there is more behind its end")
        return b""


def _open_zip(packed: IO[bytes]) -> Readable:
    """Open the one file of a zip."""
    archive = zipfile.ZipFile(packed)
    # What Finder adds beside each file is none of its user's.
    members = [
        entry for entry in archive.infolist() if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
    ]
    if len(members) != 1:
        raise UnreadableFileError(f"the zip holds {len(members)} files; pack each file into one of its own")
    return archive.open(members[0])
