"""Where a batch job finds its files: the two generations of ``settings.source.settings``."""

import re
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from jobruns.places import LoadSource

_URL = re.compile(r"s3://([^/]*)/?(.*)", re.DOTALL)
MAX_KEY_BYTES = 1024


def read_url(url: str) -> LoadSource:
    """Read ``s3://bucket/path``.

    Raises
    ------
    ValueError
        It is none; the message is the rest of a sentence that begins with the member's name.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError(f"must be s3://<bucket>/<path>, not {url[:200]!r}")
    return find_source(match[1], match[2])


def find_source(bucket: str, path: str) -> LoadSource:
    """Make a source of a bucket's name and a path in it.

    Raises
    ------
    ValueError
        They cannot be names in S3.
    """
    if not bucket:
        raise ValueError("names no bucket")
    if len(path.encode()) > MAX_KEY_BYTES:
        raise ValueError(f"has a path of more than {MAX_KEY_BYTES} bytes; S3 has no such object")
    try:
        return LoadSource(bucket=bucket, path=path)
    except ValidationError:
        raise ValueError(f"names the bucket {bucket[:100]!r}, which no bucket can be called") from None


class SourceSettings(BaseModel):
    """Either ``url`` (what the older clients send) or ``bucket_name`` and ``bucket_path``; unknown members are kept."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    url: str | None = Field(default=None, max_length=2048)
    bucket_name: str | None = None
    bucket_path: str | None = None
    region: str | None = None
    endpoint: str | None = None
    cloud: str | None = None
    credential_id: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.url is None) == (self.bucket_name is None):
            raise ValueError("needs either url or bucket_name, and not both")
        if self.url is not None and self.bucket_path is not None:
            raise ValueError("has a url, which holds the path; bucket_path goes with bucket_name")
        if (self.cloud or "aws").lower() != "aws":
            raise ValueError(f"names the cloud {self.cloud!r}; only files in aws can be read")
        self.place()
        return self

    def place(self) -> LoadSource:
        """Give the place both generations mean.

        Raises
        ------
        ValueError
            It is no place in S3.
        """
        if self.url is not None:
            place = read_url(self.url)
        else:
            place = find_source(self.bucket_name or "", (self.bucket_path or "").removeprefix("/"))
        told = {"region": self.region or None, "endpoint": self.endpoint or None}
        try:
            return LoadSource(bucket=place.bucket, path=place.path, **told)
        except ValidationError as error:
            raise ValueError(_reason(error)) from None


def _reason(error: ValidationError) -> str:
    """Say what is wrong with where to ask, as the rest of a sentence."""
    first = error.errors(include_url=False)[0]
    match first["loc"]:
        case ("region",):
            return f"names the region {str(first['input'])[:100]!r}, which no region is called"
        case ("endpoint",):
            return f"has an endpoint that {first['msg'].removeprefix('Value error, ')}"
    return f"contradicts itself: {first['msg'].removeprefix('Value error, ')}"
