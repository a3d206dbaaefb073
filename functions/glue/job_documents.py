"""Jobs as Glue writes them, to and from those of the core.

The core has what it acts on; every other member is kept as it came and given back.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from glue.admission import DOOR
from glue.commands import choose_executor, describe_command
from jobruns.errors import InvalidInputError
from jobruns.job import Job
from jobruns.lifecycle import DEFAULT_TIMEOUT_SECONDS
from jobruns.settings import Settings

MAX_TIMEOUT_MINUTES = 10_080
"""Seven days: AWS refuses more."""

MAX_NAME_CHARACTERS = 255
"""Of a job or a trigger. Where Glue does not say so itself, as of the job of a bookmark, nothing has a longer name."""

MAX_DEFINITION_BYTES = 300 * 1024
"""An item of the ledger holds 400 KB; this leaves room for what is kept beside the definition."""

MAX_RUN_SETTINGS_BYTES = 8 * 1024
"""What a run is handed is written with each of its transitions; even a long session policy is far below this."""

RUN_SETTINGS = (
    "AllocatedCapacity",
    "ExecutionClass",
    "GlueVersion",
    "MaintenanceWindow",
    "MaxCapacity",
    "NotificationProperty",
    "NumberOfWorkers",
    "SecurityConfiguration",
    "WorkerType",
)
"""Members that a job hands on to its runs."""

_IN_THE_CORE = {
    "DefaultArguments",
    "Description",
    "ExecutionProperty",
    "MaxRetries",
    "Name",
    "NonOverridableArguments",
    "Tags",
    "Timeout",
}


def read_definition(members: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Read the members of a ``CreateJobRequest`` or a ``JobUpdate`` as fields of `jobruns.job.Job`.

    Raises
    ------
    InvalidInputError
        A member has a value that this service cannot act on, or they are too large together.
    """
    check_size(members, MAX_DEFINITION_BYTES)
    executor, target = choose_executor(members.get("Command", {}), settings)
    own = {name: value for name, value in members.items() if name not in _IN_THE_CORE}
    return {
        "executor": executor,
        "target": target,
        "description": members.get("Description"),
        "arguments": members.get("DefaultArguments", {}),
        "fixed_arguments": members.get("NonOverridableArguments", {}),
        "timeout_seconds": read_timeout(members) or DEFAULT_TIMEOUT_SECONDS,
        "notify_after_seconds": read_notice(members),
        "max_retries": members.get("MaxRetries", 0),
        "max_concurrent_runs": members.get("ExecutionProperty", {}).get("MaxConcurrentRuns", 1),
        "queueing": members.get("JobRunQueuingEnabled", False),
        "extra": {DOOR: own},
        "run_extra": {DOOR: pick_run_settings(members)},
        "door": DOOR,
    }


def check_size(members: Mapping[str, Any], limit: int) -> None:
    """Refuse a definition of more than `limit` bytes.

    Raises
    ------
    InvalidInputError
        It has more.
    """
    size = len(json.dumps(members))
    if size > limit:
        raise InvalidInputError(f"the definition has {size} bytes; it may have {limit}")


def pick_run_settings(members: Mapping[str, Any], names: Iterable[str] = RUN_SETTINGS) -> dict[str, Any]:
    """Pick the members that are handed on to runs, or that a run is given itself.

    Raises
    ------
    InvalidInputError
        They are too large together: most have no limit of their own here, as nobody acts on them.
    """
    picked = {name: members[name] for name in names if name in members}
    sizes = {name: len(json.dumps(value)) for name, value in picked.items()}
    if (size := sum(sizes.values())) > MAX_RUN_SETTINGS_BYTES:
        largest = max(sizes, key=sizes.__getitem__)
        raise InvalidInputError(
            f"{largest}: the settings of a run have {size} bytes; they may have {MAX_RUN_SETTINGS_BYTES}"
        )
    return picked


def read_timeout(members: Mapping[str, Any], path: str = "Timeout") -> int | None:
    """Read how many seconds a run may take; ``None`` where nothing is said. `path` is what messages call it.

    Raises
    ------
    InvalidInputError
        It is longer than AWS allows.
    """
    minutes: int | None = members.get("Timeout")
    if minutes is not None and minutes > MAX_TIMEOUT_MINUTES:
        raise InvalidInputError(f"{path}: it may be {MAX_TIMEOUT_MINUTES} minutes at most, not {minutes}")
    return None if minutes is None else minutes * 60


def read_notice(members: Mapping[str, Any]) -> int | None:
    """Read after how many seconds a run that still goes is to be told of; ``None`` where nothing is said."""
    minutes: int | None = members.get("NotificationProperty", {}).get("NotifyDelayAfter")
    return None if minutes is None else minutes * 60


def write_job(job: Job) -> dict[str, Any]:
    """Write a job, with the defaults filled in as AWS does. One that another door made has a command all the same."""
    own = job.extra.get(DOOR) or {"Command": describe_command(job.executor, job.target)}
    return {
        **own,
        "Name": job.name,
        "Description": job.description,
        "CreatedOn": job.created_at,
        "LastModifiedOn": job.modified_at,
        "ExecutionProperty": {"MaxConcurrentRuns": job.max_concurrent_runs} if job.max_concurrent_runs else None,
        "DefaultArguments": write_arguments(job.arguments) or None,
        "NonOverridableArguments": write_arguments(job.fixed_arguments) or None,
        "MaxRetries": job.max_retries,
        "Timeout": write_minutes(job.timeout_seconds),
    }


def write_arguments(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Write arguments as a map of text to text; those of other doors may be more than text, and become JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in arguments.items()
        if value is not None
    }


def write_minutes(seconds: int) -> int:
    """Write a time span as Glue does, in whole minutes, rounded up."""
    return -(-seconds // 60)
