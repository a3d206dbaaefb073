"""Use cases that tell a run otherwise than it was told before: how it went, and that it is not to be there at all.

What followed from the end of a run stays as it is: its triggers do not fire again, nor is it retried again, and a
bookmark that it moved stays where it is. Whoever reads the last success finds another from then on.
"""

from jobruns.access import Permission, Principal
from jobruns.errors import ConflictError, IllegalTransitionError, StaleWriteError
from jobruns.lifecycle import Amended, Corrected, Told
from jobruns.run import Executor, Outcome, Run, RunState
from jobruns.service.ports import Ports
from jobruns.service.reports import report_run
from jobruns.service.settlement import finish_run
from jobruns.service.telling import read_told
from jobruns.service.transitions import MAX_TRIES, move, run_event

DELETED = "Deleted"
"""The last entry in the history of a run that is not there any more."""

NOTES = frozenset({"message", "source", "destination", "counts"})
"""What may be told of the runs of any executor; the other figures of those that run here are the ledger's own."""

_ENDS = {Outcome.SUCCEEDED: RunState.SUCCEEDED, Outcome.FAILED: RunState.FAILED}
_REPORTING = frozenset({Executor.EXTERNAL, Executor.LAMBDA})


def retell_run(ports: Ports, principal: Principal, run: Run, told: Told, outcome: Outcome | None = None) -> Run:
    """Tell what became of a run, or tell it otherwise. May be repeated; the last word counts.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs REPORT.
    run : Run
        As read.
    told : Told
        Some of `jobruns.lifecycle.TELLABLE`; the others stay.
    outcome : Outcome, optional
        How the run goes. One that has not ended is ended by it, as by a report; one that has is corrected.

    Returns
    -------
    Run
        As it is now: STOPPED where it was being stopped, whatever its worker says.

    Raises
    ------
    InvalidInputError
        Something that is told is not well.
    IllegalTransitionError
        An ended run does not go on again; a run of another executor is not told otherwise; or it waits for a slot.
    StaleWriteError
        A bounded number of tries all lost against other writers.
    """
    principal.require(Permission.REPORT)
    checked = read_told(told)
    for _ in range(MAX_TRIES):
        if outcome in (None, run.outcome):
            after = _amend(ports, principal, run, checked)
            if outcome in (None, after.outcome):
                return after
        elif (ended := _end_otherwise(ports, principal, run, checked, outcome)) is not None:
            return ended
        current = ports.runs.get(run.org, run.job, run.run_id)
        if current is None:
            raise ConflictError(f"the run {run.run_id} is gone")
        run = current
    raise StaleWriteError(f"the run {run.run_id} is being changed by others; read it and try again")


def delete_run(ports: Ports, principal: Principal, run: Run) -> Run:
    """Delete a run that a worker outside has told of and that is over. Its history stays, and says who did it.

    Returns
    -------
    Run
        As it was at last. One that is gone already counts as deleted.

    Raises
    ------
    IllegalTransitionError
        It has not ended, or is one of another executor.
    StaleWriteError
        A bounded number of tries all lost against other writers.
    """
    principal.require(Permission.STOP)
    for _ in range(MAX_TRIES):
        if run.executor is not Executor.EXTERNAL:
            raise IllegalTransitionError(
                f"only what a worker outside told is deleted; this is a run of the executor {run.executor}"
            )
        if not run.state.terminal:
            raise IllegalTransitionError(f"only a run that has ended is deleted; this one is {run.state}")
        # Nobody can do it afterwards.
        finish_run(ports, run, principal.name)
        gone = run.model_copy(update={"version": run.version + 1})
        current = ports.runs.delete(run, run_event(gone, DELETED, ports.clock(), principal.name))
        if current is None:
            return run
        run = current
    raise StaleWriteError(f"the run {run.run_id} is being changed by others; read it and try again")


def _amend(ports: Ports, principal: Principal, run: Run, told: Told) -> Run:
    news = {name for name, value in told.items() if getattr(run, name) != value}
    if news:
        if run.executor is not Executor.EXTERNAL and news - NOTES:
            raise IllegalTransitionError(
                f"{min(news - NOTES)}: is the ledger's own of a run of the executor {run.executor}"
            )
        # All of it: what is no news by what was read may be by now.
        run = move(ports, run, Amended(told, told.get("message")), principal.name).after
    if run.state.terminal and not run.settled:
        # Whoever told it first may have died before the state machine heard.
        ports.machine.end_task(run)
    return run


def _end_otherwise(ports: Ports, principal: Principal, run: Run, told: Told, outcome: Outcome | None) -> Run | None:
    """Report how a run ends, or correct how it ended; give nothing where it has moved since it was read."""
    if outcome is None or outcome is Outcome.GOING:
        raise IllegalTransitionError(f"the run has ended as {run.state}, and what has ended does not go on again")
    to = _ENDS[outcome]
    if run.state.terminal:
        decision = move(ports, run, Corrected(to, told.get("message"), told), principal.name)
        if decision.applied:
            if not decision.after.settled:
                ports.machine.end_task(decision.after)
            return decision.after
        if run.executor is not Executor.EXTERNAL:
            raise IllegalTransitionError(str(decision.reason))
        return None
    if run.executor not in _REPORTING:
        raise IllegalTransitionError(f"how a run of the executor {run.executor} ends is not for a worker to say")
    try:
        kept = {"message": run.message, **told}
        return report_run(ports, principal, run, to, message=kept["message"], told=kept)
    except IllegalTransitionError:
        current = ports.runs.get(run.org, run.job, run.run_id)
        if current is None or not current.state.terminal:
            raise
        return None
