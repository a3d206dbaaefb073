"""The same rows in many small files and in a few large ones, loaded by the service: ``python -m tests.bench.many``.

Exits with 1 when the goal is missed.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from local.runner import Runner
from tests.bench.rows import write_rows
from tests.bench.service import COLUMNS
from tests.e2e.door import Door
from tests.e2e.ledger import wait_for

FEW, MANY = (10, 100_000), (10_000, 100)
RATIO_GOAL = 5.0
ROUNDS = 3
JOB_SECONDS = 300
ASK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Files:
    """Files of so many rows each, below a prefix of their own."""

    files: int
    rows: int

    @property
    def prefix(self) -> str:
        """Where they are in the bucket."""
        return f"{self.files}x{self.rows}/"


class ManyFiles:
    """A runner with files in a bucket that nobody watches, and a table for their rows.

    Parameters
    ----------
    runner : Runner
        Running and warm.
    """

    def __init__(self, runner: Runner) -> None:
        self.door = Door(runner)
        self.door.landing = "many-files"
        self.door.s3.create_bucket(Bucket=self.door.landing)
        self.door.make_table("many", "rows", columns=COLUMNS)
        self._jobs = 0

    def put(self, shape: Files) -> None:
        """Write the files."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "rows.csv")
            for number in range(shape.files):
                write_rows(path, shape.rows, first_id=1 + number * shape.rows)
                key = f"{shape.prefix}{number:06d}.csv"
                self.door.s3.put_object(Bucket=self.door.landing, Key=key, Body=path.read_bytes())

    def load(self, shape: Files) -> float:
        """Load them with the default settings; give the seconds from the request until the status says done."""
        self._jobs += 1
        began = time.perf_counter()
        job = self.door.load("many.rows", shape.prefix, f"many {self._jobs}")

        def ended() -> dict[str, object] | None:
            now = self.door.status(job)
            return now if now["status"] in ("done", "failed", "canceled") else None

        now = wait_for(ended, JOB_SECONDS, every_seconds=ASK_SECONDS)
        seconds = time.perf_counter() - began
        if now["status"] != "done" or now["details"]["rows_loaded"] != shape.files * shape.rows:
            raise RuntimeError(f"the job ended as {json.dumps(now)}")
        return seconds

    def ratio(self, many: Files, few: Files, rounds: int) -> float:
        """Load both turn by turn, and give how much longer the many take; a turn with cold workers goes before."""
        self.load(few)
        self.load(many)
        turns = [(self.load(many), self.load(few)) for _ in range(rounds)]
        for shape, seconds in ((few, [turn[1] for turn in turns]), (many, [turn[0] for turn in turns])):
            print(f"{shape.files:>6,} files of {shape.rows:>7,} rows  {statistics.median(seconds):6.2f} s")  # noqa: T201 - this is what it is for
        return statistics.median(slow / fast for slow, fast in turns)


def main() -> int:
    """Print the measurements; returns 1 when the goal is missed."""
    with tempfile.TemporaryDirectory() as folder, Runner(state_dir=folder, record_calls=False) as runner:
        runner.wait_warm()
        loads = ManyFiles(runner)
        few, many = Files(*FEW), Files(*MANY)
        for shape in (few, many):
            loads.put(shape)
        ratio = loads.ratio(many, few, ROUNDS)
    good = ratio <= RATIO_GOAL
    print(f"many / few                {ratio:8.2f}     goal {RATIO_GOAL:g} or less   {'met' if good else 'MISSED'}")  # noqa: T201 - as above
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
