"""Measures the whole service on one machine, through its own HTTP API."""

from __future__ import annotations

import http.client
import json
import statistics
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jobruns.run import RunState
from jobruns.service.definitions import define_job
from jobruns.service.lookups import find_run
from jobruns.service.starts import StartRequest, start_run
from local.runner import Runner
from tests.bench.measure import Measured
from tests.e2e.door import Door
from tests.e2e.ledger import admin_of, open_ports, wait_for

STARTS = 30
GETS = 300
JOB_SECONDS = 120

_DATATYPES: dict[str, dict[str, Any]] = {
    "id": {"type": "int64"},
    "ts": {"type": "datetime", "primary": True, "format": "2006-01-02T15:04:05Z", "resolution": "seconds"},
    "device": {"type": "string"},
    "region": {"type": "string"},
    "status": {"type": "string"},
    "temperature": {"type": "double"},
    "humidity": {"type": "double"},
    "count": {"type": "int32"},
    "amount_cents": {"type": "int64"},
    "note": {"type": "string"},
}
COLUMNS: list[dict[str, Any]] = [
    {"name": name, "datatype": {**datatype, "source": {"from_input_field": name}}}
    for name, datatype in _DATATYPES.items()
]
"""The measured rows as a transform of the door has them."""


class Service:
    """A runner with a table for the measured rows.

    Parameters
    ----------
    runner : Runner
        Running and warm.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._door = Door(runner)
        self._jobs = 0

    def prepare(self, path: Path) -> None:
        """Make the table and upload the file."""
        self._door.make_table("bench", "readings", columns=COLUMNS)
        self._door.s3.upload_file(str(path), self._door.landing, f"bench/{path.name}")

    def ingest(self, rows: int) -> Measured:
        """Measure a batch job from the request until the status says done, and its workers' largest resident set."""
        self._jobs += 1
        began = time.perf_counter()
        job = self._door.load("bench.readings", "bench/", f"bench {self._jobs}")
        ended = self._door.wait(job, JOB_SECONDS)
        seconds = time.perf_counter() - began
        if ended["status"] != "done" or ended["details"]["rows_loaded"] != rows:
            raise SystemExit(f"the job ended as {json.dumps(ended)}")
        peak = max(peak_bytes(pid) for pid in self._runner.processes("IndexFunction"))
        return Measured("jobruns, job over HTTP", rows, seconds, peak)

    def get_seconds(self) -> list[float]:
        """Measure warm GETs of one job, over one connection."""
        job = self._door.call("GET", "/jobs/batch/?pagination=False")[0]
        connection = http.client.HTTPConnection(urlsplit(self._runner.url).netloc, timeout=10)
        headers = {"Authorization": f"Bearer {self._runner.env['JOBRUNS_TOKEN']}"}
        path = f"/config/v1/orgs/{self._runner.env['JOBRUNS_ORG']}/jobs/batch/{job['uuid']}"
        taken = []
        for _ in range(GETS):
            began = time.perf_counter()
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            taken.append(time.perf_counter() - began)
            if answer.status != 200:
                raise SystemExit(f"GET {path}: {answer.status}")
        connection.close()
        return taken

    def start_seconds(self) -> list[float]:
        """Measure from a start's being accepted until its run is seen RUNNING."""
        taken = []
        admin = admin_of(self._runner)
        with open_ports(self._runner) as ports:
            define_job(ports, admin, name="bench.start", door="bench", replace=True)
            for _ in range(STARTS):
                run = start_run(ports, admin, StartRequest(job="bench.start", door="bench"))
                accepted = time.perf_counter()
                wait_for(lambda run=run: find_run(ports, admin, run.run_id, job=run.job).state is RunState.RUNNING)
                taken.append(time.perf_counter() - accepted)
        return taken


def peak_bytes(pid: int) -> int:
    """Read the largest resident set a process has had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def median(seconds: list[float]) -> float:
    """Give the middle one."""
    return statistics.median(seconds)
