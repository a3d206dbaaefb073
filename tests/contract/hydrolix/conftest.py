"""The emulated ledger and the door's key, as the integration tests have them."""

from tests.integration.conftest import aws, clock, ingest, machine, ports, schedules, store
from tests.integration.hydrolix.conftest import door, key

__all__ = ["aws", "clock", "door", "ingest", "key", "machine", "ports", "schedules", "store"]
