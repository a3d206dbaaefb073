"""Runs one process within limits: its output passed on line by line, its end in time, nothing of it left behind."""

import codecs
import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import IO

from scripts.descendants import adopting, kill_new_children
from scripts.errors import RunFailedError

MAX_LINE_BYTES = 64 * 1024
"""A longer line is passed on in pieces."""

GRACE_SECONDS = 3.0
"""From SIGTERM to SIGKILL."""

_LOOK_SECONDS = 0.25
_DRAIN_SECONDS = 10.0
"""For the rest of the output of a process that is gone, some of which may be waiting for CloudWatch."""


@unique
class Cut(StrEnum):
    """Why a process was ended before it ended itself."""

    LATE = "late"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit status, negative for a signal, and why it was made to, if it was."""

    status: int
    cut: Cut | None = None


def run_process(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    on_output: Callable[[str], None],
    on_error: Callable[[str], None],
    seconds: float,
    stopped: threading.Event,
    grace_seconds: float = GRACE_SECONDS,
) -> Ended:
    """Run a process to its end, or to the end of its time.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    folder : Path
        Its working directory.
    environment : mapping
        All of its environment.
    on_output, on_error : callable
        Given each line of its output, without the line's end. May block: the process then waits when it writes.
    seconds : float
        How long it may run.
    stopped : threading.Event
        Set when it shall be ended at once.
    grace_seconds : float
        How long a process asked to end has for it.

    Raises
    ------
    RunFailedError
        It cannot be started with these arguments.
    LeftoverProcessError
        Something it started cannot be ended.
    """
    deadline = time.monotonic() + seconds
    with adopting() as before:
        try:
            process = subprocess.Popen(  # noqa: S603 - to run what the user wrote is the purpose
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=0,
            )
        except (OSError, ValueError) as error:
            # The kernel takes no argument of 128 KB, and none with a null character in it.
            raise RunFailedError(
                f"the script cannot be started with these arguments: {error}", "ScriptInvalid"
            ) from error
        pumps = [_pump(process.stdout, on_output), _pump(process.stderr, on_error)]
        try:
            cut = _wait(process, deadline, stopped)
            if cut is not None:
                _end(process, grace_seconds)
        finally:
            _signal_group(process, signal.SIGKILL)
            status = process.wait()
            kill_new_children(before)
            _join(pumps)
    return Ended(status, cut)


def _wait(process: "subprocess.Popen[bytes]", deadline: float, stopped: threading.Event) -> Cut | None:
    while True:
        left = deadline - time.monotonic()
        if stopped.is_set():
            return Cut.STOPPED
        if left <= 0:
            return Cut.LATE
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(min(_LOOK_SECONDS, left))
            return None


def _end(process: "subprocess.Popen[bytes]", grace_seconds: float) -> None:
    _signal_group(process, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(grace_seconds)


def _signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    # Also when the process itself is gone: its group may have others in it.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _pump(pipe: IO[bytes] | None, give: Callable[[str], None]) -> threading.Thread:
    if pipe is None:
        raise ValueError("the process was started without pipes")

    def pump(source: IO[bytes]) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with source:
            # A piece of a line may end inside a character; the decoder keeps what is missing for the next piece.
            while piece := source.readline(MAX_LINE_BYTES):
                whole = piece.endswith(b"\n")
                give(decoder.decode(piece, final=whole).removesuffix("\n").removesuffix("\r"))
            if rest := decoder.decode(b"", final=True):
                give(rest)

    thread = threading.Thread(target=pump, args=(pipe,), name="script-output", daemon=True)
    thread.start()
    return thread


def _join(pumps: Sequence[threading.Thread]) -> None:
    deadline = time.monotonic() + _DRAIN_SECONDS
    for thread in pumps:
        thread.join(max(0.0, deadline - time.monotonic()))
