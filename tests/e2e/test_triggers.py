"""A chain of jobs that a schedule begins, as the whole service runs it."""

import uuid
from itertools import pairwise

from jobruns.access import Principal
from jobruns.run import Run, RunState
from jobruns.service.activation import activate_trigger, deactivate_trigger
from jobruns.service.definitions import define_job
from jobruns.service.lookups import list_job_runs
from jobruns.service.ports import Ports
from jobruns.service.triggers import define_trigger
from local.runner import Runner
from tests.e2e.ledger import wait_for

DAY_SECONDS = 86_400


def test_a_schedule_begins_a_chain_and_a_stopped_one_does_not(runner: Runner, ports: Ports, admin: Principal) -> None:
    chain = [f"{uuid.uuid4().hex}-{number}" for number in range(3)]
    nightly = f"{chain[0]}-nightly"
    for job in chain:
        define_job(ports, admin, name=job, door="test", executor="noop")
    for before, after in pairwise(chain):
        predicate = {"conditions": [{"job": before, "state": "SUCCEEDED"}]}
        _define(ports, admin, after, "CONDITIONAL", after, predicate=predicate)
    _define(ports, admin, nightly, "SCHEDULED", chain[0], schedule="cron(0 3 * * ? *)")

    runner.schedules.advance(DAY_SECONDS)
    first, second, third = (wait_for(lambda job=job: _ended(ports, admin, job)) for job in chain)
    assert [run.trigger_name for run in (first, second, third)] == [nightly, *chain[1:]]
    assert [[entry.run_id for entry in run.predecessors] for run in (first, second, third)] == [
        [],
        [first.run_id],
        [second.run_id],
    ]

    deactivate_trigger(ports, admin, nightly)
    runner.schedules.advance(DAY_SECONDS)
    activate_trigger(ports, admin, nightly)
    runner.schedules.advance(DAY_SECONDS)
    wait_for(lambda: len(list_job_runs(ports, admin, chain[0]).runs) > 1)
    wait_for(lambda: _ended(ports, admin, chain[2], besides=third))
    assert [len(list_job_runs(ports, admin, job).runs) for job in chain] == [2, 2, 2]
    deactivate_trigger(ports, admin, nightly)


def _define(ports: Ports, admin: Principal, name: str, type_: str, job: str, **fields: object) -> None:
    actions = [{"job": job}]
    define_trigger(ports, admin, name=name, type=type_, actions=actions, start_on_creation=True, door="test", **fields)


def _ended(ports: Ports, admin: Principal, job: str, besides: Run | None = None) -> Run | None:
    found = [run for run in list_job_runs(ports, admin, job).runs if besides is None or run.run_id != besides.run_id]
    return next((run for run in found if run.state is RunState.SUCCEEDED and run.settled), None)
