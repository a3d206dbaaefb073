"""Says how a script ended, in the words the state machine's last step reads (`lifecycle.outcomes`).

It is returned, not raised: an invocation that raises counts as an error of the function, and would set off its alarm
whenever a user's script fails.
"""

import json
import signal
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from jobruns.run import RunState
from scripts.errors import RunFailedError
from scripts.process import Cut, Ended


class Ending(BaseModel):
    """How a script ended, as SUCCEEDED, FAILED, TIMEOUT or STOPPED."""

    model_config = ConfigDict(frozen=True)

    state: RunState
    message: str | None = None
    error_code: str | None = None


SUCCEEDED = Ending(state=RunState.SUCCEEDED)
STOPPED = Ending(state=RunState.STOPPED, message="the script was stopped", error_code="ScriptStopped")


def failed(error: RunFailedError) -> Ending:
    """Say that a script could not be run."""
    return Ending(state=RunState.FAILED, message=error.message, error_code=error.code)


def late(seconds: float, *, longest: bool) -> Ending:
    """Say that a script took too long: for its run, or (`longest`) for any function."""
    message = f"it did not end within {seconds:.0f} seconds"
    if longest:
        message += ", the longest a script may run here"
    return Ending(state=RunState.TIMEOUT, message=message, error_code="Timeout")


def read_end(ended: Ended, report: Path, memory_megabytes: int) -> Ending:
    """Say how a script ended that was not made to end for its time.

    Parameters
    ----------
    ended : Ended
        Its process.
    report : Path
        What `scripts.launch` wrote where the script raised; not there otherwise.
    memory_megabytes : int
        What the function has.
    """
    if ended.cut is Cut.STOPPED:
        return STOPPED
    if ended.status == 0:
        return SUCCEEDED
    if ended.status < 0:
        return Ending(
            state=RunState.FAILED, message=_signalled(-ended.status, memory_megabytes), error_code="ScriptKilled"
        )
    try:
        told = json.loads(report.read_text())
        return Ending(state=RunState.FAILED, message=told["message"], error_code=told["error"])
    except FileNotFoundError:
        message = f"exited with status {ended.status}"
        return Ending(state=RunState.FAILED, message=message, error_code="ScriptExit")


def _signalled(number: int, memory_megabytes: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = "unknown"
    message = f"was killed by signal {number} ({name})"
    if number == signal.SIGKILL:
        message += f", as happens to a script that needs more than the {memory_megabytes} MB of memory there are"
    return message
