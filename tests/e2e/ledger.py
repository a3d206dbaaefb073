"""The ledger of a runner, used from the test's own process as the command line uses it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from jobruns import bootstrap
from jobruns.access import Principal, Role
from jobruns.run import Run, RunState
from jobruns.service.definitions import define_job
from jobruns.service.lookups import find_run
from jobruns.service.ports import Ports
from jobruns.service.starts import StartRequest, start_run
from jobruns_data.aws import forget_clients
from local.runner import Runner

POLL_SECONDS = 0.02


@contextmanager
def open_ports(runner: Runner, **more: str) -> Iterator[Ports]:
    """Wire the use cases to a runner's emulated AWS, with variables that no function of its template is told."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (runner.env | more).items():
            patch.setenv(name, value)
        patch.delenv("AWS_SESSION_TOKEN", raising=False)
        _forget_clients()
        yield bootstrap.load_ports()
        _forget_clients()


def _forget_clients() -> None:
    bootstrap.forget_wiring()
    forget_clients()


def admin_of(runner: Runner) -> Principal:
    """Give the runner's admin."""
    return Principal(org=runner.env["JOBRUNS_ORG"], name=runner.env["JOBRUNS_KEY_ID"], role=Role.ADMIN)


def start(ports: Ports, principal: Principal, job: str, **fields: Any) -> Run:
    """Define a job, or define it anew, and start a run of it."""
    define_job(ports, principal, name=job, door="test", replace=True, **fields)
    return start_run(ports, principal, StartRequest(job=job, door="test"))


def wait_for(look: Callable[[], Any], seconds: float = 20.0, *, every_seconds: float = POLL_SECONDS) -> Any:
    """Look until there is something true to see.

    Raises
    ------
    TimeoutError
        There was not, in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        seen = look()
        if seen:
            return seen
        time.sleep(every_seconds)
    raise TimeoutError(f"nothing true was seen within {seconds} s")


def wait_until(ports: Ports, principal: Principal, run: Run, *states: RunState, seconds: float = 20.0) -> Run:
    """Wait until a run is in one of some states, and settled where it has ended."""

    def look() -> Run | None:
        now = find_run(ports, principal, run.run_id, job=run.job)
        return now if now.state in states and (now.settled or not now.state.terminal) else None

    seen: Run = wait_for(look, seconds)
    return seen
