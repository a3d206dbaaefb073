"""A process killed at any AWS call it makes leaves nothing unfinished and nothing done twice."""

import itertools
from collections.abc import Iterator

import pytest

from jobruns.access import Principal
from jobruns.run import RunState
from jobruns.service.lookups import find_run, list_events, list_job_runs
from jobruns.service.ports import Ports
from jobruns.service.reports import report_run
from local.runner import Runner
from tests.e2e.ledger import admin_of, open_ports, start, wait_until
from tests.e2e.walk import kills, strike


@pytest.fixture(scope="module")
def ports(runner: Runner) -> Iterator[Ports]:
    with open_ports(runner) as wired:
        yield wired


@pytest.fixture(scope="module")
def admin(runner: Runner) -> Principal:
    return admin_of(runner)


STRIDES = [5, pytest.param(1, marks=pytest.mark.slow)]
"""Every fifth kill in make test, every one in make test-slow."""


@pytest.mark.parametrize("stride", STRIDES)
def test_a_run_survives_the_death_of_dispatch_and_settle_at_any_call(
    runner: Runner, ports: Ports, admin: Principal, stride: int
) -> None:
    """The run fails and is retried once, so that settling has the most to do; the retry succeeds."""
    names = (f"faults.external.{stride}.{number}" for number in itertools.count())

    def fail_then_succeed() -> None:
        job = next(names)
        first = start(ports, admin, job, max_retries=1, max_concurrent_runs=1)
        wait_until(ports, admin, first, RunState.RUNNING)
        report_run(ports, admin, find_run(ports, admin, first.run_id), RunState.FAILED, message="disk full")
        wait_until(ports, admin, first, RunState.FAILED)
        retry, failed = list_job_runs(ports, admin, job).runs
        assert (failed.run_id, retry.attempt) == (first.run_id, 2)
        wait_until(ports, admin, retry, RunState.RUNNING)
        report_run(ports, admin, find_run(ports, admin, retry.run_id), RunState.SUCCEEDED)
        wait_until(ports, admin, retry, RunState.SUCCEEDED)
        for run in (first, retry):
            applied = [event.kind for event in list_events(ports, admin, run.run_id) if event.applied]
            assert applied[0] == "Submitted"
            assert set(applied[1:-1]) == {"Begun"}  # more than once where the dispatcher was tried again

    walk = kills(runner, ["DispatchFunction", "SettleFunction"], fail_then_succeed)
    assert len(walk) > 20
    struck = [kill for kill, hit in strike(runner, walk[::stride], fail_then_succeed) if hit]
    assert len(struck) == len(walk[::stride])
