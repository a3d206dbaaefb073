"""Places outside of the tables: paths, and buckets with what opens them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hdb.errors import InvalidRequestError
from hdb.fields import Reader, in_words

_CREDENTIALS = ("aws_access_key_id", "aws_secret_access_key")


class NoSuchFileError(InvalidRequestError):
    """There is no such file; nor is there any that a path leads to which leaves the org's own."""

    def __init__(self, path: str) -> None:
        super().__init__(f"No such file or directory {path}")


@dataclass(frozen=True, slots=True)
class S3Credentials:
    """What opens a bucket. It is used for one job and kept nowhere, so it does not show itself either."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class S3Place:
    """An object in a bucket; without a region it is the deployment's."""

    bucket: str
    key: str
    region: str | None = None


def read_load_place(fields: Mapping[str, Any], reader: Reader) -> tuple[S3Place, S3Credentials]:
    """Read the object of a load, telling everything that is wrong with it in plain words."""
    given = fields.get("s3")
    parts = given if isinstance(given, Mapping) else {}
    for name in (*_CREDENTIALS, "bucket", "key", "region"):
        value = parts.get(name)
        if value is None or value == "":
            if name != "region":
                reader.fail(f"{in_words(f's3.{name}')} can't be blank")
        elif not isinstance(value, str):
            reader.fail(f"{in_words(f's3.{name}')}  must be a 'String' value")
    key = parts.get("key")
    if key and isinstance(key, str) and not key.endswith((".csv", ".json")):
        reader.fail("S3 key must include one of the following valid file extensions - '.csv', '.json'")
    return _make(parts)


def read_export_place(given: Any, reader: Reader) -> tuple[S3Place, S3Credentials]:
    """Read the object of an export, telling what is missing."""
    if not isinstance(given, Mapping):
        reader.fail("S3 object is missing.")
        return _make({})
    for name in (*_CREDENTIALS, "bucket", "key"):
        if not isinstance(given.get(name), str) or not given[name]:
            reader.fail(f"{name} is missing.")
    return _make(given)


def _make(parts: Mapping[str, Any]) -> tuple[S3Place, S3Credentials]:
    texts = {name: value if isinstance(value, str) else "" for name, value in parts.items()}
    place = S3Place(texts.get("bucket", ""), texts.get("key", ""), texts.get("region") or None)
    return place, S3Credentials(*(texts.get(name, "") for name in _CREDENTIALS))
