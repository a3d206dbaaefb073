"""Does the work of a batch job's run, as the ingest functions report it."""

from typing import Any

from jobruns.run import Run
from jobruns.service import work
from jobruns.service.ports import Ports
from jobruns.service.settlement import dispatch_run
from jobruns.service.store_ports import UnitRecord

TABLE = "website.events"


class Worker:
    """Does the work of a job's run step by step, as the ingest functions would report it."""

    def __init__(self, ports: Ports, job: dict[str, Any]) -> None:
        self.ports = ports
        self.run_id = job["details"]["job_id"]

    @property
    def run(self) -> Run:
        return work.load_run(self.ports, "acme", TABLE, self.run_id)

    def begin(self) -> None:
        dispatch_run(self.ports, "acme", TABLE, self.run_id, "token")
        work.begin_listing(self.ports, self.run)

    def list(self, units: int) -> None:
        work.end_listing(self.ports, self.run, units)

    def index(self, number: int, state: str = "DONE") -> None:
        work.begin_unit(self.ports, self.run, number)
        record = UnitRecord(number=number, state=state, rows_loaded=10, bytes_read=99, work_milliseconds=7)
        work.end_unit(self.ports, self.run, record)

    def succeed(self) -> None:
        work.conclude_work(self.ports, work.begin_commit(self.ports, self.run, 60))

    def fail(self, message: str) -> None:
        work.conclude_work(self.ports, self.run, error=message)
