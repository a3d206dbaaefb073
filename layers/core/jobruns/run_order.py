"""Which runs are read, and in which order."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Self

from jobruns.run import Outcome, RunSummary

EVERY_OUTCOME = frozenset(Outcome)


@unique
class Moment(StrEnum):
    """The time of a run that puts it in order."""

    START = "start"
    END = "end"


@dataclass(frozen=True, slots=True)
class RunOrder:
    """Which runs are read, by which time, in which order. Runs of the same time come by their number.

    Parameters
    ----------
    by : Moment
        The time that orders and bounds.
    outcomes : frozenset of Outcome
        What became of the runs.
    counts : bool, optional
        Whether runs that count are read, or those that do not; ``None`` is both.
    since, until : datetime, optional
        The bounds, both included. A run that has no end is in no bounds of ends.
    ascending : bool
        Whether the oldest comes first.
    endless_first : bool, optional
        Whether runs without an end come before all others; by default as if they ended after all others.
    """

    by: Moment = Moment.START
    outcomes: frozenset[Outcome] = EVERY_OUTCOME
    counts: bool | None = True
    since: datetime | None = None
    until: datetime | None = None
    ascending: bool = False
    endless_first: bool | None = None

    @classmethod
    def of_successes(cls, by: Moment) -> Self:
        """Read successes that count, the last one first."""
        return cls(by=by, outcomes=frozenset({Outcome.SUCCEEDED}))

    @property
    def everything(self) -> bool:
        """Whether what became of a run does not matter."""
        return self.outcomes == EVERY_OUTCOME

    def takes(self, run: RunSummary) -> bool:
        """Tell whether a run is one of these; its time is not looked at."""
        return run.outcome in self.outcomes and (self.counts is None or run.counts is self.counts)

    def __str__(self) -> str:
        """Spell all of it, the same in every process."""
        parts = (self.by, ",".join(sorted(self.outcomes)), self.counts, self.since, self.until)
        return " ".join(map(str, (*parts, self.ascending, self.endless_first)))
