"""S3, as far as moto differs from the service or takes too long.

* event notifications are as S3 writes them: with version and sequencer, and a key whose slashes are left as they are;
* of a deletion that leaves a marker there is one too;
* a page of a listing is written in a tenth of the time.
"""

import itertools
import time
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

from moto.core.responses import ActionResult
from moto.s3 import notifications
from moto.s3.models import FakeDeleteMarker, S3Backend
from moto.s3.responses import S3Response

_LISTED = frozenset({"Key", "LastModified", "ETag", "Size", "StorageClass", "ChecksumAlgorithm"})


def apply() -> None:
    """Replace what makes the record of an event, what deletes, and what writes a page."""
    _patch_events()
    _patch_deletions()
    _patch_pages()


def _patch_events() -> None:
    original = notifications._get_s3_event  # noqa: SLF001 - there is no public way to add to the record
    counter = itertools.count()

    def get_s3_event(event_name: str, bucket: Any, key: Any, notification_id: str) -> dict[str, Any]:
        removed = isinstance(key, FakeDeleteMarker)
        shown = SimpleNamespace(name=key.name, etag="", size=0) if removed else key
        event: dict[str, Any] = original(event_name, bucket, shown, notification_id)
        described = event["Records"][0]["s3"]["object"]
        if removed:
            # What is gone has no content.
            del described["size"], described["eTag"]
        described["key"] = quote_plus(key.name, safe="/")
        if bucket.versioning_status == "Enabled" and key.version_id is not None:
            described["versionId"] = key.version_id
        described["sequencer"] = f"{time.time_ns():016X}{next(counter) % 256:02X}"
        return event

    notifications._get_s3_event = get_s3_event  # noqa: SLF001 - as above


def _patch_deletions() -> None:
    original = S3Backend._set_delete_marker  # noqa: SLF001 - as above

    def set_delete_marker(backend: Any, bucket_name: str, key_name: str) -> Any:
        marker = original(backend, bucket_name, key_name)
        kind = notifications.S3NotificationEvent.OBJECT_REMOVED_DELETE_MARKER_CREATED_EVENT
        notifications.send_event(backend.account_id, kind, backend.get_bucket(bucket_name), marker)
        return marker

    S3Backend._set_delete_marker = set_delete_marker  # noqa: SLF001 - as above


def _patch_pages() -> None:
    original = S3Response.serialized

    def serialized(response: Any, action_result: Any) -> Any:
        page = action_result.result
        if response.data.get("Action") != "ListObjectsV2" or not isinstance(page, dict):
            return original(response, action_result)
        if any(item.keys() - _LISTED for item in page["Contents"]):
            return original(response, action_result)
        # moto looks up the model of each member of each object.
        status, headers, body = original(response, ActionResult({**page, "Contents": []}))
        start, end, _ = (body.decode() if isinstance(body, bytes) else body).rpartition("</ListBucketResult>")
        return status, headers, "".join([start, *map(_write_listed, page["Contents"]), end])

    S3Response.serialized = serialized


def _write_listed(item: dict[str, Any]) -> str:
    members = [
        f"<{name}>{escape(str(value))}</{name}>"
        for name, values in item.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    return f"<Contents>{''.join(members)}</Contents>"
