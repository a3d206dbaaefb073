"""Reads an object as a stream: resumed where it breaks, never whole in memory."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final, Protocol

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)
from botocore.exceptions import ConnectionError as BotocoreConnectionError

from jobruns_data.aws import s3_client
from jobruns_data.errors import UnreadableFileError
from jobruns_data.units import SourceFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["ObjectStream", "Readable"]

_RESUMES: Final = 5
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
    object is still the same. Reading may go on at any other byte, which asks S3 anew; ``bytes_read`` counts all that
    came.

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
        self._position = 0
        self.bytes_read = 0

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def seekable(self) -> bool:
        """Whether it can be read from anywhere: always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go on reading somewhere else; the object's size is that which it was listed with."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}[whence]
        target = start + offset
        if target < 0:
            raise ValueError(f"there is no byte {target}")
        if target != self._position:
            self._let_go()
            self._position = target
        return target

    def tell(self) -> int:
        """Tell which byte comes next."""
        return self._position

    def readinto(self, buffer: object, /) -> int:
        """Fill the buffer as far as one read gives."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # any writable buffer, as RawIOBase says
        data = self._read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Let the connection go."""
        self._let_go()
        super().close()

    def _let_go(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def _read(self, size: int) -> bytes:
        while True:
            try:
                if self._body is None:
                    if self._position and self._position >= self._end:
                        return b""  # S3 refuses a range that begins at the end
                    self._open()
                data: bytes = self._body.read(size)  # type: ignore[union-attr]  # _open sets it
                if not data and size and self._position < self._end:
                    raise IncompleteReadError(actual_bytes=self._position, expected_bytes=self._end)
            except _BROKEN as error:
                self._body = None
                self._broken += 1
                if self._broken > _RESUMES:
                    raise UnreadableFileError(f"the connection broke {self._broken} times: {error}") from error
                continue
            self._position += len(data)
            self.bytes_read += len(data)
            return data

    @property
    def _end(self) -> int:
        """Where the object ends: as S3 said when it was opened, before that as it was listed."""
        return self._file.size if self._length is None else self._length

    def _open(self) -> None:
        request: dict[str, str] = {"Bucket": self._file.bucket, "Key": self._file.key}
        if self._etag is not None:
            request["IfMatch"] = self._etag
        if self._file.version_id is not None:
            request["VersionId"] = self._file.version_id
        if self._position:
            request["Range"] = f"bytes={self._position}-"
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
            self._length = self._position + answer["ContentLength"]
        self._body = answer["Body"]  # type: ignore[assignment]  # StreamingBody reads and closes alike


def _refusal(error: ClientError) -> str:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error.response.get("Error", {}).get("Code", "")
    known = _REFUSALS.get(code) or _REFUSALS.get(_BY_STATUS.get(status, ""))
    return known if known is not None else f"S3 answers {code or status}: {error}"
