"""The state of a Singer tap, which the next sync of the same source takes up from.

What it means is the tap's own business: it is kept as it came, whatever JSON it is. It moves with the success of a run,
and when somebody sets or clears it; each move makes the next version. Three things look like it and are told apart
here: what a tap prints, what a target of some makers prints about the records it wrote, and the two of them together.
https://github.com/singer-io/getting-started/blob/master/docs/SPEC.md
"""

import json
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

GIVEN_FILE = "state.json"
"""Where a run finds the state it begins with, among its files."""

TAP_STATE_FILE = "sync-output/state.json"
TARGET_STATE_FILE = "target-state.json"
LEFT_FILES = (TAP_STATE_FILE, TARGET_STATE_FILE)
"""Where a run leaves the state it came to; the first one that says something is taken."""


class SyncState(BaseModel):
    """What is kept of a source.

    Parameters
    ----------
    org, key : str
        Whose.
    version : int
        Counts the moves; 0 is one that was never there.
    value : Any
        The state itself; ``None`` where there is none.
    run_id : str or None
        The run whose success brought it; ``None`` where a person set or cleared it.
    modified_at : datetime or None
        When it moved.
    """

    model_config = ConfigDict(frozen=True)

    org: str
    key: str
    version: int = 0
    value: Any = None
    run_id: str | None = None
    modified_at: AwareDatetime | None = None

    @property
    def empty(self) -> bool:
        """Whether a sync has nothing to take up from."""
        return is_empty(self.value)

    def moved(self, value: Any, at: datetime, run_id: str | None = None) -> "SyncState":
        """Make the next version."""
        changes = {"version": self.version + 1, "value": value, "run_id": run_id, "modified_at": at}
        return self.model_copy(update=changes)


def is_empty(value: Any) -> bool:
    """Tell whether a state says nothing; one that is an empty object does not."""
    return value is None or value in ({}, [], "")


def read_left_state(content: bytes) -> Any:
    """Read the tap's state out of what a tap or a target printed, or a file of it.

    Programs print a state each time it has moved, so the last line counts.

    Returns
    -------
    Any
        ``None`` where nothing is said of the tap's state, which then stays as it was.
    """
    value = _last_document(content)
    if isinstance(value, dict) and value.keys() == {"tap", "target"}:
        value = value["tap"]
    if is_empty(value) or is_target_state(value):
        return None
    return value


def is_target_state(value: Any) -> bool:
    """Tell whether this is what a target says of the records it wrote: to a tap that would be no state at all."""
    if not isinstance(value, dict) or not isinstance(value.get("bookmarks"), dict):
        return False
    bookmarks = value["bookmarks"].values()
    return isinstance(value.get("summary"), dict) or any(isinstance(records, list) for records in bookmarks)


def _last_document(content: bytes) -> Any:
    text = content.decode(errors="replace").strip()
    for part in (text, text.rpartition("\n")[2]):
        try:
            return json.loads(part)
        except ValueError:
            continue
    return None
