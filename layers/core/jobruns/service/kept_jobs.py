"""Use case of whoever keeps jobs of its own: a door that starts runs of what its own documents describe."""

from typing import Any

from jobruns.access import Permission, Principal, system_principal
from jobruns.errors import AlreadyExistsError, ConflictError, StaleWriteError
from jobruns.job import Job
from jobruns.service.definitions import define_job, replace_job
from jobruns.service.ports import Ports
from jobruns.service.transitions import MAX_TRIES


def keep_job(ports: Ports, principal: Principal, *, door: str, name: str, **fields: Any) -> Job:
    """Have a job defined as its keeper describes it: one read where it is so already.

    Whoever may start runs may have this done: what the job is has been decided by who wrote the description.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs START.
    door : str
        Who keeps it.
    name : str
        The job's.
    **fields
        As `jobruns.job.Job`. What is not given stays as it is.

    Raises
    ------
    ConflictError
        Somebody else has a job of this name.
    InvalidInputError
        A field is wrong.
    StaleWriteError
        It was being changed by others all the while.
    """
    principal.require(Permission.START)
    keeper = system_principal(principal.org, door)
    for _ in range(MAX_TRIES):
        job = ports.jobs.get(principal.org, name)
        if job is not None and job.door != door:
            raise ConflictError(
                f"there is a job {name!r} of the {job.door} door already; delete it there first", field="job"
            )
        if job is not None and all(getattr(job, field) == value for field, value in fields.items()):
            return job
        try:
            if job is None:
                return define_job(ports, keeper, name=name, door=door, **fields)
            kept = job.model_dump(exclude={"org", "name", "tags", "created_at", "modified_at", "version"})
            return replace_job(ports, keeper, job, **{**kept, **fields})
        except (AlreadyExistsError, ConflictError):
            continue  # somebody else was faster, and perhaps at the same
    raise StaleWriteError(f"the job {name!r} is being changed by others; try again")
