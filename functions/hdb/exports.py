"""Requests of jobs that write rows to files. The reference checks them inside of the job, so the job ends with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import Any

from hdb.errors import FailedRequestError, InvalidRequestError, JobRefusedError
from hdb.fields import Reader
from hdb.places import S3Credentials, S3Place, read_export_place
from hdb.searches import Search, read_condition_search, read_hash_search, read_sql, read_value_search


@unique
class Format(StrEnum):
    """Forms of a file. Parquet is ours; what is said of a wrong one does not name it."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """A file of the org's own; without a name it is the time of the export."""

    path: str
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """An export: which rows, how and where to. The credentials are kept nowhere."""

    search: Search
    format: Format
    place: LocalPlace | S3Place
    credentials: S3Credentials | None = None


_SEARCHES: Mapping[str, Callable[[Mapping[str, Any]], Search]] = {
    "search_by_value": read_value_search,
    "search_by_hash": read_hash_search,
    "sql": read_sql,
    "search_by_conditions": read_condition_search,
}
_FORMATS = (Format.JSON, Format.CSV)
_ALL_ROWS_KEY = "get_attributes"


def read_local_export(fields: Mapping[str, Any]) -> Export:
    """Read ``export_local``.

    Raises
    ------
    JobRefusedError
        Something is wrong, with which the job ends.
    """
    reader = _reader(fields)
    path, filename = fields.get("path"), fields.get("filename")
    if not isinstance(path, str) or not path:
        reader.fail("path is missing.")
    if filename is not None and (not isinstance(filename, str) or not filename):
        reader.fail("filename must be a string")
    kind, search = _read_format(fields.get("format"), reader), _read_search(fields, reader)
    return reader.finish(lambda: Export(search(), kind, LocalPlace(str(path), filename)))


def read_s3_export(fields: Mapping[str, Any]) -> Export:
    """Read ``export_to_s3``; the ending of the file is put behind the key, whatever it ends with.

    Raises
    ------
    JobRefusedError
        Something is wrong, with which the job ends.
    """
    reader = _reader(fields)
    kind, search = _read_format(fields.get("format"), reader), _read_search(fields, reader)
    place, credentials = read_export_place(fields.get("s3"), reader)
    place = replace(place, key=f"{place.key}.{kind}")
    return reader.finish(lambda: Export(search(), kind, place, credentials))


def searches_by_sql(fields: Mapping[str, Any]) -> bool:
    """Whether an export that is not checked yet finds its rows by SQL."""
    search = fields.get("search_operation")
    return isinstance(search, Mapping) and search.get("operation") == "sql"


def _reader(fields: Mapping[str, Any]) -> Reader:
    return Reader(fields, ",", JobRefusedError)


def _read_format(value: Any, reader: Reader) -> Format:
    if value is None or value == "":
        reader.fail("format missing")
    elif not isinstance(value, str) or value not in set(Format):
        reader.fail(f"format invalid. must be one of the following values: {', '.join(_FORMATS)}")
    else:
        return Format(value)
    return Format.JSON


def _read_search(fields: Mapping[str, Any], reader: Reader) -> Callable[[], Search]:
    """Tell what is wrong with the search's kind; its own members are looked at last of all."""
    given = fields.get("search_operation")
    if not isinstance(given, Mapping):
        reader.fail("search_operation missing")
        return lambda: _read_members({})
    operation = given.get("operation")
    if not operation:
        reader.fail("search_operation.operation missing")
    elif not isinstance(operation, str) or operation not in _SEARCHES:
        names = ", ".join(_SEARCHES)
        reader.fail(f"searchOperation.operation must be one of the following values: {names}")
    return lambda: _read_members(given)


def _read_members(given: Mapping[str, Any]) -> Search:
    # In an export all attributes are meant where none are named: the SDK's helpers name none.
    members = given if _ALL_ROWS_KEY in given else {**given, _ALL_ROWS_KEY: ["*"]}
    try:
        return _SEARCHES[given["operation"]](members)
    except (InvalidRequestError, FailedRequestError) as error:
        raise JobRefusedError(error.message) from None
