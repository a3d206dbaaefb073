"""What is worth telling the outside of a run, read off how it was and how it is now.

The ledger table's stream gives both for every write of a run, in order. A notice carries the run as it was at that
stage, so nothing has to be read again, and what is told late is told as it was.

The end of a run is told when the run is settled, which is a moment later: what follows from the end has been done by
then, so whoever hears of it finds what it names.
"""

from dataclasses import dataclass
from enum import StrEnum, unique

from jobruns.ids import derived_id
from jobruns.run import Run, RunState


@unique
class NoticeKind(StrEnum):
    """What happened."""

    SUBMITTED = "submitted"
    ADMITTED = "admitted"
    STARTED = "started"
    PHASE = "phase"
    COMMITTING = "committing"
    DELAYED = "delayed"
    DEADLINE_NEAR = "deadline_near"
    STOPPING = "stopping"
    ENDED = "ended"
    CORRECTED = "corrected"
    AMENDED = "amended"


_REACHED = {
    RunState.STARTING: NoticeKind.ADMITTED,
    RunState.RUNNING: NoticeKind.STARTED,
    RunState.STOPPING: NoticeKind.STOPPING,
}
_MARKED = {
    "notified_at": NoticeKind.DELAYED,
    "warned_at": NoticeKind.DEADLINE_NEAR,
    "committing_until_at": NoticeKind.COMMITTING,
}


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened to a run.

    Parameters
    ----------
    run : Run
        As it is after it.
    kind : NoticeKind
        What.
    """

    run: Run
    kind: NoticeKind

    @property
    def sequence(self) -> int:
        """Its place among the notices of the run; it rises, and not always by one."""
        return self.run.version

    @property
    def notice_id(self) -> str:
        """The same for the same notice, however often it is told: a UUIDv7."""
        return derived_id(self.run.modified_at, "notice", self.run.org, self.run.run_id, str(self.sequence))


def read_notice(before: Run | None, after: Run) -> Notice | None:
    """Tell what a write of a run means to the outside.

    Parameters
    ----------
    before : Run or None
        As it was; ``None`` where it was not.
    after : Run
        As it is.

    Returns
    -------
    Notice or None
        ``None`` for signs of life, counts of progress, notes of ours, and for an end that is not settled yet.
    """
    kind = _kind(before, after)
    return Notice(after, kind) if kind is not None else None


def _kind(before: Run | None, after: Run) -> NoticeKind | None:
    if after.state.terminal:
        return _end(before, after)
    if before is None:
        return NoticeKind.SUBMITTED
    return _step(before, after) if before.version != after.version else None


def _step(before: Run, after: Run) -> NoticeKind | None:
    moved = before.state is not after.state
    if before.phase_rank != after.phase_rank:
        return NoticeKind.PHASE
    if moved:
        return _REACHED[after.state]
    for field, kind in _MARKED.items():
        if getattr(before, field) is None and getattr(after, field) is not None:
            return kind
    if before.task_token != after.task_token:
        # A dispatcher that was tried again.
        return None
    return NoticeKind.AMENDED


def _end(before: Run | None, after: Run) -> NoticeKind | None:
    if not after.settled:
        return None
    if before is None or not before.settled:
        return NoticeKind.ENDED
    if before.version == after.version:
        return None
    return NoticeKind.CORRECTED if before.state is not after.state else NoticeKind.AMENDED
