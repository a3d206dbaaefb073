"""A client of the door and what goes on behind it: work begins and ends as the state machine would have it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_glue import GlueClient

from jobruns.access import Principal, Role
from jobruns.ids import read_job_run_id
from jobruns.lifecycle import Event, Failed, Succeeded
from jobruns.run import Run
from jobruns.service.lookups import find_job_run
from jobruns.service.ports import Ports
from jobruns.service.settlement import dispatch_run, settle_run

JOB = "nightly"
WRITES = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"})


def refusal(call: Callable[..., Any], **members: Any) -> tuple[str, str]:
    """Give the name and the text of the exception that a call is answered with."""
    with pytest.raises(ClientError) as refused:
        call(**members)
    error = refused.value.response["Error"]
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error["Code"], error["Message"]


def written(counted: dict[str, int]) -> dict[str, int]:
    """Keep of counted requests those that write."""
    return {operation: count for operation, count in counted.items() if operation in WRITES}


@dataclass
class Site:
    """An org's side of the door.

    Parameters
    ----------
    client : GlueClient
        With an admin's key.
    ports : Ports
        What is behind the door.
    """

    client: GlueClient
    ports: Ports

    def job(self, name: str = JOB, **members: Any) -> str:
        """Define a job whose work is done elsewhere, and which runs as often as a test likes."""
        given: dict[str, Any] = {"Role": "r", "Command": {}, "ExecutionProperty": {"MaxConcurrentRuns": 100}}
        return self.client.create_job(Name=name, **{**given, **members})["Name"]

    def start(self, job: str = JOB, **members: Any) -> str:
        return self.client.start_job_run(JobName=job, **members)["JobRunId"]

    def run(self, run_id: str, job: str = JOB, **members: Any) -> dict[str, Any]:
        return dict(self.client.get_job_run(JobName=job, RunId=run_id, **members)["JobRun"])

    def runs(self, job: str = JOB) -> list[dict[str, Any]]:
        """All runs of a job, oldest first."""
        return [dict(run) for run in self.client.get_job_runs(JobName=job)["JobRuns"]][::-1]

    def state(self, run_id: str, job: str = JOB) -> str:
        return str(self.run(run_id, job)["JobRunState"])

    def stored(self, run_id: str, job: str = JOB) -> Run:
        return find_job_run(self.ports, Principal(org="acme", name="test", role=Role.ADMIN), job, run_id)

    def begin(self, run_id: str, job: str = JOB) -> None:
        """Have a run's work begun."""
        dispatch_run(self.ports, "acme", job, self.stored(run_id, job).run_id, "token")

    def end(self, run_id: str, outcome: Event | None = None, job: str = JOB) -> None:
        """Have a run's work ended, and the run settled."""
        settle_run(self.ports, "acme", job, self.stored(run_id, job).run_id, outcome or Succeeded())

    def work(self, run_id: str, outcome: Event | None = None, job: str = JOB) -> None:
        """Have a run's work done."""
        self.begin(run_id, job)
        self.end(run_id, outcome, job)

    def fail(self, run_id: str, message: str = "ValueError: no such day", job: str = JOB) -> None:
        self.work(run_id, Failed(message), job)


def plain_id(run_id: str) -> str:
    """The core's id of a run that is no automatic retry."""
    return read_job_run_id(run_id)[0]
