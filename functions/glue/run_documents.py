"""Runs as Glue writes them.

Decided here: the times and states that Glue's clients rely on. ``StartedOn`` is when the run was asked for. A run that
never could be started because its job is gone is in ERROR, one that waited for a slot in vain is EXPIRED.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from glue.admission import DOOR
from glue.job_documents import write_arguments, write_minutes
from jobruns.ids import job_run_id, previous_job_run_id
from jobruns.lifecycle import JOB_NOT_FOUND
from jobruns.run import Run, RunState

_UNTOLD = {
    RunState.FAILED: "the run failed; its worker did not say why",
    RunState.STOPPED: "the run was stopped",
    RunState.TIMEOUT: "the run did not end in time",
}
"""A message is always there where a run did not succeed: clients read it without a check."""


def write_run(
    run: Run,
    arguments: dict[str, Any],
    now: datetime,
    *,
    log_group: str,
    predecessors: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Write a run.

    Parameters
    ----------
    run : Run
        Which.
    arguments : dict
        Its arguments, wherever they were kept.
    now : datetime
        The time, aware; a run that goes has worked until then.
    log_group : str
        Group of the logs; output is in ``<it>/output`` and errors in ``<it>/error``, in a stream named by the run's id.
    predecessors : sequence of mapping
        The runs whose ends started this one, where they are asked for.
    """
    ended = run.state.terminal
    own = run.extra.get(DOOR, {})
    by_hand = run.root_run_id == run.run_id
    return {
        **own,
        "Id": job_run_id(run),
        "Attempt": run.attempt - 1,
        # A run that somebody started again has the id that was sent for it; its own retries have inherited that.
        "PreviousRunId": (own.get("PreviousRunId") if by_hand else None) or previous_job_run_id(run),
        "TriggerName": run.trigger_name,
        "JobName": run.job,
        "StartedOn": run.submitted_at,
        "LastModifiedOn": run.modified_at,
        "CompletedOn": run.ended_at,
        "JobRunState": write_state(run),
        "Arguments": write_arguments(arguments) or None,
        "ErrorMessage": (run.message or _UNTOLD[run.state]) if ended and run.state is not RunState.SUCCEEDED else None,
        "PredecessorRuns": predecessors,
        "ExecutionTime": int(run.work_seconds(now)),
        "Timeout": write_minutes(run.timeout_seconds),
        "LogGroupName": log_group,
        "StateDetail": "it waits for a free slot of its job" if run.state is RunState.WAITING else None,
    }


def write_state(run: Run) -> str:
    """Write a run's state as one of Glue's."""
    if run.state is RunState.FAILED and run.error_code == JOB_NOT_FOUND:
        return "ERROR"
    if run.state is RunState.TIMEOUT and run.started_at is None:
        return "EXPIRED"
    return run.state.value
