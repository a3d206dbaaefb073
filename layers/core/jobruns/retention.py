"""How long the ledger keeps the runs that are over, and which of them it keeps for ever.

A job's last success is what the next run begins at, however long ago it was: as long as it is the last, by its end or
by its start, it is kept. Whoever puts another in its place says when it is forgotten, and not before; whoever takes
the last one away sees to it first that the one before stays. So what goes wrong in between leaves too much, and never
too little.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from jobruns.job import MAX_TIMEOUT_SECONDS
from jobruns.lifecycle import COMMIT_SURRENDER_SECONDS, WAIT_LIMIT_SECONDS
from jobruns.run import RunState, RunSummary

_Run = TypeVar("_Run", bound=RunSummary)

LIFE = timedelta(seconds=WAIT_LIMIT_SECONDS + MAX_TIMEOUT_SECONDS + COMMIT_SURRENDER_SECONDS)
"""A run has ended by then, and a little later it is settled."""

REVIEWED = 5
"""The last successes of a job that are looked through when there is a new one. Two are enough, unless several runs are
settled at the same moment."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How many days runs are kept when they are over and nothing needs them any more; 0 is for ever."""

    days: int = 0

    @property
    def limited(self) -> bool:
        """Whether anything is forgotten at all."""
        return self.days > 0

    def run_expires_at(self, now: datetime) -> datetime | None:
        """Tell when a run is forgotten that nothing needs from now on."""
        return self._after(now)

    def history_expires_at(self, at: datetime) -> datetime | None:
        """Tell when what a run leaves behind while it goes is forgotten: after the run, however long it goes on."""
        return self._after(at + LIFE)

    def _after(self, at: datetime) -> datetime | None:
        return (at + timedelta(days=self.days)).replace(microsecond=0) if self.limited else None


FOR_EVER = Retention()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a job's last successes.

    ``last`` are the last ones, by end and by start: one or two runs, or none. ``kept`` are those of them that were to
    be forgotten; ``outlived`` are others that were not.
    """

    last: tuple[RunSummary, ...]
    kept: tuple[RunSummary, ...]
    outlived: tuple[RunSummary, ...]


def is_success(run: RunSummary) -> bool:
    """Tell whether a run is among those of which the last is kept."""
    return run.state is RunState.SUCCEEDED and run.counts


def weigh(by_end: Sequence[RunSummary], by_start: Sequence[RunSummary], leaving: str | None = None) -> Verdict:
    """Decide what becomes of a job's successes.

    Parameters
    ----------
    by_end, by_start : sequence of RunSummary
        The first of them, the last one first.
    leaving : str, optional
        Id of the run that is about to be none of them any more.
    """
    ranked = [[run for run in runs if run.run_id != leaving] for runs in (by_end, by_start)]
    last = _distinct(run for runs in ranked for run in runs[:1])
    ids = {run.run_id for run in last}
    return Verdict(
        last=last,
        kept=tuple(run for run in last if run.expires_at is not None),
        outlived=tuple(
            run
            for run in _distinct(run for runs in ranked for run in runs)
            if run.run_id not in ids and run.expires_at is None
        ),
    )


def find_outlived(runs: Collection[RunSummary]) -> set[str]:
    """Find those of some runs that are no job's last success, by the others: the ones that are none, or not the last.

    Returns
    -------
    set of str
        Their ids.
    """
    last: dict[tuple[str, str], tuple[datetime, int, str]] = {}
    for run in filter(is_success, runs):
        for by, at in (("start", run.start_at), ("end", run.end_at or run.start_at)):
            ranked = (at, run.number or 0, run.run_id)
            last[run.job, by] = max(ranked, last.get((run.job, by), ranked))
    return {run.run_id for run in runs} - {run_id for _, _, run_id in last.values()}


def _distinct(runs: Iterable[_Run]) -> tuple[_Run, ...]:
    return tuple({run.run_id: run for run in runs}.values())
