"""Names in paths, and what the ledger calls what they stand for.

An environment has flows, a flow is run for tenants, and in flows of version 2 for connectors of a tenant. What is run
for one tenant is a *lane* here: its runs are found together, and nothing of another lane is found in it.
"""

import re
from dataclasses import dataclass

from jobruns.errors import InvalidInputError
from jobruns_events.statuses import DOOR

MAX_TENANT_CHARACTERS = 128

_ENVIRONMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_FLOW = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CONNECTOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")

VERSION_PREFIX = "v2"
SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Lane:
    """A flow, as it is run for one tenant."""

    env_id: str
    flow_id: str
    tenant: str

    @property
    def scope(self) -> str:
        """Its name in the ledger: that of the job of a flow of version 1, and the beginning of all others'."""
        return f"{self.env_id}/{self.flow_id}/{self.tenant}"

    @property
    def folder(self) -> str:
        """The beginning of the roots of its jobs."""
        return f"{self.tenant}/flows/{self.flow_id}/jobs/"

    def job_name(self, connector_id: str | None) -> str:
        """Name the ledger's job whose runs are its jobs, those of one connector where the flow has connectors."""
        return self.scope if connector_id is None else f"{self.scope}/{connector_id}"

    def state_key(self, end: str) -> str:
        """Name the state of a sync: that of a tap, or of a connector."""
        return f"{self.scope}/{end}"


def read_environment(text: str) -> str:
    """Check the name of an environment.

    Raises
    ------
    InvalidInputError
        No environment can be called so.
    """
    if text == VERSION_PREFIX or not _ENVIRONMENT.fullmatch(text):
        raise InvalidInputError(
            "an environment's id has up to 100 letters, digits, dots, dashes and underscores, begins and ends with a "
            f"letter or a digit, and is not {VERSION_PREFIX!r}",
            field="env_id",
        )
    return text


def read_flow(text: str) -> str:
    """Check the name of a flow.

    Raises
    ------
    InvalidInputError
        No flow can be called so.
    """
    if text == SETTINGS or not _FLOW.fullmatch(text):
        raise InvalidInputError(
            f"a flow's id has up to 64 letters, digits, dashes and underscores, and is not {SETTINGS!r}",
            field="flow_id",
        )
    return text


def read_tenant(text: str) -> str:
    """Check the name of a tenant. It becomes a folder, and is part of a path on its way here.

    Raises
    ------
    InvalidInputError
        No tenant can be called so.
    """
    bad = text in ("", ".", "..") or len(text) > MAX_TENANT_CHARACTERS or not text.isprintable()
    if bad or any(character in text for character in "/?#"):
        raise InvalidInputError(
            f"a tenant's id has up to {MAX_TENANT_CHARACTERS} printable characters other than '/', '?' and '#', "
            "and is neither '.' nor '..'",
            field="tenant",
        )
    return text


def read_connector(text: str, field: str = "connector_id") -> str:
    """Check the name of a connector, a tap or a target.

    Raises
    ------
    InvalidInputError
        None can be called so.
    """
    if not _CONNECTOR.fullmatch(text):
        raise InvalidInputError(
            f"{field}: has up to 100 letters, digits, dots, dashes, underscores and colons, and begins with a letter "
            "or a digit",
            field=field,
        )
    return text


def read_lane(env_id: str, flow_id: str, tenant: str) -> Lane:
    """Check the three names of a lane.

    Raises
    ------
    InvalidInputError
        One of them can be none.
    """
    return Lane(read_environment(env_id), read_flow(flow_id), read_tenant(tenant))


def webhook_name(env_id: str, kind: str) -> str:
    """Name the org's endpoint that is the webhook of an environment."""
    return f"{DOOR}/{env_id}/{kind}"
