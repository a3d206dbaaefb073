"""Many clients start runs of one job at once: never are there more runs than the job may have."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import Any

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_glue import GlueClient

from jobruns.access import Principal
from jobruns.ids import read_job_run_id
from jobruns.service.lookups import list_events
from jobruns.service.ports import Ports
from local.runner import Runner
from tests.e2e.glue_clients import LIVE, connect
from tests.e2e.ledger import wait_for


@pytest.fixture(scope="module")
def crowd(runner: Runner) -> GlueClient:
    """A client for any number of threads.

    A gateway waits half a minute for a free process of the door and then answers 503, which clients try again; on a
    slow machine that happens to the last of a crowd. The door itself must have no fault.
    """
    runner.wait_warm()
    retries = {"total_max_attempts": 5, "mode": "standard"}
    client = connect(runner, max_pool_connections=200, read_timeout=120, retries=retries)

    def check(response_dict: dict[str, Any], **_: Any) -> None:
        assert response_dict["status_code"] in {200, 400, 503}, response_dict

    client.meta.events.register("before-parse.glue", check)
    return client


def start_all(glue: GlueClient, job: str, count: int) -> list[str]:
    """Start as many runs at once; the ids of those that were, and the names of the exceptions of the others."""
    ready = threading.Barrier(count)

    def start(_: int) -> str:
        ready.wait()
        try:
            return glue.start_job_run(JobName=job)["JobRunId"]
        except ClientError as error:
            return error.response["Error"]["Code"]

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(start, range(count)))


@pytest.mark.parametrize(("starts", "limit"), [(200, 20)])
def test_of_many_starts_at_once_so_many_succeed_as_there_are_slots(crowd: GlueClient, starts: int, limit: int) -> None:
    crowd.create_job(
        Name="crowded", Role="r", Command={"Name": "external"}, ExecutionProperty={"MaxConcurrentRuns": limit}
    )
    answers = start_all(crowd, "crowded", starts)
    ids = [answer for answer in answers if answer.startswith("jr_")]
    refused = Counter(answer for answer in answers if not answer.startswith("jr_"))
    assert refused == {"ConcurrentRunsExceededException": starts - limit}
    assert len(set(ids)) == limit
    listed = crowd.get_job_runs(JobName="crowded", MaxResults=200)["JobRuns"]
    assert {run["Id"] for run in listed} == set(ids)
    assert {run["JobRunState"] for run in listed} <= {"STARTING", "RUNNING"}

    stopped = crowd.batch_stop_job_run(JobName="crowded", JobRunIds=ids)
    assert {entry["JobRunId"] for entry in stopped["SuccessfulSubmissions"]} == set(ids)
    ended = wait_for(lambda: all_in(crowd, "crowded", {"STOPPED"}), 60, every_seconds=0.2)
    assert len(ended) == limit
    # Each slot is free again.
    again = start_all(crowd, "crowded", limit)
    assert all(answer.startswith("jr_") for answer in again), again
    crowd.batch_stop_job_run(JobName="crowded", JobRunIds=again)


@pytest.mark.slow  # a minute; tests/integration/ledger/test_starts.py has fifty without functions
@pytest.mark.parametrize(("starts", "limit"), [(200, 20)])
def test_of_many_starts_that_queue_all_succeed_and_never_too_many_go_at_once(
    crowd: GlueClient, ports: Ports, admin: Principal, runner: Runner, starts: int, limit: int
) -> None:
    job = f"queued-{starts}"
    crowd.create_job(
        Name=job,
        Role="r",
        Command={"Name": "noop"},
        ExecutionProperty={"MaxConcurrentRuns": limit},
        JobRunQueuingEnabled=True,
    )
    with sampling(runner, job) as samples:
        answers = start_all(crowd, job, starts)
        assert all(answer.startswith("jr_") for answer in answers), Counter(answers)
        ended = wait_for(lambda: all_in(crowd, job, {"SUCCEEDED"}), 240, every_seconds=1)
    assert {run["Id"] for run in ended} == set(answers)
    assert len(ended) == starts

    assert len(samples.live) > 20
    assert max(samples.live) == limit  # neither more, nor so few that nothing was seen of the limit
    assert max(samples.waiting) > 0
    assert most_at_once(ports, admin, [run["Id"] for run in ended]) <= limit


def all_in(glue: GlueClient, job: str, states: set[str]) -> list[Any] | None:
    """Give a job's runs once each is in one of some states."""
    runs = glue.get_paginator("get_job_runs").paginate(JobName=job, PaginationConfig={"PageSize": 200})
    found = runs.build_full_result()["JobRuns"]
    return found if {run["JobRunState"] for run in found} <= states else None


@dataclass
class Samples:
    """How many of a job's runs were going, and waiting, each time somebody looked."""

    live: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)


@contextmanager
def sampling(runner: Runner, job: str) -> Iterator[Samples]:
    """Look at the states of a job's runs all the while, each time at all of them at one moment.

    One query reads them, which the emulated ledger answers between two transactions, never amid one.
    """
    samples, over = Samples(), threading.Event()
    query = {
        "TableName": runner.env["LEDGER_TABLE"],
        "KeyConditionExpression": "pk = :job AND begins_with(sk, :run)",
        "ExpressionAttributeNames": {"#state": "state"},
        "ExpressionAttributeValues": {
            ":job": {"S": f"ORG#{runner.env['JOBRUNS_ORG']}#JOB#{job}"},
            ":run": {"S": "RUN#"},
        },
        "ProjectionExpression": "#state",
        "ConsistentRead": True,
    }

    def look() -> None:
        while not over.wait(0.1):
            page = runner.client("dynamodb").query(**query)
            assert "LastEvaluatedKey" not in page
            states = Counter(item["state"]["S"] for item in page["Items"])
            samples.live.append(sum(states[state] for state in LIVE))
            samples.waiting.append(states["WAITING"])

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        try:
            yield samples
        finally:
            over.set()
            looking.result()


def most_at_once(ports: Ports, admin: Principal, job_run_ids: list[str]) -> int:
    """Tell from the history of runs how many were surely going at some moment.

    An event is dated before it is written. So a run surely goes from the date of what happened after it had got its
    slot, which is that it began, until the date of its end.
    """
    changes: list[tuple[datetime, int]] = []
    for job_run_id in job_run_ids:
        events = [event for event in list_events(ports, admin, read_job_run_id(job_run_id)[0]) if event.applied]
        began = min(event.at for event in events if event.kind == "Begun")
        (ended,) = (event.at for event in events if event.state.terminal)
        changes += [(began, 1), (ended, -1)]
    # At the same date an end counts before a beginning.
    return max(accumulate(change for _, change in sorted(changes)))
