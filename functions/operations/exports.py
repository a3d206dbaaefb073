"""Writes rows to a file, in parts: no row is kept longer than until its part is full."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from pyiceberg.catalog import Catalog

from jobruns.errors import SourceError, UnavailableError
from jobruns.file_paths import file_key
from jobruns.operation import BYTES_WRITTEN, ROWS_WRITTEN, Export, FileTarget, RowFormat, SqlQuery, TableQuery
from jobruns.row_files import write_csv_file, write_json_file
from jobruns.service.ports import Ports
from jobruns_data.aws import is_transient, s3_client
from operations.operation import Operation, find_relations
from operations.pulse import Pulse
from operations.searches import Row, find_rows
from operations.sources import Places, caller_client, refusal_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

FIRST_PART_BYTES = 8 << 20
PARTS_OF_A_SIZE = 1000
"""An object has 10,000 parts at most: after so many the next ones are twice as large, which is enough for 8 TB."""


def find_exported(
    ports: Ports, lake_bucket: str, operation: Operation, query: TableQuery | SqlQuery, catalog: Catalog, seconds: float
) -> tuple[Sequence[str], Iterator[Row]]:
    """Give the names of an export's columns, and its rows as they are read.

    Raises
    ------
    NotFoundError
        A table is gone.
    UnknownAttributeError
        The query names an attribute that the table does not have.
    SqlError
        It cannot be run, or takes too much.
    """
    if isinstance(query, TableQuery):
        return find_rows(catalog, operation.target, query)
    from operations.sql import select_rows

    relations = find_relations(ports, operation.run.org, query)
    rows: Iterator[Row] = select_rows(catalog, lake_bucket, query.sql, relations, seconds)
    first = next(rows, None)
    return ((), iter(())) if first is None else (tuple(first), chain([first], rows))


def write_export(
    export: Export, names: Sequence[str], rows: Iterable[Row], places: Places, pulse: Pulse
) -> dict[str, Any]:
    """Write the rows of an export to its file; gives the metrics of the run. Until all is written there is no file.

    Raises
    ------
    SourceError
        S3 refuses the file; the message is its.
    UnknownAttributeError
        The query names an attribute that the table does not have.
    UnavailableError
        S3 does not answer.
    """
    target = export.target
    if isinstance(target, FileTarget):
        client, bucket, key = s3_client(), places.landing_bucket, file_key(places.org, target.path)
        place = target.path
    else:
        client, bucket, key = caller_client(target, places.credentials.s3), target.bucket, target.key
        place = f"s3://{bucket}/{key}"
    counted = _Counted(rows, pulse)
    is_csv = export.format is RowFormat.CSV
    pieces = write_csv_file(counted, names) if is_csv else write_json_file(counted)
    with _explained():
        told = upload(client, bucket, key, pieces)
    return {ROWS_WRITTEN: counted.rows, "place": place, **told}


def upload(client: "S3Client", bucket: str, key: str, pieces: Iterable[bytes]) -> dict[str, Any]:
    """Write an object of pieces, in one request where it is small; gives what S3 tells of it, and its size."""
    parts = _parts(pieces)
    first = next(parts, b"")
    second = next(parts, None)
    if second is None:
        answer: Any = client.put_object(Bucket=bucket, Key=key, Body=first, ContentType="application/octet-stream")
        return {BYTES_WRITTEN: len(first), **_told(answer)}
    begun = client.create_multipart_upload(Bucket=bucket, Key=key, ContentType="application/octet-stream")
    upload_id = begun["UploadId"]
    try:
        written: list[CompletedPartTypeDef] = []
        size = 0
        for number, part in enumerate(_chain(first, second, parts), 1):
            answer = client.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=part)
            written.append({"ETag": answer["ETag"], "PartNumber": number})
            size += len(part)
        answer = client.complete_multipart_upload(
            Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": written}
        )
    except BaseException:
        client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
        raise
    return {BYTES_WRITTEN: size, **_told(answer)}


def _told(answer: dict[str, Any]) -> dict[str, Any]:
    names = {"ETag": "etag", "VersionId": "version_id", "ChecksumCRC32": "checksum_crc32"}
    return {ours: answer[theirs] for theirs, ours in names.items() if theirs in answer}


def _parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    pending: list[bytes] = []
    size = number = 0
    for piece in pieces:
        pending.append(piece)
        size += len(piece)
        if size >= FIRST_PART_BYTES << number // PARTS_OF_A_SIZE:
            yield b"".join(pending)
            pending, size, number = [], 0, number + 1
    if pending:
        yield b"".join(pending)


def _chain(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from rest


class _Counted:
    """Rows that are counted, and end with an error when the run is over."""

    def __init__(self, rows: Iterable[Row], pulse: Pulse) -> None:
        self._rows = rows
        self._pulse = pulse
        self.rows = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.rows += 1
            self._pulse.note(rows=1)
            yield row


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if is_transient(error):
            raise UnavailableError(f"S3 does not take the file now: {refusal_of(error)}") from error
        raise SourceError(refusal_of(error)) from error
    except BotoCoreError as error:
        raise UnavailableError(f"S3 does not take the file now: {type(error).__name__}") from error
