"""Use cases that only read."""

from collections.abc import Iterable
from datetime import datetime

from jobruns.access import Permission, Principal
from jobruns.errors import InvalidInputError, NotFoundError
from jobruns.ids import canonical_id, read_job_run_id
from jobruns.run import Run, RunEvent, RunState
from jobruns.service.ports import Ports
from jobruns.service.store_ports import Page

MAX_PAGE = 1000


def find_run(ports: Ports, principal: Principal, run_id: str, *, job: str | None = None) -> Run:
    """Read a run by its id: one read where the job is known, else two.

    Raises
    ------
    NotFoundError
        The org has no such run (of that job).
    """
    principal.require(Permission.READ)
    canonical = canonical_id(run_id)
    run = ports.runs.get(principal.org, job, canonical) if job else ports.runs.find(principal.org, canonical)
    if run is None:
        raise NotFoundError(f"no run has the id {run_id[:64]!r}", field="run_id")
    return run


def find_job_run(ports: Ports, principal: Principal, job: str, job_run_id: str) -> Run:
    """Read a run by its job and its id as `jobruns.ids.job_run_id` spells it: one read, two for an automatic retry.

    Raises
    ------
    NotFoundError
        The org has no such run of that job.
    """
    principal.require(Permission.READ)
    run_id, attempt = read_job_run_id(job_run_id)
    if attempt is None:
        run = ports.runs.get(principal.org, job, run_id)
    else:
        run = ports.runs.attempt(principal.org, job, run_id, attempt)
    if run is None:
        raise NotFoundError(f"the job {job[:300]!r} has no run with the id {job_run_id[:300]!r}", field="run_id")
    return run


def find_runs(ports: Ports, principal: Principal, refs: Iterable[tuple[str, str]]) -> dict[str, Run]:
    """Read the runs with the given job and id, by id, in one batch; what is not there is left out."""
    principal.require(Permission.READ)
    return ports.runs.many(principal.org, refs)


def list_job_runs(ports: Ports, principal: Principal, job: str, *, limit: int = 100, token: str | None = None) -> Page:
    """Read a page of a job's runs, newest first, consistently: one query."""
    principal.require(Permission.READ)
    return ports.runs.of_job(principal.org, job, limit=_page_size(limit), token=token)


def list_runs(
    ports: Ports,
    principal: Principal,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    state: RunState | None = None,
    limit: int = 100,
    token: str | None = None,
) -> Page:
    """Read a page of all the org's runs by submission, newest first."""
    principal.require(Permission.READ)
    return ports.runs.of_org(principal.org, since=since, until=until, state=state, limit=_page_size(limit), token=token)


def list_events(ports: Ports, principal: Principal, run_id: str, *, after: int = 0) -> list[RunEvent]:
    """Read a run's history after the sequence `after`, oldest first."""
    principal.require(Permission.READ)
    return ports.runs.events(principal.org, canonical_id(run_id), after=after)


def _page_size(limit: int) -> int:
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInputError(f"a page has 1 to {MAX_PAGE} entries", field="limit")
    return limit
