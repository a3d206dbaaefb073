"""What a worker process runs: AWS's runtime client, bound to the life of the runner.

Started by path, not as a module, so that nothing of this package can be seen by the functions. The runner holds the
write end of a pipe for as long as it lives; when it dies, however it dies, reading the other end returns and the
worker's whole process group goes with it.
"""

import os
import signal
import sys
import threading


def _die_with(descriptor: int) -> None:
    os.read(descriptor, 1)
    os.killpg(os.getpgid(0), signal.SIGKILL)


def main() -> None:
    """Run ``worker.py <pipe descriptor> <handler>``."""
    # A SIGINT from the terminal is for the runner, which then ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with, args=(int(sys.argv[1]),), daemon=True).start()
    from awslambdaric.__main__ import main as run

    run(["awslambdaric", sys.argv[2]])


if __name__ == "__main__":
    main()
