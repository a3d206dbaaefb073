"""Holds on to what a script started, so that nothing of one run lives on into the next.

A process that made itself a group of its own is not reached by killing the script's group. Linux gives such a process,
when its parent is gone, to the nearest ancestor that asked for it, and it is killed there. Elsewhere nothing is held.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 0.01


class LeftoverProcessError(Exception):
    """Processes that a script started cannot be got rid of."""


@contextlib.contextmanager
def adopting() -> Iterator[frozenset[int]]:
    """Get orphaned descendants as children, and know the children there were before."""
    if sys.platform != "linux":
        yield frozenset()
        return
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield frozenset(_children())
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0)


def kill_new_children(before: frozenset[int]) -> None:
    """Kill every child that is not in `before`, and whatever becomes one when its parent dies.

    Raises
    ------
    LeftoverProcessError
        There are still some after `PATIENCE_SECONDS`.
    """
    if sys.platform != "linux":
        return
    deadline = time.monotonic() + PATIENCE_SECONDS
    while children := [pid for pid in _children() if pid not in before]:
        if time.monotonic() > deadline:
            raise LeftoverProcessError(f"the script's processes {children} do not end")
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        time.sleep(_PAUSE_SECONDS)


def _children() -> Iterator[int]:
    me = str(os.getpid())
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # The second field is the program's name, which may hold spaces and brackets of its own.
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if fields[1] == me:
                    yield int(entry.name)
