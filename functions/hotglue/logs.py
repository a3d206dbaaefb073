"""Use case: read the logs of a job, step by step."""

from collections.abc import Mapping
from typing import Any

from hotglue.admission import Caller
from hotglue.jobs import find_job
from hotglue.names import Lane
from jobruns.access import Permission
from jobruns.errors import InvalidInputError, NotFoundError
from jobruns.run import Run
from jobruns.run_file import RunFile, files_prefix
from jobruns_events.details import root_of, write_time

FOLDER = "logs/"
MAX_LOGS = 100
LINK_SECONDS = 900
MAX_TEXT_BYTES = 4_000_000
"""An answer of Lambda has 6 MB at most, and a character of a log may take two bytes of it."""


def show_logs(caller: Caller, lane: Lane, job_root: str, query: Mapping[str, str]) -> dict[str, Any] | str:
    """Give links to the logs of a job; or, with ``step`` and ``format=text``, one of them.

    Raises
    ------
    NotFoundError
        The lane has no such job, or the job no such log.
    InvalidInputError
        The log is too long to be an answer.
    """
    caller.principal.require(Permission.READ)
    run = find_job(caller, lane, job_root)
    logs = {_step(file): file for file in caller.ports.run_objects.listed(files_prefix(run) + FOLDER, MAX_LOGS)}
    step = query.get("step")
    if step is not None:
        if step not in logs:
            raise NotFoundError(f"the job has no log of a step {step[:100]!r}", field="step")
        if query.get("format") == "text":
            return _read(caller, run, logs[step])
        logs = {step: logs[step]}
    return {"job_root": root_of(run), "logs": [_link(caller, run, name, file) for name, file in logs.items()]}


def _link(caller: Caller, run: Run, step: str, file: RunFile) -> dict[str, Any]:
    return {
        "step": step,
        "url": caller.ports.run_objects.link(_key(run, file), LINK_SECONDS),
        "expires_in": LINK_SECONDS,
        "size": file.size,
        "last_modified": write_time(file.modified_at),
    }


def _read(caller: Caller, run: Run, file: RunFile) -> str:
    if (file.size or 0) > MAX_TEXT_BYTES:
        raise InvalidInputError(f"the log has {file.size} bytes; read it by its link", field="format")
    return caller.ports.run_objects.get(_key(run, file)).decode(errors="replace")


def _key(run: Run, file: RunFile) -> str:
    return f"{files_prefix(run)}{FOLDER}{file.path}"


def _step(file: RunFile) -> str:
    return file.path.removesuffix(".log")
