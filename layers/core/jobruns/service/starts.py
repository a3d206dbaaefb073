"""Use cases that start runs: on request, again after a failure, and from the queue.

A start is claim, start, confirm. The run is written first, under the name its execution will have; then the execution
is started under that name, where "already exists" counts as started. A crash between the two is repaired by doing the
second again, which reconcile does.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from aws_lambda_powertools import Logger

from jobruns.access import Permission, Principal
from jobruns.documents import Document
from jobruns.errors import (
    AlreadyExistsError,
    ConcurrentRunsExceededError,
    IllegalTransitionError,
    InvalidInputError,
    UnavailableError,
)
from jobruns.ids import derived_id, new_id
from jobruns.job import MAX_CONCURRENT_RUNS, MAX_TIMEOUT_SECONDS, Job
from jobruns.lifecycle import Admitted
from jobruns.run import Executor, Progress, Run, RunState, TriggerKind
from jobruns.service.definitions import find_job
from jobruns.service.ports import Ports
from jobruns.service.transitions import move, run_event

MAX_INLINE_ARGUMENTS_BYTES = 4096
"""Larger arguments go to S3: an item is paid for by the kilobyte at each transition."""

_CARRIED = {
    *("org", "job", "executor", "target", "door", "trigger_name", "root_run_id", "tags"),
    *("arguments", "arguments_key", "timeout_seconds", "heartbeat_seconds", "max_retries", "limited"),
}
"""What a retry has of the run it retries."""

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What a caller may say of the run it wants.

    With `run_id` the start may be repeated: a run that has the id already is returned as it is. The documents are
    written with the run or not at all.
    """

    job: str
    door: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    timeout_seconds: int | None = None
    run_id: str | None = None
    trigger: TriggerKind = TriggerKind.CALLER
    trigger_name: str | None = None
    new_documents: Sequence[Document] = ()
    changed_documents: Sequence[Document] = ()


def start_run(ports: Ports, principal: Principal, request: StartRequest) -> Run:
    """Start a run of a job.

    Returns
    -------
    Run
        STARTING, or WAITING where the job is at its limit and queues.

    Raises
    ------
    NotFoundError
        The org has no such job.
    InvalidInputError
        The timeout is out of range.
    ConcurrentRunsExceededError
        The job is at its limit and does not queue.
    AlreadyExistsError
        A document's name or id is taken, or `run_id` is one that no run may have.
    """
    principal.require(Permission.START)
    job = find_job(ports, principal, request.job)
    timeout = job.timeout_seconds if request.timeout_seconds is None else request.timeout_seconds
    if not 1 <= timeout <= MAX_TIMEOUT_SECONDS:
        raise InvalidInputError(f"the timeout must be 1 to {MAX_TIMEOUT_SECONDS} seconds", field="timeout_seconds")
    now = ports.clock()
    run_id = request.run_id or new_id(now)
    heartbeat = job.heartbeat_seconds if job.heartbeat_seconds and job.heartbeat_seconds < timeout else None
    arguments, arguments_key = _place_arguments(ports, job.org, run_id, {**job.arguments, **request.arguments})
    run = Run(
        org=job.org,
        job=job.name,
        run_id=run_id,
        executor=job.executor,
        state=RunState.STARTING,
        door=request.door,
        trigger=request.trigger,
        trigger_name=request.trigger_name,
        started_by=principal.name,
        root_run_id=run_id,
        max_retries=job.max_retries,
        limited=job.max_concurrent_runs is not None,
        arguments=arguments,
        arguments_key=arguments_key,
        target=job.target,
        timeout_seconds=timeout,
        heartbeat_seconds=heartbeat,
        submitted_at=now,
        modified_at=now,
        deadline_at=now + timedelta(seconds=timeout),
        tags=job.tags,
        progress=_first_progress(job.executor),
    )
    return _create(ports, job, run, request, queueing=job.queueing)


def retry_run(ports: Ports, principal: Principal, run: Run, request: StartRequest | None = None) -> Run:
    """Start a new run of the work of one that ended without success.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs START.
    run : Run
        FAILED, TIMEOUT or STOPPED.
    request : StartRequest, optional
        Only its run id and its documents are taken.

    Raises
    ------
    IllegalTransitionError
        The run has not ended, or it succeeded, or it loads uploads, which come back by themselves.
    ConcurrentRunsExceededError
        The job is at its limit and does not queue.
    """
    principal.require(Permission.START)
    if not run.state.terminal or run.state is RunState.SUCCEEDED:
        raise IllegalTransitionError(
            f"only a run that failed, timed out or was stopped is retried; this one is {run.state}"
        )
    if run.trigger is TriggerKind.UPLOAD:
        raise IllegalTransitionError(
            "the files of an upload's run go back to the upload queue by themselves; upload them again, "
            "or redrive the dead-letter queue"
        )
    job = find_job(ports, principal, run.job)
    wanted = request or StartRequest(job=run.job, door=run.door)
    again = _next_attempt(ports, run, wanted.run_id or new_id(ports.clock()), principal.name)
    return _create(ports, job, again, wanted, queueing=job.queueing)


def retry_failed(ports: Ports, run: Run, actor: str) -> Run | None:
    """Start the automatic retry that a failed run is due, once, however often this is repeated.

    The retry waits in the queue where the job is at its limit: refusing it would lose work nobody watches.

    Returns
    -------
    Run or None
        ``None`` when no retry is due, or its job is gone.
    """
    if run.state is not RunState.FAILED or run.attempt > run.max_retries or run.ended_at is None:
        return None
    if run.trigger is TriggerKind.UPLOAD:
        return None  # its files go back to the upload queue; a retry would load them a second time
    job = ports.jobs.get(run.org, run.job)
    if job is None:
        return None
    again = _next_attempt(ports, run, derived_id(run.ended_at, "retry", run.org, run.run_id), actor)
    return _create(ports, job, again, StartRequest(job=run.job, door=run.door), queueing=True)


def promote_waiting(ports: Ports, org: str, job_name: str, actor: str) -> int:
    """Give free slots of a job to the runs waiting longest.

    Returns
    -------
    int
        How many were admitted.
    """
    job = ports.jobs.get(org, job_name)
    slots = job.max_concurrent_runs if job else None
    admitted = 0
    for run_id in ports.runs.queued(org, job_name, slots or MAX_CONCURRENT_RUNS):
        waiting = ports.runs.get(org, job_name, run_id)
        if waiting is None or waiting.state is not RunState.WAITING:
            continue
        try:
            decision = move(ports, waiting, Admitted(), actor, slots=slots)
        except ConcurrentRunsExceededError:
            break
        if decision.applied:
            admitted += 1
            launch(ports, decision.after)
    return admitted


def launch(ports: Ports, run: Run) -> None:
    """Start the execution of a run that is STARTING; if AWS will not now, reconcile does it later."""
    try:
        ports.machine.start(run)
    except UnavailableError:
        logger.warning(
            "the execution could not be started; reconcile will", extra={"run_id": run.run_id}, exc_info=True
        )


def load_arguments(ports: Ports, run: Run) -> dict[str, Any]:
    """Give a run's arguments, wherever they are kept."""
    if run.arguments_key is None:
        return run.arguments
    stored: dict[str, Any] = ports.objects.get_json(run.arguments_key)
    return stored


def _create(ports: Ports, job: Job, run: Run, request: StartRequest, *, queueing: bool) -> Run:
    event = run_event(run, "Submitted", run.submitted_at, run.started_by)
    try:
        ports.runs.create(
            run,
            event,
            slots=job.max_concurrent_runs,
            new_documents=request.new_documents,
            changed_documents=request.changed_documents,
        )
    except ConcurrentRunsExceededError:
        if not queueing:
            raise
        return _enqueue(ports, run, request)
    except AlreadyExistsError as error:
        return _existing(ports, run, error)
    launch(ports, run)
    return run


def _enqueue(ports: Ports, run: Run, request: StartRequest) -> Run:
    waiting = run.model_copy(update={"state": RunState.WAITING})
    event = run_event(waiting, "Submitted", run.submitted_at, run.started_by)
    try:
        ports.runs.create(
            waiting, event, new_documents=request.new_documents, changed_documents=request.changed_documents
        )
    except AlreadyExistsError as error:
        return _existing(ports, waiting, error)
    # A slot that was given back between the refusal and the queueing has found nobody to take it.
    promote_waiting(ports, run.org, run.job, run.started_by)
    return ports.runs.get(run.org, run.job, run.run_id) or waiting


def _existing(ports: Ports, run: Run, error: AlreadyExistsError) -> Run:
    """Return the run that has the id already, making sure that it goes; or complain as the store did."""
    existing = ports.runs.get(run.org, run.job, run.run_id)
    if existing is None:
        raise error
    if existing.state is RunState.STARTING:
        launch(ports, existing)
    return existing


def _next_attempt(ports: Ports, run: Run, run_id: str, actor: str) -> Run:
    now = ports.clock()
    return Run(
        **run.model_dump(include=_CARRIED),
        run_id=run_id,
        state=RunState.STARTING,
        trigger=TriggerKind.RETRY,
        started_by=actor,
        attempt=run.attempt + 1,
        previous_run_id=run.run_id,
        submitted_at=now,
        modified_at=now,
        deadline_at=now + timedelta(seconds=run.timeout_seconds),
        progress=_first_progress(run.executor),
    )


def _first_progress(executor: Executor) -> Progress:
    return Progress(listing="READY") if executor is Executor.INGEST else Progress()


def _place_arguments(
    ports: Ports, org: str, run_id: str, arguments: dict[str, Any]
) -> tuple[dict[str, Any], str | None]:
    if len(json.dumps(arguments)) <= MAX_INLINE_ARGUMENTS_BYTES:
        return arguments, None
    key = f"runs/{org}/{run_id}/arguments.json"
    ports.objects.put_json(key, arguments)
    return {}, key
