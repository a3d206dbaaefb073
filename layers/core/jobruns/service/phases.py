"""Use cases of workers that go through phases: say how far one has come, and follow what one has noted of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from jobruns.access import Permission, Principal
from jobruns.lifecycle import PhaseReached
from jobruns.run import Run, RunState
from jobruns.service.ports import Ports
from jobruns.service.reports import MAX_MESSAGE_CHARACTERS
from jobruns.service.transitions import move


def reach_phase(
    ports: Ports,
    principal: Principal,
    run: Run,
    phase: str,
    rank: int,
    *,
    message: str | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> Run:
    """Say that a run has come to a phase. What is late or repeated changes nothing and is no error.

    Parameters
    ----------
    ports : Ports
        The outside.
    principal : Principal
        The caller; needs REPORT.
    run : Run
        As read.
    phase : str
        What the phase is called.
    rank : int
        Its place among the phases, from 1 on: a run never goes back to one before.
    message : str, optional
        What to tell people; cut after 4,096 characters.
    metrics : mapping, optional
        Figures of the work, kept on the run.

    Returns
    -------
    Run
        As it is now: a worker that reads STOPPING or an end stops its work.
    """
    principal.require(Permission.REPORT)
    text = message[:MAX_MESSAGE_CHARACTERS] if message else None
    after = move(ports, run, PhaseReached(phase, rank, text, metrics), principal.name).after
    if after.state is RunState.RUNNING:
        # Whoever says how far it has come is alive.
        ports.machine.beat(after)
    return after


def follow_phases(ports: Ports, run: Run, phases: Sequence[PhaseReached], actor: str) -> Run:
    """Say of each phase that a worker noted, in order, that the run has come to it, unless that is known. Repeatable.

    Parameters
    ----------
    ports : Ports
        The outside.
    run : Run
        As read.
    phases : sequence of PhaseReached
        By rank, the first ones too: nobody hears of a run that it skipped one.
    actor : str
        Who says so.
    """
    for phase in phases:
        if run.state in (RunState.STARTING, RunState.RUNNING) and phase.rank > run.phase_rank:
            run = move(ports, run, phase, actor).after
    return run
