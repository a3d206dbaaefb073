"""Measures writes by key, and one smallest operation: ``python -m tests.bench.keyed [ROWS]``.

The rows are inserted into an empty table, inserted again, and upserted; then one row is upserted some times. An
emulated S3 and Glue run in a process of their own. Seconds of processor are given beside those of the clock: they do
not depend on who else is at work on the machine. Exits with 1 when a goal is missed.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import boto3

from jobruns.operation import WriteAction
from jobruns_data.attributes import create_keyed_table
from jobruns_data.catalog import TableTarget, open_catalog
from jobruns_data.delimited import read_delimited
from jobruns_data.incoming import incoming_records
from jobruns_data.keyed import write_rows
from jobruns_data.source import ObjectStream
from jobruns_data.units import SourceFile
from tests.bench.data import emulated_aws
from tests.bench.measure import ROOT
from tests.bench.rows import write_rows as write_csv

BUCKET = "bench"
GOALS = {"insert": 100_000, "upsert": 50_000}
PEAK_GOAL_BYTES = 512_000_000
SMALLEST_GOAL_SECONDS = 0.3
SMALLEST = 20


def main(rows: int = 1_000_000) -> int:
    """Print the measurements; returns 1 when a goal is missed."""
    good = True
    with tempfile.TemporaryDirectory() as folder, emulated_aws():
        path = Path(folder, "rows.csv")
        write_csv(path, rows)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.upload_file(str(path), BUCKET, path.name)
        create_keyed_table(open_catalog(BUCKET), _target(), "id")
        for number, (action, written) in enumerate([("insert", rows), ("insert", 0), ("upsert", rows)]):
            said = _run("load", action, str(number))
            rate, peak = rows / said["seconds"], said["peak_bytes"]
            met = said["written"] == written and rate >= GOALS[action] and peak < PEAK_GOAL_BYTES
            good = good and met
            print(  # noqa: T201 - this is what it is for
                f"{action} {said['written']:,} of {rows:,}: {said['seconds']:.2f} s, {said['cpu']:.2f} s of processor,"
                f" {rate:,.0f} rows/s (goal {GOALS[action]:,}), {peak / 1e6:.0f} MB peak   {'met' if met else 'MISSED'}"
            )
        said = _run("small", str(rows))
        good = good and said["seconds"] < SMALLEST_GOAL_SECONDS
        print(  # noqa: T201 - as above
            f"upsert of one row: {said['seconds'] * 1000:.0f} ms, {said['cpu'] * 1000:.0f} ms of processor (goal under"
            f" {SMALLEST_GOAL_SECONDS * 1000:.0f} ms), insert of one row: {said['insert'] * 1000:.0f} ms"
        )
    return 0 if good else 1


def load(action: str, number: str) -> None:
    """Load the file, and report."""
    catalog = open_catalog(BUCKET)
    stream = ObjectStream(SourceFile(bucket=BUCKET, key="rows.csv"))
    began, used = time.perf_counter(), _processor()
    outcome = write_rows(
        catalog,
        _target(),
        WriteAction(action),
        read_delimited(stream, "id", structures=True),
        run_id=f"run-{number}",
        at=datetime.now(UTC),
    )
    _report(time.perf_counter() - began, _processor() - used, written=outcome.written)


def small(rows: str) -> None:
    """Write one row some times, and report the middle one."""
    catalog = open_catalog(BUCKET)
    taken: dict[str, list[tuple[float, float]]] = {"upsert": [], "insert": []}
    for number in range(SMALLEST):
        for action, times in taken.items():
            key = int(rows) // 2 + number if action == "upsert" else int(rows) * 2 + number
            began, used = time.perf_counter(), _processor()
            write_rows(
                catalog,
                _target(),
                WriteAction(action),
                incoming_records([{"id": key, "note": f"note {number}"}], "id"),
                run_id=f"{action}-{number}",
                at=datetime.now(UTC),
                name_keys=True,
            )
            times.append((time.perf_counter() - began, _processor() - used))
    seconds, cpu = sorted(taken["upsert"])[SMALLEST // 2]
    _report(seconds, cpu, insert=sorted(taken["insert"])[SMALLEST // 2][0])


def _target() -> TableTarget:
    return TableTarget("bench", "keyed", f"s3://{BUCKET}/bench/keyed")


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _report(seconds: float, cpu: float, **more: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(json.dumps({"seconds": seconds, "cpu": cpu, "peak_bytes": peak, **more}) + "\n")


def _run(*arguments: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.keyed", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        timeout=600,
        env=dict(os.environ),
    )
    said: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return said


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["load", action, number]:
            load(action, number)
        case ["small", rows]:
            small(rows)
        case arguments:
            sys.exit(main(*(int(argument) for argument in arguments)))
