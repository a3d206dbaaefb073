"""How much memory a piece of work takes at its peak, Arrow's and other native memory included.

tracemalloc would not do: stopped while a native thread frees memory, it brings the process down in Python 3.11.
"""

import re
from pathlib import Path

_STATUS = Path("/proc/self/status")


class Peak:
    """Measures from when it is made."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the most it ever had is what it has now
        self._before = _read("VmRSS")

    @property
    def bytes(self) -> int:
        """By how much the process has grown at most."""
        return _read("VmHWM") - self._before


def _read(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", _STATUS.read_text())
    assert found is not None, f"{_STATUS} has no {name}"
    return int(found[1]) << 10
