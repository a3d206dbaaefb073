"""What happened as Standard Webhooks suggest a message: a type, a time and the data.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from collections.abc import Mapping
from typing import Any

from jobruns_events.cloud_events import short_type

__all__ = ["standard_body"]


def standard_body(event: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
    """Write an event with the document that is to be shown."""
    return {"type": short_type(event), "timestamp": event["time"], "data": dict(details)}
