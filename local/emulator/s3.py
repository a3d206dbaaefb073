"""Event notifications as S3 writes them: with version and sequencer, and a key whose slashes are left as they are."""

import itertools
import time
from typing import Any
from urllib.parse import quote_plus

from moto.s3 import notifications


def apply() -> None:
    """Replace what makes the record of an event."""
    original = notifications._get_s3_event  # noqa: SLF001 - there is no public way to add to the record
    counter = itertools.count()

    def get_s3_event(event_name: str, bucket: Any, key: Any, notification_id: str) -> dict[str, Any]:
        event: dict[str, Any] = original(event_name, bucket, key, notification_id)
        described = event["Records"][0]["s3"]["object"]
        described["key"] = quote_plus(key.name, safe="/")
        if bucket.versioning_status == "Enabled" and key.version_id is not None:
            described["versionId"] = key.version_id
        described["sequencer"] = f"{time.time_ns():016X}{next(counter) % 256:02X}"
        return event

    notifications._get_s3_event = get_s3_event  # noqa: SLF001 - as above
