"""Runs of every door are told in the same formats, off the stream that the ledger table itself writes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from events.publication import publish
from jobruns.access import Principal
from jobruns.job import Job
from jobruns.lifecycle import Failed, Succeeded
from jobruns.run import Executor, Outcome, Run, RunState
from jobruns.run_file import files_prefix
from jobruns.service.definitions import define_job
from jobruns.service.lookups import find_run
from jobruns.service.phases import reach_phase
from jobruns.service.ports import Ports
from jobruns.service.reported_starts import RunReport, report_start
from jobruns.service.reports import beat_run, report_run
from jobruns.service.settlement import dispatch_run, settle_run
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.work import begin_listing, end_listing, load_run
from jobruns.store import Store
from jobruns_events.messages import FORMATS, compose_messages, formats
from jobruns_events.statuses import PHASES
from tests.contract.hotglue.openlineage import read_event
from tests.integration.doubles import Clock
from tests.integration.events.buses import RecordingBus
from tests.integration.events.streams import make_streaming_table
from tests.integration.ledger_table import TABLE
from tests.unit.events.histories import OWN, ROOT

Read = Callable[[], list[dict[str, Any]]]
ARN = "arn:aws:lambda:us-east-1:123456789012:function:theirs"


@pytest.fixture
def stream(aws: None) -> Read:
    return make_streaming_table()


@pytest.fixture
def store(stream: Read) -> Store:
    return Store(TABLE, pause=lambda seconds: None)


@dataclass
class Worker:
    """Has runs started through doors, and works on them, a second a step."""

    ports: Ports
    admin: Principal
    clock: Clock

    def begin(self, door: str, executor: Executor, **fields: Any) -> Run:
        job = f"{door} job"
        target = ARN if executor is Executor.LAMBDA else None
        define_job(self.ports, self.admin, name=job, executor=executor, door=door, target=target)
        run = start_run(self.ports, self.admin, StartRequest(job=job, door=door, **fields))
        self.clock.sleep(1)
        dispatch_run(self.ports, run.org, run.job, run.run_id, "token")
        self.clock.sleep(1)
        return find_run(self.ports, self.admin, run.run_id)

    def end(self, run: Run, state: RunState = RunState.SUCCEEDED, **told: Any) -> Run:
        outcome = Succeeded(**told) if state is RunState.SUCCEEDED else Failed("no disk", **told)
        return settle_run(self.ports, run.org, run.job, run.run_id, outcome) or run


def through_glue(worker: Worker) -> Run:
    run = worker.begin("glue", Executor.LAMBDA, arguments={"--a": "b"}, extra={"glue": {"WorkerType": "G.1X"}})
    beat_run(worker.ports, worker.admin, run)
    return worker.end(run, RunState.FAILED)


def through_hydrolix(worker: Worker) -> Run:
    run = worker.begin("hydrolix", Executor.INGEST, source="s3://bucket/orders/", destination="sales.orders")
    begin_listing(worker.ports, run)
    end_listing(worker.ports, run, units=3)
    return worker.end(load_run(worker.ports, run.org, run.job, run.run_id))


def through_harperdb(worker: Worker) -> Run:
    return worker.end(worker.begin("harperdb", Executor.NOOP, destination="dev.dog"), metrics={"rows": 3})


def through_postgrest(worker: Worker) -> Run:
    told = RunReport(job="detectors", outcome=Outcome.GOING, source="a file", destination="a table", records=41)
    run = report_start(worker.ports, worker.admin, told, door="postgrest")
    worker.clock.sleep(1)
    dispatch_run(worker.ports, run.org, run.job, run.run_id, "token")
    worker.clock.sleep(1)
    report_run(worker.ports, worker.admin, run, RunState.SUCCEEDED, message="done")
    return worker.end(run)


def through_hotglue(worker: Worker) -> Run:
    run = worker.begin("hotglue", Executor.EXTERNAL, root=ROOT, extra={"hotglue": OWN})
    for phase in ("SYNC_STARTED", "SYNC_SUCCESS", "EXPORT_STARTED"):
        run = reach_phase(worker.ports, worker.admin, run, phase, PHASES[phase])
        worker.clock.sleep(1)
    report_run(worker.ports, worker.admin, run, RunState.SUCCEEDED)
    return worker.end(run)


DOORS = {
    "glue": (through_glue, ["JOB_CREATED", "SYNC_STARTED", "SYNC_FAILED"]),
    "hydrolix": (through_hydrolix, ["JOB_CREATED", "SYNC_STARTED", "JOB_COMPLETED"]),
    "harperdb": (through_harperdb, ["JOB_CREATED", "SYNC_STARTED", "JOB_COMPLETED"]),
    "postgrest": (through_postgrest, ["JOB_CREATED", "SYNC_STARTED", "JOB_COMPLETED"]),
    "hotglue": (through_hotglue, ["JOB_CREATED", "SYNC_STARTED", "SYNC_SUCCESS", "EXPORT_STARTED", "JOB_COMPLETED"]),
}


def test_runs_of_every_door_arrive_in_the_same_formats(
    ports: Ports, admin: Principal, clock: Clock, stream: Read
) -> None:
    worker, bus = Worker(ports, admin, clock), RecordingBus()
    runs = {door: begin(worker) for door, (begin, _) in DOORS.items()}
    receipt = publish(ports, bus, [one for one in stream() if one["eventName"] != "REMOVE"])
    assert (receipt.failed, receipt.unreadable) == (set(), 0)
    shapes = set()
    for door, run in runs.items():
        told = [event for event in bus.events if event["runid"] == run.run_id]
        assert [event["status"] for event in told if event["step"]] == DOORS[door][1]
        assert {event["door"] for event in told} == {door}
        for event in told:
            JSONFormat().read(CloudEvent, json.dumps(event).encode())
            kept = ports.run_objects.get_json(event["document"])
            for form in FORMATS:
                messages = compose_messages(kept, form)
                assert bool(messages) is (form in formats(event))
                for message in messages if form == "openlineage" else ():
                    read_event(json.loads(message.body))
            shapes.add(tuple(sorted(event["data"])))
        assert ports.run_objects.get_json(f"{files_prefix(run)}job_details.json")["status"] == DOORS[door][1][-1]
    assert len(shapes) == 1
    ends = [entry for entry in bus.entries if entry.detail_type == "Glue Job State Change"]
    assert len(ends) == len(DOORS)


def test_a_job_is_no_run(ports: Ports, admin: Principal, stream: Read) -> None:
    job: Job = define_job(ports, admin, name="nightly", door="glue")
    bus = RecordingBus()
    assert publish(ports, bus, stream()).told == 0
    assert job.name == "nightly"
