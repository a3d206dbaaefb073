"""Loads one gzip file of some gigabytes and measures the worker that reads it: ``python -m tests.bench.large [GB]``.

The file lies on the disk and the emulated S3 serves it from there; the service reads, parses and writes for real. Exits
with 1 when the goal is missed.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

from local.emulator.objects import place_file
from local.runner import Runner
from tests.bench.rows import write_rows
from tests.bench.service import COLUMNS, peak_bytes
from tests.e2e.door import Door
from tests.e2e.ledger import wait_for

PEAK_GOAL_BYTES = 512_000_000
BUCKET, KEY = "large-files", "rows.csv.gz"
MEMBER_ROWS = 200_000
NOISE_BYTES = 150
JOB_SECONDS = 1200


def write_file(path: Path, size: int) -> tuple[int, int]:
    """Write a gzip file of at least `size` bytes, of one member many times; gives its rows and its bytes unpacked.

    Its rows are the measured ones with some noise at their end, so that it packs no better than 1 to 2.
    """
    rows = path.with_suffix(".rows")
    write_rows(rows, MEMBER_ROWS)
    header, *lines = rows.read_text(encoding="utf-8").splitlines()
    rows.unlink()
    chance = random.Random(7)
    text = "".join(f"{_noisy(line, chance)}\n" for line in lines)
    first, member = gzip.compress(f"{header}\n".encode()), gzip.compress(text.encode(), 6)
    times = -(-(size - len(first)) // len(member))
    with path.open("wb") as out:
        out.write(first)
        for _ in range(times):
            out.write(member)
    return MEMBER_ROWS * times, len(header) + 1 + len(text.encode()) * times


def _noisy(line: str, chance: random.Random) -> str:
    noise = chance.randbytes(NOISE_BYTES).hex()
    return f'{line[:-1]} {noise}"' if line.endswith('"') else f"{line} {noise}"


class Peak:
    """The largest resident set of any worker of a function, also of those that are gone."""

    def __init__(self, runner: Runner, function: str) -> None:
        self._runner, self._function = runner, function
        self._ended = threading.Event()
        self.bytes = 0

    def __enter__(self) -> Peak:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            ended = self._ended.wait(1)
            for pid in self._runner.processes(self._function):
                if Path(f"/proc/{pid}").is_dir():
                    self.bytes = max(self.bytes, peak_bytes(pid))
            if ended:
                return


def main(gigabytes: float = 5) -> int:
    """Print the measurement; returns 1 when the goal is missed."""
    with tempfile.TemporaryDirectory() as folder, Runner(state_dir=folder, record_calls=False) as runner:
        path = Path(folder, KEY)
        rows, unpacked = write_file(path, round(gigabytes * 1e9))
        packed = path.stat().st_size
        runner.wait_warm()
        door = Door(runner)
        door.landing = BUCKET
        door.s3.create_bucket(Bucket=BUCKET)
        door.s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"")
        place_file(runner.client("sts").get_caller_identity()["Account"], BUCKET, KEY, path)
        door.make_table("large", "rows", columns=COLUMNS, compression="gzip")
        with Peak(runner, "IndexFunction") as peak:
            began = time.perf_counter()
            job = door.load("large.rows", KEY, "a large file")

            def ended() -> dict[str, object] | None:
                now = door.status(job)
                return now if now["status"] in ("done", "failed", "canceled") else None

            now = wait_for(ended, JOB_SECONDS, every_seconds=1)
            seconds = time.perf_counter() - began
    if now["status"] != "done" or now["details"]["rows_loaded"] != rows:
        raise SystemExit(f"the job ended as {json.dumps(now)} instead of with {rows} rows")
    good = 0 < peak.bytes < PEAK_GOAL_BYTES
    print(  # noqa: T201 - this is what it is for
        f"one gzip file of {packed / 1e9:.1f} GB, {unpacked / 1e9:.1f} GB unpacked: {rows:,} rows in {seconds:.0f} s,"
        f" {packed / 1e6 / seconds:.0f} MB/s packed, {unpacked / 1e6 / seconds:.0f} MB/s unpacked\n"
        f"peak of an Index worker   {peak.bytes / 1e6:8.0f} MB  goal under {PEAK_GOAL_BYTES / 1e6:.0f} MB"
        f"   {'met' if good else 'MISSED'}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*(float(argument) for argument in sys.argv[1:])))
