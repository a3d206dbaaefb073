"""The door over the emulated ledger, with keys of each role and boto3 clients that hold them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from mypy_boto3_glue import GlueClient

from glue import admission
from jobruns.access import AccessKey, Role
from jobruns.authentication import Authenticator
from jobruns.service.ports import Ports
from jobruns.settings import Settings
from jobruns.store import Store
from tests.integration.glue.client import MASTER, REGION, Key, connect
from tests.integration.glue.site import Site
from tests.integration.ledger_table import TABLE


@dataclass
class DoorClock:
    """The real time, by which boto3 signs, and how far the door's clock is from it."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def door_clock() -> DoorClock:
    """By what the door checks signatures; runs have the clock of the ledger's tests."""
    return DoorClock()


@pytest.fixture
def key(store: Store, ports: Ports, door_clock: DoorClock, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Key]:
    """Make a key of a role and an org."""
    authenticator = Authenticator(store.access_keys, lambda: MASTER, door_clock)
    settings = Settings(ledger_table=TABLE, aws_region=REGION, run_log_group="/jobruns/tests/runs")
    monkeypatch.setattr(admission, "load_authenticator", lambda: authenticator)
    monkeypatch.setattr(admission, "load_ports", lambda: ports)
    monkeypatch.setattr(admission, "load_settings", lambda: settings)

    def make(role: Role = Role.ADMIN, org: str = "acme") -> Key:
        key_id = f"JRAK{role.upper()}{org.upper()}"
        store.access_keys.add(AccessKey(key_id=key_id, org=org, role=role, created_at=door_clock()))
        return Key(key_id)

    return make


@pytest.fixture
def glue(key: Callable[..., Key]) -> GlueClient:
    """A client with an admin's key."""
    return connect(key())


@pytest.fixture
def site(glue: GlueClient, ports: Ports) -> Site:
    """An admin's client, and what is behind the door."""
    return Site(glue, ports)
