"""Uploads: what S3 says of an object that arrived, which table it is for, and how it is put back into the queue.

A message of the upload queue is a notification as S3 writes it
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html). What is put back has the
same shape and one member more, ``jobruns``, which says how often the object has been tried and whether the message
was written for the dead-letter queue. Only a redrive brings such a message into the upload queue, so whoever reads
the mark there knows that somebody wants the object tried anew.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, unquote_plus
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jobruns.errors import InvalidInputError
from jobruns.table import Watch, compile_pattern

MAX_ATTEMPTS = 3
"""Runs that may fail over a file before it is put aside for people to look at."""

_CREATED = ("ObjectCreated:", "s3:ObjectCreated:")
_ORG_LENGTH = 36


class UploadedObject(BaseModel):
    """An object that arrived.

    Parameters
    ----------
    bucket, key : str
    etag : str
        Without quotes; empty where the notification has none.
    size : int
        Bytes.
    version_id : str, optional
        In a bucket that keeps versions.
    attempt : int
        Which try the next run of it is, from 1.
    redriven : bool
        Whether somebody took it from the dead-letter queue.
    """

    model_config = ConfigDict(frozen=True)

    bucket: str = Field(min_length=1)
    key: str = Field(min_length=1)
    etag: str = ""
    size: int = 0
    version_id: str | None = None
    attempt: int = Field(default=1, ge=1)
    redriven: bool = False

    @property
    def url(self) -> str:
        """The object as a URL: ``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def identity(self) -> str:
        """What two notifications of one upload share and no two uploads of different content do: 64 hex digits."""
        parts = (self.bucket, self.key, self.etag or self.version_id or "")
        return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class UploadGroup:
    """What one run may load together: for one watch. Files that failed before are kept from those that did not."""

    org: str
    table_id: str
    transform_id: str | None
    retried: bool
    max_file_rows: int = 0
    dry_run: bool = False


def parse_notification(body: str) -> list[UploadedObject]:
    """Read a message of the upload queue.

    Returns
    -------
    list of UploadedObject
        Empty for S3's test event and for events that are no uploads.

    Raises
    ------
    InvalidInputError
        It is no notification.
    """
    try:
        message = json.loads(body)
        if not isinstance(message, dict):
            raise InvalidInputError("the message is no notification of S3: it is not a JSON object")
        if message.get("Event") == "s3:TestEvent":
            return []
        told = message.get("jobruns", {})
        extra = {name: told[name] for name in ("attempt", "redriven") if name in told}
        return [
            _read_object(record["s3"], extra)
            for record in message["Records"]
            if str(record["eventName"]).startswith(_CREATED)
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # ValidationError and UnicodeDecodeError are ValueErrors too.
        kind = "a member is wrong" if isinstance(error, ValidationError) else repr(error)
        raise InvalidInputError(f"the message is no notification of S3: {kind}") from error


def write_notification(found: UploadedObject) -> str:
    """Write the message that `parse_notification` reads back."""
    entry: dict[str, Any] = {"key": quote_plus(found.key), "size": found.size, "eTag": found.etag}
    if found.version_id is not None:
        entry["versionId"] = found.version_id
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": found.bucket}, "object": entry},
    }
    told = {"attempt": found.attempt, "redriven": found.redriven}
    return json.dumps({"Records": [record], "jobruns": told}, separators=(",", ":"))


class WatchList:
    """The tables that wait for uploads, in the order in which they are tried.

    Parameters
    ----------
    watches : iterable of Watch
    """

    def __init__(self, watches: Iterable[Watch]) -> None:
        self._watches = [(watch, compile_pattern(watch.pattern)) for watch in watches]

    def find(self, found: UploadedObject) -> Watch | None:
        """Give the first watch that wants an object.

        A key that begins with the id of an org is for that org alone, so that orgs that share the landing bucket can
        keep their uploads from each other.
        """
        owner = owner_of(found.key)
        for watch, pattern in self._watches:
            if owner is not None and watch.org != owner:
                continue
            if not watch.pattern or pattern.search(found.url):
                return watch
        return None


def write_manifest(objects: Sequence[UploadedObject]) -> bytes:
    """Write the list of the objects of a run: JSON, one object a line."""
    return b"".join(found.model_dump_json(exclude_defaults=True).encode() + b"\n" for found in objects)


def read_manifest(content: bytes) -> list[UploadedObject]:
    """Read what `write_manifest` wrote."""
    return [UploadedObject.model_validate_json(line) for line in content.splitlines()]


def owner_of(key: str) -> str | None:
    """Give the org that an object of the landing bucket is for; ``None`` for any, where its key does not say."""
    first, slash, _ = key.partition("/")
    if not slash or len(first) != _ORG_LENGTH:
        return None
    try:
        return str(UUID(first))
    except ValueError:
        return None


def _read_object(told: dict[str, Any], extra: dict[str, Any]) -> UploadedObject:
    entry = told["object"]
    return UploadedObject(
        bucket=told["bucket"]["name"],
        key=unquote_plus(entry["key"], errors="strict"),
        etag=str(entry.get("eTag") or "").strip('"'),
        size=entry.get("size", 0),
        version_id=entry.get("versionId"),
        **extra,
    )
