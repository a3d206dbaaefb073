"""Use cases around the definitions of jobs."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from jobruns.access import Permission, Principal
from jobruns.errors import AlreadyExistsError, InvalidInputError, NotFoundError
from jobruns.job import Job
from jobruns.service.ports import Ports

MAX_TAGS = 50
"""As AWS allows on a resource."""

_OF_ITS_TIME = {"created_at", "modified_at", "version"}


def describe_invalid(error: ValidationError) -> InvalidInputError:
    """Turn a model's complaint into ours: the first wrong field, in one sentence."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    return InvalidInputError(f"{field}: {reason}" if field else reason, field=field or None)


def define_job(
    ports: Ports, principal: Principal, *, replace: bool = False, repeatable: bool = False, **fields: Any
) -> Job:
    """Make a job, or replace its definition.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs DEFINE.
    replace : bool
        Whether a job of this name is replaced. Its runs go on as they were started.
    repeatable : bool
        Whether a job that is just like this one may be there already, made by a first try whose answer was lost.
    **fields
        As `jobruns.job.Job`, without org, times and version.

    Raises
    ------
    InvalidInputError
        A field is wrong.
    AlreadyExistsError
        The name is taken, and `replace` is false; with `repeatable`, by a job that differs.
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
        if not replace and not repeatable:
            raise
        was = find_job(ports, principal, job.name)
        if repeatable and _same(was, job):
            return was
        if not replace:
            raise
        kept = {"created_at": was.created_at, "version": was.version + 1}
        if "look_back_seconds" not in fields:
            kept["look_back_seconds"] = was.look_back_seconds
        job = job.model_copy(update=kept)
        ports.jobs.change(job)
    return job


def replace_job(ports: Ports, principal: Principal, was: Job, **fields: Any) -> Job:
    """Replace the definition of a job as it was read; what is not given is as in a new job.

    Tags are kept, and how far its runs look back, which is not for every door to say.

    Raises
    ------
    InvalidInputError
        A field is wrong.
    ConflictError
        Somebody else changed or deleted it since it was read.
    """
    principal.require(Permission.DEFINE)
    kept = {"org": was.org, "name": was.name, "tags": was.tags, "created_at": was.created_at}
    told = {"look_back_seconds": was.look_back_seconds, **fields, **kept}
    try:
        job = Job(**{**told, "modified_at": ports.clock(), "version": was.version + 1})
    except ValidationError as error:
        raise describe_invalid(error) from None
    ports.jobs.change(job)
    return job


def tag_job(ports: Ports, principal: Principal, name: str, tags: Mapping[str, str], untag: Iterable[str] = ()) -> Job:
    """Add tags to a job, or change their values, and take others away.

    Raises
    ------
    NotFoundError
        The org has none of this name.
    InvalidInputError
        It would have more than `MAX_TAGS`.
    ConflictError
        Somebody else changed it at the same time.
    """
    principal.require(Permission.DEFINE)
    was = find_job(ports, principal, name)
    after = merge_tags(was.tags, tags, untag)
    job = was.model_copy(update={"tags": after, "version": was.version + 1})
    ports.jobs.change(job)
    return job


def set_look_back(ports: Ports, principal: Principal, name: str, seconds: int, *, define_as: str | None = None) -> Job:
    """Say how far before the start of its last success a job's runs begin to read, from their start on.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs DEFINE.
    name : str
        The job's.
    seconds : int
        From 0 to `jobruns.job.MAX_LOOK_BACK_SECONDS`.
    define_as : str, optional
        The door through which a job of workers outside is defined where there is none of this name.

    Raises
    ------
    NotFoundError
        The org has none of this name, and none is to be defined.
    InvalidInputError
        These are too many seconds.
    ConflictError
        Somebody else changed it at the same time.
    """
    principal.require(Permission.DEFINE)
    was = ports.jobs.get(principal.org, name)
    if was is None and define_as is not None:
        return define_job(ports, principal, name=name, look_back_seconds=seconds, door=define_as)
    was = was or find_job(ports, principal, name)
    try:
        after = Job.model_validate(
            {**was.model_dump(), "look_back_seconds": seconds, "modified_at": ports.clock(), "version": was.version + 1}
        )
    except ValidationError as error:
        raise describe_invalid(error) from None
    ports.jobs.change(after)
    return after


def merge_tags(was: Mapping[str, str], tags: Mapping[str, str], untag: Iterable[str]) -> dict[str, str]:
    """Add tags to others, or change their values, and take some away.

    Raises
    ------
    InvalidInputError
        That makes more than a definition may have.
    """
    away = set(untag)
    after = {key: value for key, value in {**was, **tags}.items() if key not in away}
    check_tags(after)
    return after


def check_tags(tags: Mapping[str, str]) -> None:
    """Refuse more tags than a definition may have.

    Raises
    ------
    InvalidInputError
        There are.
    """
    if len(tags) > MAX_TAGS:
        raise InvalidInputError(f"there may be {MAX_TAGS} tags at most", field="tags")


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


def find_jobs(ports: Ports, principal: Principal, names: Iterable[str]) -> dict[str, Job]:
    """Read the jobs of these names, by name; those that are not there are left out."""
    principal.require(Permission.READ)
    return ports.jobs.many(principal.org, names)


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


def _same(one: Job, other: Job) -> bool:
    return one.model_dump(exclude=_OF_ITS_TIME) == other.model_dump(exclude=_OF_ITS_TIME)
