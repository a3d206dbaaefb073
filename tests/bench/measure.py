"""Runs one measurement in a process of its own: seconds of the work, peak resident memory of everything."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one measurement gave.

    Parameters
    ----------
    name : str
    rows : int
    seconds : float
        Of the work alone, without imports.
    peak_bytes : int
        Largest resident set of the process, imports included.
    """

    name: str
    rows: int
    seconds: float
    peak_bytes: int

    @property
    def rows_per_second(self) -> float:
        """Rows divided by seconds."""
        return self.rows / self.seconds

    def __str__(self) -> str:
        return (
            f"{self.name:32} {self.rows:>10,} rows  {self.seconds:7.2f} s  {self.rows_per_second:>12,.0f} rows/s"
            f"  {self.peak_bytes / 1e6:6.0f} MB peak"
        )


def report(rows: int, seconds: float) -> None:
    """Say from inside the measured process what was done."""
    # Linux counts in KiB, macOS in bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    sys.stdout.write(json.dumps({"rows": rows, "seconds": seconds, "peak_bytes": peak}) + "\n")


def run(name: str, module: str, *arguments: str, timeout_seconds: float = 600) -> Measured:
    """Run ``python -m module arguments`` and read its report.

    Raises
    ------
    subprocess.CalledProcessError
        It failed; its standard error is passed through.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
        timeout=timeout_seconds,
    )
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Measured(name, int(said["rows"]), float(said["seconds"]), int(said["peak_bytes"]))
