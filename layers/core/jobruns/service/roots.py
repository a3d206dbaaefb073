"""Use cases of where the files of runs lie: find runs by that and by what they are called there, and place new ones."""

from jobruns.access import Permission, Principal
from jobruns.errors import NotFoundError
from jobruns.job import Job
from jobruns.run import Run, RunRoot, SyncStateUse
from jobruns.service.ports import Ports
from jobruns.service.sync_states import has_sync_state

MAX_NAMED = 100
"""Runs of one name in one scope; names are meant to be told apart, and only happen to be the same."""


def find_rooted(ports: Ports, principal: Principal, root: RunRoot) -> Run:
    """Read the run that has its files in a place, consistently: two reads.

    Raises
    ------
    NotFoundError
        No run of the org has its files there.
    """
    principal.require(Permission.READ)
    run = ports.runs.rooted(principal.org, root)
    if run is None:
        raise NotFoundError(f"no run has its files in {root.path[:300]!r}", field="root")
    return run


def find_named(ports: Ports, principal: Principal, scope: str, name: str) -> list[Run]:
    """Read the runs of a scope that are called so, oldest first, consistently: one query and one batch."""
    principal.require(Permission.READ)
    found = ports.runs.named(principal.org, scope, name, MAX_NAMED)
    return sorted(found, key=lambda run: run.run_id)


def place_run(
    ports: Ports, job: Job, run_id: str, root: RunRoot | None, sync_state: SyncStateUse | None
) -> tuple[RunRoot | None, SyncStateUse | None]:
    """Say where the files of a new run lie, and which state it takes up.

    Parameters
    ----------
    ports : Ports
        The outside.
    job : Job
        The run's.
    run_id : str
        The run's.
    root, sync_state : RunRoot, SyncStateUse, optional
        What its start says. Where that says nothing of files, both are as the job has it, which costs a read if its
        runs take up a state.
    """
    if root is not None or job.run_folder is None:
        return root, sync_state
    if job.sync_state_key is None:
        return job.run_folder.root(run_id), None
    given = has_sync_state(ports, job.org, job.sync_state_key)
    return job.run_folder.root(run_id), SyncStateUse(key=job.sync_state_key, given=given)
