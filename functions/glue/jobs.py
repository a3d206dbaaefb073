"""The operations on jobs.

Decided for this service, where Glue leaves it open: creating a job again just as it is succeeds, as an SDK repeats what
it had no answer to. Jobs that other doors define are seen here, and started and stopped, but are changed where they
were made.
"""

from typing import Any

from glue.admission import DOOR, Caller
from glue.job_documents import read_definition, write_job
from glue.pages import DEFAULT_PAGE, cut_page, read_token, write_named, write_page
from jobruns.access import Permission
from jobruns.errors import InvalidInputError, NotFoundError
from jobruns.job import Job
from jobruns.service.definitions import (
    check_tags,
    define_job,
    delete_job,
    find_job,
    find_jobs,
    list_jobs,
    replace_job,
)

Members = dict[str, Any]


def create_job(caller: Caller, request: Members) -> Members:
    """Define a job."""
    tags = request.get("Tags", {})
    check_tags(tags)
    fields = read_definition(request, caller.settings)
    job = define_job(caller.ports, caller.principal, repeatable=True, name=request["Name"], tags=tags, **fields)
    return {"Name": job.name}


def update_job(caller: Caller, request: Members) -> Members:
    """Replace a job's definition. What is not sent is cleared, except the Glue version, which AWS keeps."""
    was = find_own_job(caller, request["JobName"])
    kept = was.extra[DOOR].get("GlueVersion")
    update = {**({"GlueVersion": kept} if kept else {}), **request["JobUpdate"]}
    replace_job(caller.ports, caller.principal, was, **read_definition(update, caller.settings))
    return {"JobName": was.name}


def delete(caller: Caller, request: Members) -> Members:
    """Delete a job; one that is not there is deleted already. Its runs stay on record and can be read."""
    try:
        find_own_job(caller, request["JobName"])
        delete_job(caller.ports, caller.principal, request["JobName"])
    except NotFoundError:
        pass
    return {"JobName": request["JobName"]}


def get_job(caller: Caller, request: Members) -> Members:
    """Read a job."""
    return {"Job": write_job(find_job(caller.ports, caller.principal, request["JobName"]))}


def get_jobs(caller: Caller, request: Members) -> Members:
    """Read jobs by name, a page at a time."""
    found, limit = _list(caller, request)
    documents, token = write_page(caller, "jobs", found, limit, write_job)
    return {"Jobs": documents, "NextToken": token}


def list_names(caller: Caller, request: Members) -> Members:
    """Read the names of jobs, a page at a time; with ``Tags`` those that have all of them."""
    found, limit = _list(caller, request)
    jobs, token = cut_page(caller, "jobs", found, limit)
    wanted = request.get("Tags", {}).items()
    return {"JobNames": [job.name for job in jobs if wanted <= job.tags.items()], "NextToken": token}


def batch_get_jobs(caller: Caller, request: Members) -> Members:
    """Read jobs by their names; those that are not there are named."""
    names = request["JobNames"]
    found = find_jobs(caller.ports, caller.principal, dict.fromkeys(names))
    documents, absent = write_named("JobNames", names, found, write_job)
    return {"Jobs": documents, "JobsNotFound": absent}


def find_own_job(caller: Caller, name: str) -> Job:
    """Read a job that is to be changed: one that this door made.

    Raises
    ------
    AccessDeniedError
        The caller may not change jobs.
    NotFoundError
        The org has none of this name.
    InvalidInputError
        Another door made it, and would overwrite the change.
    """
    caller.principal.require(Permission.DEFINE)
    job = find_job(caller.ports, caller.principal, name)
    if job.door != DOOR:
        raise InvalidInputError(f"the job {name!r} was made through the door {job.door}; change it there")
    return job


def _list(caller: Caller, request: Members) -> tuple[list[Job], int]:
    """Read a page of jobs and, where there is one, the job after it; give the size of the page too."""
    limit = request.get("MaxResults", DEFAULT_PAGE)
    after = read_token(caller, "jobs", request.get("NextToken"))
    return list_jobs(caller.ports, caller.principal, after=after, limit=limit + 1), limit


OPERATIONS = {
    "BatchGetJobs": batch_get_jobs,
    "CreateJob": create_job,
    "DeleteJob": delete,
    "GetJob": get_job,
    "GetJobs": get_jobs,
    "ListJobs": list_names,
    "UpdateJob": update_job,
}
