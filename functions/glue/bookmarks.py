"""The operations on bookmarks."""

import json
from typing import Any

from glue.admission import Caller
from glue.job_documents import MAX_NAME_CHARACTERS
from glue.runs import spell_ids
from jobruns.bookmark import Bookmark
from jobruns.errors import NotFoundError
from jobruns.service.bookmarks import find_bookmark, reset_bookmark
from jobruns.service.lookups import find_job_run

Members = dict[str, Any]


def get_job_bookmark(caller: Caller, request: Members) -> Members:
    """Read a job's bookmark, or what it was at the end of a run."""
    job = _read_job(request)
    bookmark = find_bookmark(caller.ports, caller.principal, job, _read_run(caller, job, request))
    return {"JobBookmarkEntry": _write(caller, bookmark)}


def reset_job_bookmark(caller: Caller, request: Members) -> Members:
    """Put a job's bookmark back: to the beginning, or to the end of a run."""
    job = _read_job(request)
    bookmark = reset_bookmark(caller.ports, caller.principal, job, _read_run(caller, job, request))
    return {"JobBookmarkEntry": _write(caller, bookmark)}


def _read_job(request: Members) -> str:
    # Here alone Glue says nothing of how long a job's name may be.
    name: str = request["JobName"]
    if len(name) > MAX_NAME_CHARACTERS:
        raise NotFoundError(f"no job has a name of {len(name)} characters")
    return name


def _read_run(caller: Caller, job: str, request: Members) -> str | None:
    if not request.get("RunId"):
        return None
    return find_job_run(caller.ports, caller.principal, job, request["RunId"]).run_id


def _write(caller: Caller, bookmark: Bookmark) -> Members:
    moved_by = [run_id for run_id in (bookmark.run_id, bookmark.previous_run_id) if run_id]
    spelled = spell_ids(caller, [(bookmark.job, run_id) for run_id in moved_by])
    return {
        "JobName": bookmark.job,
        "Version": bookmark.version,
        "Run": bookmark.ordinal,
        # That of the first attempt is 0 here; a bookmark that no run has moved has none of its own.
        "Attempt": max(bookmark.attempt - 1, 0),
        "RunId": spelled.get(bookmark.run_id or ""),
        "PreviousRunId": spelled.get(bookmark.previous_run_id or ""),
        "JobBookmark": json.dumps(bookmark.state, separators=(",", ":")),
    }


OPERATIONS = {"GetJobBookmark": get_job_bookmark, "ResetJobBookmark": reset_job_bookmark}
