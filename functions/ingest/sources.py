"""Finds the objects a load asks for in S3."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError

from jobruns.errors import SourceError
from jobruns.listing import FoundFile
from jobruns.places import LoadSource
from jobruns.table import LoadSpec
from jobruns.uploads import owner_of, read_manifest
from jobruns_data.aws import source_client

_ELSEWHERE: Final = "the bucket is in another region; name its region with the source"
_REFUSALS: Final = {
    "NoSuchBucket": "the bucket does not exist; check its name",
    "InvalidBucketName": "that is no name of a bucket",
    "AccessDenied": "access denied; allow this service's role s3:ListBucket on the bucket, s3:GetObject on its objects",
    "AllAccessDisabled": "all access to the bucket is disabled",
    "PermanentRedirect": _ELSEWHERE,
    "AuthorizationHeaderMalformed": _ELSEWHERE,
    "IllegalLocationConstraintException": _ELSEWHERE,
}
_BY_STATUS: Final = {301: "PermanentRedirect", 403: "AccessDenied", 404: "NoSuchBucket"}


@dataclass(frozen=True, slots=True)
class Reach:
    """What a load of an org may read of what the service's role may read.

    The role serves all orgs, so it cannot keep one from another's files.

    Parameters
    ----------
    org : str
    landing_bucket : str
        Shared: a key that begins with another org's id is not there for this one.
    own_buckets : frozenset of str
        The service's, with the tables and the rejected rows of all orgs: nobody loads from these.
    """

    org: str
    landing_bucket: str
    own_buckets: frozenset[str]

    def check(self, source: LoadSource) -> None:
        """Let a source pass that may be looked through.

        Raises
        ------
        SourceError
            It is one of the service's own buckets.
        """
        if source.bucket in self.own_buckets:
            raise SourceError(f"s3://{source.bucket}/ is the service's own and is not loaded from; name another bucket")

    def shows(self, bucket: str, key: str) -> bool:
        """Tell whether an object is there for the org."""
        return bucket != self.landing_bucket or owner_of(key) in (None, self.org)


def find_files(spec: LoadSpec, read: Callable[[str], bytes], reach: Reach) -> Iterator[FoundFile]:
    """Give the objects that a load names, in the order of their keys, as they are found.

    Parameters
    ----------
    spec : LoadSpec
    read : callable
        Reads a document of the work bucket.
    reach : Reach
        What the load's org may read. What uploads name was checked when they arrived.

    Raises
    ------
    SourceError
        The bucket does not exist or may not be listed, or there is nothing where one object was named.
    """
    if spec.uploads_key is not None:
        yield from _uploaded(read(spec.uploads_key))
    elif spec.source is not None:
        reach.check(spec.source)
        yield from _listed(spec.source, reach)


def _uploaded(manifest: bytes) -> Iterator[FoundFile]:
    for found in sorted(read_manifest(manifest), key=lambda found: found.key):
        etag = f'"{found.etag}"' if found.etag else None
        yield FoundFile(found.bucket, found.key, found.size, etag, found.version_id)


def _listed(source: LoadSource, reach: Reach) -> Iterator[FoundFile]:
    if not source.path or source.path.endswith("/"):
        yield from _below(source, source.path, reach)
        return
    single = _single(source) if reach.shows(source.bucket, source.path) else None
    if single is not None:
        yield single
        return
    empty = True
    for found in _below(source, f"{source.path}/", reach):
        empty = False
        yield found
    if empty:
        url = f"s3://{source.bucket}/{source.path}"
        raise SourceError(f"there is no object {url} and nothing below {url}/; check the path")


def _single(source: LoadSource) -> FoundFile | None:
    bucket, key = source.bucket, source.path
    try:
        told = source_client(source.asked).head_object(Bucket=bucket, Key=key)
    except (ClientError, ParamValidationError, EndpointConnectionError) as error:
        if _status(error) == 404:
            return None
        _refuse(source, f"s3://{bucket}/{key}", error)
    return FoundFile(bucket, key, told["ContentLength"], told["ETag"])


def _below(source: LoadSource, prefix: str, reach: Reach) -> Iterator[FoundFile]:
    bucket = source.bucket
    pages = source_client(source.asked).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    try:
        for page in pages:
            for entry in page.get("Contents", []):
                if reach.shows(bucket, entry["Key"]):
                    yield FoundFile(bucket, entry["Key"], entry["Size"], entry["ETag"])
    except (ClientError, ParamValidationError, EndpointConnectionError) as error:
        _refuse(source, f"s3://{bucket}/{prefix}", error)


def _status(error: Exception) -> int:
    if not isinstance(error, ClientError):
        return 400
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _refuse(source: LoadSource, url: str, error: Exception) -> NoReturn:
    """Say why S3 refuses; what may go better in a moment is raised as it is, to be tried again."""
    if isinstance(error, EndpointConnectionError):
        region = source.asked.region
        if region is None:
            raise error
        raise SourceError(f"{url} cannot be read: S3 does not answer in {region}; check the region") from error
    status = _status(error)
    code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
    if status >= 500 or code in ("SlowDown", "RequestTimeout"):
        raise error
    known = _REFUSALS.get(code) or _REFUSALS.get(_BY_STATUS.get(status, ""))
    raise SourceError(f"{url} cannot be read: {known or error}") from error
