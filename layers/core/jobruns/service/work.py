"""Use cases of executors that work in units: keep the progress, pass the point of no return, say the outcome.

Counters are added up as the units go, each by one plain write, so that a thousand workers at once do not stand in
each other's way. A worker killed between its unit's record and the counter leaves the counter behind; `recount` puts
it right from the records before the run ends.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from jobruns.errors import IllegalTransitionError, NotFoundError
from jobruns.lifecycle import CommitBegun, Event, Failed, Succeeded
from jobruns.run import BookmarkStep, Progress, Run
from jobruns.service.ports import Ports
from jobruns.service.store_ports import UnitRecord
from jobruns.service.transitions import end, move

WORK = "jobruns:work"


def load_run(ports: Ports, org: str, job: str, run_id: str) -> Run:
    """Read the run one works for.

    Raises
    ------
    NotFoundError
        There is none: the work was started by something else than the ledger.
    """
    run = ports.runs.get(org, job, run_id)
    if run is None:
        raise NotFoundError(f"no run {run_id} of the job {job!r}")
    return run


def begin_listing(ports: Ports, run: Run) -> None:
    """Note that the search for work goes on."""
    ports.runs.add_progress(run, ports.clock(), {}, listing="RUNNING")


def end_listing(ports: Ports, run: Run, units: int) -> None:
    """Note how many units there are. No unit has begun yet."""
    ports.runs.set_progress(run, ports.clock(), Progress(listing="DONE", units_total=units))


def fail_listing(ports: Ports, run: Run) -> None:
    """Note that the search for work failed."""
    ports.runs.add_progress(run, ports.clock(), {}, listing="FAILED")


def begin_unit(ports: Ports, run: Run, number: int) -> bool:
    """Note that a worker begins a unit.

    Returns
    -------
    bool
        False when the run is not RUNNING (any more): the work would be for nothing.
    """
    if not ports.units.begin(run.org, run.run_id, number, ports.clock()):
        return ports.runs.add_progress(run, ports.clock(), {})
    return ports.runs.add_progress(run, ports.clock(), {"units_running": 1})


def end_unit(ports: Ports, run: Run, record: UnitRecord) -> None:
    """Note how a unit ended; once, however often it is repeated."""
    if not ports.units.end(run.org, run.run_id, record):
        return
    figures = record.model_dump(exclude={"number", "state"})
    ended = {"units_done": 1} if record.state == "DONE" else {"units_failed": 1}
    ports.runs.add_progress(run, ports.clock(), {"units_running": -1, **ended, **figures})


def recount(ports: Ports, run: Run) -> Progress:
    """Put the exact counts of the units' records on the run."""
    progress = run.progress
    records = ports.units.all(run.org, run.run_id)
    exact = Progress(
        listing=progress.listing,
        units_total=progress.units_total,
        units_running=sum(record.state == "RUNNING" for record in records),
        units_done=sum(record.state == "DONE" for record in records),
        units_failed=sum(record.state == "FAILED" for record in records),
        rows_loaded=sum(record.rows_loaded for record in records),
        rows_rejected=sum(record.rows_rejected for record in records),
        bytes_read=sum(record.bytes_read for record in records),
        work_milliseconds=sum(record.work_milliseconds for record in records),
    )
    ports.runs.set_progress(run, ports.clock(), exact)
    return exact


def begin_commit(ports: Ports, run: Run, seconds: int, bookmark: BookmarkStep | None = None) -> Run:
    """Pass the point of no return: for so many seconds nothing but the commit ends the run.

    Parameters
    ----------
    ports : Ports
        The outside.
    run : Run
        As read.
    seconds : int
        How long the commit takes at most.
    bookmark : BookmarkStep, optional
        Where the run's success takes its job's bookmark. From here on no other run of the job commits by it.

    Raises
    ------
    IllegalTransitionError
        The run has ended or is being stopped; nothing may be committed for it.
    BookmarkConflictError
        The bookmark has moved since the step was made, or another run holds it; nothing may be committed by it.
    """
    decision = move(ports, run, CommitBegun(ports.clock() + timedelta(seconds=seconds), bookmark), WORK)
    if not decision.applied:
        raise IllegalTransitionError(decision.reason or "nothing may be committed")
    return decision.after


def conclude_work(
    ports: Ports,
    run: Run,
    *,
    error: str | None = None,
    error_code: str = "Failed",
    message: str | None = None,
    metrics: Mapping[str, Any] | None = None,
    records: int | None = None,
    conclusive: bool = False,
) -> Run:
    """Say how the work ended: with `error` it failed and left nothing behind. May be repeated.

    How many `records` there were is told of the run; where nobody says, it is the rows that a snapshot has.

    Returns
    -------
    Run
        As it is now: STOPPED where it was being stopped; still RUNNING where its commit has yet to decide, which only a
        `conclusive` failure does not wait for: one of which it is certain that nothing was or will be committed.
    """
    figures = metrics or {}
    # What was only tried is in no snapshot.
    if records is None:
        records = figures.get("rows_loaded", 0) if "snapshot_id" in figures else 0
    outcome: Event = Succeeded(message, metrics, {"records": records})
    if error is not None:
        outcome = Failed(error, error_code, metrics, conclusive=conclusive)
    after = run if run.state.terminal else end(ports, run, outcome, WORK).after
    if after.state.terminal:
        ports.machine.end_task(after)
    return after
