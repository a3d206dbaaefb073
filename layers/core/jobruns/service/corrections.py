"""Use cases that tell a run otherwise than it was told before: how it went, and that it is not to be there at all.

What followed from the end of a run stays as it is: its triggers do not fire again, nor is it retried again, and a
bookmark that it moved stays where it is. Whoever reads the last success finds another from then on.

Several runs are told otherwise one after the other, after all of them have been checked: what the ledger refuses of one
is refused before any is touched. Whatever stops it in between leaves the first of them told; saying it again goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jobruns.access import Permission, Principal
from jobruns.errors import GoneError, IllegalTransitionError, InvalidInputError, StaleWriteError
from jobruns.lifecycle import Amended, Corrected, Decision, Failed, Succeeded, Told, apply
from jobruns.retention import is_success
from jobruns.run import Executor, Outcome, Run, RunState
from jobruns.service.ports import Ports
from jobruns.service.reports import report_run
from jobruns.service.retention import keep_for_change, review_change
from jobruns.service.settlement import finish_run
from jobruns.service.telling import read_told
from jobruns.service.transitions import MAX_TRIES, move, run_event

DELETED = "Deleted"
"""The last entry in the history of a run that is not there any more."""

NOTES = frozenset({"message", "source", "destination", "counts"})
"""What may be told of the runs of any executor; the other figures of those that run here are the ledger's own."""

MAX_TOGETHER = 1000
"""Runs told otherwise, or deleted, by one call: each is a transaction, of some ten milliseconds."""

_MOVING = frozenset({"counts", "reported_start_at", "reported_end_at"})
"""What makes another run of the job its last success."""

_ENDS = {Outcome.SUCCEEDED: RunState.SUCCEEDED, Outcome.FAILED: RunState.FAILED}
_REPORTING = frozenset({Executor.EXTERNAL, Executor.LAMBDA})


@dataclass(frozen=True, slots=True)
class Retelling:
    """What is told otherwise of a run, which is as it was read; see `retell_run`."""

    run: Run
    told: Told
    outcome: Outcome | None = None


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
    GoneError
        It has been deleted.
    StaleWriteError
        A bounded number of tries all lost against other writers.
    """
    principal.require(Permission.REPORT)
    return _retell(ports, principal, Retelling(run, read_told(told), outcome))


def check_retellings(principal: Principal, retellings: Sequence[Retelling]) -> list[Retelling]:
    """Check whether all of these runs, as they were read, may be told otherwise; reads and writes nothing.

    Returns
    -------
    list of Retelling
        The same, what is told as `jobruns.service.telling.read_told` gives it.

    Raises
    ------
    InvalidInputError
        Something that is told is not well, or these are too many.
    IllegalTransitionError
        As `retell_run` raises it.
    """
    principal.require(Permission.REPORT)
    _check_number(retellings)
    checked = [replace(retelling, told=read_told(retelling.told)) for retelling in retellings]
    for retelling in checked:
        _check_retelling(retelling.run, retelling.told, retelling.outcome)
    return checked


def retell_runs(ports: Ports, principal: Principal, retellings: Sequence[Retelling]) -> list[Run]:
    """Tell several runs otherwise, each as `retell_run` does, after all have been checked. May be repeated.

    Returns
    -------
    list of Run
        As they are now, in the same order; a run that was deleted since it was read is left out.

    Raises
    ------
    InvalidInputError, IllegalTransitionError
        As `check_retellings` raises them, before anything is written; the latter also afterwards, where a run has come
        to another state since it was read.
    StaleWriteError
        A bounded number of tries at one of them all lost against other writers.
    """
    after = []
    for retelling in check_retellings(principal, retellings):
        try:
            after.append(_retell(ports, principal, retelling))
        except GoneError:
            continue
    return after


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
        _check_deletable(run)
        # Nobody can do it afterwards.
        finish_run(ports, run, principal.name)
        keep_for_change(ports, run)
        gone = run.model_copy(update={"version": run.version + 1})
        current = ports.runs.delete(run, run_event(gone, DELETED, ports.clock(), principal.name))
        if current is None:
            if is_success(run):
                review_change(ports, run, there=False)
            return run
        run = current
    raise StaleWriteError(f"the run {run.run_id} is being changed by others; read it and try again")


def check_deletable(principal: Principal, runs: Sequence[Run]) -> None:
    """Check whether all of these runs, as they were read, may be deleted; reads and writes nothing.

    Raises
    ------
    InvalidInputError
        They are too many.
    IllegalTransitionError
        As `delete_run` raises it.
    """
    principal.require(Permission.STOP)
    _check_number(runs)
    for run in runs:
        _check_deletable(run)


def delete_runs(ports: Ports, principal: Principal, runs: Sequence[Run]) -> list[Run]:
    """Delete several runs, each as `delete_run` does, after all have been checked. May be repeated.

    Returns
    -------
    list of Run
        As they were at last, in the same order.

    Raises
    ------
    InvalidInputError, IllegalTransitionError
        As `check_deletable` raises them, before anything is written.
    StaleWriteError
        A bounded number of tries at one of them all lost against other writers.
    """
    check_deletable(principal, runs)
    return [delete_run(ports, principal, run) for run in runs]


def _check_number(things: Sequence[object]) -> None:
    if len(things) > MAX_TOGETHER:
        raise InvalidInputError(f"at most {MAX_TOGETHER} runs are changed by one call", field="runs")


def _check_retelling(run: Run, told: Told, outcome: Outcome | None) -> None:
    """Refuse what the run, as it is, does not allow to be told of it."""
    if outcome in (None, run.outcome):
        news = _news(run, told)
        if run.executor is not Executor.EXTERNAL and news - NOTES:
            raise IllegalTransitionError(
                f"{min(news - NOTES)}: is the ledger's own of a run of the executor {run.executor}"
            )
        return
    if outcome is Outcome.GOING:
        raise IllegalTransitionError(f"the run has ended as {run.state}, and what has ended does not go on again")
    if not run.state.terminal and run.executor not in _REPORTING:
        raise IllegalTransitionError(f"how a run of the executor {run.executor} ends is not for a worker to say")
    event: Corrected | Succeeded | Failed
    if run.state.terminal:
        event = Corrected(_ENDS[outcome])
    else:
        event = Succeeded() if outcome is Outcome.SUCCEEDED else Failed("")
    decision = apply(run, event, run.modified_at)
    # One that is being stopped is stopped by whatever its worker says.
    if not decision.applied and run.state is not RunState.STOPPING:
        raise IllegalTransitionError(str(decision.reason))


def _check_deletable(run: Run) -> None:
    if run.executor is not Executor.EXTERNAL:
        raise IllegalTransitionError(
            f"only what a worker outside told is deleted; this is a run of the executor {run.executor}"
        )
    if not run.state.terminal:
        raise IllegalTransitionError(f"only a run that has ended is deleted; this one is {run.state}")


def _news(run: Run, told: Told) -> set[str]:
    return {name for name, value in told.items() if getattr(run, name) != value}


def _retell(ports: Ports, principal: Principal, retelling: Retelling) -> Run:
    run, told, outcome = retelling.run, retelling.told, retelling.outcome
    for _ in range(MAX_TRIES):
        _check_retelling(run, told, outcome)
        if outcome is None or outcome is run.outcome:
            after = _amend(ports, principal, run, told)
            if outcome in (None, after.outcome):
                return after
        elif (ended := _end_otherwise(ports, principal, run, told, outcome)) is not None:
            return ended
        current = ports.runs.get(run.org, run.job, run.run_id)
        if current is None:
            raise GoneError(f"the run {run.run_id} is gone")
        run = current
    raise StaleWriteError(f"the run {run.run_id} is being changed by others; read it and try again")


def _amend(ports: Ports, principal: Principal, run: Run, told: Told) -> Run:
    if news := _news(run, told):
        # All of it: what is no news by what was read may be by now.
        run = _change(ports, principal, run, Amended(told, told.get("message")), moves=bool(news & _MOVING)).after
    if run.state.terminal and not run.settled:
        # Whoever told it first may have died before the state machine heard.
        ports.machine.end_task(run)
    return run


def _change(
    ports: Ports, principal: Principal, run: Run, event: Amended | Corrected, *, moves: bool = True
) -> Decision:
    """Move a run; where it has ended and the job's last success may be another by it, that one is kept."""
    if not run.state.terminal or not moves:
        return move(ports, run, event, principal.name)
    to = event.to if isinstance(event, Corrected) else run.state
    keep_for_change(ports, run, may_succeed=to is RunState.SUCCEEDED and event.told.get("counts", run.counts))
    decision = move(ports, run, event, principal.name)
    if is_success(decision.before) or is_success(decision.after):
        review_change(ports, decision.after)
    return decision


def _end_otherwise(ports: Ports, principal: Principal, run: Run, told: Told, outcome: Outcome) -> Run | None:
    """Report how a run ends, or correct how it ended; give nothing where it has moved since it was read."""
    to = _ENDS[outcome]
    if run.state.terminal:
        decision = _change(ports, principal, run, Corrected(to, told.get("message"), told))
        if not decision.applied:
            return None
        if not decision.after.settled:
            ports.machine.end_task(decision.after)
        return decision.after
    try:
        kept = {"message": run.message, **told}
        return report_run(ports, principal, run, to, message=kept["message"], told=kept)
    except IllegalTransitionError:
        current = ports.runs.get(run.org, run.job, run.run_id)
        if current is None or not current.state.terminal:
            raise
        return None
