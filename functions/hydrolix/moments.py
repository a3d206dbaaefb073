"""Times as this door writes them."""

from datetime import UTC, datetime


def write_time(at: datetime) -> str:
    """Write a time: RFC 3339, UTC, microseconds, ``Z``."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
