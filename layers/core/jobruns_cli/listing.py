"""Collects the runs that somebody asks for from as many pages as it takes, within a bound."""

from datetime import datetime

from jobruns.access import Principal
from jobruns.run import Run, RunState
from jobruns.service.lookups import list_job_runs, list_runs
from jobruns.service.ports import Ports
from jobruns.service.store_ports import Page

MAX_PAGES = 50
FILTERED_PAGE = 200


def collect_runs(
    ports: Ports,
    principal: Principal,
    *,
    job: str | None,
    state: RunState | None,
    since: datetime | None,
    limit: int,
) -> tuple[list[Run], bool]:
    """Read runs, newest first.

    The ledger finds runs by job or by state, by a query of its own each. Asked for both, the job's runs are read and
    those in another state left out.

    Returns
    -------
    tuple of list of Run and bool
        At most `limit` runs, and whether these are all there are to give.
    """
    filtered = job is not None and state is not None
    found: list[Run] = []
    token: str | None = None
    for _ in range(MAX_PAGES):
        size = FILTERED_PAGE if filtered else limit - len(found)
        page = _page(ports, principal, job, state, since, size, token)
        for run in page.runs:
            # A list of all jobs begins at that time by itself, and is in the order of what workers say their start was.
            if job is not None and since is not None and run.submitted_at < since:
                return found, True
            if state is None or run.state is state:
                found.append(run)
            if len(found) == limit:
                return found, True
        token = page.next_token
        if token is None:
            return found, True
    return found, False


def _page(
    ports: Ports,
    principal: Principal,
    job: str | None,
    state: RunState | None,
    since: datetime | None,
    size: int,
    token: str | None,
) -> Page:
    if job is not None:
        return list_job_runs(ports, principal, job, limit=size, token=token)
    return list_runs(ports, principal, since=since, state=state, limit=size, token=token)
