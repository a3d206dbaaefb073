"""The emulated ledger and the door's key, as the integration tests have them."""

from tests.integration.conftest import aws, clock, ingest, lake_tables, machine, ports, records, schedules, store
from tests.integration.hydrolix.conftest import door, key

__all__ = ["aws", "clock", "door", "ingest", "key", "lake_tables", "machine", "ports", "records", "schedules", "store"]
