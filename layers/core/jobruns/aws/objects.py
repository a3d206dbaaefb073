"""Documents of runs in the work bucket."""

import json
from typing import Any

from botocore.exceptions import ClientError

from jobruns.aws import clients
from jobruns.aws.machine import error_code


class WorkObjects:
    """Writes and reads documents of runs.

    Parameters
    ----------
    bucket : str
        The work bucket.
    """

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket

    def put(self, key: str, content: bytes) -> None:
        """Write a document."""
        clients.s3().put_object(Bucket=self.bucket, Key=key, Body=content)

    def put_new(self, key: str, content: bytes) -> bool:
        """Write a document unless there is one.

        Returns
        -------
        bool
            False when there was one.
        """
        try:
            clients.s3().put_object(Bucket=self.bucket, Key=key, Body=content, IfNoneMatch="*")
        except ClientError as error:
            if error_code(error) in ("PreconditionFailed", "ConditionalRequestConflict"):
                return False
            raise
        return True

    def get(self, key: str) -> bytes:
        """Read a document."""
        return clients.s3().get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def get_part(self, key: str, offset: int, length: int) -> bytes:
        """Read so many bytes of a document, from `offset` on."""
        part = f"bytes={offset}-{offset + length - 1}"
        return clients.s3().get_object(Bucket=self.bucket, Key=key, Range=part)["Body"].read()

    def keys(self, prefix: str) -> list[str]:
        """List the documents whose key begins with `prefix`."""
        pages = clients.s3().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def exists(self, key: str) -> bool:
        """Tell whether there is a document.

        It is listed and not read: S3 answers 403, not 404, to a role that may not list the whole bucket.
        """
        found = clients.s3().list_objects_v2(Bucket=self.bucket, Prefix=key, MaxKeys=1).get("Contents", [])
        return any(entry["Key"] == key for entry in found)

    def put_json(self, key: str, value: Any) -> None:
        """Write a document that is JSON."""
        body = json.dumps(value, separators=(",", ":")).encode()
        clients.s3().put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")

    def get_json(self, key: str) -> Any:
        """Read a document that is JSON."""
        return json.loads(self.get(key))
