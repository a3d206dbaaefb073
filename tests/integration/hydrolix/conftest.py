"""The door over the emulated ledger, with keys of each role."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from hydrolix import admission
from jobruns.access import AccessKey, Role, key_token
from jobruns.authentication import Authenticator
from jobruns.service.ports import Ports
from jobruns.store import Store
from tests.integration.doubles import Clock
from tests.integration.hydrolix.client import Client

MASTER = "a master secret of the tests"
CSV_COLUMNS = [
    {
        "name": "at",
        "datatype": {
            "type": "datetime",
            "primary": True,
            "format": "2006-01-02T15:04:05Z",
            "source": {"from_input_index": 0},
        },
    },
    {"name": "value", "datatype": {"type": "double", "source": {"from_input_index": 1}}},
]
TRANSFORM = {"name": "csv", "type": "csv", "settings": {"output_columns": CSV_COLUMNS}}
SOURCE = {"table": "website.events", "settings": {"url": "s3://root-bucket/folder1/"}}


def batch(name: str = "job", **settings: Any) -> dict[str, Any]:
    """Make the document of a batch job over the site's table."""
    return {"name": name, "type": "batch_import", "settings": {"source": SOURCE, **settings}}


@pytest.fixture
def key(store: Store, clock: Clock, ports: Ports, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Client]:
    """Make a client with a new key of a role and an org."""
    authenticator = Authenticator(store.access_keys, lambda: MASTER, clock)
    monkeypatch.setattr(admission, "load_authenticator", lambda: authenticator)
    monkeypatch.setattr(admission, "load_ports", lambda: ports)
    monkeypatch.setattr(admission, "load_store", lambda: store)

    def make(role: Role = Role.ADMIN, org: str = "acme") -> Client:
        key_id = f"JRAK{role.upper()}{org.upper()}"
        store.access_keys.add(AccessKey(key_id=key_id, org=org, role=role, created_at=clock()))
        return Client(key_token(MASTER, key_id), org)

    return make


@pytest.fixture
def door(key: Callable[..., Client]) -> Client:
    return key()


@dataclass(frozen=True)
class Site:
    """A project with a table and a transform, by their paths under the org."""

    project: str
    table: str
    transform: str


@pytest.fixture
def site(door: Client) -> Site:
    project = f"projects/{door('POST', 'projects/', {'name': 'website'}).body['uuid']}"
    table = f"{project}/tables/{door('POST', f'{project}/tables/', {'name': 'events'}).body['uuid']}"
    made = door("POST", f"{table}/transforms/", TRANSFORM)
    assert made.status == 201, made.body
    return Site(project, table, f"{table}/transforms/{made.body['uuid']}")
