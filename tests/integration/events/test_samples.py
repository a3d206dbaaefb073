"""The sample events in ``events/events``: each function takes its own, and gives the next one's."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from events import deliver, on_run_file, publish, route
from jobruns import bootstrap, outbound
from jobruns.access import Principal
from jobruns.aws.run_objects import RunObjects
from jobruns.endpoint import Endpoint
from jobruns.outbound import Reply
from jobruns.run import Run, RunRoot
from jobruns.run_file import RunFile
from jobruns.service.definitions import define_job
from jobruns.service.endpoint_records import write_endpoint
from jobruns.service.ports import Ports
from jobruns.service.starts import StartRequest, start_run
from tests.integration.doubles import LambdaTime
from tests.unit.core.runs import NOW

SAMPLES = Path(__file__).parents[3] / "events" / "events"
BUCKET = "jobruns-dev-runs"
ENDPOINT = "01a1fba8-d3d3-7000-8000-0000000000e1"
PREFIX = "acme/stage.acorn.example/cust-881/flows/Kp3vWm-aQ/jobs/2026/11/4/21/12/q7Zt_9/"


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def bodies(name: str) -> list[Any]:
    return [json.loads(record["body"]) for record in sample(name)["Records"]]


class Stage:
    """A bucket, a bus and the queues behind it."""

    def __init__(self) -> None:
        self.sqs: Any = boto3.client("sqs")
        self.s3: Any = boto3.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        self.queues = {name: self.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("events", "deliveries")}
        events: Any = boto3.client("events")
        events.create_event_bus(Name="runs")
        pattern = json.dumps({"source": ["jobruns"], "detail": {"specversion": ["1.0"]}})
        events.put_rule(Name="ours", EventBusName="runs", EventPattern=pattern)
        told = self.sqs.get_queue_attributes(QueueUrl=self.queues["events"], AttributeNames=["QueueArn"])
        arn = told["Attributes"]["QueueArn"]
        events.put_targets(Rule="ours", EventBusName="runs", Targets=[{"Id": "1", "Arn": arn}])

    def received(self, queue: str) -> list[Any]:
        found = self.sqs.receive_message(QueueUrl=self.queues[queue], MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in found]

    def read(self, path: str) -> Any:
        return json.loads(self.s3.get_object(Bucket=BUCKET, Key=PREFIX + path)["Body"].read())


@pytest.fixture
def stage(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    staged = Stage()
    secret = boto3.client("secretsmanager").create_secret(Name="webhooks", SecretString="w" * 64)["Name"]
    for name, value in {
        "LEDGER_TABLE": "ledger",
        "EVENT_BUS": "runs",
        "RUNS_BUCKET": BUCKET,
        "DELIVERIES_QUEUE_URL": staged.queues["deliveries"],
        "WEBHOOKS_SECRET_ID": secret,
    }.items():
        monkeypatch.setenv(name, value)
    bootstrap.forget_wiring()
    wired = replace(ports, run_objects=RunObjects(BUCKET))
    for module in (publish, on_run_file):
        monkeypatch.setattr(module, "load_ports", lambda: wired)
    yield staged
    bootstrap.forget_wiring()


@pytest.fixture
def endpoint(stage: Stage) -> Endpoint:
    made = Endpoint(
        endpoint_id=ENDPOINT,
        org="acme",
        name="pager",
        url="https://pager.example/runs",
        format="hotglue",
        salt="5a17",
        created_at=NOW,
        modified_at=NOW,
    )
    bootstrap.load_event_ports().documents.add(write_endpoint(made))
    return made


def call(module: Any, name: str) -> None:
    assert module.handler(sample(name), LambdaTime()) == {"batchItemFailures": []}


def test_what_the_stream_has_is_written_down_and_goes_over_the_bus(stage: Stage) -> None:
    call(publish, "publish")
    heard = stage.received("events")
    assert [event["detail"]["status"] for event in heard] == ["JOB_CREATED", "JOB_COMPLETED"]
    (expected,) = bodies("route")
    assert heard[-1]["detail"] == expected["detail"]
    assert (heard[-1]["source"], heard[-1]["detail-type"]) == (expected["source"], expected["detail-type"])
    kept = stage.read(expected["detail"]["document"].removeprefix(PREFIX))
    assert kept["data"] == stage.read("job_details.json")


def test_what_comes_over_the_bus_is_to_be_delivered(stage: Stage, endpoint: Endpoint) -> None:
    call(route, "route")
    assert stage.received("deliveries") == bodies("deliver")


def test_what_is_to_be_delivered_is_sent(stage: Stage, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    posts: list[tuple[str, Any, bytes]] = []

    def post(url: str, headers: Any, body: bytes, **_: Any) -> Reply:
        posts.append((url, headers, body))
        return Reply(204)

    call(publish, "publish")
    call(route, "route")
    monkeypatch.setattr(outbound, "post", post)
    bootstrap.load_event_ports.cache_clear()
    call(deliver, "deliver")
    ((url, headers, body),) = posts
    assert (url, headers["x-run-sequence"]) == (endpoint.url, str(int(bodies("route")[0]["detail"]["sequence"])))
    assert json.loads(body) == stage.read("job_details.json")


def test_what_a_run_writes_and_deletes_is_noted(stage: Stage, ports: Ports, admin: Principal) -> None:
    run = _rooted(ports, admin)
    stage.s3.put_object(
        Bucket=BUCKET, Key=f"{PREFIX}sync-output/job_metrics.json", Body=b'{"recordCount": {"sales": 3}}'
    )
    gone = RunFile(
        path="sync-output/sales-20261121T120100.csv", size=7, sequencer="0055AED6DCD90281E4", modified_at=NOW
    )
    ports.run_files.note(run.org, run.run_id, gone)
    call(on_run_file, "on_run_file")
    (found,) = ports.run_files.all(run.org, run.run_id)
    assert (found.path, found.size) == ("sync-output/job_metrics.json", 29)
    assert found.facts["recordCount"] == {"sales": 3}


def _rooted(ports: Ports, admin: Principal) -> Run:
    job = "stage.acorn.example/Kp3vWm-aQ/cust-881"
    define_job(ports, admin, name=job, door="hotglue")
    path = PREFIX.removeprefix("acme/").rstrip("/")
    return start_run(
        ports, admin, StartRequest(job=job, door="hotglue", root=RunRoot(scope=job, name="q7Zt_9", path=path))
    )
