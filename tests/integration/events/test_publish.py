"""What the stream of the ledger table has of runs is told, in order and once."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest

from events import publish as handlers
from events.publication import publish
from jobruns import bootstrap
from jobruns.aws.run_objects import RunObjects
from jobruns.errors import UnavailableError
from jobruns.lifecycle import Amended, Begun, Delayed, Event, Failed, Succeeded
from jobruns.run import Run, RunState
from jobruns.run_file import files_prefix
from jobruns.service.ports import Ports
from tests.integration.doubles import LambdaTime
from tests.integration.events.buses import RecordingBus
from tests.integration.events.streams import record, records
from tests.integration.run_objects import MemoryRunObjects
from tests.unit.core.runs import NOW, make_run
from tests.unit.events.histories import ROOT, make_synced, reached, write

SYNCED: list[Event] = [Begun(), *reached("SYNC_STARTED", "SYNC_SUCCESS", "EXPORT_STARTED"), Succeeded()]


class FailingObjects(MemoryRunObjects):
    """Does not take what lies below some prefixes."""

    def __init__(self, *prefixes: str) -> None:
        super().__init__()
        self.failing = prefixes

    def put(self, key: str, content: bytes) -> None:
        if key.startswith(self.failing):
            raise UnavailableError("S3 does not serve")
        super().put(key, content)


def other(number: int, **fields: Any) -> Run:
    run_id = f"01a1fba8-d3d3-7e99-bb70-{number:012d}"
    return make_run(run_id=run_id, root_run_id=run_id, **fields)


@pytest.fixture
def bus() -> RecordingBus:
    return RecordingBus()


@pytest.fixture
def objects(ports: Ports) -> MemoryRunObjects:
    held = ports.run_objects
    assert isinstance(held, MemoryRunObjects)
    return held


def read(objects: MemoryRunObjects, run: Run, path: str) -> Any:
    return json.loads(objects.held[files_prefix(run) + path])


def test_each_stage_is_written_and_put_on_the_bus_in_order(
    ports: Ports, bus: RecordingBus, objects: MemoryRunObjects
) -> None:
    run = make_synced()
    receipt = publish(ports, bus, records(write(run, SYNCED)), region="eu-west-1")
    assert (receipt.told, receipt.failed, receipt.unreadable) == (6, set(), 0)
    assert [event["status"] for event in bus.events if event["step"]] == [
        "JOB_CREATED", "SYNC_STARTED", "SYNC_SUCCESS", "EXPORT_STARTED", "JOB_COMPLETED",
    ]  # fmt: skip
    assert [entry.detail_type for entry in bus.entries[-2:]] == [
        "io.jobruns.jobrun.job_completed.v1",
        "Glue Job State Change",
    ]
    assert {entry.source for entry in bus.entries} == {"jobruns"}
    kept = [json.loads(objects.held[event["document"]]) for event in bus.events]
    assert kept == bus.events
    details = read(objects, run, "job_details.json")
    assert details == bus.events[-1]["data"]
    assert details["task_definition"]["region"] == "eu-west-1"
    assert sorted(objects.held) == [
        f"o/{ROOT.path}/{name}"
        for name in (*(f"events/{sequence:010d}.json" for sequence in range(1, 7)), "job_details.json")
    ]


def test_what_is_told_again_is_told_under_the_same_ids(
    ports: Ports, bus: RecordingBus, objects: MemoryRunObjects
) -> None:
    batch = records(write(make_run(), [Begun(), Delayed("slow"), Failed("no")]))
    publish(ports, bus, batch)
    first, kept = list(bus.entries), dict(objects.held)
    bus.entries.clear()
    publish(ports, bus, batch)
    assert bus.entries == first
    assert objects.held == kept
    assert len({event["id"] for event in bus.events}) == len(bus.events) == 4


def test_signs_of_life_and_what_is_no_run_are_not_told(
    ports: Ports, bus: RecordingBus, objects: MemoryRunObjects
) -> None:
    run = make_run(RunState.RUNNING, started_at=NOW)
    later = run.model_copy(update={"heartbeat_at": NOW, "modified_at": NOW + timedelta(seconds=9)})
    ended = write(run, [Succeeded()])[1:2]
    forgotten = {
        "eventName": "REMOVE",
        "dynamodb": {"Keys": {"sk": {"S": "RUN#x"}}, "OldImage": {}, "SequenceNumber": "1"},
    }
    strange = {"dynamodb": {"Keys": {"sk": {"S": "JOB"}}, "NewImage": {"a": {"S": "b"}}, "SequenceNumber": "2"}}
    receipt = publish(ports, bus, [record(run, later), *records(ended), forgotten, strange])
    assert (receipt.told, receipt.failed, receipt.unreadable) == (0, set(), 0)
    assert not bus.entries
    assert not objects.held


def test_a_run_whose_files_are_not_taken_is_told_later_and_the_others_now(ports: Ports, bus: RecordingBus) -> None:
    lost, well = other(1, job="lost"), other(2, job="well")
    batch = [
        pair
        for both in zip(records(write(lost, [Begun()])), records(write(well, [Begun()])), strict=True)
        for pair in both
    ]
    objects = FailingObjects(files_prefix(lost))
    failing = replace(ports, run_objects=objects)
    receipt = publish(failing, bus, batch)
    assert receipt.failed == {batch[0]["dynamodb"]["SequenceNumber"], batch[2]["dynamodb"]["SequenceNumber"]}
    assert (bus.told(lost.run_id), bus.told(well.run_id)) == ([], ["submitted", "started"])
    objects.failing = ("nothing",)
    assert publish(failing, bus, batch).failed == set()
    assert (bus.told(lost.run_id), bus.told(well.run_id)) == (["submitted", "started"], ["submitted", "started"] * 2)


def test_what_the_bus_does_not_take_comes_again(ports: Ports, bus: RecordingBus) -> None:
    batch = records(write(make_run(), [Begun(), Failed("no")]))
    bus.refused = {1, 3}  # the second is the beginning, the fourth what AWS Glue would tell of the end
    receipt = publish(ports, bus, batch)
    assert receipt.failed == {batch[1]["dynamodb"]["SequenceNumber"], batch[3]["dynamodb"]["SequenceNumber"]}
    assert receipt.told == 1
    assert publish(ports, bus, [one for one in batch if one["dynamodb"]["SequenceNumber"] in receipt.failed]).told == 2
    assert Counter(event["notice"] for event in bus.events) == {"submitted": 1, "started": 1, "ended": 2}


def test_a_record_that_nobody_can_read_is_passed_over(ports: Ports, bus: RecordingBus) -> None:
    batch = records(write(make_run(), [Begun()]))
    broken = [json.loads(json.dumps(batch[0])) for _ in range(4)]
    broken[0]["dynamodb"]["NewImage"]["state"] = {"S": "NEVER HEARD OF"}
    broken[1]["dynamodb"]["NewImage"].pop("run_id")
    broken[2]["dynamodb"]["NewImage"]["submitted_at"] = {"N": "1"}
    broken[3]["dynamodb"] = {"SequenceNumber": "1"}
    receipt = publish(ports, bus, [*broken, *batch])
    assert (receipt.unreadable, receipt.failed, receipt.told) == (3, set(), 2)


def test_a_run_that_cannot_be_written_of_does_not_hold_up_the_others(
    ports: Ports, bus: RecordingBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    from events import publication

    made = publication.cloud_event

    def break_one(notice: Any, *args: Any, **more: Any) -> Any:
        if notice.run.job == "odd":
            raise RuntimeError("a bug of ours")
        return made(notice, *args, **more)

    monkeypatch.setattr(publication, "cloud_event", break_one)
    receipt = publish(ports, bus, records([(None, other(1, job="odd")), (None, other(2))]))
    assert (receipt.unreadable, receipt.failed, receipt.told) == (1, set(), 1)


def test_the_end_tells_what_the_files_do_and_the_document_all_of_it(
    ports: Ports, bus: RecordingBus, objects: MemoryRunObjects
) -> None:
    run = make_synced()
    outcomes = {"Invoice": [{"success": True, "id": str(n), "mapped_record": {"n": n}} for n in range(1000)]}
    summary = {"Invoice": {"success": 1000, "fail": 0, "existing": 0, "updated": 0}}
    put = {
        "sync-output/job_metrics.json": {"recordCount": {"Invoice": 1000}},
        "target-state.json": {"bookmarks": outcomes, "summary": summary},
        "etl-output/data.singer": "x" * 998_000,
        "snapshots/a.lock": "x" * 5000,
    }
    writes = write(run, SYNCED)
    publish(ports, bus, records(writes[:3]))
    assert bus.events[-1]["data"]["metrics"] == {"recordCount": {}}
    for path, content in put.items():
        objects.put_json(files_prefix(run) + path, content)
    publish(ports, bus, records(writes[3:]))
    told = bus.events[-1]["data"]
    assert told["metrics"] == {
        "recordCount": {"Invoice": 1000},
        "exportSummary": summary,
        "exportDetails_truncated": True,
    }
    assert told["data_sizes"]["etl-output"] == 0.998
    details = read(objects, run, "job_details.json")
    assert details["metrics"] == {"recordCount": {"Invoice": 1000}, "exportSummary": summary, "exportDetails": outcomes}
    assert {**told, "metrics": None} == {**details, "metrics": None}


def test_what_a_worker_reported_of_many_records_is_in_the_document(
    ports: Ports, bus: RecordingBus, objects: MemoryRunObjects
) -> None:
    run = make_synced()
    outcomes = {"Invoice": [{"success": True, "id": str(n)} for n in range(1000)]}
    objects.put_json(f"{files_prefix(run)}export_details.json", outcomes)
    done = Succeeded(metrics={"exportDetails_truncated": True})
    publish(ports, bus, records(write(run, [Begun(), done])))
    assert read(objects, run, "job_details.json")["metrics"]["exportDetails"] == outcomes
    assert bus.events[-1]["data"]["metrics"]["exportDetails_truncated"] is True


def test_what_a_caller_sent_along_is_shown_where_it_may_be_and_without_its_secrets(
    ports: Ports, bus: RecordingBus, objects: MemoryRunObjects
) -> None:
    state = {"Invoice": [{"n": n} for n in range(2000)]}
    config = {"host": "db", "password": "s3cr3t"}
    objects.put_json("o/requests/r.json", {"state": state, "override_source_config": config, "other": 1})
    own = {"request_key": "o/requests/r.json", "large": ["state", "override_source_config"]}
    run = make_synced(own=own)
    publish(ports, bus, records(write(run, [])))
    details = read(objects, run, "job_details.json")
    assert (details["state"], details["override_source_config"]) == (state, {"host": "db", "password": "***"})
    assert bus.events[0]["data"]["state"] == {}
    assert b"s3cr3t" not in b"".join(content for key, content in objects.held.items() if "/requests/" not in key)
    gone = make_synced(own=own | {"request_key": "o/requests/gone.json"})
    assert publish(ports, bus, records(write(gone, []))).told == 1


def test_an_amendment_of_an_end_changes_the_document(
    ports: Ports, bus: RecordingBus, objects: MemoryRunObjects
) -> None:
    run = make_run(destination="sales")
    publish(ports, bus, records(write(run, [Begun(), Succeeded(), Amended({"records": 3})])))
    assert bus.told(run.run_id) == ["submitted", "started", "ended", "amended"]
    assert read(objects, run, "job_details.json")["metrics"] == {"recordCount": {"sales": 3}}
    assert [event["data"]["metrics"] for event in bus.events][2] == {"recordCount": {}}


@pytest.fixture
def deployed(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the function a bucket and a bus of its own, and what is put on that bus."""
    monkeypatch.setenv("LEDGER_TABLE", "ledger")
    monkeypatch.setenv("EVENT_BUS", "runs")
    monkeypatch.setenv("RUNS_BUCKET", "runs-bucket")
    bootstrap.forget_wiring()
    s3: Any = boto3.client("s3")
    s3.create_bucket(Bucket="runs-bucket")
    events: Any = boto3.client("events")
    events.create_event_bus(Name="runs")
    sqs: Any = boto3.client("sqs")
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = json.dumps({"source": ["jobruns"], "detail": {"specversion": ["1.0"]}})
    events.put_rule(Name="ours", EventBusName="runs", EventPattern=pattern)
    events.put_targets(Rule="ours", EventBusName="runs", Targets=[{"Id": "1", "Arn": arn}])
    wired = replace(ports, run_objects=RunObjects("runs-bucket"))
    monkeypatch.setattr(handlers, "load_ports", lambda: wired)
    yield lambda: [
        json.loads(one["Body"]) for one in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    ]
    bootstrap.forget_wiring()


def test_the_function_takes_few_calls_and_the_rule_hears_the_events(
    deployed: Callable[[], list[dict[str, Any]]], calls: Callable[[], Counter[str]]
) -> None:
    run, plain = make_synced(), other(7)
    batch = {"Records": [*records(write(run, SYNCED[:3])), *records(write(plain, [Begun(), Failed("no")]))]}
    calls()
    answer = handlers.handler(batch, LambdaTime())  # type: ignore[arg-type]
    # One file for each of seven notices and one for each run; one query for the files of the run that has a root.
    assert calls() == Counter({"PutObject": 9, "Query": 1, "PutEvents": 1})
    assert answer == {"batchItemFailures": []}
    heard = deployed()
    assert len(heard) == 7
    assert all(one["detail-type"] == one["detail"]["type"] for one in heard)
    assert [one["detail"]["sequence"] for one in heard if one["detail"]["runid"] == plain.run_id] == [
        "0000000001", "0000000002", "0000000003",
    ]  # fmt: skip


def test_the_function_names_the_first_record_that_must_come_again(
    deployed: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    put = RunObjects.put

    def refuse(objects: RunObjects, key: str, content: bytes) -> None:
        if key.startswith(files_prefix(other(2))):
            raise UnavailableError("S3 does not serve")
        put(objects, key, content)

    monkeypatch.setattr(RunObjects, "put", refuse)
    batch = [record(None, other(number)) for number in (1, 2, 3)]
    answer = handlers.handler({"Records": batch}, LambdaTime())  # type: ignore[arg-type]
    assert answer == {"batchItemFailures": [{"itemIdentifier": batch[1]["dynamodb"]["SequenceNumber"]}]}
    # The third is out: told again it has the same id.
    assert len(deployed()) == 2
