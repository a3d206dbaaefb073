"""Histories of runs, and what is told of them."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from jobruns.lifecycle import Event, PhaseReached, apply
from jobruns.notices import Notice, read_notice
from jobruns.run import Run, RunFolder, RunRoot, RunState
from jobruns.run_file import RunFile
from jobruns_events.cloud_events import cloud_event
from jobruns_events.statuses import DOOR, PHASES
from tests.unit.core.runs import NOW, make_run

OWN = {
    "env_id": "stage.acorn.example",
    "flow_id": "Kp3vWm-aQ",
    "tenant": "cust-881",
    "job_name": "nightly sync",
    "tap": "ledgerly",
    "target": "depot",
    "sync_type": "incremental_sync",
}
"""What the door keeps of a run of its own."""

FOLDER = "stage.acorn.example/cust-881/flows/Kp3vWm-aQ/jobs"
ROOT = RunRoot(scope="stage.acorn.example/Kp3vWm-aQ/cust-881", name="q7Zt_9", path=f"{FOLDER}/2026/11/4/21/12/q7Zt_9")


def make_synced(state: RunState = RunState.STARTING, *, own: dict[str, Any] | None = None, **fields: Any) -> Run:
    """Make a run of the hotglue door; `own` is put over what the door keeps of it. With an id it has its own root."""
    root = RunFolder(scope=ROOT.scope, path=FOLDER).root(fields["run_id"]) if "run_id" in fields else ROOT
    return make_run(state, **{"door": DOOR, "root": root, "extra": {DOOR: {**OWN, **(own or {})}}, **fields})


def write(first: Run, events: Iterable[Event]) -> list[tuple[Run | None, Run]]:
    """Apply events, one each second, the ignored ones with no write, and settle the run where it ends."""
    writes: list[tuple[Run | None, Run]] = [(None, first)]
    for second, event in enumerate(events, 1):
        before = writes[-1][1]
        decision = apply(before, event, NOW + timedelta(seconds=second))
        if decision.applied:
            writes.append((before, decision.after))
        if decision.after.state.terminal and not decision.after.settled:
            writes.append((decision.after, decision.after.model_copy(update={"settled": True})))
    return writes


def tell(first: Run, events: Iterable[Event], files: Sequence[RunFile] = ()) -> list[dict[str, Any]]:
    """Tell all that happens to a run as CloudEvents."""
    return [cloud_event(notice, before, files) for before, notice in notices(first, events)]


def notices(first: Run, events: Iterable[Event]) -> list[tuple[Run | None, Notice]]:
    """Give the notices of a run, each with the run before it."""
    found = [(before, read_notice(before, after)) for before, after in write(first, events)]
    return [(before, notice) for before, notice in found if notice is not None]


def reached(*phases: str) -> list[Event]:
    """Give the reports of these phases."""
    return [PhaseReached(phase, PHASES[phase]) for phase in phases]
