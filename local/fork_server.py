"""What the fork server runs: it loads the packages that functions share, and becomes a worker whenever it is asked.

Started by path, as `worker` is, and for the same reason. Nothing of the functions or their layers is loaded here: each
worker loads those itself, from its own folders. Messages come over one socket, ends of workers are told over another;
when the first one closes, the runner is gone, and so is this.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import time
from typing import Any

SHARED = (
    "boto3.session",
    "botocore.client",
    "s3transfer.manager",
    "pydantic",
    "pynamodb.models",
    "pynamodb.transactions",
    "aws_lambda_powertools",
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.logging",
    "aws_lambda_powertools.metrics",
    "aws_lambda_powertools.tracing",
    "aws_lambda_powertools.utilities.data_classes",
    "aws_lambda_powertools.utilities.parameters",
    "aws_xray_sdk.core",
    "jwt.algorithms",
)
"""Half of what a door loads, by time. None of these starts a thread or reads a function's own variables."""

LENGTH = struct.Struct("!I")
EXIT = struct.Struct("!Ii")
NO_PROCESS = 0


def _load() -> None:
    for name in SHARED:
        try:
            importlib.import_module(name)
        except ImportError:
            # The function that needs it will say so, in its own log.
            continue
    gc.collect()
    # What all workers share is not copied because somebody looks whether it is still in use.
    gc.freeze()


def _receive(requests: socket.socket) -> tuple[dict[str, Any], int] | None:
    """Receive what to become, and the descriptor of its log; ``None`` when there is nobody to ask any more."""
    header, descriptors, _, _ = socket.recv_fds(requests, LENGTH.size, 1)
    if not header:
        return None
    while len(header) < LENGTH.size:
        header += requests.recv(LENGTH.size - len(header))
    (length,) = LENGTH.unpack(header)
    body = b""
    while len(body) < length:
        part = requests.recv(length - len(body))
        if not part:
            return None
        body += part
    return json.loads(body), descriptors[0]


def _tell_exits(exits: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        exits.sendall(EXIT.pack(pid, os.waitstatus_to_exitcode(status)))


def _serve(requests: socket.socket, exits: socket.socket) -> dict[str, Any] | None:
    """Fork until there is nobody to ask; gives what to become, in each worker, and nothing in the server."""
    woken, waker = socket.socketpair()
    for end in (woken, waker):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    while True:
        ready, _, _ = select.select([requests, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            _tell_exits(exits)
        if requests not in ready:
            continue
        received = _receive(requests)
        if received is None:
            return None
        wanted, log = received
        try:
            pid = os.fork()
        except OSError:
            requests.sendall(LENGTH.pack(NO_PROCESS))
            pid = -1
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            _redirect(log)
            # Not before: whoever knows a worker may kill its session.
            requests.sendall(LENGTH.pack(os.getpid()))
            for end in (requests, exits, woken, waker):
                end.close()
            return wanted
        os.close(log)


def _redirect(log: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(null)
    os.close(log)


def _become(wanted: dict[str, Any]) -> None:
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    time.tzset()
    sys.path[:0] = wanted["environment"]["PYTHONPATH"].split(os.pathsep)
    sys.argv = wanted["arguments"]
    runpy.run_path(sys.argv[0], run_name="__main__")


def main() -> None:
    """Run ``fork_server.py <socket of requests> <socket of exits>``."""
    requests, exits = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    _load()
    wanted = _serve(requests, exits)
    if wanted is not None:
        _become(wanted)


if __name__ == "__main__":
    main()
