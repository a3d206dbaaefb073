"""A whole stack over an emulated AWS, whose state machine and functions for operations are played here."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3
import pytest

from jobruns.access import Principal, Role
from jobruns.bootstrap import forget_wiring, load_ports
from jobruns.operation import TableQuery, WriteAction
from jobruns.run import Run
from jobruns.service.operations import OperationRequest, load_inline
from jobruns.service.ports import Ports
from jobruns.service.records import search_records
from jobruns.service.settlement import dispatch_run, settle_run
from jobruns.service.tables import define_project, define_table
from jobruns.table import Table
from jobruns_data.aws import forget_clients
from lifecycle.outcomes import read_outcome
from tests.integration.doubles import LambdaTime
from tests.integration.ledger_table import TABLE, make_ledger_table

ORG = "0192f0c1-2222-7aaa-8aaa-000000000001"
LANDING, LAKE, WORK = "stack-landing", "stack-lake", "stack-work"
MACHINE = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
REQUEST = OperationRequest(door="test")


@cache
def client(service: str) -> Any:
    make: Any = boto3.client
    return make(service)


@dataclass
class Functions:
    """Stands for Lambda, which moto runs in Docker: what is waited for is called at once, the rest is noted."""

    told: list[dict[str, Any]] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)

    def invoke(self, *, FunctionName: str, Payload: bytes, InvocationType: str = "RequestResponse") -> dict[str, Any]:  # noqa: N803 - boto3's
        event = json.loads(Payload)
        if self.errors:
            raise self.errors.pop(0)
        if InvocationType == "Event":
            self.told.append({"function": FunctionName, **event})
            return {"StatusCode": 202}
        assert FunctionName == "operations"
        if self.answers:
            answer = self.answers.pop(0)
            return {**answer, "Payload": io.BytesIO(json.dumps(answer["Payload"]).encode())}
        return {"Payload": io.BytesIO(json.dumps(call("run", event)).encode())}


def call(module: str, event: dict[str, Any]) -> dict[str, Any]:
    """Call one of the two functions."""
    from operations import handed_over, run

    context: Any = LambdaTime()
    answer: dict[str, Any] = {"run": run, "handed_over": handed_over}[module].handler(event, context)
    return answer


@dataclass
class Stack:
    """Makes tables with a key, starts operations, and plays the state machine."""

    ports: Ports
    admin: Principal
    functions: Functions

    def table(self, name: str = "dogs", key: str | None = "id") -> Table:
        project = define_project(self.ports, self.admin, f"project-{name}")
        return define_table(self.ports, self.admin, project, name, key=key, door="test")

    def load(self, table: Table, content: bytes, action: WriteAction = WriteAction.UPSERT) -> Run:
        """Start a load and have it begun."""
        return self.begin(load_inline(self.ports, self.admin, table, action, content, REQUEST))

    def begin(self, run: Run) -> Run:
        dispatch_run(self.ports, run.org, run.job, run.run_id, None)
        return self.read(run)

    def read(self, run: Run) -> Run:
        found = self.ports.runs.get(run.org, run.job, run.run_id)
        assert found is not None
        return found

    def event(self, run: Run, action: str = "run") -> dict[str, Any]:
        return {"action": action, "org": run.org, "job": run.job, "run_id": run.run_id}

    def operate(self, run: Run, action: str = "run") -> Run:
        """Have the function called by the machine, or by whoever resolves and discards."""
        call("run", self.event(run, action))
        return self.read(run)

    def settle(self, run: Run) -> Run | None:
        outcome = read_outcome({"result": {"state": "RUNNING"}, **self.event(run)})
        return settle_run(self.ports, run.org, run.job, run.run_id, outcome)

    def rows(self, table: Table) -> list[dict[str, Any]]:
        query = TableQuery()
        found = search_records(self.ports, self.admin, table, query)
        return [{name: value for name, value in row.items() if not name.startswith("__")} for row in found]

    def data_files(self, table: Table) -> list[str]:
        pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=LAKE, Prefix=f"{table.location}/data/")
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


@pytest.fixture
def stack(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    make_ledger_table()
    for bucket in (LANDING, LAKE, WORK):
        client("s3").create_bucket(Bucket=bucket)
    role = "arn:aws:iam::123456789012:role/states"
    machine = client("stepfunctions").create_state_machine(name="run-lifecycle", definition=MACHINE, roleArn=role)
    environment = {
        "LEDGER_TABLE": TABLE,
        "LANDING_BUCKET": LANDING,
        "LAKE_BUCKET": LAKE,
        "WORK_BUCKET": WORK,
        "LIFECYCLE_ARN": machine["stateMachineArn"],
        "OPERATIONS_FUNCTION": "operations",
        "HANDED_OVER_FUNCTION": "handed-over",
        "TABLES_FUNCTION": "tables",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forget_wiring()
    forget_clients()
    functions = Functions()
    for name in ("waiting_functions", "functions"):
        monkeypatch.setattr(f"jobruns.aws.clients.{name}", cache(lambda: functions))
    yield Stack(load_ports(), Principal(org=ORG, name="key", role=Role.ADMIN), functions)
    forget_wiring()
    forget_clients()
