"""Writes rows to a file, in parts: no row is kept longer than until its part is full."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError
from pyiceberg.catalog import Catalog

from jobruns.errors import SourceError, UnavailableError
from jobruns.file_paths import file_key
from jobruns.operation import BYTES_WRITTEN, Export, FileTarget, RowFormat, SqlQuery, TableQuery
from jobruns.row_files import write_csv_file, write_json_file
from jobruns.service.ports import Ports
from jobruns_data.aws import is_transient, s3_client
from operations.operation import Operation, find_relations, read_query
from operations.pulse import Pulse
from operations.searches import Row, find_rows
from operations.sources import Places, caller_client, refusal_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

FIRST_PART_BYTES = 8 << 20
PARTS_OF_A_SIZE = 1000
"""An object has 10,000 parts at most: after so many the next ones are twice as large, which is enough for 8 TB."""


@dataclass(slots=True)
class RowCount:
    """Counts the rows of an export; ends with an error when the run is over."""

    pulse: Pulse
    rows: int = 0

    def note(self, rows: int) -> None:
        """Note rows that are being written."""
        self.rows += rows
        self.pulse.note(rows=rows)

    def count(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Give rows on, counted."""
        for row in rows:
            self.note(1)
            yield row


def compose_file(
    ports: Ports,
    lake_bucket: str,
    operation: Operation,
    export: Export,
    catalog: Catalog,
    seconds: float,
    count: RowCount,
) -> Iterator[bytes]:
    """Give the file of an export, piece by piece, as its rows are read.

    Raises
    ------
    NotFoundError
        A table is gone.
    UnknownAttributeError
        The query names an attribute that the table does not have.
    SqlError
        It cannot be run, or takes too much.
    InvalidInputError
        There are too many rows to sort them.
    """
    query = read_query(ports, operation, export)
    if export.format is RowFormat.PARQUET:
        from operations.parquet import write_parquet_file

        if isinstance(query, TableQuery):
            found = find_rows(catalog, operation.target, query)
            return write_parquet_file(found.tables(count.count(found.rows)))
        return write_parquet_file(_select_tables(ports, lake_bucket, operation, catalog, query, seconds, count))
    if isinstance(query, TableQuery):
        found = find_rows(catalog, operation.target, query)
        return _write_texts(export.format, count.count(found.rows), found.names)
    from operations.sql import select_rows

    relations = find_relations(ports, operation.run.org, query)
    rows = select_rows(catalog, lake_bucket, query.sql, relations, seconds)
    return _write_texts(export.format, count.count(rows), None)


def _write_texts(form: RowFormat, rows: Iterable[Row], names: Sequence[str] | None) -> Iterator[bytes]:
    return write_csv_file(rows, names) if form is RowFormat.CSV else write_json_file(rows)


def _select_tables(
    ports: Ports,
    lake_bucket: str,
    operation: Operation,
    catalog: Catalog,
    query: SqlQuery,
    seconds: float,
    count: RowCount,
) -> Iterator[pa.Table]:
    from operations.parquet import plain_table
    from operations.sql import select_batches

    relations = find_relations(ports, operation.run.org, query)
    for batch in select_batches(catalog, lake_bucket, query.sql, relations, seconds):
        count.note(batch.num_rows)
        yield plain_table(batch)


def write_export(export: Export, pieces: Iterable[bytes], places: Places) -> dict[str, Any]:
    """Write the file of an export; gives metrics of the run. Until all is written there is no file.

    Raises
    ------
    SourceError
        S3 refuses the file; the message is its.
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
    with _explained():
        told = upload(client, bucket, key, pieces)
    return {"place": place, **told}


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
    told = {ours: answer[theirs] for theirs, ours in names.items() if theirs in answer}
    about = answer.get("ResponseMetadata", {})
    # S3's own support asks for it where something is wrong with an object.
    request = {"request_id": about["RequestId"]} if about.get("RequestId") else {}
    return {**told, **request, "attempts": about.get("RetryAttempts", 0) + 1}


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
