"""What a request may cost: reads, writes and executions, counted; and that no list's page costs more as it grows."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import botocore.client
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item

from jobruns.ids import derived_id, plain_job_run_id
from jobruns.lifecycle import Succeeded
from jobruns.run import RunState
from jobruns.store import keys
from jobruns.store.run_items import write_run
from tests.integration.doubles import Clock, RecordingMachine
from tests.integration.glue.client import REGION
from tests.integration.glue.site import JOB, Site, plain_id
from tests.integration.ledger_table import TABLE
from tests.unit.core.runs import make_run

Calls = Callable[[], dict[str, int]]


@dataclass(frozen=True)
class Read:
    """A query: how much was asked for, and how much DynamoDB went through."""

    limit: int
    scanned: int


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Read]:
    """The queries that are made."""
    made: list[Read] = []
    send = botocore.client.BaseClient._make_api_call

    def note(self: Any, operation: str, parameters: Any) -> Any:
        answer = send(self, operation, parameters)
        if operation == "Query":
            made.append(Read(parameters["Limit"], answer["ScannedCount"]))
        return answer

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", note)
    return made


def fill(count: int) -> list[str]:
    """Put that many ended runs of the job into the emulated table; give their ids, oldest first.

    They go past DynamoDB's API, and share what they have in common: by the API a hundred thousand take minutes.
    """
    table = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].get_table(TABLE)
    run = make_run(RunState.SUCCEEDED, org="acme", job=JOB, settled=True, arguments={"--day": "1"})
    common = Item(DynamoType({"S": keys.job_pk("acme", JOB)}), None, write_run(run, None).serialize())
    run_ids = []
    for number in range(count):
        run_id = derived_id(run.submitted_at + timedelta(milliseconds=number), "run")
        sort = DynamoType({"S": keys.run_sk(run_id)})
        item = Item(common.hash_key, sort, {})
        named = DynamoType({"S": run_id})
        item.attrs = {**common.attrs, "sk": sort, "run_id": named, "root_run_id": named}
        table.items[common.hash_key][sort] = item
        run_ids.append(plain_job_run_id(run_id))
    return run_ids


def move_token(token: str, run_id: str, to: str) -> str:
    text = base64.urlsafe_b64decode(token).decode()
    assert plain_id(run_id) in text
    return base64.urlsafe_b64encode(text.replace(plain_id(run_id), plain_id(to)).encode()).decode()


def test_reading_a_run_is_one_read(site: Site, calls: Calls) -> None:
    site.job(MaxRetries=1)
    run_id = site.start(Arguments={"--text": "x" * 3000})
    calls()
    site.run(run_id)
    assert calls() == {"GetItem": 1}
    site.run(run_id, PredecessorsIncluded=True)
    assert calls() == {"GetItem": 1}
    site.fail(run_id)
    calls()
    site.run(run_id)
    assert calls() == {"GetItem": 1}
    site.run(f"{run_id}_attempt_1")
    assert calls() == {"GetItem": 2}


def test_starting_a_run_is_one_read_one_transaction_and_one_execution(
    site: Site, calls: Calls, machine: RecordingMachine
) -> None:
    site.job(ExecutionProperty={"MaxConcurrentRuns": 5}, NonOverridableArguments={"--a": "b"})
    calls()
    first = site.start(Arguments={"--text": "x" * 3000}, WorkerType="G.1X")
    assert calls() == {"GetItem": 1, "TransactWriteItems": 1}
    assert len(machine.started) == 1
    site.start(JobRunId=first)
    assert calls() == {"GetItem": 2, "TransactWriteItems": 1}
    assert len(machine.started) == 2


def test_a_run_that_is_refused_costs_one_transaction_and_writes_nothing(
    site: Site, calls: Calls, machine: RecordingMachine
) -> None:
    site.job(ExecutionProperty={"MaxConcurrentRuns": 1})
    site.start()
    calls()
    with pytest.raises(site.client.exceptions.ConcurrentRunsExceededException):
        site.start()
    assert calls() == {"GetItem": 1, "TransactWriteItems": 1}
    assert (len(machine.started), len(site.runs())) == (1, 1)


def test_reading_by_name_is_one_read_and_a_page_is_one_query(site: Site, calls: Calls, clock: Clock) -> None:
    for name in ("a", "b", "c"):
        site.job(name)
        site.client.create_trigger(Name=name, Type="ON_DEMAND", Actions=[{"JobName": "a"}])
    client = site.client
    requests: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
        (client.get_job, {"JobName": "a"}, "GetItem"),
        (client.get_jobs, {}, "Query"),
        (client.get_jobs, {"MaxResults": 2}, "Query"),
        (client.list_jobs, {"Tags": {"a": "b"}}, "Query"),
        (client.batch_get_jobs, {"JobNames": ["a", "b", "x"]}, "BatchGetItem"),
        (client.get_trigger, {"Name": "a"}, "GetItem"),
        (client.get_triggers, {"DependentJobName": "a"}, "Query"),
        (client.list_triggers, {"MaxResults": 2}, "Query"),
        (client.batch_get_triggers, {"TriggerNames": ["a", "x"]}, "BatchGetItem"),
        (client.get_tags, {"ResourceArn": "arn:aws:glue:::job/a"}, "GetItem"),
        (client.get_tags, {"ResourceArn": "arn:aws:glue:::trigger/a"}, "GetItem"),
    ]
    calls()
    for call, members, cost in requests:
        call(**members)
        assert calls() == {cost: 1}, (call, members)


def test_a_page_of_a_hundred_thousand_runs_is_one_query_that_reads_the_page(
    site: Site, calls: Calls, reads: list[Read]
) -> None:
    count = 100_000
    site.job()
    run_ids = fill(count)[::-1]
    # A list's token says after which run it goes on; any of them can be had without walking there.
    first = site.client.get_job_runs(JobName=JOB, MaxResults=1)["NextToken"]
    tokens = {end: move_token(first, run_ids[0], run_ids[end - 1]) for end in (100, count // 2, count - 50)}
    for begin, size, length in ((0, 200, 200), (100, None, 100), (count // 2, 200, 200), (count - 50, 200, 50)):
        calls()
        reads.clear()
        asked: dict[str, Any] = {"MaxResults": size} if size else {}
        if begin:
            asked["NextToken"] = tokens[begin]
        page = site.client.get_job_runs(JobName=JOB, **asked)
        assert calls() == {"Query": 1}
        [read] = reads
        assert read.scanned <= read.limit == (size or 100) + 1
        assert [run["Id"] for run in page["JobRuns"]] == run_ids[begin : begin + length]
        assert ("NextToken" in page) == (begin + length < count)


def test_what_is_put_past_the_api_is_as_what_comes_through_it(site: Site) -> None:
    site.job()
    run_id = site.start(Arguments={"--day": "1"})
    site.work(run_id, Succeeded())
    [put] = fill(1)
    varying = {"Id", "StartedOn", "LastModifiedOn", "CompletedOn"}
    real, made = ({name: run[name] for name in run.keys() - varying} for run in (site.run(run_id), site.run(put)))
    assert made == {**real, "Timeout": 10}
