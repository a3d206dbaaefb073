"""Roots of jobs: where their files lie, which is what a job is known by."""

import re
import secrets
import string
from datetime import datetime
from urllib.parse import unquote

from hotglue.names import Lane
from jobruns.errors import NotFoundError
from jobruns.ids import canonical_id
from jobruns.job import NAME
from jobruns.run import RunRoot

JOB_ID_CHARACTERS = 6
TAKEN_IDS = frozenset({"status", "logs", "request", "kill", "events"})
"""Words that follow ``jobs`` in paths."""

_FIRST = string.ascii_letters + string.digits
_ALPHABET = f"{_FIRST}_-"
_LEDGER = re.compile(r"ledger/([^/]+)/([0-9a-f-]{36})")
_DATED = re.compile(r"(?:\d{4}/\d{2}/\d/\d{2}/\d{2}/)?([A-Za-z0-9_-]{1,64})")


def draw_job_id() -> str:
    """Draw the short id of a job, which is unlike another's only by luck."""
    while True:
        rest = "".join(secrets.choice(_ALPHABET) for _ in range(JOB_ID_CHARACTERS - 1))
        if (drawn := secrets.choice(_FIRST) + rest) not in TAKEN_IDS:
            return drawn


def place_job(lane: Lane, job_id: str, at: datetime) -> str:
    """Give the root of a job that is made at a time in UTC.

    The digit between month and day is the week of the month; weeks begin with Monday.
    """
    week = (at.day + at.replace(day=1).weekday() - 1) // 7 + 1
    return f"{lane.folder}{at:%Y/%m}/{week}/{at:%d/%H}/{job_id}"


def ledger_root(lane: Lane, s3_root: str) -> RunRoot:
    """Say in the ledger's words where a job of a lane lies.

    Raises
    ------
    NotFoundError
        No job of the lane can lie there.
    """
    inside = s3_root.removeprefix(lane.folder)
    found = _DATED.fullmatch(inside)
    if inside == s3_root or found is None:
        raise no_job(s3_root)
    return make_root(lane, found[1], s3_root)


def make_root(lane: Lane, job_id: str, s3_root: str) -> RunRoot:
    """Make the ledger's word for the root of a job."""
    return RunRoot(scope=lane.scope, name=job_id, path=f"{lane.env_id}/{s3_root}")


def read_ledger_path(s3_root: str) -> tuple[str, str] | None:
    """Read the root of a run that was not started at this door: gives its job and its id, ``None`` if it is none."""
    found = _LEDGER.fullmatch(s3_root)
    if found is None:
        return None
    try:
        job, run_id = unquote(found[1], errors="strict"), canonical_id(found[2])
    except (ValueError, NotFoundError):
        return None
    return (job, run_id) if NAME.match(job) else None


def is_job_id(text: str) -> bool:
    """Tell whether a job can have this short id."""
    return _DATED.fullmatch(text) is not None and "/" not in text


def no_job(s3_root: str) -> NotFoundError:
    """Make the error for a root that no job of the lane has."""
    return NotFoundError(f"this flow has no job of this tenant with the root {s3_root[:300]!r}", field="job_root")
