"""Reads an object as a stream: resumed where it breaks, unpacked on the way, never whole in memory."""

from __future__ import annotations

import io
import zlib
from gzip import BadGzipFile, GzipFile
from typing import TYPE_CHECKING, Final, Protocol

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as BotocoreConnectionError

from jobruns.transform import Compression
from jobruns_data.aws import s3_client
from jobruns_data.errors import UnreadableFileError
from jobruns_data.units import SourceFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["ObjectStream", "Readable", "Unpacked"]

_RESUMES: Final = 5
_READ_BYTES: Final = 1 << 20
_BROKEN: Final = (HTTPClientError, IncompleteReadError, ResponseStreamingError, BotocoreConnectionError)

_REFUSALS: Final[dict[str, str]] = {
    "NoSuchKey": "the object does not exist (any more)",
    "NoSuchVersion": "that version of the object does not exist (any more)",
    "NoSuchBucket": "the bucket does not exist; check its name",
    "AccessDenied": "access denied; allow this service's role s3:GetObject on it, and kms:Decrypt if it is encrypted",
    "InvalidObjectState": "the object is archived; restore it first",
    "PreconditionFailed": "the object was changed after it was listed; start the run again",
}
_BY_STATUS: Final = {403: "AccessDenied", 404: "NoSuchKey", 412: "PreconditionFailed"}


class Readable(Protocol):
    """Where blocks come from."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, fewer only when they are not there yet, none at the end."""


class ObjectStream(io.RawIOBase):
    """The bytes of one S3 object.

    A connection that breaks is opened again at the byte where it broke, a bounded number of times, and only if the
    object is still the same.

    Parameters
    ----------
    file : SourceFile
    client : S3Client, optional
        Left out, the process's own.

    Raises
    ------
    UnreadableFileError
        From any read: it is gone, forbidden, changed, or S3 does not answer.
    """

    def __init__(self, file: SourceFile, client: S3Client | None = None) -> None:
        super().__init__()
        self._file = file
        self._client = client if client is not None else s3_client()
        self._etag = file.etag
        self._body: io.RawIOBase | None = None
        self._length: int | None = None
        self._broken = 0
        self.position = 0

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def readinto(self, buffer: object, /) -> int:
        """Fill the buffer as far as one read gives."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # any writable buffer, as RawIOBase says
        data = self._read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Let the connection go."""
        if self._body is not None:
            self._body.close()
            self._body = None
        super().close()

    def _read(self, size: int) -> bytes:
        while True:
            try:
                if self._body is None:
                    if self._length is not None and self.position >= self._length:
                        return b""
                    self._open()
                data: bytes = self._body.read(size)  # type: ignore[union-attr]  # _open sets it
                if not data and size and self._length is not None and self.position < self._length:
                    raise IncompleteReadError(actual_bytes=self.position, expected_bytes=self._length)
            except _BROKEN as error:
                self._body = None
                self._broken += 1
                if self._broken > _RESUMES:
                    raise UnreadableFileError(f"the connection broke {self._broken} times: {error}") from error
                continue
            self.position += len(data)
            return data

    def _open(self) -> None:
        request: dict[str, str] = {"Bucket": self._file.bucket, "Key": self._file.key}
        if self._etag is not None:
            request["IfMatch"] = self._etag
        if self._file.version_id is not None:
            request["VersionId"] = self._file.version_id
        if self.position:
            request["Range"] = f"bytes={self.position}-"
        try:
            answer = self._client.get_object(**request)  # type: ignore[arg-type]  # only the literal keys above
        except ClientError as error:
            raise UnreadableFileError(_refusal(error)) from error
        except _BROKEN:
            raise
        except BotoCoreError as error:
            raise UnreadableFileError(f"S3 cannot be asked: {error}") from error
        self._etag = answer["ETag"]
        if self._length is None:
            self._length = answer["ContentLength"]
        self._body = answer["Body"]  # type: ignore[assignment]  # StreamingBody reads and closes alike


class Unpacked:
    """The content of a stream, decompressed as it is read.

    Parameters
    ----------
    stream : io.RawIOBase
    compression : Compression
    """

    def __init__(self, stream: io.RawIOBase, compression: Compression) -> None:
        self._buffered = io.BufferedReader(stream, _READ_BYTES)
        self._unzip: GzipFile | None = None
        self._gzip = compression is Compression.GZIP

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end.

        Raises
        ------
        UnreadableFileError
            The content is not gzip, corrupt, or ends too early.
        """
        if not self._gzip:
            return self._buffered.read(size)
        if self._unzip is None:
            if not (magic := self._buffered.peek(2)[:2]):
                return b""  # an empty object holds no rows, packed or not
            if magic != b"\x1f\x8b":
                raise UnreadableFileError("it is not gzip; set the transform's compression to none or upload it packed")
            self._unzip = GzipFile(fileobj=self._buffered)
        try:
            return self._unzip.read(size)
        except EOFError as error:
            raise UnreadableFileError("the gzip data ends too early; upload the complete file") from error
        except (BadGzipFile, zlib.error) as error:
            raise UnreadableFileError(f"the gzip data is corrupt ({error}); upload it again") from error

    def close(self) -> None:
        """Close the stream below too."""
        self._buffered.close()


def _refusal(error: ClientError) -> str:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error.response.get("Error", {}).get("Code", "")
    known = _REFUSALS.get(code) or _REFUSALS.get(_BY_STATUS.get(status, ""))
    return known if known is not None else f"S3 answers {code or status}: {error}"
