"""Use cases that start runs: on request, and from the queue.

A start is claim, start, confirm. The run is written first, under the name its execution will have; then the execution
is started under that name, where "already exists" counts as started. A crash between the two is repaired by doing the
second again, which reconcile does.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger

from jobruns.access import Permission, Principal
from jobruns.bookmark import read_bookmark_option
from jobruns.documents import Document
from jobruns.errors import (
    AlreadyExistsError,
    ConcurrentRunsExceededError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from jobruns.ids import new_id
from jobruns.job import MAX_CONCURRENT_RUNS, MAX_TIMEOUT_SECONDS, Job
from jobruns.lifecycle import DEFAULT_TIMEOUT_SECONDS, WAIT_LIMIT_SECONDS, Admitted
from jobruns.run import Executor, Predecessor, Progress, Run, RunRoot, RunState, SyncStateUse, TriggerKind
from jobruns.service.definitions import find_job
from jobruns.service.ports import Ports
from jobruns.service.roots import place_run
from jobruns.service.store_ports import StartToken, TokenSpentError
from jobruns.service.transitions import move, run_event

MAX_INLINE_ARGUMENTS_BYTES = 4096
"""Larger arguments go to S3: an item is paid for by the kilobyte at each transition."""

UPLOADS_RETURN = (
    "the files of an upload's run go back to the upload queue by themselves; upload them again, "
    "or redrive the dead-letter queue"
)

MAX_PLACE_CHARACTERS = 2048
"""Of an option of a load that says where rows come from or go to; what is wrong with it, the load itself finds."""

TOKEN_SECONDS = 900
"""How long a start is remembered by its token; clients that repeat a call do so within minutes."""

logger = Logger(child=True)


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What a caller may say of the run it wants.

    With `run_id` or `token` the start may be repeated: a run that has the id already, or that the same caller started
    with the same token within `TOKEN_SECONDS`, is returned as it is. `arguments` of ``None`` are those of `previous`,
    the run that is tried again, if there is one. `queueing` wins over what the job says. The documents are written
    with the run or not at all. `number` is one that was reserved for the run; by default it gets one when it begins.
    With `unlimited` the run takes no slot of its job and goes beside those that do.
    """

    job: str
    door: str
    arguments: Mapping[str, Any] | None = None
    timeout_seconds: int | None = None
    heartbeat_seconds: int | None = None
    notify_after_seconds: int | None = None
    queueing: bool | None = None
    run_id: str | None = None
    token: str | None = None
    previous: Run | None = None
    trigger: TriggerKind = TriggerKind.CALLER
    trigger_name: str | None = None
    predecessors: Sequence[Predecessor] = ()
    number: int | None = None
    root: RunRoot | None = None
    sync_state: SyncStateUse | None = None
    unlimited: bool = False
    source: str | None = None
    destination: str | None = None
    reported_start_at: datetime | None = None
    counts: bool = True
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    new_documents: Sequence[Document] = ()
    changed_documents: Sequence[Document] = ()


def start_run(ports: Ports, principal: Principal, request: StartRequest, job: Job | None = None) -> Run:
    """Start a run of a job.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs START and READ.
    request : StartRequest
        What is wanted.
    job : Job, optional
        The job, where it has been read just now; read here if it is none, or another than the one that is meant.

    Returns
    -------
    Run
        STARTING, or WAITING where the job is at its limit and queues.

    Raises
    ------
    NotFoundError
        The org has no such job.
    InvalidInputError
        The timeout is out of range, or an argument the ledger itself reads has a value it does not know.
    ConcurrentRunsExceededError
        The job is at its limit and does not queue.
    AlreadyExistsError
        A document's name or id is taken, another run has its files in `root`, or `run_id` is one that no run may have.
    """
    principal.require(Permission.START)
    principal.require(Permission.READ)
    if job is None or (job.org, job.name) != (principal.org, request.job):
        job = find_job(ports, principal, request.job)
    run = compose_run(ports, principal, job, request, ports.clock())
    queueing = job.queueing if request.queueing is None else request.queueing
    return create_run(ports, job, run, request, queueing=queueing)


def compose_run(ports: Ports, principal: Principal, job: Job, request: StartRequest, now: datetime) -> Run:
    """Make the run that is asked for: STARTING, and not written yet.

    Raises
    ------
    InvalidInputError
        The timeout is out of range, or an argument the ledger itself reads has a value it does not know.
    """
    previous = request.previous
    if previous is not None and previous.trigger is TriggerKind.UPLOAD:
        raise InvalidInputError(UPLOADS_RETURN, field="previous")
    timeout = job.timeout_seconds if request.timeout_seconds is None else request.timeout_seconds
    heartbeat = request.heartbeat_seconds or job.heartbeat_seconds
    if not 1 <= timeout <= MAX_TIMEOUT_SECONDS:
        raise InvalidInputError(f"the timeout must be 1 to {MAX_TIMEOUT_SECONDS} seconds", field="timeout_seconds")
    arguments = _merge_arguments(ports, job, request)
    run_id = request.run_id or new_id(now)
    option = read_bookmark_option(arguments)
    source, destination = _places(job, request, arguments)
    root, sync_state = place_run(ports, job, run_id, request.root, request.sync_state)
    arguments, arguments_key = _place_arguments(ports, job.org, run_id, arguments)
    return Run(
        org=job.org,
        job=job.name,
        run_id=run_id,
        executor=job.executor,
        state=RunState.STARTING,
        door=request.door,
        trigger=request.trigger,
        trigger_name=request.trigger_name,
        predecessors=tuple(request.predecessors),
        started_by=principal.name,
        attempt=previous.attempt + 1 if previous else 1,
        previous_run_id=previous.run_id if previous else None,
        root_run_id=run_id,
        max_retries=job.max_retries,
        limited=job.max_concurrent_runs is not None and not request.unlimited,
        arguments=arguments,
        arguments_key=arguments_key,
        target=job.target,
        root=root,
        sync_state=sync_state,
        timeout_seconds=timeout,
        heartbeat_seconds=heartbeat if (heartbeat or timeout) < timeout else None,
        notify_after_seconds=request.notify_after_seconds or job.notify_after_seconds,
        bookmark_option=option,
        number=request.number,
        counts=request.counts,
        look_back_seconds=job.look_back_seconds,
        source=source,
        destination=destination,
        reported_start_at=request.reported_start_at,
        submitted_at=now,
        modified_at=now,
        deadline_at=now + timedelta(seconds=timeout),
        tags=job.tags,
        extra=_merge_extra(job.run_extra, request.extra),
        progress=first_progress(job.executor),
    )


def record_refused(ports: Ports, principal: Principal, request: StartRequest, error_code: str, message: str) -> Run:
    """Record a run that nobody could start, so that the history tells of it: FAILED from the first, and settled.

    May be repeated as a start may: where the request has a token that was spent already, the run it was spent on is it.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        Who wanted it; needs START.
    request : StartRequest
        What was wanted; the job need not exist.
    error_code, message : str
        Why not.
    """
    principal.require(Permission.START)
    now = ports.clock()
    run_id = request.run_id or new_id(now)
    arguments, arguments_key = _place_arguments(ports, principal.org, run_id, dict(request.arguments or {}))
    timeout = request.timeout_seconds or DEFAULT_TIMEOUT_SECONDS
    run = Run(
        org=principal.org,
        job=request.job,
        run_id=run_id,
        executor=Executor.NOOP,
        state=RunState.FAILED,
        door=request.door,
        trigger=request.trigger,
        trigger_name=request.trigger_name,
        predecessors=tuple(request.predecessors),
        started_by=principal.name,
        root_run_id=run_id,
        arguments=arguments,
        arguments_key=arguments_key,
        timeout_seconds=timeout,
        submitted_at=now,
        ended_at=now,
        modified_at=now,
        deadline_at=now + timedelta(seconds=timeout),
        message=message,
        error_code=error_code,
        extra=dict(request.extra),
        settled=True,
        expires_at=ports.retention.run_expires_at(now),
    )
    event = run_event(run, "Refused", now, principal.name, message=message)
    try:
        ports.runs.create(run, event, token=start_token(run, request.token))
    except TokenSpentError as spent:
        return _started_before(ports, run, spent)
    except AlreadyExistsError as error:
        return _existing(ports, run, error)
    return run


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


def create_run(ports: Ports, job: Job, run: Run, request: StartRequest, *, queueing: bool) -> Run:
    """Write a run that is STARTING and start its execution; or let it wait where there is no slot and it may.

    Raises
    ------
    ConcurrentRunsExceededError
        There is no slot, and not `queueing`.
    AlreadyExistsError
        A document's name or id is taken, or the run's id is one that no run may have.
    """
    token = start_token(run, request.token)
    event = run_event(run, "Submitted", run.submitted_at, run.started_by)
    try:
        ports.runs.create(
            run,
            event,
            slots=job.max_concurrent_runs if run.limited else None,
            token=token,
            new_documents=request.new_documents,
            changed_documents=request.changed_documents,
        )
    except TokenSpentError as spent:
        return _started_before(ports, run, spent)
    except ConcurrentRunsExceededError:
        if not queueing:
            raise
        return _enqueue(ports, run, request, token)
    except AlreadyExistsError as error:
        return _existing(ports, run, error)
    launch(ports, run)
    return run


def start_token(run: Run, token: str | None, runs: int = 1) -> StartToken | None:
    """Make of a caller's token what is stored of it: it is his, and the job's, and stands for so many runs."""
    if token is None:
        return None
    digest = hashlib.sha256(f"{run.started_by}\x00{run.job}\x00{token}".encode()).hexdigest()
    return StartToken(digest, run.submitted_at + timedelta(seconds=TOKEN_SECONDS), runs)


def first_progress(executor: Executor) -> Progress:
    """Give the progress a new run begins with."""
    return Progress(listing="READY") if executor is Executor.INGEST else Progress()


def _enqueue(ports: Ports, run: Run, request: StartRequest, token: StartToken | None) -> Run:
    wait_until = run.submitted_at + timedelta(seconds=WAIT_LIMIT_SECONDS)
    waiting = run.model_copy(update={"state": RunState.WAITING, "deadline_at": wait_until})
    event = run_event(waiting, "Submitted", run.submitted_at, run.started_by)
    try:
        ports.runs.create(
            waiting,
            event,
            token=token,
            new_documents=request.new_documents,
            changed_documents=request.changed_documents,
        )
    except TokenSpentError as spent:
        return _started_before(ports, run, spent)
    except AlreadyExistsError as error:
        return _existing(ports, waiting, error)
    # A slot that was given back between the refusal and the queueing has found nobody to take it.
    promote_waiting(ports, run.org, run.job, run.started_by)
    return ports.runs.get(run.org, run.job, run.run_id) or waiting


def _started_before(ports: Ports, run: Run, spent: TokenSpentError) -> Run:
    before = ports.runs.get(run.org, run.job, spent.run_id)
    if before is None:
        raise NotFoundError(f"the run {spent.run_id} is gone") from None
    return _go_on(ports, before)


def _existing(ports: Ports, run: Run, error: AlreadyExistsError) -> Run:
    """Return the run that has the id already, making sure that it goes; or complain as the store did."""
    existing = ports.runs.get(run.org, run.job, run.run_id)
    if existing is None:
        raise error
    return _go_on(ports, existing)


def _go_on(ports: Ports, run: Run) -> Run:
    if run.state is RunState.STARTING:
        launch(ports, run)
    return run


def _merge_arguments(ports: Ports, job: Job, request: StartRequest) -> dict[str, Any]:
    said = request.arguments
    if said is None:
        said = load_arguments(ports, request.previous) if request.previous else {}
    return {**job.arguments, **said, **job.fixed_arguments}


def _places(job: Job, request: StartRequest, arguments: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Tell where rows come from and go to: as the caller says, or as the options of a load say it."""
    if job.executor is not Executor.INGEST:
        return request.source, request.destination
    options = [arguments.get(name) for name in ("--source", "--table")]
    said = [option[:MAX_PLACE_CHARACTERS] if isinstance(option, str) else None for option in options]
    return request.source or said[0], request.destination or said[1]


def _merge_extra(base: Mapping[str, Mapping[str, Any]], said: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {door: {**base.get(door, {}), **said.get(door, {})} for door in {**base, **said}}


def _place_arguments(
    ports: Ports, org: str, run_id: str, arguments: dict[str, Any]
) -> tuple[dict[str, Any], str | None]:
    if len(json.dumps(arguments)) <= MAX_INLINE_ARGUMENTS_BYTES:
        return arguments, None
    key = f"runs/{org}/{run_id}/arguments.json"
    ports.objects.put_json(key, arguments)
    return {}, key
