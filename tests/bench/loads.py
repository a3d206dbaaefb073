"""Measures loads through the HarperDB door beside the bare libraries: ``python -m tests.bench.loads [ROWS]``.

A CSV file is served over HTTP by a process of its own and loaded by csv_url_load: inserted into an empty table, then
upserted. The bare libraries read the same file from the disk and write it to the same emulated S3 and Glue, turn by
turn; what disturbs a measurement only ever adds to it, so the fastest of some turns counts, beside the seconds of
processor that the worker took. PyIceberg's own upsert gets fewer rows, being slow. At last one row is loaded some
times. Exits with 1 when a goal is missed by more than other work on the machine explains.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.runner import Runner
from tests.bench.large import Peak
from tests.bench.measure import Measured, run
from tests.bench.rows import write_rows
from tests.e2e.harper import Harper
from tests.e2e.ledger import wait_for

ROUNDS = 3
SMALLEST = 20
BARE_UPSERT_ROWS = 100_000
GOALS = {"insert": 100_000, "upsert": 50_000}
BUSY = 0.7
"""So much of a goal for speed has to be reached on a machine that others use too."""

PEAK_GOAL_BYTES = 512_000_000
SMALLEST_GOAL_SECONDS = 1.0
JOB_SECONDS = 300
FUNCTION = "OperationsFunction"
POLL_SECONDS = 0.02
SCHEMA = "bench"


def main(rows: int = 1_000_000) -> int:
    """Print the measurements side by side; returns 1 when a goal is missed."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as state,
        serve(folder) as url,
        Runner(state_dir=state, record_calls=False) as runner,
    ):
        path, fewer = Path(folder, "rows.csv"), Path(folder, "fewer.csv")
        write_rows(path, rows)
        write_rows(fewer, min(rows, BARE_UPSERT_ROWS))
        runner.wait_warm()
        os.environ.update({name: value for name, value in runner.env.items() if name.startswith("AWS_")})
        lake, harper = runner.env["LAKE_BUCKET"], Harper(runner)
        harper.do("create_schema", schema=SCHEMA)
        turns: list[dict[str, Measured]] = []
        processor = dict.fromkeys(GOALS, float("inf"))
        for number in range(ROUNDS):
            turn = {"bare insert": run("bare pyarrow -> PyIceberg append", "tests.bench.bare", lake, str(path))}
            for action in GOALS:
                before = processor_seconds(runner)
                turn[action] = load(runner, harper, f"{url}/{path.name}", f"t{number}", action, rows)
                processor[action] = min(processor[action], processor_seconds(runner) - before)
            turns.append(turn)
        turns[0]["bare upsert"] = run("bare PyIceberg upsert", "tests.bench.bare", lake, str(fewer), "upsert")
        smallest = statistics.median(smallest_seconds(harper))
    met, good = {}, True
    for name in ("bare insert", "insert", "bare upsert", "upsert"):
        fastest = min((turn[name] for turn in turns if name in turn), key=lambda measured: measured.seconds)
        print(fastest)  # noqa: T201 - this is what it is for
        if name in GOALS:
            rate = fastest.rows_per_second
            line = (
                f"{name:10} {rate:>12,.0f} rows/s  goal {GOALS[name]:,} or more, {processor[name]:.1f} s of processor"
            )
            met[line] = rate >= GOALS[name]
            good = good and rate >= GOALS[name] * BUSY
    peak = max(turn[action].peak_bytes for turn in turns for action in GOALS)
    worker = f"peak of a worker {peak / 1e6:6.0f} MB  goal under {PEAK_GOAL_BYTES / 1e6:.0f} MB"
    job = f"a smallest job {smallest * 1000:8.0f} ms  goal under {SMALLEST_GOAL_SECONDS * 1000:.0f} ms"
    met |= {worker: peak < PEAK_GOAL_BYTES, job: smallest < SMALLEST_GOAL_SECONDS}
    for line, reached in met.items():
        print(f"{line}   {'met' if reached else 'MISSED'}")  # noqa: T201 - as above
    return 0 if good and met[worker] and met[job] else 1


def load(runner: Runner, harper: Harper, url: str, table: str, action: str, rows: int) -> Measured:
    """Measure a load from the request until the job says that it is complete, and its worker's largest resident set."""
    if action == "insert":
        harper.do("create_table", schema=SCHEMA, table=table, hash_attribute="id")
    with Peak(runner, FUNCTION) as peak:
        began = time.perf_counter()
        job = finish(harper, "csv_url_load", JOB_SECONDS, schema=SCHEMA, table=table, action=action, csv_url=url)
        seconds = time.perf_counter() - began
    if job["message"] != f"successfully loaded {rows} of {rows} records":
        raise SystemExit(f"the job ended as {json.dumps(job)}")
    return Measured(f"jobruns, csv_url_load {action}", rows, seconds, peak.bytes)


def processor_seconds(runner: Runner) -> float:
    """Add up what the workers of the function have taken."""
    told = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in runner.processes(FUNCTION))
    return sum(int(ticks) for fields in told for ticks in fields[11:13]) / os.sysconf("SC_CLK_TCK")


def smallest_seconds(harper: Harper) -> list[float]:
    """Measure loads of one row, from the request until get_job says that it is done."""
    harper.do("create_table", schema=SCHEMA, table="small", hash_attribute="id")
    taken = []
    for number in range(SMALLEST):
        began = time.perf_counter()
        finish(harper, "csv_data_load", 30, schema=SCHEMA, table="small", data=f"id,name\n{number},one")
        taken.append(time.perf_counter() - began)
    return taken


def finish(harper: Harper, operation: str, seconds: float, **members: Any) -> dict[str, Any]:
    """Start a job and wait for its end."""
    job_id = harper.do(operation, **members)["job_id"]

    def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = harper.do("get_job", id=job_id)[0]
        return None if job["status"] == "IN_PROGRESS" else job

    found: dict[str, Any] = wait_for(ended, seconds, every_seconds=POLL_SECONDS)
    return found


@contextmanager
def serve(folder: str) -> Iterator[str]:
    """Serve the files of a folder over HTTP."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", folder]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
