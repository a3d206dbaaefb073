"""Reads an object as a stream: resumed where it breaks, never whole in memory."""

from __future__ import annotations

import io
from concurrent.futures import Executor, Future
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
from jobruns_data.direct import DirectReader
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
        self._ahead: Future[bytes] | None = None
        self._head = b""
        self.bytes_read = 0

    def fetch(self, threads: Executor, direct: DirectReader, limit: int) -> None:
        """Begin to take in the object, or its first `limit` bytes, in one of the threads.

        What goes wrong there is raised by the first read.
        """
        self._ahead = threads.submit(self._fetch, direct, limit)

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def seekable(self) -> bool:
        """Whether it can be read from anywhere: always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go on reading somewhere else; the object's size is that which it was listed with."""
        self._settle()
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
        if self._ahead is not None:
            self._ahead.cancel()
        self._let_go()
        super().close()

    def _let_go(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def _read(self, size: int) -> bytes:
        self._settle()
        if self._position < len(self._head):
            data = self._head[self._position : self._position + size]
        else:
            data = self._receive(size, self._position)
        self._position += len(data)
        self.bytes_read += len(data)
        return data

    def _settle(self) -> None:
        """Wait for what is fetched ahead."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            self._head = ahead.result()

    def _fetch(self, direct: DirectReader, limit: int) -> bytes:
        whole = direct.get(self._file, limit)
        if whole is not None:
            self._length = len(whole)
            return whole
        content = b""
        while len(content) < limit and (piece := self._receive(limit - len(content), len(content))):
            content = content + piece if content else piece
        return content

    def _receive(self, size: int, position: int) -> bytes:
        while True:
            try:
                if self._body is None:
                    if position and position >= self._end:
                        return b""  # S3 refuses a range that begins at the end
                    self._open(position)
                data: bytes = self._body.read(size)  # type: ignore[union-attr]  # _open sets it
                if not data and size and position < self._end:
                    raise IncompleteReadError(actual_bytes=position, expected_bytes=self._end)
            except _BROKEN as error:
                self._body = None
                self._broken += 1
                if self._broken > _RESUMES:
                    raise UnreadableFileError(f"the connection broke {self._broken} times: {error}") from error
                continue
            return data

    @property
    def _end(self) -> int:
        """Where the object ends: as S3 said when it was opened, before that as it was listed."""
        return self._file.size if self._length is None else self._length

    def _open(self, position: int) -> None:
        request: dict[str, str] = {"Bucket": self._file.bucket, "Key": self._file.key}
        if self._etag is not None:
            request["IfMatch"] = self._etag
        if self._file.version_id is not None:
            request["VersionId"] = self._file.version_id
        if position:
            request["Range"] = f"bytes={position}-"
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
            self._length = position + answer["ContentLength"]
        self._body = answer["Body"]  # type: ignore[assignment]  # StreamingBody reads and closes alike


def _refusal(error: ClientError) -> str:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error.response.get("Error", {}).get("Code", "")
    known = _REFUSALS.get(code) or _REFUSALS.get(_BY_STATUS.get(status, ""))
    return known if known is not None else f"S3 answers {code or status}: {error}"
