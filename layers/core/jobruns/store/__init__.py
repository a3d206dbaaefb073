"""The ledger's storage: one DynamoDB table behind small stores that share a connection."""

import time
from collections.abc import Callable

from jobruns.retention import FOR_EVER, Retention
from jobruns.store.access_keys import AccessKeys
from jobruns.store.binding import bind
from jobruns.store.bookmarks import Bookmarks
from jobruns.store.claims import Claims
from jobruns.store.deliveries import Deliveries
from jobruns.store.documents import Documents
from jobruns.store.jobs import Jobs
from jobruns.store.numbers import NumberedRuns
from jobruns.store.people import People
from jobruns.store.run_files import RunFiles
from jobruns.store.runs import RunWrites, find_queued
from jobruns.store.summaries import SummarizedRuns
from jobruns.store.sync_states import SyncStates
from jobruns.store.triggers import Triggers
from jobruns.store.units import Units


class RunStore(NumberedRuns, SummarizedRuns, RunWrites):
    """Reads and writes runs."""

    def queued(self, org: str, job: str, limit: int) -> list[str]:
        """Read the ids of the runs waiting for a slot, oldest first, at most `limit`."""
        return find_queued(org, job, limit)


class Store:
    """The whole ledger table.

    Parameters
    ----------
    table_name : str
        The table, made from template.yaml.
    pause : callable, optional
        Waits between tries of a contended transaction.
    retention : Retention, optional
        How long the history of runs is kept; by default for ever.
    """

    def __init__(
        self, table_name: str, pause: Callable[[float], None] = time.sleep, retention: Retention = FOR_EVER
    ) -> None:
        connection = bind(table_name)
        self.runs = RunStore(connection, pause, retention)
        self.jobs = Jobs(connection, pause)
        self.bookmarks = Bookmarks(connection, pause)
        self.documents = Documents(connection, pause)
        self.deliveries = Deliveries()
        self.access_keys = AccessKeys()
        self.people = People(connection, pause)
        self.units = Units(retention)
        self.run_files = RunFiles(retention)
        self.sync_states = SyncStates()
        self.claims = Claims(connection, pause)
        self.triggers = Triggers(connection, pause)
