"""Calls the door's handler with events of API Gateway, over an emulated ledger that a whole module shares.

Each test has an org of its own there. The fixtures are imported by the modules that use them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from moto import mock_aws

from jobruns.access import AccessKey, Principal, Role, key_token
from jobruns.authentication import Authenticator
from jobruns.run import Executor, Run
from jobruns.service.definitions import define_job
from jobruns.service.ports import Ports
from jobruns.service.settlement import dispatch_run
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.views import find_numbered_run
from jobruns.settings import load_settings
from jobruns.store import Store
from local.emulator import dynamodb
from pgrest import admission
from pgrest.app import handler
from tests.integration.doubles import Clock, RecordingMachine, make_ports
from tests.integration.gateway import Context, make_event
from tests.integration.ledger_table import TABLE, make_ledger_table

MASTER = "a master secret of the tests"
REPRESENTATION = {"prefer": "return=representation"}
PLACES = {"source": "s", "destination": "d"}

_orgs = count(1)


def http_event(verb: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
    """Make the event of a request."""
    return make_event("/postgrest/{proxy+}", verb, target, body, headers or {})


@dataclass(frozen=True)
class Answer:
    """An answer as a client sees it."""

    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def code(self) -> str | None:
        """The error's code, of which header and body say the same."""
        told = self.headers.get("Proxy-Status", "").rpartition("=")[2] or None
        if self.text and self.status >= 400:
            assert set(self.json) == {"code", "message", "details", "hint"}
            assert self.json["code"] == told
        return told


def call(event: Any) -> Answer:
    """Serve one event."""
    raw = handler(event, Context("postgrest"))  # type: ignore[arg-type]
    assert raw["isBase64Encoded"] is False
    return Answer(raw["statusCode"], raw["body"], raw["headers"])


@dataclass
class Door:
    """Calls the door with one key."""

    token: str
    principal: Principal
    ports: Ports
    prefix: str = "/postgrest"

    def __call__(self, verb: str, target: str, rows: Any = None, **headers: str) -> Answer:
        """Send a request, with rows as JSON if there are any; an underscore in a header's name is a dash."""
        body = rows if isinstance(rows, bytes | None) else json.dumps(rows).encode()
        typed = {"content-type": "application/json"} if body else {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        auth = {"authorization": f"Bearer {self.token}"}
        return call(http_event(verb, self.prefix + target, body, {**typed, **auth, **named}))

    def add(self, *rows: dict[str, Any], **headers: str) -> list[dict[str, Any]]:
        """Insert rows, and give them as they are then."""
        sent = [{"source": "s", "destination": "d", **row} for row in rows]
        columns = ",".join({name: None for row in sent for name in row})
        answer = self(
            "POST", f"/jobs?columns={columns}", sent, prefer="missing=default,return=representation", **headers
        )
        assert answer.status == 201, answer.text
        added: list[dict[str, Any]] = answer.json
        return added

    def rows(self, query: str = "order=id", **headers: str) -> Any:
        """Read rows."""
        answer = self("GET", f"/jobs?{query}", **headers)
        assert answer.status in (200, 206), answer.text
        return answer.json

    def run(self, number: int) -> Run:
        """Read the run behind a row."""
        return find_numbered_run(self.ports, self.principal, number)


@dataclass
class Cloud:
    """The ledger of a module, and what stands for the rest of AWS."""

    store: Store
    clock: Clock
    ports: Ports
    machine: RecordingMachine = field(default_factory=RecordingMachine)

    def open(self, role: Role = Role.ADMIN, org: str | None = None) -> Door:
        """Make a key of a role, in a new org or in one that is there."""
        org = org or f"org{next(_orgs)}"
        key_id = f"JRAK{role.upper()}{org.upper()}"
        self.store.access_keys.add(AccessKey(key_id=key_id, org=org, role=role, created_at=self.clock()))
        return Door(key_token(MASTER, key_id), Principal(org=org, name=key_id, role=role), self.ports)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """A ledger with its door, for a whole module."""
    dynamodb.apply()
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        make_ledger_table()
        clock, machine = Clock(), RecordingMachine()
        store = Store(TABLE, pause=lambda seconds: None)
        ports = make_ports(store, clock, machine)
        authenticator = Authenticator(store.access_keys, lambda: MASTER, clock)
        patch.setattr(admission, "load_authenticator", lambda: authenticator)
        patch.setattr(admission, "load_ports", lambda: ports)
        patch.setenv("LEDGER_TABLE", TABLE)
        load_settings.cache_clear()
        yield Cloud(store, clock, ports, machine)
        load_settings.cache_clear()


@pytest.fixture
def door(cloud: Cloud) -> Door:
    """The door of an org that has nothing yet."""
    return cloud.open()


def ago(hours: float) -> str:
    """Write a time before noon of the day the clock is set to."""
    return (datetime(2026, 11, 21, 12, tzinfo=UTC) - timedelta(hours=hours)).isoformat()


def ended(hours: float, name: str = "etl", status: str = "success", **rest: Any) -> dict[str, Any]:
    """Make a row of a run that ended so many hours ago, and took one."""
    return {"name": name, "status": status, "start_date": ago(hours + 1), "end_date": ago(hours), **rest}


def started(door: Door, name: str, executor: Executor = Executor.LAMBDA) -> int:
    """Start a run of a job that is not told by workers outside, and give its number."""
    target = {"target": "arn:aws:lambda:us-east-1:123456789012:function:work"}
    define_job(door.ports, door.principal, name=name, executor=executor, door="hydrolix", **target)
    run = start_run(door.ports, door.principal, StartRequest(name, "hydrolix"))
    dispatch_run(door.ports, run.org, run.job, run.run_id, "token")
    number = door.ports.runs.get(run.org, run.job, run.run_id).number  # type: ignore[union-attr]
    assert number is not None
    return number


def refused(answer: Answer, status: int, code: str) -> Answer:
    assert (answer.status, answer.code) == (status, code), answer.text
    return answer
