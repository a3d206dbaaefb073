"""Keeps the rows that could not be loaded, with the reason, as JSON lines in S3."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from jobruns_data.aws import s3_client
from jobruns_data.rows import Reject
from jobruns_data.s3_io import bucket_and_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["RejectSink"]

PART_BYTES = 4 << 20


class RejectSink:
    """Writes the rejected rows of one unit.

    The objects are ``<prefix><run_id>/<unit>-<part>.json``, one JSON object a line: the labels, ``data`` (the row as it
    was read) and ``reason``, which begins with the file's URL and the line. The names follow from run and unit, and the
    parts from what is read, so that a unit done again writes the same objects again.

    Parameters
    ----------
    prefix : str
        ``s3://bucket/…/``.
    run_id : str
    unit : int
    labels : mapping of str to str
        Members every line begins with, such as the ids of the table and of the transform.
    client : S3Client, optional
        Left out, the process's own.
    """

    def __init__(
        self,
        prefix: str,
        *,
        run_id: str,
        unit: int,
        labels: Mapping[str, str] | None = None,
        client: S3Client | None = None,
    ) -> None:
        self._bucket, base = bucket_and_key(prefix)
        self._base = f"{base.rstrip('/')}/" if base else ""
        self._name = f"{run_id}/{unit:06d}"
        self._labels = dict(labels or {})
        self._client = client if client is not None else s3_client()
        self._lines: list[bytes] = []
        self._bytes = 0
        self._parts = 0
        self.rows = 0

    def add(self, url: str, rejects: Iterable[Reject]) -> None:
        """Take rejects of one file; full parts are written at once."""
        for reject in rejects:
            record = {**self._labels, "data": reject.data, "reason": f"{url} line {reject.line}: {reject.reason}"}
            # Escaped to ASCII: half a surrogate pair can be in a JSON row and could not be written otherwise.
            line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
            self._lines.append(line)
            self._bytes += len(line)
            self.rows += 1
            if self._bytes >= PART_BYTES:
                self.flush()

    def flush(self) -> None:
        """Write what is kept."""
        if not self._lines:
            return
        self._client.put_object(
            Bucket=self._bucket,
            Key=f"{self._base}{self._name}-{self._parts:05d}.json",
            Body=b"".join(self._lines),
            ContentType="application/x-ndjson",
        )
        self._parts += 1
        self._lines.clear()
        self._bytes = 0
