"""Use cases that try work again: each retry is a run of its own that names the one before it.

Automatic retries of one run share its ``root_run_id`` and count up its attempts. A retry somebody asked for is the root
of its own automatic retries.
"""

from datetime import timedelta

from jobruns.access import Permission, Principal
from jobruns.errors import IllegalTransitionError
from jobruns.ids import derived_id, new_id
from jobruns.operation import handed_over
from jobruns.run import Run, RunState, TriggerKind
from jobruns.service.definitions import find_job
from jobruns.service.ports import Ports
from jobruns.service.starts import UPLOADS_RETURN, StartRequest, create_run, first_progress

_CARRIED = {
    *("org", "job", "executor", "target", "door", "trigger_name", "predecessors", "tags", "extra"),
    *("arguments", "arguments_key", "timeout_seconds", "heartbeat_seconds", "notify_after_seconds"),
    *("bookmark_option", "max_retries", "limited", "source", "destination", "counts", "look_back_seconds"),
}
"""What a retry has of the run it retries."""


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
        The run has not ended, or it succeeded, or it loads uploads, which come back by themselves, or it worked by
        credentials of its caller.
    ConcurrentRunsExceededError
        The job is at its limit and does not queue.
    """
    principal.require(Permission.START)
    if not run.state.terminal or run.state is RunState.SUCCEEDED:
        raise IllegalTransitionError(
            f"only a run that failed, timed out or was stopped is retried; this one is {run.state}"
        )
    if run.trigger is TriggerKind.UPLOAD:
        raise IllegalTransitionError(UPLOADS_RETURN)
    if handed_over(run):
        raise IllegalTransitionError(
            "the run worked by credentials of its caller, which are not kept; ask for the same again with them"
        )
    job = find_job(ports, principal, run.job)
    wanted = request or StartRequest(job=run.job, door=run.door)
    run_id = wanted.run_id or new_id(ports.clock())
    again = _next_attempt(ports, run, run_id, run_id, principal.name)
    return create_run(ports, job, again, wanted, queueing=job.queueing)


def retry_failed(ports: Ports, run: Run, actor: str) -> Run | None:
    """Start the automatic retry that a failed run is due, once, however often this is repeated.

    The retry waits in the queue where the job is at its limit: refusing it would lose work nobody watches.

    Returns
    -------
    Run or None
        ``None`` when no retry is due, or its job is gone.
    """
    if run.state is not RunState.FAILED or run.ended_at is None or not _has_retries_left(ports, run):
        return None
    if run.trigger is TriggerKind.UPLOAD:
        return None  # its files go back to the upload queue; a retry would load them a second time
    if handed_over(run):
        return None  # nobody has the credentials it worked by
    job = ports.jobs.get(run.org, run.job)
    if job is None:
        return None
    run_id = derived_id(run.ended_at, "retry", run.org, run.run_id)
    again = _next_attempt(ports, run, run_id, run.root_run_id, actor)
    return create_run(ports, job, again, StartRequest(job=run.job, door=run.door), queueing=True)


def _has_retries_left(ports: Ports, run: Run) -> bool:
    """Tell whether the job's number of retries is not used up. What was retried by hand before does not count."""
    if not run.max_retries:
        return False
    if run.attempt <= run.max_retries:
        return True
    root = run if run.run_id == run.root_run_id else ports.runs.get(run.org, run.job, run.root_run_id)
    return root is not None and run.attempt - root.attempt < run.max_retries


def _next_attempt(ports: Ports, run: Run, run_id: str, root_run_id: str, actor: str) -> Run:
    now = ports.clock()
    return Run(
        **run.model_dump(include=_CARRIED),
        run_id=run_id,
        root_run_id=root_run_id,
        state=RunState.STARTING,
        trigger=TriggerKind.RETRY,
        started_by=actor,
        attempt=run.attempt + 1,
        previous_run_id=run.run_id,
        submitted_at=now,
        modified_at=now,
        deadline_at=now + timedelta(seconds=run.timeout_seconds),
        progress=first_progress(run.executor),
    )
