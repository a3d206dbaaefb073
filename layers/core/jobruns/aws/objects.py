"""JSON documents in the work bucket."""

import json
from typing import Any

from jobruns.aws import clients


class WorkObjects:
    """Writes and reads documents of runs.

    Parameters
    ----------
    bucket : str
        The work bucket.
    """

    def __init__(self, bucket: str) -> None:
        self._bucket = bucket

    def put_json(self, key: str, value: Any) -> None:
        """Write a document."""
        body = json.dumps(value, separators=(",", ":")).encode()
        clients.s3().put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json")

    def get_json(self, key: str) -> Any:
        """Read a document."""
        return json.loads(clients.s3().get_object(Bucket=self._bucket, Key=key)["Body"].read())
