"""Use cases that find runs by where their files lie, and by what they are called there."""

from jobruns.access import Permission, Principal
from jobruns.errors import NotFoundError
from jobruns.run import Run, RunRoot
from jobruns.service.ports import Ports

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
