"""What a worker process runs: AWS's runtime client, bound to the life of the runner.

Started by path, not as a module, so that nothing of this package can be seen by the functions. The runner holds the
write end of a pipe for as long as it lives; when it dies, however it dies, reading the other end returns and the
worker goes with everything it started.
"""

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

_PROC = Path("/proc")


def kill_session(leader: int) -> None:
    """Kill a session: the process that began it, what that started, and what was put into a group of its own.

    A function may give the program it runs a process group, to kill that by itself. Where there is no ``/proc`` to find
    such groups, only the leader's own is killed.
    """
    processes = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()] if _PROC.is_dir() else []
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if process != leader and os.getsid(process) == leader:
                os.kill(process, signal.SIGKILL)
    # The leader last: it may be the caller.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _die_with(descriptor: int) -> None:
    os.read(descriptor, 1)
    kill_session(os.getsid(0))


def main() -> None:
    """Run ``worker.py <pipe descriptor> <handler>``."""
    # A SIGINT from the terminal is for the runner, which then ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with, args=(int(sys.argv[1]),), daemon=True).start()
    from awslambdaric.__main__ import main as run

    run(["awslambdaric", sys.argv[2]])


if __name__ == "__main__":
    main()
