"""Rows of the relation ``runs``: every run, with all there is of it to be shown."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jobruns.run import Run
from jobruns.run_file import files_prefix
from jobruns.settings import load_settings
from pgrest.argument_secrets import hide_secrets
from pgrest.consoles import find_consoles
from pgrest.job_rows import STATUS_OF
from pgrest.jsonb import make_finite
from pgrest.runs import RUNS

UNSHOWN = frozenset(
    {
        *("org", "number"),  # the caller's own; the column id
        *("reported_start_at", "reported_end_at"),  # the columns start_date and end_date
        *("task_token", "extra", "arguments_key", "limited", "committing_until_at"),  # of this service's own workings
        *("root", "phase_rank", "sync_state"),  # the columns files and phase; its flow's
        *("bookmark", "bookmark_option"),  # not the run's but its job's; it may be as large as a script makes it
    }
)
"""Fields of a run that are no column by their own name, and why."""

_MADE: Mapping[str, Callable[[Run], Any]] = {
    "id": lambda run: run.number,
    "state": lambda run: run.state.value,
    "status": lambda run: STATUS_OF[run.outcome],
    "executor": lambda run: run.executor.value,
    "trigger": lambda run: run.trigger.value,
    "predecessors": lambda run: [one.model_dump() for one in run.predecessors],
    "start_date": lambda run: run.start_at,
    "end_date": lambda run: run.end_at,
    "progress": lambda run: run.progress.model_dump(),
    "files": files_prefix,
    "metrics": lambda run: make_finite(run.metrics),
    "arguments": lambda run: None if run.arguments_key else make_finite(hide_secrets(run.arguments)),
    "urls": lambda run: find_consoles(run, load_settings()),
}
"""What makes the cells that are not simply a field of the run."""


class RunRow(Mapping[str, Any]):
    """The row of a run. Cells are made when they are asked for: most are not, as most rows are only filtered."""

    __slots__ = ("_run",)

    def __init__(self, run: Run) -> None:
        self._run = run

    def __getitem__(self, column: str) -> Any:
        """Give a cell."""
        if (make := _MADE.get(column)) is not None:
            return make(self._run)
        if column not in RUNS.by_name:
            raise KeyError(column)
        return getattr(self._run, column)

    def __iter__(self) -> Iterator[str]:
        """Give the names of the columns."""
        return iter(RUNS.by_name)

    def __len__(self) -> int:
        """Count the columns."""
        return len(RUNS.columns)
