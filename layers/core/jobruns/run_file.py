"""The files of a run: where they lie, and what is known of each."""

from typing import Any
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from jobruns.run import Run

LISTED = ""
"""Sequencer of a file that was found by looking, and that no notification has told of."""


DETAILS = "job_details.json"
"""What the ledger itself writes of a run, at each of its stages."""

EVENTS = "events/"
"""Where what was told of a run's stages lies, a file each."""

HALF_WRITTEN = ".lock"
"""How the name of a file ends that somebody is writing, or was when he died."""


class RunFile(BaseModel):
    """A file of a run.

    Parameters
    ----------
    path : str
        Behind the run's own prefix.
    size : int or None
        Bytes; ``None`` when it is gone.
    etag : str or None
        As S3 has it, without quotes.
    sequencer : str
        Which of several changes of the same key is the later one: hexadecimal, of any length
        (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html).
    modified_at : datetime
        When it was written or deleted.
    facts : dict
        What was read in it, where it is one that tells something of the run.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    size: int | None
    etag: str | None = None
    sequencer: str = LISTED
    modified_at: AwareDatetime
    facts: dict[str, Any] = Field(default_factory=dict)

    def follows(self, other: "RunFile") -> bool:
        """Tell whether this is the later of two things that are known of the same file.

        Where one was found by looking, the time decides: S3 gives no sequencer in a list.
        """
        if LISTED in (self.sequencer, other.sequencer):
            return self.modified_at > other.modified_at
        width = max(len(self.sequencer), len(other.sequencer))
        # Shorter ones are to be filled up with zeros on the right before they are compared, as S3's manual has it.
        return self.sequencer.ljust(width, "0") > other.sequencer.ljust(width, "0")


def is_runs_own(path: str) -> bool:
    """Tell whether a file is one that the run's work left, and not the ledger; half of one is none."""
    return path != DETAILS and not path.startswith(EVENTS) and not path.endswith(HALF_WRITTEN)


def files_prefix(run: Run) -> str:
    """Give the key prefix of a run's files, with the slash at its end."""
    path = run.root.path if run.root else f"ledger/{quote(run.job, safe='')}/{run.run_id}"
    return f"{run.org}/{path}/"
