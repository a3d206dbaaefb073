"""Lineage events, by OpenLineage's own models."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from openlineage.client.event_v2 import RunState as LineageState
from openlineage.client.serde import Serde

from jobruns.lifecycle import (
    Amended,
    Begun,
    Corrected,
    DeadlineNear,
    Delayed,
    Event,
    Failed,
    Stopped,
    StopRequested,
    Succeeded,
    TimedOut,
)
from jobruns.run import Predecessor, Progress, Run, RunState, TriggerKind
from jobruns.run_file import RunFile
from jobruns_events.messages import compose_messages
from tests.contract.hotglue.openlineage import RefusedError, read_event
from tests.unit.core.runs import NOW, make_run
from tests.unit.events.histories import make_synced, reached, tell

FILES = [
    RunFile(
        path="sync-output/job_metrics.json", size=9, modified_at=NOW, facts={"recordCount": {"Invoice": 41, "Party": 7}}
    ),
    RunFile(
        path="target-state.json",
        size=9,
        modified_at=NOW,
        facts={"exportSummary": {"Invoice": {"success": 38, "fail": 1, "existing": 0, "updated": 2}}},
    ),
]
PARENT = "01a1fba8-d3d3-7e99-bb70-000000000001"


def documents(first: Run, events: list[Event], files: Sequence[RunFile] = ()) -> list[dict[str, Any]]:
    """Give what a lineage back end is sent of a run, each read by OpenLineage's models."""
    told = [
        json.loads(message.body)
        for event in tell(first, events, files)
        for message in compose_messages(event, "openlineage")
    ]
    for document in told:
        read = read_event(document)
        # The models write what they read, and leave out only what is empty.
        assert _without_empty(json.loads(Serde.to_json(read))) == _without_empty(document)
    return told


def _without_empty(value: Any) -> Any:
    match value:
        case dict():
            told = {name: _without_empty(member) for name, member in value.items()}
            return {name: member for name, member in told.items() if member not in ({}, [], None)}
        case list():
            return [_without_empty(member) for member in value]
    return value


SYNCED = reached("SYNC_STARTED", "SYNC_SUCCESS", "EXPORT_STARTED")
OURS = {
    "done": ([Begun(), *SYNCED, Succeeded()], ["START", "RUNNING", "RUNNING", "COMPLETE"]),
    "failed": ([Begun(), *SYNCED, Failed("no")], ["START", "RUNNING", "RUNNING", "FAIL"]),
    "late": ([Begun(), *SYNCED[:1], TimedOut("late")], ["START", "FAIL"]),
    "stopped": ([Begun(), *SYNCED[:1], StopRequested(), Stopped()], ["START", "RUNNING", "ABORT"]),
    "never begun": ([Failed("no")], ["START", "FAIL"]),
    "stopped before": ([StopRequested(), Stopped()], ["START", "ABORT"]),
}
OTHERS = {
    "done": ([Begun(), Delayed("x"), DeadlineNear("y"), Succeeded()], ["START", "RUNNING", "RUNNING", "COMPLETE"]),
    "never begun": ([Failed("no")], ["START", "FAIL"]),
    "corrected": (
        [Begun(), Succeeded(), Amended({"records": 3}), Corrected(RunState.FAILED)],
        ["START", "COMPLETE", "OTHER", "OTHER"],
    ),
}


@pytest.mark.parametrize(("events", "kinds"), OURS.values(), ids=OURS)
def test_a_run_has_one_start_and_one_end(events: list[Event], kinds: list[str]) -> None:
    told = documents(make_synced(), events)
    assert [document["eventType"] for document in told] == kinds
    assert {document["run"]["runId"] for document in told} == {make_run().run_id}
    times = [document["eventTime"] for document in told]
    assert times == sorted(times)


@pytest.mark.parametrize(("events", "kinds"), OTHERS.values(), ids=OTHERS)
def test_so_has_a_run_of_another_door(events: list[Event], kinds: list[str]) -> None:
    assert [document["eventType"] for document in documents(make_run(), events)] == kinds
    assert set(kinds) <= {state.value for state in LineageState}


def test_streams_are_datasets_with_their_counts() -> None:
    *_, done = documents(make_synced(), [Begun(), *SYNCED, Succeeded()], FILES)
    assert (done["job"]["namespace"], done["job"]["name"]) == ("stage.acorn.example", "Kp3vWm-aQ.ledgerly")
    assert [
        (one["namespace"], one["name"], one["inputFacets"]["inputStatistics"]["rowCount"]) for one in done["inputs"]
    ] == [
        ("ledgerly", "Invoice", 41),
        ("ledgerly", "Party", 7),
    ]
    (output,) = done["outputs"]
    assert (output["namespace"], output["name"]) == ("depot", "Invoice")
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 40


def test_a_run_of_another_door_reads_and_writes_what_it_says() -> None:
    run = make_run(
        source="s3://bucket/orders/2026",
        destination="sales.orders",
        records=41,
        progress=Progress(bytes_read=2_000_000),
    )
    *_, done = documents(run, [Begun(), Succeeded()])
    (read,), (written,) = done["inputs"], done["outputs"]
    assert (read["namespace"], read["name"]) == ("s3://bucket", "orders/2026")
    assert read["inputFacets"]["inputStatistics"]["size"] == 2_000_000
    assert (written["namespace"], written["name"]) == ("o", "sales.orders")
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == 41


def test_a_failure_says_why_and_what_led_to_a_run_is_its_parent() -> None:
    run = make_run(trigger=TriggerKind.SCHEDULE, predecessors=(Predecessor(job="a/b c", run_id=PARENT),))
    started, failed = documents(run, [Begun(), Failed("no disk")])
    assert failed["run"]["facets"]["errorMessage"]["message"] == "no disk"
    assert failed["run"]["facets"]["parent"]["run"]["runId"] == PARENT
    assert failed["run"]["facets"]["parent"]["job"] == {"namespace": "o", "name": "a/b c"}
    assert started["run"]["facets"]["nominalTime"]["nominalStartTime"].startswith("2026-11-21T12:00:01")
    assert started["eventTime"] <= failed["eventTime"]
    assert started["job"]["facets"]["jobType"]["integration"] == "TEST-DOOR"


def test_what_is_told_late_of_a_start_has_the_time_of_the_start() -> None:
    began = NOW - timedelta(hours=1)
    over = make_run(RunState.SUCCEEDED, settled=True, started_at=NOW, ended_at=NOW, reported_start_at=began)
    start, complete = documents(over, [])
    assert start["eventTime"] == "2026-11-21T11:00:00.000000+00:00"
    assert complete["eventTime"] == "2026-11-21T12:00:00.000000+00:00"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.pop("eventTime"),
        lambda document: document["run"].update(runId="jr_1"),
        lambda document: document.update(eventType="DONE"),
        lambda document: document.update(more=1),
        lambda document: document["job"].update(name=None),
        lambda document: document["job"]["facets"]["jobType"].pop("integration"),
        lambda document: document["job"]["facets"]["jobType"].update(_schemaURL="https://openlineage.io/spec/x.json"),
        lambda document: document["outputs"][0]["outputFacets"]["outputStatistics"].update(rowCount="40"),
    ],
)
def test_the_models_refuse_what_the_schema_does_not_allow(spoil: Any) -> None:
    *_, done = documents(make_synced(), [Begun(), *SYNCED, Succeeded()], FILES)
    spoil(done)
    with pytest.raises((RefusedError, ValueError)):
        read_event(done)
