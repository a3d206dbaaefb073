"""Documents of runs in the work bucket."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from jobruns.aws import clients
from jobruns.aws.machine import error_code
from jobruns.errors import NotFoundError, UnavailableError

_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})


class WorkObjects:
    """Writes and reads documents of runs.

    All raise `NotFoundError` where there is no such document, and `UnavailableError` where S3 does not serve it.

    Parameters
    ----------
    bucket : str
        The work bucket.
    """

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket

    def put(self, key: str, content: bytes) -> None:
        """Write a document."""
        with explained(key):
            clients.s3().put_object(Bucket=self.bucket, Key=key, Body=content)

    def put_new(self, key: str, content: bytes) -> bool:
        """Write a document unless there is one.

        Returns
        -------
        bool
            False when there was one.
        """
        with explained(key):
            try:
                clients.s3().put_object(Bucket=self.bucket, Key=key, Body=content, IfNoneMatch="*")
            except ClientError as error:
                if error_code(error) in _TAKEN:
                    return False
                raise
        return True

    def get(self, key: str) -> bytes:
        """Read a document."""
        with explained(key):
            return clients.s3().get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def get_part(self, key: str, offset: int, length: int) -> bytes:
        """Read so many bytes of a document, from `offset` on."""
        part = f"bytes={offset}-{offset + length - 1}"
        with explained(key):
            return clients.s3().get_object(Bucket=self.bucket, Key=key, Range=part)["Body"].read()

    def keys(self, prefix: str) -> list[str]:
        """List the documents whose key begins with `prefix`."""
        pages = clients.s3().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        with explained(prefix):
            return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def exists(self, key: str) -> bool:
        """Tell whether there is a document.

        It is listed and not read: S3 answers 403, not 404, to a role that may not list the whole bucket.
        """
        with explained(key):
            found = clients.s3().list_objects_v2(Bucket=self.bucket, Prefix=key, MaxKeys=1).get("Contents", [])
        return any(entry["Key"] == key for entry in found)

    def put_json(self, key: str, value: Any) -> None:
        """Write a document that is JSON."""
        body = json.dumps(value, separators=(",", ":")).encode()
        with explained(key):
            clients.s3().put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")

    def get_json(self, key: str) -> Any:
        """Read a document that is JSON."""
        return json.loads(self.get(key))


@contextmanager
def explained(key: str) -> Iterator[None]:
    """Turn what S3 refuses into the core's errors."""
    try:
        yield
    except ClientError as error:
        if error_code(error) == "NoSuchKey":
            raise NotFoundError(f"the document {key} is gone") from error
        raise UnavailableError(f"S3 does not serve {key}: {error}") from error
    except BotoCoreError as error:
        raise UnavailableError(f"S3 does not serve {key}: {error}") from error
