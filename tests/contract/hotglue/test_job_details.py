"""The document of a run: every member that the documentation names, of its type, at every stage."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pytest

from jobruns.lifecycle import Begun, Event, Failed, Stopped, StopRequested, Succeeded, TimedOut
from jobruns.run import Run
from jobruns_events.details import job_details, processed_rows
from jobruns_events.statuses import STATUSES
from tests.unit.core.runs import make_run
from tests.unit.events.histories import make_synced, reached, write

NOTHING = type(None)
MEMBERS: dict[str, tuple[type, ...]] = {
    "job_id": (str,),
    "env_id": (str,),
    "flow_id": (str,),
    "job_name": (str,),
    "tenant": (str,),
    "started_by": (str,),
    "s3_root": (str,),
    "start_time": (str,),
    "state": (dict,),
    "tap": (str, NOTHING),
    "target": (str, NOTHING),
    "connector_id": (str, NOTHING),
    "job_type": (str, NOTHING),
    "status": (str,),
    "scheduled_job": (bool,),
    "sync_type": (str,),
    "override_start_date": (str, NOTHING),
    "message": (str,),
    "task_id": (str,),
    "task_type": (str,),
    "task_definition": (dict,),
    "last_updated": (str,),
    "metrics": (dict,),
    "error": (dict, NOTHING),
    "data_sizes": (dict,),
    "resources_usage": (dict,),
    "override_end_date": (str, NOTHING),
    "override_field_map": (dict, NOTHING),
    "override_source_config": (dict, NOTHING),
    "override_target_config": (dict, NOTHING),
    "override_lifecycle_webhook": (dict, str, NOTHING),
    "discover_install_uri": (str, NOTHING),
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00")

HISTORIES: dict[str, tuple[Run, list[Event]]] = {
    "ours, done": (make_synced(), [Begun(), *reached("SYNC_STARTED", "EXPORT_STARTED"), Succeeded()]),
    "ours, failed": (make_synced(), [Begun(), *reached("SYNC_STARTED"), Failed("no")]),
    "ours, stopped": (make_synced(), [Begun(), *reached("SYNC_STARTED"), StopRequested(), Stopped()]),
    "another's, late": (make_run(), [Begun(), TimedOut("it did not end in time")]),
    "another's, never begun": (make_run(), [Failed("there is no such job", "JobNotFound")]),
    "a name with a slash": (make_run(job="a/b c", org="acme"), [Begun(), Succeeded()]),
}


def stages(run: Run, events: list[Event]) -> Iterable[dict[str, Any]]:
    return (job_details(after) for _, after in write(run, events))


@pytest.mark.parametrize(("run", "events"), HISTORIES.values(), ids=HISTORIES)
def test_every_member_is_there_and_of_its_type(run: Run, events: list[Event]) -> None:
    for details in stages(run, events):
        assert details.keys() >= MEMBERS.keys()
        wrong = {name: details[name] for name, types in MEMBERS.items() if not isinstance(details[name], types)}
        assert not wrong
        assert details["status"] in STATUSES
        assert details["sync_type"] in ("full_sync", "incremental_sync", "auto_sync")
        assert details["task_type"] in ("STANDARD", "LOW_LATENCY", "STATIC_IP")
        assert all(isinstance(size, float) for size in details["data_sizes"].values())
        assert isinstance(processed_rows(details), int)


@pytest.mark.parametrize(("run", "events"), HISTORIES.values(), ids=HISTORIES)
def test_times_are_written_as_python_does_and_never_go_back(run: Run, events: list[Event]) -> None:
    updated = []
    for details in stages(run, events):
        assert TIME.fullmatch(details["start_time"])
        assert TIME.fullmatch(details["last_updated"])
        assert datetime.fromisoformat(details["start_time"]) <= datetime.fromisoformat(details["last_updated"])
        updated.append(details["last_updated"])
    assert updated == sorted(updated)


@pytest.mark.parametrize(("run", "events"), HISTORIES.values(), ids=HISTORIES)
def test_what_identifies_a_run_is_the_same_at_every_stage(run: Run, events: list[Event]) -> None:
    ids = {tuple(details[name] for name in ("job_id", "env_id", "flow_id", "tenant", "s3_root", "job_name", "task_id"))
           for details in stages(run, events)}  # fmt: skip
    assert len(ids) == 1


def test_an_error_holds_its_message() -> None:
    run, events = HISTORIES["another's, never begun"]
    *_, last = stages(run, events)
    assert last["error"] == {"message": "there is no such job", "type": "JobNotFound", "phase": None}
    assert last["message"] == last["error"]["message"]
