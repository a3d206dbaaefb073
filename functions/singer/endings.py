"""Says how a sync ended, in the words the state machine's last step reads (`lifecycle.outcomes`).

It is returned, not raised: an invocation that raises counts as an error of the function, and would set off its alarm
whenever a user's tap fails.
"""

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from jobruns.run import RunState
from scripts.errors import RunFailedError


class Phase(BaseModel):
    """How far the work has come."""

    model_config = ConfigDict(frozen=True)

    phase: str
    rank: int
    at: AwareDatetime


class Ending(BaseModel):
    """How a sync ended, as SUCCEEDED, FAILED, TIMEOUT or STOPPED, and through which phases it went."""

    model_config = ConfigDict(frozen=True)

    state: RunState
    message: str | None = None
    error_code: str | None = None
    metrics: dict[str, Any] = Field(default_factory=dict)
    phases: tuple[Phase, ...] = ()


def stopped() -> Ending:
    """Say that it was stopped, which is never read off an exit status: a target that is asked to end well, does."""
    return Ending(state=RunState.STOPPED, message="the sync was stopped", error_code="SyncStopped")


def failed(error: RunFailedError) -> Ending:
    """Say that it went wrong."""
    return Ending(state=RunState.FAILED, message=error.message, error_code=error.code)


def late(seconds: float, *, longest: bool) -> Ending:
    """Say that it took too long: for its run, or (`longest`) for any function."""
    message = f"it did not end within {seconds:.0f} seconds"
    if longest:
        message += ", the longest a sync may run here"
    return Ending(state=RunState.TIMEOUT, message=message, error_code="Timeout")
