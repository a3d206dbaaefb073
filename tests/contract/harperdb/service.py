"""The door with everything behind it: its jobs are done by the functions for operations, in this process.

The fixture is imported by the modules that use it, each of which has it for itself. What is long to make is made once.
"""

import io
import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
import pytest
from moto import mock_aws

from hdb import admission
from ingest import tables
from jobruns.access import AccessKey, Principal, Role, key_secret
from jobruns.authentication import Authenticator
from jobruns.bootstrap import forget_wiring, load_ports
from jobruns.file_paths import file_key
from jobruns.passwords import Cost
from jobruns.service.lookups import find_run
from jobruns.service.people import PeoplePorts
from jobruns.service.settlement import dispatch_run
from jobruns.settings import load_settings
from jobruns.store import Store
from jobruns_data.aws import forget_clients
from tests.integration.doubles import LambdaTime
from tests.integration.hdb.door import MASTER, Door, basic
from tests.integration.ledger_table import TABLE, make_ledger_table
from tests.integration.operations.conftest import LAKE, LANDING, MACHINE, WORK, Functions, call

ORG = "acme"
CALLERS = "callers-own"
"""Bucket of the caller's."""

S3 = {"aws_access_key_id": "AKIACALLER", "aws_secret_access_key": "hidden", "bucket": CALLERS}
PASSWORD = "long enough"


class AllFunctions(Functions):
    """The function that drops tables too."""

    def invoke(self, *, FunctionName: str, Payload: bytes, InvocationType: str = "RequestResponse") -> dict[str, Any]:  # noqa: N803 - boto3's
        if FunctionName != "tables":
            return super().invoke(FunctionName=FunctionName, Payload=Payload, InvocationType=InvocationType)
        context: Any = LambdaTime()
        answer = tables.handler(json.loads(Payload), context)
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode())}


class Service(Door):
    """The door, and whoever does its jobs."""

    def __init__(self, functions: Functions) -> None:
        self.functions = functions
        self.clock = lambda: datetime.now(UTC)  # type: ignore[assignment]
        self.store = Store(TABLE)
        self.ports = load_ports()
        self.admin = self.key(Role.ADMIN)
        self.s3: Any = boto3.client("s3")
        self._numbers = itertools.count()

    def key(self, role: Role) -> str:
        """Make a key; gives the header that it is sent in."""
        key_id = f"JRAK{role.upper()}"
        self.store.access_keys.add(AccessKey(key_id=key_id, org=ORG, role=role, created_at=self.clock()))
        return basic(key_id, key_secret(MASTER, key_id))

    def user(self, **permission: Any) -> str:
        """Make a user with a role of its own; gives the header that it shows itself by."""
        name = f"user{next(self._numbers)}"
        self.do("add_role", role=name, permission={"super_user": False, **permission})
        self.do("add_user", role=name, username=name, password=PASSWORD, active=True)
        return basic(name, PASSWORD)

    def table(self, *records: dict[str, Any], key: str = "id") -> dict[str, str]:
        """Make a table with rows in it; gives it as requests name it."""
        target = {"schema": "dev", "table": f"t{next(self._numbers)}"}
        self.do("create_table", **target, hash_attribute=key)
        if records:
            self.do("insert", **target, records=list(records))
        return target

    def job(self, operation: str, **members: Any) -> dict[str, Any]:
        """Have a job done; gives it as it is when it has ended."""
        return self.end(self.do(operation, **members)["job_id"])

    def end(self, job_id: str) -> dict[str, Any]:
        """Do what the state machine and the function for the caller's credentials do; gives the job."""
        principal = Principal(org=ORG, name="test", role=Role.ADMIN)
        run = find_run(self.ports, principal, job_id)
        if not run.state.terminal:
            dispatch_run(self.ports, run.org, run.job, run.run_id, None)
            told = [event for event in self.functions.told if event.get("run_id") == job_id]
            event = {"action": "run", "org": run.org, "job": run.job, "run_id": run.run_id}
            call("handed_over", dict(told[0])) if told else call("run", event)
        (job,) = self.do("get_job", id=job_id)
        return dict(job)

    def load(self, target: dict[str, str], data: str, **members: Any) -> str:
        """Load CSV that comes with the request; gives the job's message."""
        job = self.job("csv_data_load", **target, data=data, **members)
        assert job["status"] == "COMPLETE", job
        return str(job["message"])

    def rows(self, target: dict[str, str], *, times: bool = False) -> list[dict[str, Any]]:
        """All rows of a table, without the two times where nobody asks for them."""
        found = self.do("search_by_value", **target, search_attribute="id", search_value="*", sort={"attribute": "id"})
        return [{name: value for name, value in row.items() if times or not name.startswith("__")} for row in found]

    def put(self, path: str, content: bytes) -> None:
        """Put a file among those of the org."""
        self.s3.put_object(Bucket=LANDING, Key=file_key(ORG, path), Body=content)

    def file(self, path: str) -> bytes:
        """Give a file of the org."""
        content: bytes = self.s3.get_object(Bucket=LANDING, Key=file_key(ORG, path))["Body"].read()
        return content

    def data_files(self) -> set[str]:
        """Names of everything that is in the lake."""
        return {entry["Key"] for entry in self.s3.list_objects_v2(Bucket=LAKE).get("Contents", [])}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        make_ledger_table()
        s3: Any = boto3.client("s3")
        for bucket in (LANDING, LAKE, WORK, CALLERS):
            s3.create_bucket(Bucket=bucket)
        states: Any = boto3.client("stepfunctions")
        role = "arn:aws:iam::123456789012:role/states"
        machine = states.create_state_machine(name="run-lifecycle", definition=MACHINE, roleArn=role)
        environment = {
            "LEDGER_TABLE": TABLE,
            "LANDING_BUCKET": LANDING,
            "LAKE_BUCKET": LAKE,
            "WORK_BUCKET": WORK,
            "LIFECYCLE_ARN": machine["stateMachineArn"],
            "OPERATIONS_FUNCTION": "operations",
            "HANDED_OVER_FUNCTION": "handed-over",
            "TABLES_FUNCTION": "tables",
            "LOADABLE_HOSTS": "127.0.0.1",
        }
        for name, value in environment.items():
            patch.setenv(name, value)
        forget_wiring()
        forget_clients()
        functions = AllFunctions()
        for name in ("waiting_functions", "functions"):
            patch.setattr(f"jobruns.aws.clients.{name}", cache(lambda: functions))
        patch.setattr("jobruns.passwords.COST", Cost(4, 1, 1))
        made = Service(functions)
        authenticator = Authenticator(made.store.access_keys, lambda: MASTER, made.clock, made.store.people)
        people = PeoplePorts(made.store.people, lambda: MASTER, made.clock)
        patch.setattr(admission, "load_authenticator", lambda: authenticator)
        patch.setattr(admission, "load_people_ports", lambda: people)
        made.do("create_schema", schema="dev")
        yield made
        forget_wiring()
        forget_clients()
        load_settings.cache_clear()
