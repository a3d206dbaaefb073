"""Starts the processes of workers.

Where that is safe each is forked from a server that has loaded what all functions share; it then loads in half the
time. A function with variables that are read when a program begins gets a program of its own, as does every function
where forking without a new program is not supported.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from local.fork_server import EXIT, LENGTH, NO_PROCESS

_WORKER_SCRIPT = Path(__file__).with_name("worker.py")
_SERVER_SCRIPT = Path(__file__).with_name("fork_server.py")
_READ_AT_START = ("MALLOC_", "GLIBC_", "LD_", "PYTHON")
_ANSWER_SECONDS = 60.0
_KILLED = -9


class WorkerProcess(Protocol):
    """A process, as `subprocess.Popen` has it."""

    pid: int
    returncode: int | None

    def wait(self) -> int:
        """Wait until it has ended; gives its exit code, or the negative number of the signal that killed it."""


class Launcher:
    """Starts workers.

    Parameters
    ----------
    environment : dict
        What every worker gets beside its function's own variables.
    lifeline : int
        The read end of the pipe that the runner holds open.
    forking : bool, optional
        Whether to fork; by default on Linux, where what is loaded here allows it.
    script : Path, optional
        What a worker runs.
    """

    def __init__(
        self,
        environment: dict[str, str],
        lifeline: int,
        *,
        forking: bool = sys.platform == "linux",
        script: Path = _WORKER_SCRIPT,
    ) -> None:
        self._environment = environment
        self._lifeline = lifeline
        self._script = script
        self._server = _ForkServer(environment, lifeline) if forking else None

    def launch(self, handler: str, folders: Sequence[Path], environment: dict[str, str], log: int) -> WorkerProcess:
        """Start a worker in a session of its own.

        Parameters
        ----------
        handler : str
            What it runs.
        folders : sequence of Path
            Where it finds what it loads; it begins in the first.
        environment : dict
            The function's own variables.
        log : int
            The descriptor that its output goes to.
        """
        arguments = [str(self._script), str(self._lifeline), handler]
        folder = folders[0]
        whole = {**self._environment, "PYTHONPATH": os.pathsep.join(map(str, folders)), **environment}
        if self._server is not None and not any(name.startswith(_READ_AT_START) for name in environment):
            process = self._server.fork(arguments, folder, whole, log)
            if process is not None:
                return process
        return subprocess.Popen(
            [sys.executable, "-P", *arguments],
            cwd=folder,
            env=whole,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(self._lifeline,),
            start_new_session=True,
        )

    def stop(self) -> None:
        """End the server; workers are their pools' to end."""
        if self._server is not None:
            self._server.stop()


class _ForkServer:
    def __init__(self, environment: dict[str, str], lifeline: int) -> None:
        self._asking = threading.Lock()
        self._changed = threading.Condition()
        self._exits: dict[int, int] = {}
        self._gone = False
        self._requests, requests = socket.socketpair()
        self._ends, ends = socket.socketpair()
        self._requests.settimeout(_ANSWER_SECONDS)
        with requests, ends:
            numbers = requests.fileno(), ends.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_SERVER_SCRIPT), *map(str, numbers)],
                env=environment,
                stdin=subprocess.DEVNULL,
                pass_fds=(*numbers, lifeline),
                start_new_session=True,
            )
        threading.Thread(target=self._listen, name="worker-exits", daemon=True).start()

    def fork(
        self, arguments: list[str], folder: Path, environment: dict[str, str], log: int
    ) -> "_ForkedProcess | None":
        """Have the server become a worker; ``None`` where it cannot."""
        wanted = {"arguments": arguments, "folder": str(folder), "environment": environment}
        body = json.dumps(wanted).encode()
        with self._asking:
            try:
                socket.send_fds(self._requests, [LENGTH.pack(len(body))], [log])
                self._requests.sendall(body)
                answer = self._requests.recv(LENGTH.size, socket.MSG_WAITALL)
            except OSError:
                # An answer that comes later must not be taken for that of the next question.
                self._requests.close()
                return None
        pid = LENGTH.unpack(answer)[0] if len(answer) == LENGTH.size else NO_PROCESS
        return None if pid == NO_PROCESS else _ForkedProcess(self, pid)

    def wait(self, pid: int) -> int:
        """Wait for the end of a worker; one whose end nobody can tell any more counts as killed."""
        with self._changed:
            self._changed.wait_for(lambda: pid in self._exits or self._gone)
            return self._exits.pop(pid, _KILLED)

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._requests.close()
        self._process.kill()
        self._process.wait()
        # Here, where the other end is closed already, this is when the listener has ended, or is about to.
        self._ends.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while len(told := self._ends.recv(EXIT.size, socket.MSG_WAITALL)) == EXIT.size:
                pid, status = EXIT.unpack(told)
                with self._changed:
                    self._exits[pid] = status
                    self._changed.notify_all()
        with self._changed:
            self._gone = True
            self._changed.notify_all()


class _ForkedProcess:
    def __init__(self, server: _ForkServer, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server = server

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = self._server.wait(self.pid)
        return self.returncode
