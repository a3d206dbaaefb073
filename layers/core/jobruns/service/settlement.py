"""Use cases of the state machine: hand a run to its executor, and do all that follows from its end."""

from collections.abc import Sequence
from typing import Any

from jobruns.errors import CommitInProgressError, NotFoundError
from jobruns.lifecycle import Begun, Event, PhaseReached, committing
from jobruns.run import BookmarkOption, Run, RunState
from jobruns.service.bookmarks import conclude_bookmark
from jobruns.service.firing import observe_end
from jobruns.service.phases import follow_phases
from jobruns.service.ports import Ports
from jobruns.service.retention import settle_in_time
from jobruns.service.retries import retry_failed
from jobruns.service.starts import load_arguments, promote_waiting
from jobruns.service.sync_states import conclude_sync_state, hand_over_state, read_version
from jobruns.service.transitions import end, move

DISPATCH = "jobruns:dispatch"
SETTLE = "jobruns:settle"


def dispatch_run(ports: Ports, org: str, job: str, run_id: str, task_token: str | None) -> dict[str, Any]:
    """Mark a run RUNNING and hand it to its executor. May be repeated, each time with another token.

    Parameters
    ----------
    ports : Ports
        The outside.
    org, job, run_id : str
        Which run.
    task_token : str or None
        What ends the state machine's wait.

    Returns
    -------
    dict
        What the state machine needs to go on.

    Raises
    ------
    NotFoundError
        There is no such run.
    """
    run = ports.runs.get(org, job, run_id)
    if run is None:
        raise NotFoundError(f"no run {run_id} of the job {job!r}")
    state = read_version(ports, run)
    decision = move(ports, run, Begun(task_token, state.version if state else None), DISPATCH)
    if not decision.applied:
        # It ended, or was asked to stop, before its work began: nobody else knows this token.
        ports.machine.end_task(decision.after.model_copy(update={"task_token": task_token}))
        return {"begun": False}
    begun = decision.after
    if state is not None:
        hand_over_state(ports, begun, state)
    return {"begun": True, **ports.executors[begun.executor].begin(begun, load_arguments(ports, begun))}


def settle_run(
    ports: Ports, org: str, job: str, run_id: str, outcome: Event, phases: Sequence[PhaseReached] = ()
) -> Run | None:
    """End a run if it has not ended, and do all that follows. May be repeated.

    Parameters
    ----------
    ports : Ports
        The outside.
    org, job, run_id : str
        Which run.
    outcome : Event
        How the state machine saw the work end; what the ledger knows already goes before it.
    phases : sequence of PhaseReached
        How far the work had come before, in order; what the ledger knows already is left out.

    Returns
    -------
    Run or None
        As it ended; ``None`` when it was deleted since, and so settled before that.

    Raises
    ------
    NotFoundError
        There has never been such a run.
    CommitInProgressError
        The run's commit has yet to decide; ask again.
    """
    run = ports.runs.get(org, job, run_id)
    if run is None:
        if ports.runs.events(org, run_id, limit=1):
            return None
        raise NotFoundError(f"no run {run_id} of the job {job!r}")
    if not run.state.terminal:
        run = follow_phases(ports, run, phases, SETTLE)
        run = conclude_run(ports, run, outcome, SETTLE)
    finish_run(ports, run, SETTLE)
    return run


def conclude_run(ports: Ports, run: Run, outcome: Event, actor: str) -> Run:
    """Move an unfinished run to its end.

    Raises
    ------
    CommitInProgressError
        Its commit has yet to decide, and has been asked to.
    """
    after = end(ports, run, outcome, actor).after
    if committing(after):
        ports.executors[after.executor].resolve(after)
        raise CommitInProgressError(f"the run {run.run_id} is committing")
    return after


def finish_run(ports: Ports, run: Run, actor: str) -> None:
    """Do what follows from the end of a run: clear away, remember, retry, let the next one in, fire what waited for it.

    May be repeated.
    """
    if run.settled or not run.state.terminal:
        return
    executor = ports.executors[run.executor]
    if run.bookmark_option is BookmarkOption.ENABLE:
        # Before anything that starts another run, which would read the bookmark.
        conclude_bookmark(ports, run)
    conclude_sync_state(ports, run)
    if run.state is not RunState.SUCCEEDED:
        executor.stop(run)
    executor.settle(run)
    retry = retry_failed(ports, run, actor)
    if run.limited:
        promote_waiting(ports, run.org, run.job, actor)
    if retry is None:
        observe_end(ports, run)
    settle_in_time(ports, run)
