"""Finds the objects a load asks for in S3."""

from collections.abc import Callable, Iterator
from typing import Final, NoReturn

from botocore.exceptions import ClientError, ParamValidationError

from jobruns.errors import SourceError
from jobruns.listing import FoundFile
from jobruns.table import LoadSource, LoadSpec
from jobruns.uploads import read_manifest
from jobruns_data.aws import s3_client

_REFUSALS: Final = {
    "NoSuchBucket": "the bucket does not exist; check its name",
    "InvalidBucketName": "that is no name of a bucket",
    "AccessDenied": "access denied; allow this service's role s3:ListBucket on the bucket, s3:GetObject on its objects",
    "AllAccessDisabled": "all access to the bucket is disabled",
    "PermanentRedirect": "the bucket is in another region and cannot be reached from here",
}
_BY_STATUS: Final = {301: "PermanentRedirect", 403: "AccessDenied", 404: "NoSuchBucket"}


def find_files(spec: LoadSpec, read: Callable[[str], bytes]) -> Iterator[FoundFile]:
    """Give the objects that a load names, in the order of their keys, as they are found.

    Parameters
    ----------
    spec : LoadSpec
    read : callable
        Reads a document of the work bucket.

    Raises
    ------
    SourceError
        The bucket does not exist or may not be listed, or there is nothing where one object was named.
    """
    if spec.uploads_key is not None:
        yield from _uploaded(read(spec.uploads_key))
    elif spec.source is not None:
        yield from _listed(spec.source)


def _uploaded(manifest: bytes) -> Iterator[FoundFile]:
    for found in sorted(read_manifest(manifest), key=lambda found: found.key):
        etag = f'"{found.etag}"' if found.etag else None
        yield FoundFile(found.bucket, found.key, found.size, etag, found.version_id)


def _listed(source: LoadSource) -> Iterator[FoundFile]:
    if not source.path or source.path.endswith("/"):
        yield from _below(source.bucket, source.path)
        return
    single = _single(source.bucket, source.path)
    if single is not None:
        yield single
        return
    empty = True
    for found in _below(source.bucket, f"{source.path}/"):
        empty = False
        yield found
    if empty:
        url = f"s3://{source.bucket}/{source.path}"
        raise SourceError(f"there is no object {url} and nothing below {url}/; check the path")


def _single(bucket: str, key: str) -> FoundFile | None:
    try:
        told = s3_client().head_object(Bucket=bucket, Key=key)
    except (ClientError, ParamValidationError) as error:
        if _status(error) == 404:
            return None
        _refuse(f"s3://{bucket}/{key}", error)
    return FoundFile(bucket, key, told["ContentLength"], told["ETag"])


def _below(bucket: str, prefix: str) -> Iterator[FoundFile]:
    pages = s3_client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    try:
        for page in pages:
            for entry in page.get("Contents", []):
                yield FoundFile(bucket, entry["Key"], entry["Size"], entry["ETag"])
    except (ClientError, ParamValidationError) as error:
        _refuse(f"s3://{bucket}/{prefix}", error)


def _status(error: Exception) -> int:
    if not isinstance(error, ClientError):
        return 400
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _refuse(url: str, error: Exception) -> NoReturn:
    """Say why S3 refuses; what may go better in a moment is raised as it is, to be tried again."""
    status = _status(error)
    code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
    if status >= 500 or code in ("SlowDown", "RequestTimeout"):
        raise error
    known = _REFUSALS.get(code) or _REFUSALS.get(_BY_STATUS.get(status, ""))
    raise SourceError(f"{url} cannot be read: {known or error}") from error
