"""Requests about the server itself: its log, which here is what happened to runs, and what it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hdb.fields import Reader
from hdb.moments import parse_moment, write_milliseconds
from jobruns.row_values import write_iso
from jobruns.run import Outcome, RunEvent

MAX_ENTRIES = 1000
"""Of one answer, and how many there are where the request does not say."""

_LEVELS = {Outcome.GOING: "info", Outcome.SUCCEEDED: "notify", Outcome.FAILED: "error"}


@dataclass(frozen=True, slots=True)
class ReadLog:
    """Entries of the log: so many from `start` on, between two moments, the latest first or last."""

    limit: int = MAX_ENTRIES
    start: int = 0
    since: datetime | None = None
    until: datetime | None = None
    descending: bool = True


def read_log_request(fields: Mapping[str, Any]) -> ReadLog:
    """Read ``read_log``.

    Raises
    ------
    InvalidRequestError
        Members are wrong.
    """
    reader = Reader(fields)
    limit, start = reader.count("limit"), reader.count("start")
    since, until = _read_moment("from", reader), _read_moment("until", reader)
    order = fields.get("order") or "desc"
    if order not in ("asc", "desc"):
        reader.fail("'order' must be one of [asc, desc]")
    size = MAX_ENTRIES if limit is None else min(limit, MAX_ENTRIES)
    return reader.finish(lambda: ReadLog(size, start or 0, since, until, order == "desc"))


def write_entry(event: RunEvent) -> dict[str, Any]:
    """Write something that happened to a run as an entry of the log."""
    told = f": {event.message}" if event.message else ""
    return {
        "timestamp": write_iso(event.at),
        "level": _LEVELS[event.state.outcome],
        "thread": event.job,
        "tags": [event.kind],
        "message": f"{event.run_id} is {event.state}{told}",
    }


def write_system(now: datetime, version: str, region: str) -> dict[str, Any]:
    """Write what the server is. It has no machine to speak of."""
    return {
        "system": {"platform": "AWS Lambda", "jobruns_version": version, "region": region},
        "time": {"current": write_milliseconds(now), "timezone": "GMT+0000", "timezoneName": "UTC"},
    }


def _read_moment(name: str, reader: Reader) -> datetime | None:
    value = reader.fields.get(name)
    if value is None:
        return None
    try:
        return parse_moment(value if isinstance(value, str) else "")
    except ValueError:
        reader.fail(f"'{name}' must be in ISO 8601 date format")
        return None
