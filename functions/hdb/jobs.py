"""Reads jobs: every run of the org's is one, whichever door it came through."""

from typing import Any

from hdb.admission import Caller
from hdb.errors import InvalidRequestError
from hdb.job_records import write_job, write_jobs
from hdb.job_requests import GetJob, SearchJobs
from jobruns.errors import NotFoundError
from jobruns.run import Run
from jobruns.run_order import RunOrder
from jobruns.service.lookups import MAX_PAGE, find_run
from jobruns.service.views import list_org_runs

MAX_JOBS = 5_000
"""An answer of so many jobs takes some 3 MB, of the 6 that a function may give."""


def get_job(caller: Caller, request: GetJob) -> list[dict[str, Any]]:
    """Show a job: a list of one, or of none."""
    try:
        return write_job(find_run(caller.ports, caller.principal, request.job_id))
    except NotFoundError:
        return []


def search_jobs(caller: Caller, request: SearchJobs) -> list[dict[str, Any]]:
    """Show the jobs that started between two moments.

    Raises
    ------
    InvalidRequestError
        They are more than fit into an answer.
    """
    if request.after >= request.before:
        return []
    order = RunOrder(counts=None, since=request.after, until=request.before, ascending=True)
    found: list[Run] = []
    position: str | None = None
    while True:
        page = list_org_runs(caller.ports, caller.principal, order, limit=MAX_PAGE, position=position)
        found.extend(run for run in page.runs if request.matches(run.start_at))
        position = page.next_token
        if len(found) > MAX_JOBS:
            raise InvalidRequestError(f"more than {MAX_JOBS} jobs started then; ask for a shorter time")
        if position is None:
            return write_jobs(found)
