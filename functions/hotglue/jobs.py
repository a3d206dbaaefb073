"""Use cases of jobs that are there: find, show and stop them. A job of another lane is not there."""

import json
from typing import Any

from aws_lambda_powertools import Logger

from hotglue.admission import DOOR, Caller
from hotglue.errors import AmbiguousJobError
from hotglue.job_requests import PAYLOAD
from hotglue.names import Lane
from hotglue.roots import is_job_id, ledger_root, no_job, read_ledger_path
from jobruns.access import Permission
from jobruns.errors import ConflictError, IllegalTransitionError, NotFoundError
from jobruns.run import Executor, Run
from jobruns.service.lookups import find_run
from jobruns.service.roots import find_named, find_rooted
from jobruns.service.stops import stop_run
from jobruns_events.details import job_details, processed_rows, root_of, sync_type_of
from jobruns_events.statuses import status_of
from jobruns_events.stored_parts import read_outcomes, with_request

STOPPED_HERE = frozenset({Executor.EXTERNAL, Executor.SINGER, Executor.LAMBDA, Executor.PYTHON_SCRIPT, Executor.NOOP})
"""Executors of runs that this door's function may stop. What loads and operations write is for other doors to clear."""

MAX_SHOWN_BYTES = 2_500_000
"""Of the 6 MB of an answer of Lambda, in which a quotation mark takes two bytes."""

logger = Logger(child=True)


def find_job(caller: Caller, lane: Lane, job_root: str) -> Run:
    """Read a job by its root, consistently: two reads.

    Raises
    ------
    NotFoundError
        The lane has no such job.
    """
    elsewhere = read_ledger_path(job_root)
    if elsewhere is None:
        run = find_rooted(caller.ports, caller.principal, ledger_root(lane, job_root))
    else:
        job, run_id = elsewhere
        run = find_run(caller.ports, caller.principal, run_id, job=job)
        if not is_of(run, lane) or run.root is not None:
            raise no_job(job_root)
    logger.append_keys(run_id=run.run_id)
    return run


def find_any_job(caller: Caller, env_id: str, job_root: str) -> Run:
    """Read a run of any other door by its root, in the environment that shows those.

    Raises
    ------
    NotFoundError
        There is none.
    """
    elsewhere = read_ledger_path(job_root)
    if elsewhere is None or env_id != caller.principal.org:
        raise no_job(job_root)
    job, run_id = elsewhere
    run = find_run(caller.ports, caller.principal, run_id, job=job)
    if run.root is not None or env_of(run) != env_id:
        raise no_job(job_root)
    return run


def find_job_called(caller: Caller, lane: Lane, job_id: str) -> Run:
    """Read a job by its short id: one query and one batch.

    Raises
    ------
    NotFoundError
        No job of the lane is called so.
    AmbiguousJobError
        Several are.
    """
    found = find_named(caller.ports, caller.principal, lane.scope, job_id) if is_job_id(job_id) else []
    if not found:
        raise NotFoundError(f"this flow has no job of this tenant with the id {job_id[:100]!r}", field="job_id")
    if len(found) > 1:
        raise AmbiguousJobError(job_id, [root_of(run) for run in found])
    return found[0]


def show_request(caller: Caller, lane: Lane, job_root: str) -> dict[str, Any]:
    """Give what a job's caller sent along for the work, secrets too: for the worker that does it.

    Raises
    ------
    NotFoundError
        The lane has no such job, or what was sent along is gone.
    """
    caller.principal.require(Permission.REPORT)
    run = find_job(caller, lane, job_root)
    own = run.extra.get(DOOR, {})
    key = own.get("request_key")
    sent = caller.ports.run_objects.get_json(key) if key else {name: own[name] for name in PAYLOAD if name in own}
    return {"job_root": root_of(run), "sync_type": sync_type_of(run), "request": sent}


def stop_job(caller: Caller, lane: Lane, job_root: str) -> Run:
    """Stop a job. One that is being stopped stays as it is.

    Raises
    ------
    NotFoundError
        The lane has no such job.
    ConflictError
        It has ended, or is about to, or is a load or an operation of another door.
    """
    run = find_job(caller, lane, job_root)
    if run.state.terminal:
        raise IllegalTransitionError(f"the job has ended already: it is {status_of(run)}", field="job_root")
    if run.executor not in STOPPED_HERE:
        raise ConflictError(f"the job is a run of the {run.door} door; stop it there", field="job_root")
    return stop_run(caller.ports, caller.principal, run, f"stopped by {caller.principal.name}")


def show_job(caller: Caller, run: Run) -> dict[str, Any]:
    """Write a job with all that is known of it: one query for its files, and what lies in S3 of it."""
    objects = caller.ports.run_objects
    files = caller.ports.run_files.all(run.org, run.run_id)
    outcomes = read_outcomes(objects, run, files)
    details = job_details(with_request(objects, run), files, export_details=outcomes, region=caller.region)
    return _add(_fit(details))


def show_new_job(caller: Caller, run: Run, request_state: dict[str, Any] | None) -> dict[str, Any]:
    """Write a job that has just been asked for, with what was sent along with it."""
    return _add(_fit({**job_details(run, region=caller.region), **({"state": request_state} if request_state else {})}))


def list_job(caller: Caller, run: Run) -> dict[str, Any]:
    """Write a job as it is listed: by the ledger's item alone, and without what became of each record."""
    return _add(_without_outcomes(job_details(run, region=caller.region)))


def is_of(run: Run, lane: Lane) -> bool:
    """Tell whether a run is a job of a lane."""
    own = run.extra.get(DOOR, {})
    if "env_id" not in own:
        return lane == Lane(run.org, run.job, run.org)
    return lane == Lane(own["env_id"], own.get("flow_id", ""), own.get("tenant", ""))


def env_of(run: Run) -> str:
    """Give the environment that a run is shown in."""
    return str(run.extra.get(DOOR, {}).get("env_id", run.org))


def _add(details: dict[str, Any]) -> dict[str, Any]:
    return {**details, "processed_rows": processed_rows(details)}


def _fit(details: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a document what would make the answer longer than Lambda takes, and say that it is left out."""
    if len(json.dumps(details)) <= MAX_SHOWN_BYTES:
        return details
    shorter = _without_outcomes(details)
    if len(json.dumps(shorter)) <= MAX_SHOWN_BYTES:
        return shorter
    return {**shorter, "state": {}, "state_truncated": True}


def _without_outcomes(details: dict[str, Any]) -> dict[str, Any]:
    metrics = details["metrics"]
    if "exportDetails" not in metrics:
        return details
    rest = {name: value for name, value in metrics.items() if name != "exportDetails"}
    return {**details, "metrics": {**rest, "exportDetails_truncated": True}}
