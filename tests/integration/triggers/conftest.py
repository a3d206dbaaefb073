"""Jobs and triggers over the emulated ledger, and runs brought to their end in one step."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from jobruns.access import Principal
from jobruns.lifecycle import TimedOut
from jobruns.run import Run, RunState
from jobruns.service.definitions import define_job
from jobruns.service.firing import fire_scheduled
from jobruns.service.lookups import find_run, list_job_runs
from jobruns.service.ports import Ports
from jobruns.service.reports import report_run
from jobruns.service.settlement import dispatch_run, settle_run
from jobruns.service.triggers import define_trigger
from jobruns.trigger import Trigger
from tests.integration.doubles import Clock
from tests.unit.core.runs import NOW

DAILY = "cron(0 3 * * ? *)"


@dataclass
class Site:
    """An org with jobs and triggers."""

    ports: Ports
    admin: Principal
    clock: Clock
    due: datetime = field(default=NOW)

    def jobs(self, *names: str, **fields: Any) -> None:
        for name in names:
            define_job(self.ports, self.admin, name=name, door="test", replace=True, **fields)

    def scheduled(self, name: str, *jobs: str, **fields: Any) -> Trigger:
        return self.trigger(name, "SCHEDULED", *jobs, **{"schedule": DAILY, **fields})

    def conditional(self, name: str, wanted: list[tuple[str, str]], *jobs: str, **fields: Any) -> Trigger:
        conditions = [{"job": job, "state": state} for job, state in wanted]
        predicate = {"logical": fields.pop("logical", "AND"), "conditions": conditions}
        return self.trigger(name, "CONDITIONAL", *jobs, **{"predicate": predicate, **fields})

    def trigger(self, name: str, type_: str, *jobs: str, **fields: Any) -> Trigger:
        given = {
            "actions": [{"job": job} for job in jobs],
            "start_on_creation": type_ != "ON_DEMAND",
            "door": "test",
            **fields,
        }
        return define_trigger(self.ports, self.admin, name=name, type=type_, **given)

    def fire(self, trigger: Trigger) -> list[Run]:
        """Let a scheduled trigger's next time come."""
        self.clock.sleep(60)
        self.due = self.clock.now
        return self.fire_again(trigger)

    def fire_again(self, trigger: Trigger) -> list[Run]:
        return fire_scheduled(self.ports, trigger.org, trigger.name, str(trigger.activation_id), self.due)

    def end(self, run: Run, state: str = "SUCCEEDED") -> Run:
        """Have a run's work done, and settle it."""
        self.report(run, state)
        return self.settle(run)

    def report(self, run: Run, state: str = "SUCCEEDED") -> None:
        dispatch_run(self.ports, run.org, run.job, run.run_id, "token")
        report_run(self.ports, self.admin, find_run(self.ports, self.admin, run.run_id), RunState(state))

    def settle(self, run: Run) -> Run:
        settle_run(self.ports, run.org, run.job, run.run_id, TimedOut("late"))
        return find_run(self.ports, self.admin, run.run_id)

    def runs(self, job: str) -> list[Run]:
        """All runs of a job, oldest first."""
        return list_job_runs(self.ports, self.admin, job).runs[::-1]

    def told_of(self, job: str) -> list[tuple[str, list[str]]]:
        """The triggers that started a job's runs, each with the jobs of the predecessors."""
        return [(str(run.trigger_name), [entry.job for entry in run.predecessors]) for run in self.runs(job)]


@pytest.fixture
def site(ports: Ports, admin: Principal, clock: Clock) -> Site:
    return Site(ports, admin, clock)
