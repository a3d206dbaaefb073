"""Use case: end what was lost. Nothing stays unfinished for ever, whichever step died.

Two things call it. A schedule, with the runs that are due: past their deadline, stuck in a state that lasts seconds,
ended but not settled. And Step Functions, when an execution ended in a way our own steps never end one, such as by
hand in the console.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from aws_lambda_powertools import Logger

from jobruns.errors import CommitInProgressError, JobrunsError
from jobruns.lifecycle import (
    COMMIT_SURRENDER_SECONDS,
    COMMIT_UNKNOWN,
    START_PATIENCE_SECONDS,
    WAIT_LIMIT_SECONDS,
    DeadlineNear,
    Delayed,
    Event,
    Failed,
    Stopped,
    StopRequested,
    TimedOut,
    committing,
    notice_at,
    warning_at,
)
from jobruns.run import Run, RunState
from jobruns.service.ports import ExecutionStatus, Ports
from jobruns.service.settlement import conclude_run, finish_run
from jobruns.service.starts import launch, promote_waiting
from jobruns.service.transitions import move

RECONCILE = "jobruns:reconcile"
SWEEP_LIMIT = 100
"""Runs of each shard looked at in one sweep; the schedule comes again in a minute."""

logger = Logger(child=True)


@dataclass(slots=True)
class Sweep:
    """What one sweep did: ids of runs by what was done to them."""

    ended: list[str] = field(default_factory=list)
    relaunched: list[str] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    deferred: list[str] = field(default_factory=list)
    notified: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def reconcile_runs(ports: Ports, limit: int = SWEEP_LIMIT) -> Sweep:
    """Look after the runs that are due. What cannot be repaired now is logged and due again."""
    sweep = Sweep()
    for run in ports.runs.due(ports.clock(), limit):
        try:
            _reconcile(ports, run, sweep)
        except CommitInProgressError:
            _defer(ports, run, sweep)
        except JobrunsError:
            logger.exception("the run could not be reconciled", extra={"run_id": run.run_id})
            sweep.failed.append(run.run_id)
    return sweep


def reconcile_execution(
    ports: Ports, org: str, job: str, run_id: str, status: ExecutionStatus, cause: str
) -> Run | None:
    """Look after a run whose execution ended in a way that our own steps never end one.

    Parameters
    ----------
    ports : Ports
        The outside.
    org, job, run_id : str
        Which run.
    status : ExecutionStatus
        FAILED, TIMED_OUT or ABORTED.
    cause : str
        What Step Functions says about it.

    Raises
    ------
    CommitInProgressError
        Its commit has yet to decide; ask again.
    """
    run = ports.runs.get(org, job, run_id)
    if run is None:
        return None
    if not run.state.terminal:
        run = _end(ports, run, _lost(status, cause))
    finish_run(ports, run, RECONCILE)
    return run


def _reconcile(ports: Ports, run: Run, sweep: Sweep) -> None:
    now = ports.clock()
    if run.state.terminal:
        finish_run(ports, run, RECONCILE)
        sweep.settled.append(run.run_id)
    elif run.state is RunState.STOPPING:
        _conclude(ports, run, Stopped(), sweep)
    elif committing(run):
        until = run.committing_until_at
        if until is not None and now >= until + timedelta(seconds=COMMIT_SURRENDER_SECONDS):
            snapshot = f"the snapshot of run {run.run_id}"
            reason = f"the commit could not be decided; look for {snapshot} in the table before loading again"
            _conclude(ports, run, Failed(reason, COMMIT_UNKNOWN, conclusive=True), sweep)
        else:
            ports.executors[run.executor].resolve(run)
            _defer(ports, run, sweep)
    elif now >= run.deadline_at:
        _conclude(ports, run, TimedOut(_overdue(run)), sweep)
    elif run.state is RunState.WAITING:
        if not promote_waiting(ports, run.org, run.job, RECONCILE):
            _defer(ports, run, sweep)
    elif (due := notice_at(run)) is not None and now >= due:
        move(ports, run, Delayed(f"it has been running for more than {run.notify_after_seconds} seconds"), RECONCILE)
        sweep.notified.append(run.run_id)
    elif (near := warning_at(run)) is not None and now >= near:
        move(ports, run, DeadlineNear(f"it has to end by {run.deadline_at.isoformat(timespec='seconds')}"), RECONCILE)
        sweep.notified.append(run.run_id)
    else:
        _look_after_execution(ports, run, sweep)


def _look_after_execution(ports: Ports, run: Run, sweep: Sweep) -> None:
    status = ports.machine.status(run)
    if status is None and run.state is RunState.STARTING:
        launch(ports, run)
        sweep.relaunched.append(run.run_id)
        _defer(ports, run, sweep)
    elif status is ExecutionStatus.RUNNING:
        _defer(ports, run, sweep)
    else:
        _conclude(ports, run, _lost(status, "it was found by the schedule"), sweep)


def _conclude(ports: Ports, run: Run, outcome: Event, sweep: Sweep) -> None:
    ended = _end(ports, run, outcome)
    finish_run(ports, ended, RECONCILE)
    sweep.ended.append(run.run_id)


def _end(ports: Ports, run: Run, outcome: Event) -> Run:
    if isinstance(outcome, StopRequested):
        run = move(ports, run, outcome, RECONCILE).after
        outcome = Stopped()
    ended = run if run.state.terminal else conclude_run(ports, run, outcome, RECONCILE)
    ports.machine.abandon(ended)
    return ended


def _lost(status: ExecutionStatus | None, cause: str) -> Event:
    match status:
        case ExecutionStatus.ABORTED:
            return StopRequested(message="its execution was stopped by hand in Step Functions")
        case ExecutionStatus.TIMED_OUT:
            return TimedOut("its execution reached the state machine's own time limit")
        case None:
            return Failed("its execution is gone", "ExecutionLost")
    return Failed(f"its execution ended as {status} without settling the run: {cause}"[:2000], "ExecutionLost")


def _overdue(run: Run) -> str:
    if run.state is RunState.WAITING:
        return f"it waited {WAIT_LIMIT_SECONDS // 86400} days for a slot of its job and got none"
    return f"it did not end within {run.timeout_seconds} seconds"


def _defer(ports: Ports, run: Run, sweep: Sweep) -> None:
    ports.runs.defer(run, ports.clock() + timedelta(seconds=START_PATIENCE_SECONDS))
    sweep.deferred.append(run.run_id)
