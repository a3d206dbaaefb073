"""Bookmarks: the state a job keeps from its last success, so that its next run takes up there.

A bookmark moves when a run succeeds, and when somebody resets it; each move makes the next version. What it was at the
end of a run stays on record, so that it can be reset to there. A run that commits holds the bookmark from its point of
no return on: nobody else can commit by the version it read. Pure: storage enforces the versions.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from jobruns.errors import InvalidInputError
from jobruns.run import BookmarkOption, BookmarkStep, Run

OPTION_ARGUMENT = "--job-bookmark-option"
"""The argument by which a run says what it does with the bookmark, spelled as AWS Glue's jobs spell it."""

BOOKMARK_CONFLICT = "BookmarkConflict"
"""Error code of a run that may not commit, because another has moved the bookmark under it."""

_OPTIONS = {f"job-bookmark-{option}": option for option in BookmarkOption}


class Bookmark(BaseModel):
    """A job's bookmark, now or at the end of a run.

    Parameters
    ----------
    org, job : str
        Whose.
    version : int
        Counts the moves, resets too; 0 is a bookmark that was never used.
    ordinal : int
        Which success, counted from the beginning, brought it here; 0 at the beginning.
    attempt : int
        That of the run that did.
    run_id, previous_run_id : str or None
        That run, and the one that had moved the bookmark before it.
    state : dict
        What the executor keeps; nothing at the beginning.
    pending : str or None
        The run that commits by it and has yet to move it.
    modified_at : datetime or None
        When it moved.
    """

    model_config = ConfigDict(frozen=True)

    org: str
    job: str
    version: int = 0
    ordinal: int = 0
    attempt: int = 0
    run_id: str | None = None
    previous_run_id: str | None = None
    state: dict[str, Any] = Field(default_factory=dict)
    pending: str | None = None
    modified_at: AwareDatetime | None = None

    def step(self, state: dict[str, Any]) -> BookmarkStep:
        """Say where the success of a run that begins here leads: to `state`."""
        return BookmarkStep(
            from_version=self.version, ordinal=self.ordinal + 1, previous_run_id=self.run_id, state=state
        )

    def reset(self, to: "Bookmark | None", at: datetime) -> "Bookmark":
        """Make the next version: as it was at the end of a run, or as at the beginning where `to` is ``None``."""
        was = to or Bookmark(org=self.org, job=self.job)
        return was.model_copy(update={"version": self.version + 1, "pending": None, "modified_at": at})


def bookmark_after(run: Run, step: BookmarkStep, at: datetime) -> Bookmark:
    """Make the bookmark that a run's success leads to."""
    return Bookmark(
        org=run.org,
        job=run.job,
        version=step.from_version + 1,
        ordinal=step.ordinal,
        attempt=run.attempt,
        run_id=run.run_id,
        previous_run_id=step.previous_run_id,
        state=step.state,
        modified_at=at,
    )


def read_bookmark_option(arguments: Mapping[str, Any]) -> BookmarkOption:
    """Read what a run's arguments say of the bookmark; nothing is DISABLE.

    Raises
    ------
    InvalidInputError
        The argument is there and none of the three words.
    """
    word = arguments.get(OPTION_ARGUMENT)
    if word is None:
        return BookmarkOption.DISABLE
    try:
        return _OPTIONS[word]
    except (KeyError, TypeError):
        words = ", ".join(_OPTIONS)
        raise InvalidInputError(f"{OPTION_ARGUMENT} must be one of {words}", field="arguments") from None
