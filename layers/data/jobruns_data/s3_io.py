"""PyIceberg's file access over botocore; see `jobruns_data.aws` for why.

Objects are read and written whole: manifests and metadata are small, and data files are of a size that fits in memory
(`jobruns_data.writer`). One PUT per file leaves either the file or nothing behind.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

from botocore.exceptions import ClientError
from pyiceberg.io import FileIO, InputFile, OutputFile

from jobruns_data.aws import s3_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["S3FileIO", "bucket_and_key", "copy_file", "delete_keys", "list_keys"]

_DELETE_BATCH: Final = 1000  # what one DeleteObjects takes

_log = logging.getLogger(__name__)


def bucket_and_key(location: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` (or ``s3a``, ``s3n``).

    Raises
    ------
    ValueError
        It is something else.
    """
    scheme, bucket, _, _, _ = urlsplit(location)
    if scheme not in {"s3", "s3a", "s3n"} or not bucket:
        raise ValueError(f'"{location}" is not an S3 URL; write s3://bucket/key')
    # Not the parsed path: a key may hold "?" and "#".
    return bucket, location.split("/", 3)[3] if location.count("/") > 2 else ""


def copy_file(source: str, target: str) -> None:
    """Copy an object inside of S3, from URL to URL; one of at most 5 GiB.

    Raises
    ------
    botocore.exceptions.ClientError
        It is not there, or S3 refuses.
    """
    bucket, key = bucket_and_key(source)
    to_bucket, to_key = bucket_and_key(target)
    s3_client().copy_object(Bucket=to_bucket, Key=to_key, CopySource={"Bucket": bucket, "Key": key})


def list_keys(client: S3Client, bucket: str, prefix: str) -> Iterator[list[str]]:
    """List what is below a prefix, in portions that `delete_keys` takes."""
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": _DELETE_BATCH}
    )
    for page in pages:
        yield [item["Key"] for item in page.get("Contents", [])]


def delete_keys(client: S3Client, bucket: str, keys: Sequence[str]) -> int:
    """Delete objects, at most 1000; gives how many S3 refused to, which are logged."""
    if not keys:
        return 0
    answer: dict[str, Any] = client.delete_objects(  # type: ignore[assignment]  # read as plain JSON
        Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
    )
    refused = answer.get("Errors", [])
    for error in refused:
        _log.warning("s3://%s/%s stays: %s", bucket, error.get("Key"), error.get("Message"))
    return len(refused)


class _S3Input(InputFile):  # type: ignore[misc]  # mypy does not follow PyIceberg's types
    def __init__(self, location: str) -> None:
        super().__init__(location)
        self._bucket, self._key = bucket_and_key(location)

    def __len__(self) -> int:
        return s3_client().head_object(Bucket=self._bucket, Key=self._key)["ContentLength"]

    def exists(self) -> bool:
        return _exists(self._bucket, self._key)

    def open(self, seekable: bool = True) -> io.BytesIO:  # noqa: ARG002 - the signature is PyIceberg's
        try:
            body = s3_client().get_object(Bucket=self._bucket, Key=self._key)["Body"]
        except s3_client().exceptions.NoSuchKey as error:
            raise FileNotFoundError(self.location) from error
        return io.BytesIO(body.read())


class _PutOnClose(io.BytesIO):
    """Collects a file and sends it in one request, unless the writer failed half-way."""

    def __init__(self, output: _S3Output) -> None:
        super().__init__()
        self._output = output

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            super().close()

    def close(self) -> None:
        if not self.closed:
            try:
                self._output.put(self.getvalue())
            finally:
                super().close()


class _S3Output(OutputFile):  # type: ignore[misc]  # mypy does not follow PyIceberg's types
    def __init__(self, location: str) -> None:
        super().__init__(location)
        self._bucket, self._key = bucket_and_key(location)
        self._size: int | None = None

    def __len__(self) -> int:
        if self._size is None:
            self._size = len(self.to_input_file())
        return self._size

    def exists(self) -> bool:
        return _exists(self._bucket, self._key)

    def to_input_file(self) -> _S3Input:
        return _S3Input(self.location)

    def create(self, overwrite: bool = False) -> _PutOnClose:
        if not overwrite and self.exists():
            raise FileExistsError(f"{self.location} exists already")
        return _PutOnClose(self)

    def put(self, content: bytes) -> None:
        s3_client().put_object(Bucket=self._bucket, Key=self._key, Body=content)
        self._size = len(content)


class S3FileIO(FileIO):  # type: ignore[misc]  # mypy does not follow PyIceberg's types
    """What PyIceberg reads and writes tables with."""

    def new_input(self, location: str) -> _S3Input:
        """Return a file to read."""
        return _S3Input(location)

    def new_output(self, location: str) -> _S3Output:
        """Return a file to write."""
        return _S3Output(location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Delete a file; one that is gone already is fine."""
        bucket, key = bucket_and_key(location if isinstance(location, str) else location.location)
        s3_client().delete_object(Bucket=bucket, Key=key)


def _exists(bucket: str, key: str) -> bool:
    try:
        s3_client().head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
            return False
        raise
    return True
