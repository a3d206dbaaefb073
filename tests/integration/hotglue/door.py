"""Calls the door's handler with events of API Gateway, over an emulated ledger that a whole module shares.

Each test has an org of its own there. The fixtures are imported by the modules that use them.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import unquote

import botocore.client
import pytest
from moto import mock_aws

from hotglue import admission
from hotglue.app import handler
from jobruns.access import AccessKey, Principal, Role, key_token
from jobruns.authentication import Authenticator
from jobruns.run import Run
from jobruns.service.ports import Ports
from jobruns.service.settlement import dispatch_run
from jobruns.settings import load_settings
from jobruns.store import Store
from tests.integration.doubles import Clock, RecordingMachine, make_ports
from tests.integration.events.post_office import MemorySecrets, PostOffice
from tests.integration.gateway import Context, make_event
from tests.integration.ledger_table import TABLE, make_ledger_table

MASTER = "a master secret of the tests"
ENV = "stage.acorn.example"
FLOW = "Kp3vWm-aQ"
TENANT = "cust-881"
EXTERNAL = {"tap": {"name": "ledgerly"}, "target": {"name": "depot"}}
SINGER = {
    "runner": "singer",
    "tap": {"name": "ledgerly", "package": "tap-ledgerly==1.2.0", "config": {"api_key": "k-123", "site": "x"}},
    "target": {"name": "depot", "package": "target-depot", "executable": "target-depot"},
}
LINKED = {
    "version": 2,
    "target": {"name": "depot"},
    "connectors": {"crm": {"tap": {"name": "tap-crm"}, "target": {"name": "target-crm"}}, "mail": {}},
}

_orgs = count(1)


@dataclass(frozen=True)
class Answer:
    """An answer as a client sees it."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def kind(self) -> str:
        """The kind of error, which message and error tell alike."""
        assert self.body["message"] == self.body["error"]["message"]
        kind: str = self.body["error"]["type"]
        return kind

    @property
    def next_token(self) -> str | None:
        return self.headers.get("x-next-token")


def http_event(verb: str, target: str, body: bytes | None, headers: dict[str, str]) -> dict[str, Any]:
    """Make the event of a request; the gateway decodes the part of the path that it gives as a parameter."""
    event = make_event("/hotglue/{proxy+}", verb, target, body, headers)
    event["pathParameters"]["proxy"] = unquote(event["pathParameters"]["proxy"])
    return event


@dataclass
class Door:
    """Calls the door with one key, relative to a tenant of a flow."""

    token: str
    principal: Principal
    cloud: "Cloud"
    env_id: str = ENV
    flow_id: str = FLOW
    tenant: str = TENANT

    @property
    def ports(self) -> Ports:
        return self.cloud.ports

    @property
    def lane(self) -> str:
        return f"/{self.env_id}/{self.flow_id}/{self.tenant}"

    def send(self, verb: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request; an underscore in a header's name is a dash."""
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        typed = {"content-type": "application/json"} if raw else {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        key = {"x-api-key": self.token} if self.token else {}
        answer = handler(http_event(verb, f"/hotglue{path}", raw, {**key, **typed, **named}), Context("hotglue"))  # type: ignore[arg-type]
        assert answer["isBase64Encoded"] is False
        text = answer["body"]
        is_json = answer["headers"]["Content-Type"] == "application/json"
        return Answer(answer["statusCode"], json.loads(text) if is_json and text else text, answer["headers"])

    def do(self, verb: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        """Send a request that is to go well."""
        answer = self.send(verb, path, body, **headers)
        assert answer.status == status, answer.body
        return answer.body

    def settle_in(self, flow: Any = None, *, env: Any = None) -> "Door":
        """Make the environment and the flow."""
        self.do("PUT", f"/{self.env_id}/settings", env or {}, 201)
        self.do("PUT", f"/{self.env_id}/settings/flows/{self.flow_id}", flow or EXTERNAL, 201)
        return self

    def start(self, **members: Any) -> dict[str, Any]:
        """Run a job."""
        version = "/v2" if "connector_id" in members else ""
        job: dict[str, Any] = self.do("POST", f"{version}{self.lane}/jobs", members)
        return job

    def begin(self, **members: Any) -> dict[str, Any]:
        """Run a job, and let its worker begin."""
        job = self.start(**members)
        run = self.run(job)
        dispatch_run(self.ports, run.org, run.job, run.run_id, "token")
        return job

    def poll(self, job: dict[str, Any]) -> dict[str, Any]:
        """Ask for a job."""
        found: dict[str, Any] = self.do("GET", f"{self.lane}/jobs/status?job_root={job['s3_root']}")
        return found

    def report(self, job: dict[str, Any], status: str, **members: Any) -> dict[str, Any]:
        """Report as the worker of a job does."""
        body = {"s3_root": job["s3_root"], "status": status, **members}
        told: dict[str, Any] = self.do("POST", f"{self.lane}/jobs/events", body)
        return told

    def run(self, job: dict[str, Any]) -> Run:
        """Read the run behind a job."""
        run_id = job["task_id"]
        found = self.ports.runs.find(
            self.principal.org, "-".join((run_id[:8], run_id[8:12], run_id[12:16], run_id[16:20], run_id[20:]))
        )
        assert found is not None
        return found

    def at(self, **names: str) -> "Door":
        """Give the same with another environment, flow or tenant."""
        return Door(self.token, self.principal, self.cloud, **{**self.names, **names})

    @property
    def names(self) -> dict[str, str]:
        return {"env_id": self.env_id, "flow_id": self.flow_id, "tenant": self.tenant}


@dataclass
class Cloud:
    """The ledger of a module, and what stands for the rest of AWS."""

    store: Store
    clock: Clock
    ports: Ports
    machine: RecordingMachine
    office: PostOffice
    secrets: MemorySecrets = field(default_factory=MemorySecrets)

    def open(self, role: Role = Role.ADMIN, org: str | None = None, **names: str) -> Door:
        """Make a key of a role, in a new org or in one that is there."""
        org = org or f"org{next(_orgs)}"
        key_id = f"JRAK{role.upper()}{org.upper()}"
        self.store.access_keys.add(AccessKey(key_id=key_id, org=org, role=role, created_at=self.clock()))
        return Door(key_token(MASTER, key_id), Principal(org=org, name=key_id, role=role), self, **names)


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    """A ledger with its door, for a whole module."""
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        make_ledger_table()
        clock, machine = Clock(), RecordingMachine()
        store = Store(TABLE, pause=lambda seconds: None)
        ports = make_ports(store, clock, machine)
        authenticator = Authenticator(store.access_keys, lambda: MASTER, clock)
        one_at_a_time, send = threading.RLock(), botocore.client.BaseClient._make_api_call

        def send_alone(self: Any, operation: str, parameters: Any) -> Any:
            with one_at_a_time:
                return send(self, operation, parameters)

        patch.setattr(botocore.client.BaseClient, "_make_api_call", send_alone)
        made = Cloud(store, clock, ports, machine, PostOffice(store))
        patch.setattr(admission, "load_authenticator", lambda: authenticator)
        patch.setattr(admission, "load_ports", lambda: ports)
        patch.setattr(admission, "load_flow_secrets", lambda: made.secrets)
        patch.setattr(admission, "load_event_ports", lambda: made.office.ports)
        patch.setenv("LEDGER_TABLE", TABLE)
        load_settings.cache_clear()
        yield made
        load_settings.cache_clear()


@pytest.fixture
def door(cloud: Cloud) -> Door:
    """The door of an org that has an environment with a flow, whose jobs a worker outside does."""
    return cloud.open().settle_in()
