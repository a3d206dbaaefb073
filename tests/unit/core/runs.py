"""Runs for tests of the pure parts."""

from datetime import UTC, datetime, timedelta
from typing import Any

from jobruns.run import Executor, Run, RunState

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def make_run(state: RunState = RunState.STARTING, **fields: Any) -> Run:
    """Make a run of an external job, submitted at NOW, with a time limit of 600 s."""
    given: dict[str, Any] = {
        "org": "o",
        "job": "nightly",
        "run_id": "01a1fba8-d3d3-7e99-bb70-b94945b18a25",
        "root_run_id": "01a1fba8-d3d3-7e99-bb70-b94945b18a25",
        "executor": Executor.EXTERNAL,
        "state": state,
        "door": "test",
        "started_by": "tester",
        "timeout_seconds": 600,
        "submitted_at": NOW,
        "modified_at": NOW,
        "deadline_at": NOW + timedelta(seconds=600),
    }
    return Run(**{**given, **fields})
