"""Starts a program of a package that lies in a folder of its own, or a script, with nothing else to import.

Usage: launch.py FOLDER program|script NAME [ARGUMENT ...]

Started by path and importing nothing but the standard library. The interpreter runs without ``site``, so a package
sees its own folder and the standard library, and neither the service's packages nor another tap's: taps pin what they
need to versions that exclude one another. Folders made by ``pip install --target`` hold programs whose first line names
the Python that installed them, which is not the one here; the entry point says the same without it.
"""

import contextlib
import ctypes
import importlib.metadata
import runpy
import signal
import site
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
NOT_INSTALLED = 127
"""The exit status that a shell gives for a program that is not there."""


def main() -> None:
    """Become the program."""
    folder, kind, name = sys.argv[1:4]
    _die_with_parent()
    sys.path.pop(0)
    if folder:
        site.addsitedir(folder)
    sys.argv = [name, *sys.argv[4:]]
    if kind == "script":
        sys.path.insert(0, str(Path(name).parent))
        runpy.run_path(name, run_name="__main__")
        return
    for distribution in importlib.metadata.distributions(path=[folder]):
        for entry in distribution.entry_points:
            if entry.group == "console_scripts" and entry.name == name:
                sys.exit(entry.load()())
    sys.stderr.write(f"no package in {folder} has a program {name}\n")
    sys.exit(NOT_INSTALLED)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # When memory runs out it is the program that the kernel ends, not the function that tells of it.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    main()
