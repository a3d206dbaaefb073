"""The emulated ledger and the door's key, as the integration tests have them."""

from tests.integration.conftest import aws, clock, ingest, machine, ports, schedules, store
from tests.integration.glue.conftest import door_clock, glue, key

__all__ = ["aws", "clock", "door_clock", "glue", "ingest", "key", "machine", "ports", "schedules", "store"]
