"""A batch job as it is watched, and what its status may never do."""

import re
from typing import Any

from tests.e2e.door import Door
from tests.e2e.ledger import wait_for

EVERY_SECONDS = 0.05
ENDS = ("done", "failed", "canceled")
TASK_STATES = {"READY", "RUNNING", "DONE", "FAILED", "CANCELED"}


def observe(door: Door, job: dict[str, Any], seconds: float = 60) -> list[dict[str, Any]]:
    """Ask for a job's status until it has ended, `job` as it was answered first."""
    seen = [job]

    def look() -> bool:
        seen.append(door.status(job))
        return seen[-1]["status"] in ENDS

    wait_for(look, seconds, every_seconds=EVERY_SECONDS)
    return seen


def assert_only_forward(seen: list[dict[str, Any]]) -> None:
    """Check that statuses, tasks and percent went forward only, and the tasks added up, in what was seen of one run."""
    assert re.fullmatch(r"(ready )*(running )*((done )*|(failed )*|(canceled )*)", _words(seen))
    details = [now["details"]["status_detail"] for now in seen]
    percents = [detail["percent_complete"] for detail in details]
    assert percents == sorted(percents)
    assert all(0 <= percent <= 1 for percent in percents)
    for now, detail in zip(seen, details, strict=True):
        assert (detail["percent_complete"] == 1) == (now["status"] == "done")
        assert detail["tasks"].keys() <= {"LIST", "INDEX"}
        for tasks in detail["tasks"].values():
            assert tasks.keys() <= TASK_STATES
            assert all(count > 0 for count in tasks.values())
        assert sum(detail["tasks"]["LIST"].values()) == 1
    estimated = [detail["estimated"] for detail in details]
    assert estimated == sorted(estimated, reverse=True)
    indexed = [detail["tasks"].get("INDEX", {}) for detail in details if not detail["estimated"]]
    assert len({sum(tasks.values()) for tasks in indexed}) <= 1
    for state, sign in (("READY", -1), ("DONE", 1), ("FAILED", 1)):
        counts = [sign * tasks.get(state, 0) for tasks in indexed]
        assert counts == sorted(counts), state
    assert not any(detail["tasks"].get("INDEX") for detail in details if detail["estimated"])


def _words(seen: list[dict[str, Any]]) -> str:
    return " ".join(now["status"] for now in seen) + " "
