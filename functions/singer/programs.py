"""Runs the programs of one step: one, or two of which the first one's output is the other's input.

Output and input are files, so neither is ever in memory and a line may be of any length.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, unique
from pathlib import Path
from typing import IO

from scripts.descendants import adopting, kill_new_children
from scripts.errors import RunFailedError

MAX_LOG_LINE_BYTES = 64 * 1024
"""A longer line of what is told to people is passed on in pieces."""

NOTICE_SECONDS = 8.0
"""For a target that listens for a signal of ours to write down what it has done, and to end."""

GRACE_SECONDS = 5.0
"""From SIGTERM to SIGKILL."""

_LOOK_SECONDS = 0.1
_DRAIN_SECONDS = 10.0


@unique
class Cut(StrEnum):
    """Why programs were ended before they ended themselves."""

    LATE = "late"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Program:
    """A program to run.

    Parameters
    ----------
    command : sequence of str
        With its arguments.
    folder : Path
        Its working directory.
    environment : mapping
        All of its environment.
    on_error : callable
        Given each line that it tells people.
    listener : callable
        Tells whether it listens for SIGUSR1 by now; to one that does not the signal means death.
    """

    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    on_error: Callable[[str], None]
    listener: Callable[[], bool] = field(default=lambda: False)


@dataclass(frozen=True, slots=True)
class Ended:
    """How programs ended: their exit statuses, negative for a signal, and why they were made to, if they were.

    ``target_first`` says of two that the second one ended while the first still had something to say.
    """

    statuses: tuple[int, ...]
    cut: Cut | None = None
    target_first: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What ends programs.

    Parameters
    ----------
    until : float
        When they are late, by the monotonic clock.
    stopped : threading.Event
        Set when they shall be ended at once.
    """

    until: float
    stopped: threading.Event


def run_program(
    program: Program, limits: Limits, groups: set[int], *, output: Path, given: Path | None = None
) -> Ended:
    """Run one program to its end.

    Parameters
    ----------
    program : Program
        Which.
    limits : Limits
        What ends it.
    groups : set of int
        Gets its process group while it runs.
    output : Path
        Gets what it prints.
    given : Path, optional
        What it reads.

    Raises
    ------
    RunFailedError
        It cannot be started.
    LeftoverProcessError
        Something it started cannot be ended.
    """
    with _opened(given) as source, output.open("wb") as sink, _running(groups) as start:
        process = start(program, source, sink)
        cut = _wait(limits, lambda: process.poll() is not None)
        if cut is not None:
            _end(process, program, cut)
    return Ended((process.returncode,), cut)


def run_pair(
    first: Program,
    second: Program,
    limits: Limits,
    groups: set[int],
    *,
    output: Path,
    on_line: Callable[[bytes], None],
) -> Ended:
    """Run two programs, the output of the first going into the second as it comes.

    Parameters
    ----------
    first, second : Program
        Which.
    limits : Limits
        What ends them.
    groups : set of int
        Gets their process groups while they run.
    output : Path
        Gets what the second one prints.
    on_line : callable
        Given each line on its way; what it raises ends both.

    Raises
    ------
    RunFailedError
        One cannot be started, or what `on_line` raised.
    LeftoverProcessError
        Something they started cannot be ended.
    """
    with output.open("wb") as sink, _running(groups) as start:
        target = start(second, subprocess.PIPE, sink)
        tap = start(first, subprocess.DEVNULL, subprocess.PIPE)
        pump = _Pump(tap, target, on_line)
        cut = _wait(limits, lambda: target.poll() is not None or (tap.poll() is not None and pump.over))
        target_first = pump.broken or not pump.over
        if cut is None:
            cut = _wait(limits, lambda: target.poll() is not None)
        if cut is not None:
            # The target first: it is told while there are still lines for it, by which it notices.
            _end(target, second, cut)
        # A target that is gone takes nothing more.
        _end(tap, first, cut or Cut.LATE)
        pump.join()
    if pump.error is not None:
        raise pump.error
    return Ended((tap.returncode, target.returncode), cut, target_first)


class _Pump:
    """Passes lines on, in a thread."""

    def __init__(
        self, tap: "subprocess.Popen[bytes]", target: "subprocess.Popen[bytes]", on_line: Callable[[bytes], None]
    ) -> None:
        self.error: RunFailedError | None = None
        self.over = self.broken = False
        self._tap, self._target, self._on_line = tap, target, on_line
        self._thread = threading.Thread(target=self._run, name="pump", daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(_DRAIN_SECONDS)

    def _run(self) -> None:
        source, sink = self._tap.stdout, self._target.stdin
        try:
            for line in source or ():
                self._on_line(line)
                if sink is not None:
                    sink.write(line)
                    # A target that waits for its next line is not to wait for a thousand.
                    sink.flush()
        except OSError:
            self.broken = True
        except RunFailedError as error:
            self.error = error
            _signal_group(self._tap, signal.SIGTERM)
        finally:
            with contextlib.suppress(OSError, ValueError):
                if sink is not None:
                    sink.close()
            if source is not None:
                source.close()
            self.over = True


@contextlib.contextmanager
def _opened(path: Path | None) -> Iterator[IO[bytes] | int]:
    if path is None:
        yield subprocess.DEVNULL
        return
    with path.open("rb") as file:
        yield file


Start = Callable[[Program, "IO[bytes] | int", "IO[bytes] | int"], "subprocess.Popen[bytes]"]


@contextlib.contextmanager
def _running(groups: set[int]) -> Iterator[Start]:
    """Give what starts programs; on leaving, nothing of them is left."""
    processes: list[subprocess.Popen[bytes]] = []
    readers: list[threading.Thread] = []

    def start(program: Program, source: "IO[bytes] | int", sink: "IO[bytes] | int") -> "subprocess.Popen[bytes]":
        try:
            process = subprocess.Popen(  # noqa: S603 - to run what the user's flow names is the purpose
                program.command,
                cwd=program.folder,
                env=dict(program.environment),
                stdin=source,
                stdout=sink,
                stderr=subprocess.PIPE,
                process_group=0,
            )
        except (OSError, ValueError) as error:
            raise RunFailedError(f"{program.command[-1][:100]} cannot be started: {error}", "ProgramInvalid") from error
        processes.append(process)
        groups.add(process.pid)
        readers.append(_read(process.stderr, program.on_error))
        return process

    with adopting() as before:
        try:
            yield start
        finally:
            for process in processes:
                _signal_group(process, signal.SIGKILL)
                process.wait()
            kill_new_children(before)
            groups.difference_update(process.pid for process in processes)
            deadline = time.monotonic() + _DRAIN_SECONDS
            for reader in readers:
                reader.join(max(0.0, deadline - time.monotonic()))


def _read(pipe: IO[bytes] | None, give: Callable[[str], None]) -> threading.Thread:
    def read() -> None:
        if pipe is None:
            return
        with pipe:
            while piece := pipe.readline(MAX_LOG_LINE_BYTES):
                give(piece.decode(errors="replace").rstrip("\r\n"))

    thread = threading.Thread(target=read, name="program-log", daemon=True)
    thread.start()
    return thread


def _wait(limits: Limits, over: Callable[[], bool]) -> Cut | None:
    while not over():
        if limits.stopped.is_set():
            return Cut.STOPPED
        left = limits.until - time.monotonic()
        if left <= 0:
            return Cut.LATE
        limits.stopped.wait(min(_LOOK_SECONDS, left))
    return None


def _end(process: "subprocess.Popen[bytes]", program: Program, cut: Cut) -> None:
    """Have a program end: by word where it listens, then by SIGTERM; SIGKILL follows when its step is left."""
    if cut is Cut.STOPPED and process.poll() is None and program.listener():
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGUSR1)
        if _gone(process, NOTICE_SECONDS):
            return
    if process.poll() is None:
        _signal_group(process, signal.SIGTERM)
        _gone(process, GRACE_SECONDS)


def _gone(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
        return True
    return False


def _signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    # Also when the process itself is gone: its group may have others in it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
