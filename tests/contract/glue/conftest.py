"""The emulated ledger and the door's key, as the integration tests have them."""

from tests.integration.conftest import aws, clock, ingest, lake_tables, machine, ports, records, schedules, store
from tests.integration.glue.conftest import door_clock, glue, key

__all__ = [
    "aws",
    "clock",
    "door_clock",
    "glue",
    "ingest",
    "key",
    "lake_tables",
    "machine",
    "ports",
    "records",
    "schedules",
    "store",
]
