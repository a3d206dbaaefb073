"""Where a run is, in the words of hotglue's job lifecycle. Runs of every door have one.

Decided here, where its documents leave a choice:

* A run of another door goes through no phases. While it runs it is SYNC_STARTED.
* A run that fails between two phases, or before the first, or because what worked on it was lost, is JOB_FAILED.
* One that was stopped is JOB_CANCELLED. An environment may switch both words off: it then reads that the phase that was
  reached has failed, and of a run that reached none that its sync has.
* A run that is being stopped keeps the status that it had.
"""

from collections.abc import Mapping
from typing import Any, Final

from jobruns.run import Run, RunState

__all__ = [
    "DISCOVER_SUCCESS",
    "DOOR",
    "JOB_CANCELLED",
    "JOB_COMPLETED",
    "JOB_CREATED",
    "JOB_FAILED",
    "PHASES",
    "STATUSES",
    "own_facts",
    "phase_of",
    "status_of",
]

DOOR: Final = "hotglue"
"""Runs of this door keep what only it knows of them in ``extra`` under this name."""

DISCOVER_SUCCESS: Final = "DISCOVER_SUCCESS"

PHASES: Final[Mapping[str, int]] = {
    "DISCOVER_STARTED": 10,
    DISCOVER_SUCCESS: 15,
    "SYNC_STARTED": 20,
    "SYNC_SUCCESS": 30,
    "ETL_STARTED": 40,
    "ETL_SUCCESS": 50,
    "EXPORT_STARTED": 60,
}
"""What a run's worker says how far it has come, with the rank of each; see `jobruns.lifecycle.PhaseReached`."""

JOB_CREATED: Final = "JOB_CREATED"
JOB_COMPLETED: Final = "JOB_COMPLETED"
JOB_CANCELLED: Final = "JOB_CANCELLED"
JOB_FAILED: Final = "JOB_FAILED"

STATUSES: Final = (
    JOB_CREATED,
    "DISCOVER_STARTED",
    "DISCOVER_FAILED",
    "SYNC_STARTED",
    "SYNC_FAILED",
    "SYNC_SUCCESS",
    "ETL_STARTED",
    "ETL_FAILED",
    "ETL_SUCCESS",
    "EXPORT_STARTED",
    "EXPORT_FAILED",
    JOB_COMPLETED,
    JOB_CANCELLED,
    JOB_FAILED,
)
"""All that `status_of` gives."""

_STARTED: Final = "_STARTED"
_FIRST_STEP: Final = "SYNC"
_LOST: Final = frozenset({"ExecutionLost", "JobNotFound"})


def own_facts(run: Run) -> Mapping[str, Any]:
    """Give what the hotglue door keeps of a run; nothing of the runs of others."""
    facts = run.extra.get(DOOR)
    return facts if isinstance(facts, dict) else {}


def phase_of(run: Run) -> str | None:
    """Give the phase that a run has come to, or ended in; ``None`` where it has come to none of `PHASES`."""
    if run.phase_rank and run.phase in PHASES:
        return run.phase
    return None if _waits_for_phases(run) or not _has_run(run) else f"{_FIRST_STEP}{_STARTED}"


def status_of(run: Run) -> str:
    """Give the status of a run: one of `STATUSES`."""
    match run.state:
        case RunState.SUCCEEDED:
            return JOB_COMPLETED
        case RunState.STOPPED:
            return JOB_CANCELLED if _extended(run) else _failed(run)
        case RunState.FAILED | RunState.TIMEOUT:
            broken = (phase_of(run) or "").endswith(_STARTED) and run.error_code not in _LOST
            return _failed(run) if broken or not _extended(run) else JOB_FAILED
    phase = phase_of(run)
    # What the discovery found is told to those who follow discoveries; a job goes on being one that discovers.
    return "DISCOVER_STARTED" if phase == DISCOVER_SUCCESS else phase or JOB_CREATED


def _failed(run: Run) -> str:
    return f"{(phase_of(run) or _FIRST_STEP).partition('_')[0]}_FAILED"


def _extended(run: Run) -> bool:
    return own_facts(run).get("extended_statuses", True) is not False


def _waits_for_phases(run: Run) -> bool:
    return run.door == DOOR


def _has_run(run: Run) -> bool:
    """Tell whether a run was seen running: one whose end overtook its beginning began and ended at one moment."""
    return run.started_at is not None and run.started_at != run.ended_at
