"""Use cases around the definitions of jobs."""

from typing import Any

from pydantic import ValidationError

from jobruns.access import Permission, Principal
from jobruns.errors import AlreadyExistsError, InvalidInputError, NotFoundError
from jobruns.job import Job
from jobruns.service.ports import Ports


def describe_invalid(error: ValidationError) -> InvalidInputError:
    """Turn a model's complaint into ours: the first wrong field, in one sentence."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    return InvalidInputError(f"{field}: {reason}" if field else reason, field=field or None)


def define_job(ports: Ports, principal: Principal, *, replace: bool = False, **fields: Any) -> Job:
    """Make a job, or replace its definition.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs DEFINE.
    replace : bool
        Whether a job of this name is replaced. Its runs go on as they were started.
    **fields
        As `jobruns.job.Job`, without org, times and version.

    Raises
    ------
    InvalidInputError
        A field is wrong.
    AlreadyExistsError
        The name is taken, and `replace` is false.
    ConflictError
        Somebody else replaced it at the same time.
    """
    principal.require(Permission.DEFINE)
    now = ports.clock()
    try:
        job = Job(org=principal.org, created_at=now, modified_at=now, **fields)
    except ValidationError as error:
        raise describe_invalid(error) from None
    try:
        ports.jobs.add(job)
    except AlreadyExistsError:
        if not replace:
            raise
        was = find_job(ports, principal, job.name)
        job = job.model_copy(update={"created_at": was.created_at, "version": was.version + 1})
        ports.jobs.change(job)
    return job


def find_job(ports: Ports, principal: Principal, name: str) -> Job:
    """Read a job.

    Raises
    ------
    NotFoundError
        The org has none of this name.
    """
    principal.require(Permission.READ)
    job = ports.jobs.get(principal.org, name)
    if job is None:
        raise NotFoundError(f"no job is named {name[:300]!r}", field="job")
    return job


def list_jobs(ports: Ports, principal: Principal, *, after: str | None = None, limit: int = 1000) -> list[Job]:
    """Read the org's jobs by name, beginning after the name `after`."""
    principal.require(Permission.READ)
    return ports.jobs.page(principal.org, after=after, limit=limit)


def delete_job(ports: Ports, principal: Principal, name: str) -> Job:
    """Delete a job's definition; its runs stay in the history, and those unfinished end as they would.

    Raises
    ------
    NotFoundError
        The org has none of this name.
    """
    principal.require(Permission.DEFINE)
    job = find_job(ports, principal, name)
    ports.jobs.remove(job)
    return job
