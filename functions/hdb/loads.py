"""Requests of jobs that load rows into a table, or delete old ones from it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, unique
from typing import Any

from hdb.errors import FailedRequestError, JobRefusedError
from hdb.fields import MISSING, Reader, Target
from hdb.moments import NO_MOMENT, parse_moment
from hdb.places import S3Credentials, S3Place, read_load_place

_URI = re.compile(
    r"[A-Za-z][A-Za-z0-9+.\-]*:(?://(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2}|\[[0-9A-Fa-f:.]+\])+)?"
    r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?#]|%[0-9A-Fa-f]{2})*"
)
_HAS_HOST = re.compile(r"https?://[^/?#]", re.IGNORECASE)
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]{0,8192}")
_OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers by which a download itself is made, so that a request cannot set them."""


@unique
class Action(StrEnum):
    """What a load does with a row whose key is there, or is not."""

    INSERT = "insert"
    UPDATE = "update"
    UPSERT = "upsert"


@dataclass(frozen=True, slots=True)
class InlineData:
    """CSV that is in the request itself."""

    data: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A CSV file of the org's own."""

    path: str


@dataclass(frozen=True, slots=True)
class Download:
    """A CSV file at a URL. It and the headers may be secrets: they are used for one job and kept nowhere."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class S3Object:
    """A CSV or JSON file in a bucket of the caller's."""

    place: S3Place
    credentials: S3Credentials


Source = InlineData | StoredFile | Download | S3Object


@dataclass(frozen=True, slots=True)
class Load:
    """A load: what from, into which table and how."""

    target: Target
    action: Action
    source: Source


@dataclass(frozen=True, slots=True)
class DeleteBefore:
    """The deletion of rows that were created before a moment."""

    target: Target
    before: datetime


def read_data_load(fields: Mapping[str, Any]) -> Load:
    """Read ``csv_data_load``.

    Raises
    ------
    InvalidRequestError
        Members are wrong.
    JobRefusedError
        The data is no text, which the job would tell.
    """
    reader = Reader(fields, ",")
    target, action = _read_target(reader)
    data = fields.get("data")
    if data is None:
        reader.fail("Data  is required")
    elif not isinstance(data, str):
        reader.finish(lambda: None)
        raise JobRefusedError("Data must be a string")
    return reader.finish(lambda: Load(target, action, InlineData(data or "")))


def read_file_load(fields: Mapping[str, Any]) -> Load:
    """Read ``csv_file_load``.

    Raises
    ------
    InvalidRequestError
        Members are wrong.
    FailedRequestError
        The path is no text.
    """
    reader = Reader(fields, ",")
    target, action = _read_target(reader)
    path = fields.get("file_path")
    if path is None or path == "":
        reader.fail("File path  is required")
    elif not isinstance(path, str):
        reader.finish(lambda: None)
        raise FailedRequestError("File path must be a string")
    return reader.finish(lambda: Load(target, action, StoredFile(path or "")))


def read_url_load(fields: Mapping[str, Any]) -> Load:
    """Read ``csv_url_load``; of the URL's scheme and host only the job tells.

    Raises
    ------
    InvalidRequestError
        Members are wrong.
    """
    reader = Reader(fields)
    target = reader.target()
    action = fields.get("action", Action.INSERT)
    if not isinstance(action, str) or action not in set(Action):
        reader.fail(f"'action' must be one of [{', '.join(Action)}]")
    url = reader.text("csv_url")
    if url and not is_uri(url):
        reader.fail("'csv_url' must be a valid url")
    headers = _read_headers(fields.get("passthrough_headers", {}), reader)
    return reader.finish(lambda: Load(target, Action(action), Download(url, headers)))


def read_s3_import(fields: Mapping[str, Any]) -> Load:
    """Read ``import_from_s3``.

    Raises
    ------
    InvalidRequestError
        Members are wrong.
    """
    reader = Reader(fields, ",")
    target, action = _read_target(reader)
    place, credentials = read_load_place(fields, reader)
    return reader.finish(lambda: Load(target, action, S3Object(place, credentials)))


def read_delete_before(fields: Mapping[str, Any]) -> DeleteBefore:
    """Read ``delete_records_before``.

    Raises
    ------
    InvalidRequestError
        Members are wrong.
    """
    reader = Reader(fields)
    before = _read_date(fields.get("date", MISSING), reader)
    target = reader.target()
    return reader.finish(lambda: DeleteBefore(target, before or NO_MOMENT))


def is_uri(text: str) -> bool:
    """Whether a text has the form of an absolute URI; one of the web also has a host."""
    return bool(_URI.fullmatch(text)) and (not text.lower().startswith("http") or bool(_HAS_HOST.match(text)))


def _read_target(reader: Reader) -> tuple[Target, Action]:
    target = reader.plain_target()
    action = reader.fields.get("action", Action.INSERT)
    if not isinstance(action, str) or action not in set(Action):
        reader.fail("Action is required and must be either insert, update, or upsert")
        return target, Action.INSERT
    return target, Action(action)


def _read_headers(given: Any, reader: Reader) -> dict[str, str]:
    if not isinstance(given, Mapping):
        reader.fail("'passthrough_headers' must be of type object")
        return {}
    for name, value in given.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            reader.fail(f"'passthrough_headers' cannot have the header {name[:80]!r}")
        elif not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            reader.fail(f"'passthrough_headers.{name}' must be a string of visible ASCII characters")
    return dict(given)


def _read_date(value: Any, reader: Reader) -> datetime | None:
    if value is MISSING:
        reader.fail("'date' is required")
    elif not isinstance(value, str):
        reader.fail("'date' must be a valid date")
    else:
        try:
            return parse_moment(value)
        except ValueError:
            reader.fail("'date' must be in ISO 8601 date format")
    return None
