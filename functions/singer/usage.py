"""Measures what the programs of a sync use, by looking at their processes every now and then."""

import os
import time
from pathlib import Path
from typing import Any

from jobruns.repetition import Repeating

LOOK_SECONDS = 0.5

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_MEGABYTE = 1_000_000


class Usage(Repeating):
    """Looks while it is entered, as a context manager, at the processes of the groups it is told of.

    Attributes
    ----------
    groups : set of int
        Process groups.
    """

    def __init__(self) -> None:
        super().__init__("usage", LOOK_SECONDS)
        self.groups: set[int] = set()
        self._looks = 0
        self._memory_sum = self._memory_max = 0.0
        self._percent_sum = self._percent_max = 0.0
        self._ticks: dict[int, int] = {}
        self._looked_at = time.monotonic()

    def figures(self) -> dict[str, Any]:
        """Give memory in megabytes and processors in percent of one; empty where nothing was seen."""
        if not self._looks:
            return {}
        return {
            "memory": {
                "max_mb": round(self._memory_max / _MEGABYTE, 1),
                "avg_mb": round(self._memory_sum / self._looks / _MEGABYTE, 1),
            },
            "cpu": {
                "max_percent": round(self._percent_max, 1),
                "avg_percent": round(self._percent_sum / self._looks, 1),
            },
        }

    def _do(self) -> None:
        now = time.monotonic()
        memory, ticks = 0, {}
        for pid, group, used, pages in _processes():
            if group in self.groups:
                memory += pages * _PAGE_BYTES
                ticks[pid] = used
        if not ticks:
            return
        # A process that was not seen before has used what it has since the last look, more or less.
        spent = sum(used - self._ticks.get(pid, 0) for pid, used in ticks.items())
        percent = 100 * spent / _TICKS / max(now - self._looked_at, LOOK_SECONDS)
        self._ticks, self._looked_at = ticks, now
        self._looks += 1
        self._memory_sum += memory
        self._memory_max = max(self._memory_max, memory)
        self._percent_sum += percent
        self._percent_max = max(self._percent_max, percent)


def _processes() -> list[tuple[int, int, int, int]]:
    """List processes with their groups, the ticks of processor time they used, and their pages of memory."""
    found = []
    for entry in Path("/proc").iterdir() if Path("/proc").is_dir() else ():
        if not entry.name.isdigit():
            continue
        try:
            # The second field is the program's name, which may hold spaces and brackets of its own.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found.append((int(entry.name), int(fields[2]), int(fields[11]) + int(fields[12]), int(fields[21])))
    return found
