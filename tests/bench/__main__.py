"""Measures the service beside the bare libraries, in one run: ``python -m tests.bench [ROWS]``.

Both read the same file and write to the same emulated S3 and Glue, turn by turn, so that a busy moment of the machine
meets both. Exits with 1 when a goal is missed.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

from local.runner import Runner
from tests.bench.measure import Measured, run
from tests.bench.rows import write_rows
from tests.bench.service import Service, median

ROUNDS = 3
RATIO_GOAL = 0.4
PEAK_GOAL_BYTES = 512_000_000
START_GOAL_SECONDS = 0.3


def main(rows: int = 1_000_000) -> int:
    """Print the measurements side by side; returns 1 when a goal is missed."""
    with tempfile.TemporaryDirectory() as folder, Runner(state_dir=folder, record_calls=False) as runner:
        path = Path(folder, "rows.csv")
        write_rows(path, rows)
        runner.wait_warm()
        service = Service(runner)
        service.prepare(path)
        os.environ.update({name: value for name, value in runner.env.items() if name.startswith("AWS_")})
        turns = [
            (
                run("bare pyarrow -> PyIceberg", "tests.bench.bare", runner.env["LAKE_BUCKET"], str(path)),
                service.ingest(rows),
            )
            for _ in range(ROUNDS)
        ]
        get, start = median(service.get_seconds()), median(service.start_seconds())
    bare, ours = (_median([turn[which] for turn in turns]) for which in range(2))
    print(bare)  # noqa: T201 - this is what it is for
    print(ours)  # noqa: T201 - as above
    ratio = statistics.median(theirs.seconds / mine.seconds for theirs, mine in turns)
    peak = max(mine.peak_bytes for _, mine in turns)
    met = {
        f"jobruns / bare            {ratio:8.2f}     goal {RATIO_GOAL} or more": ratio >= RATIO_GOAL,
        f"peak of an Index worker   {peak / 1e6:8.0f} MB  goal under {PEAK_GOAL_BYTES / 1e6:.0f} MB": peak
        < PEAK_GOAL_BYTES,
        f"accepted -> RUNNING       {start * 1000:8.1f} ms  goal under {START_GOAL_SECONDS * 1000:.0f} ms": start
        < START_GOAL_SECONDS,
    }
    for line, good in met.items():
        print(f"{line}   {'met' if good else 'MISSED'}")  # noqa: T201 - as above
    print(f"warm GET of a job         {get * 1000:8.1f} ms  median")  # noqa: T201 - as above
    return 0 if all(met.values()) else 1


def _median(measured: list[Measured]) -> Measured:
    middle = statistics.median_low(one.seconds for one in measured)
    return next(one for one in measured if one.seconds == middle)


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
