"""Use case: stop a run, within a bounded time, whatever its worker does."""

from jobruns.access import Permission, Principal
from jobruns.errors import IllegalTransitionError
from jobruns.lifecycle import Stopped, StopRequested
from jobruns.run import Executor, Run, RunState
from jobruns.service.ports import Ports
from jobruns.service.settlement import finish_run
from jobruns.service.transitions import move

AWAITED = frozenset(
    {
        Executor.LAMBDA,
        Executor.PYTHON_SCRIPT,
        Executor.SPARK,
        Executor.SINGER,
        Executor.NOOP,
        Executor.OPERATION,
    }
)
"""Executors whose work the state machine itself waits for, instead of being told of its end."""

UNATTENDED = AWAITED - {Executor.SINGER}
"""Those of them whose execution is stopped with the run, and with it what would settle that. A sync is waited for: what
it has written by then is known when its programs are gone, and the next one must not begin before."""


def stop_run(ports: Ports, principal: Principal, run: Run, message: str | None = None) -> Run:
    """Ask a run to stop.

    An external worker that sends heartbeats is given one heartbeat's time to notice and to report; the state machine's
    own heartbeat limit ends the wait, as no beat is passed on any more. Everything else is stopped at once.

    Returns
    -------
    Run
        STOPPING, or STOPPED where nothing had to be waited for. A run that is STOPPING already is returned as it is.

    Raises
    ------
    IllegalTransitionError
        The run has ended, or it is committing and will have ended in a moment.
    """
    principal.require(Permission.STOP)
    patient = run.executor is Executor.EXTERNAL and run.heartbeat_seconds is not None
    grace_seconds = (run.heartbeat_seconds or 0) if patient else 0
    decision = move(ports, run, StopRequested(grace_seconds, message or f"stopped by {principal.name}"), principal.name)
    after = decision.after
    if not decision.applied and after.state is not RunState.STOPPING:
        raise IllegalTransitionError(f"the run cannot be stopped: {decision.reason}")
    ports.executors[after.executor].stop(after)
    began = decision.before.state in (RunState.RUNNING, RunState.STARTING) or not decision.applied
    if not began or after.executor in UNATTENDED:
        # Nothing waits for this run that could settle it: it has no execution yet, or one that waits for the work.
        ports.machine.abandon(after)
        after = move(ports, after, Stopped(), principal.name).after
        finish_run(ports, after, principal.name)
    elif not (patient and after.task_token):
        ports.machine.end_task(after)
    return after
