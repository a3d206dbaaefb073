"""A run in the words of this door: the status of its job and the details of its progress."""

from typing import Any

from jobruns.run import ERRORS_METRIC, Progress, Run, RunState

STATUSES = {
    RunState.WAITING: "pending",
    RunState.STARTING: "ready",
    RunState.RUNNING: "running",
    RunState.STOPPING: "canceled",  # a cancel is told at once and never taken back
    RunState.STOPPED: "canceled",
    RunState.SUCCEEDED: "done",
    RunState.FAILED: "failed",
    RunState.TIMEOUT: "failed",
}
ALL_STATUSES = (*dict.fromkeys(STATUSES.values()), "unknown")
BRIEF_ERROR_CHARACTERS = 200
_GONE = "The record of the job's run is gone."


def status_of(run: Run | None) -> str:
    """Give the status of a job by its run; without one nobody can tell."""
    return "unknown" if run is None else STATUSES[run.state]


def details_of(run: Run | None, *, brief: bool = False) -> dict[str, Any]:
    """Give the ``details`` of a job by its run; `brief` cuts the errors for lists."""
    if run is None:
        nothing = {"tasks": {}, "estimated": True, "percent_complete": 0}
        return {"errors": [_GONE], "job_id": "", "duration_ms": 0, "status_detail": nothing}
    progress, done = run.progress, run.state is RunState.SUCCEEDED
    tasks = _tasks(run.state, progress)
    return {
        "errors": _errors(run, BRIEF_ERROR_CHARACTERS if brief else None),
        "job_id": run.run_id,
        "duration_ms": progress.work_milliseconds,
        "status_detail": {
            "tasks": tasks,
            "estimated": not done and progress.listing != "DONE",
            "percent_complete": 1 if done else _fraction(tasks.get("INDEX", {})),
        },
        "rows_loaded": progress.rows_loaded,
        "rows_rejected": progress.rows_rejected,
        "bytes_read": progress.bytes_read,
    }


def _errors(run: Run, limit: int | None) -> list[str]:
    if STATUSES[run.state] != "failed":
        return []
    message = run.message or f"the run ended as {run.state}"
    if limit is None:
        return list(run.metrics.get(ERRORS_METRIC) or [message])
    return [message if len(message) <= limit else f"{message[:limit]}…"]


def _fraction(units: dict[str, int]) -> float | int:
    return units["DONE"] / sum(units.values()) if units.get("DONE") else 0


def _tasks(state: RunState, progress: Progress) -> dict[str, dict[str, int]]:
    if state is RunState.SUCCEEDED:
        counts = {"LIST": {"DONE": 1}, "INDEX": {"DONE": progress.units_total}}
    else:
        counts = {"LIST": {progress.listing or "READY": 1}, "INDEX": _units(progress)}
        if state.terminal or state is RunState.STOPPING:
            counts = {kind: _canceled(tasks) for kind, tasks in counts.items()}
    shown = {kind: {name: count for name, count in tasks.items() if count} for kind, tasks in counts.items()}
    return {kind: tasks for kind, tasks in shown.items() if tasks}


def _units(progress: Progress) -> dict[str, int]:
    """Count the units of a job that is not done.

    All of a job's rows enter the table at once, after the last unit: until then that one counts as running, so that a
    job is done exactly when all its tasks are. A worker killed between two writes leaves a counter behind; the sum is
    the total all the same.
    """
    failed, running = progress.units_failed, max(progress.units_running, 0)
    done = min(progress.units_done, max(progress.units_total - 1, 0))
    running += progress.units_done - done
    ready = max(progress.units_total - done - failed - running, 0)
    return {"READY": ready, "RUNNING": running, "DONE": done, "FAILED": failed}


def _canceled(tasks: dict[str, int]) -> dict[str, int]:
    """Count what will not be worked on any more as canceled."""
    rest = tasks.get("READY", 0) + tasks.get("RUNNING", 0)
    ended = {name: count for name, count in tasks.items() if name not in ("READY", "RUNNING")}
    return {**ended, "CANCELED": rest}
