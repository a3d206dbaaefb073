"""Calls the door's handler with events of API Gateway, over an emulated ledger that a whole module shares.

The fixture is imported by the modules that use it.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from hdb import admission
from hdb.app import handler
from jobruns.access import AccessKey, Role, key_secret
from jobruns.authentication import Authenticator
from jobruns.passwords import Cost
from jobruns.service.people import PeoplePorts
from jobruns.service.ports import Ports
from jobruns.settings import load_settings
from jobruns.store import Store
from tests.integration.doubles import Clock, RecordingMachine, RecordingRecords, make_ports
from tests.integration.gateway import Context, make_event
from tests.integration.ledger_table import TABLE, make_ledger_table

MASTER = "a master secret of the tests"
DOG = {"schema": "dev", "table": "dog"}


class Door:
    """The door of an org, and what is behind it."""

    def __init__(self, store: Store, clock: Clock, records: RecordingRecords, ports: Ports) -> None:
        self.store, self.clock, self.records, self.ports = store, clock, records, ports
        self.admin = self.key(Role.ADMIN)

    def key(self, role: Role) -> str:
        """Make a key; gives the header that it is sent in."""
        key_id = f"JRAK{role.upper()}"
        self.store.access_keys.add(AccessKey(key_id=key_id, org="acme", role=role, created_at=self.clock()))
        return basic(key_id, key_secret(MASTER, key_id))

    def send(self, body: bytes, verb: str = "POST", path: str = "/harperdb", **headers: str) -> dict[str, Any]:
        """Send a request as the gateway does."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        route = "/harperdb/{proxy+}" if path.removeprefix("/harperdb") else "/harperdb"
        return handler(make_event(route, verb, path, body, named), Context("harperdb"))  # type: ignore[arg-type]

    def ask(self, operation: Any, authorization: str | None = None, **members: Any) -> tuple[int, Any]:
        """Send an operation, as the admin where nobody else is named; gives status and document."""
        sent = {"authorization": self.admin if authorization is None else authorization} if authorization != "" else {}
        body = json.dumps({"operation": operation, **members}).encode()
        answer = self.send(body, content_type="application/json", **sent)
        return answer["statusCode"], json.loads(answer["body"])

    def do(self, operation: str, **members: Any) -> Any:
        """Send an operation that is to go well."""
        status, document = self.ask(operation, **members)
        assert status == 200, document
        return document

    def error(self, operation: Any, authorization: str | None = None, **members: Any) -> tuple[int, str]:
        """Send an operation that is to fail; gives status and message."""
        status, document = self.ask(operation, authorization, **members)
        return status, document["error"]


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        make_ledger_table()
        clock, records = Clock(), RecordingRecords()
        store = Store(TABLE, pause=lambda seconds: None)
        ports = make_ports(store, clock, RecordingMachine(), records=records)
        authenticator = Authenticator(store.access_keys, lambda: MASTER, clock, store.people)
        patch.setattr(admission, "load_authenticator", lambda: authenticator)
        patch.setattr(admission, "load_ports", lambda: ports)
        patch.setattr(admission, "load_people_ports", lambda: PeoplePorts(store.people, lambda: MASTER, clock))
        patch.setattr("jobruns.passwords.COST", Cost(4, 1, 1))
        patch.setenv("LEDGER_TABLE", TABLE)
        load_settings.cache_clear()
        made = Door(store, clock, records, ports)
        made.do("create_table", **DOG, hash_attribute="id")
        yield made
        load_settings.cache_clear()
