"""Deliveries on their way through AWS: the two functions, the queues and EventBridge Scheduler, emulated."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from standardwebhooks import Webhook

from events import deliver, route
from jobruns import bootstrap
from jobruns.aws import clients
from jobruns.aws.delivery_queue import DeliveryQueue
from jobruns.endpoint import Selection
from jobruns.errors import UnavailableError
from jobruns.service.endpoints import EndpointWish, put_endpoint
from jobruns.service.event_ports import DeliveryMessage
from jobruns.service.replays import list_deliveries
from jobruns.store import Store
from jobruns_events.cloud_events import for_bus
from tests.integration.doubles import LambdaTime
from tests.integration.events.post_office import ADMIN, PostOffice, succeeded

GROUP = "stack-deliveries"
ROLE = "arn:aws:iam::123456789012:role/deliver"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MESSAGE = DeliveryMessage(org="acme", endpoint_id="e", delivery_id="01a1fba8-d3d3-7e99-bb70-b94945b18a25", attempt=2)


def arn(url: str) -> str:
    return f"arn:aws:sqs:us-east-1:123456789012:{url.rpartition('/')[2]}"


@dataclass
class Queues:
    """Two queues, and what is in them."""

    url: str
    dead_url: str
    ports: DeliveryQueue = field(init=False)

    def __post_init__(self) -> None:
        self.ports = DeliveryQueue(
            self.url, self.dead_url, arn(self.url), group=GROUP, role_arn=ROLE, lost_arn=arn(self.dead_url)
        )

    def take(self, url: str | None = None) -> list[dict[str, Any]]:
        """Take all that is in a queue now."""
        found: list[dict[str, Any]] = []
        while (
            batch := boto3.client("sqs")
            .receive_message(QueueUrl=url or self.url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"])
            .get("Messages")
        ):
            found += batch
        return found


@pytest.fixture
def queues(aws: None) -> Iterator[Queues]:
    clients.forget_clients()
    sqs = boto3.client("sqs")
    boto3.client("scheduler").create_schedule_group(Name=GROUP)
    yield Queues(*(sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("deliveries", "deliveries-dead")))
    clients.forget_clients()


def schedules() -> list[dict[str, Any]]:
    client: Any = boto3.client("scheduler")
    names = [entry["Name"] for entry in client.list_schedules(GroupName=GROUP)["Schedules"]]
    return [client.get_schedule(GroupName=GROUP, Name=name) for name in names]


def test_messages_are_sent_in_batches_each_of_the_group_of_its_endpoint(queues: Queues) -> None:
    queues.ports.send([])
    queues.ports.send([MESSAGE.model_copy(update={"attempt": number}) for number in range(1, 24)])
    taken = queues.take()
    bodies = [DeliveryMessage.model_validate_json(message["Body"]) for message in taken]
    assert sorted(body.attempt for body in bodies) == list(range(1, 24))
    assert {message["Attributes"]["MessageGroupId"] for message in taken} == {"e"}


def test_what_waits_for_up_to_a_quarter_of_an_hour_waits_in_the_queue(
    queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> None:
    delays: list[int] = []
    send = clients.sqs().send_message
    monkeypatch.setattr(
        clients.sqs(), "send_message", lambda **told: delays.append(told["DelaySeconds"]) or send(**told)
    )
    for seconds in (-3.0, 4.2, 900.0):
        queues.ports.send_later(MESSAGE.model_copy(update={"due_at": NOW + timedelta(seconds=seconds)}), NOW)
    assert delays == [0, 5, 900]
    assert schedules() == []


def test_what_waits_longer_is_left_to_one_schedule_that_deletes_itself(queues: Queues) -> None:
    message = MESSAGE.model_copy(update={"due_at": NOW + timedelta(hours=5, seconds=0.7)})
    queues.ports.send_later(message, NOW)
    queues.ports.send_later(message, NOW)
    [schedule] = schedules()
    assert schedule["Name"] == f"{MESSAGE.delivery_id}-2"
    assert (schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"]) == (
        "at(2026-11-21T17:00:00)",
        "UTC",
    )
    assert schedule["ActionAfterCompletion"] == "DELETE"
    target = schedule["Target"]
    assert (target["Arn"], target["RoleArn"]) == (arn(queues.url), ROLE)
    assert target["DeadLetterConfig"] == {"Arn": arn(queues.dead_url)}
    assert DeliveryMessage.model_validate_json(target["Input"]) == message
    assert queues.take() == []


def test_where_no_schedule_is_to_be_had_the_message_hops(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    def throttle(**told: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slowly"}}, "CreateSchedule")

    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(clients.scheduler(), "create_schedule", throttle)
    monkeypatch.setattr(clients.sqs(), "send_message", lambda **told: sent.append(told))
    message = MESSAGE.model_copy(update={"due_at": NOW + timedelta(hours=5)})
    queues.ports.send_later(message, NOW)
    assert [told["DelaySeconds"] for told in sent] == [900]
    assert DeliveryMessage.model_validate_json(sent[0]["MessageBody"]) == message


def test_dead_letters_say_what_they_are(queues: Queues) -> None:
    letter = MESSAGE.model_copy(update={"buried": True})
    queues.ports.bury(letter, {"endpoint": "pager", "log": [{"number": 1}]})
    queues.ports.bury(letter, {"log": "x" * 300_000})
    first, second = (json.loads(message["Body"]) for message in queues.take(queues.dead_url))
    assert first["told"] == {"endpoint": "pager", "log": [{"number": 1}]}
    assert DeliveryMessage.model_validate(first) == letter == DeliveryMessage.model_validate(second)


@pytest.mark.parametrize("operation", ["send_message", "send_message_batch"])
def test_a_queue_that_takes_nothing_is_told(queues: Queues, monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    def refuse(**told: Any) -> Any:
        if operation == "send_message":
            raise ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "later"}}, operation)
        return {"Failed": [{"Id": entry["Id"], "Message": "later"} for entry in told["Entries"]]}

    monkeypatch.setattr(clients.sqs(), operation, refuse)
    calls = {
        "send_message": [lambda: queues.ports.send_later(MESSAGE, NOW), lambda: queues.ports.bury(MESSAGE, {})],
        "send_message_batch": [lambda: queues.ports.send([MESSAGE])],
    }
    for call in calls[operation]:
        with pytest.raises(UnavailableError, match="later"):
            call()


class Receiver(BaseHTTPRequestHandler):
    """Takes everything but the first of each, and remembers it."""

    server: "Site"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        known = any(headers["webhook-id"] == self.headers["webhook-id"] for headers, _ in self.server.got)
        self.server.got.append((dict(self.headers), body))
        self.send_response(204 if known else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


class Site(ThreadingHTTPServer):
    """A receiver on this machine."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.got: list[tuple[dict[str, str], bytes]] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        thread = threading.Thread(target=site.serve_forever, args=(0.01,))
        thread.start()
        yield site
        site.shutdown()
        thread.join()


def records(bodies: list[str]) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": str(place), "body": body, "eventSource": "aws:sqs"} for place, body in enumerate(bodies)
        ]
    }


def test_the_two_functions_bring_an_event_from_the_bus_to_a_receiver(
    queues: Queues, site: Site, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3.client("s3").create_bucket(Bucket="runs")
    master = boto3.client("secretsmanager").create_secret(Name="webhooks", SecretString="w" * 64)["ARN"]
    for name, value in {
        "LEDGER_TABLE": "ledger",
        "RUNS_BUCKET": "runs",
        "DELIVERIES_QUEUE_URL": queues.url,
        "DELIVERIES_QUEUE_ARN": arn(queues.url),
        "DELIVERIES_DLQ_URL": queues.dead_url,
        "DELIVERY_SCHEDULE_GROUP": GROUP,
        "SCHEDULER_ROLE_ARN": ROLE,
        "WEBHOOKS_SECRET_ID": master,
        "WEBHOOK_HOSTS": f",{site.host}",
        "POWERTOOLS_METRICS_NAMESPACE": "jobruns",
        "POWERTOOLS_SERVICE_NAME": "events",
        "POWERTOOLS_TRACE_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    bootstrap.forget_wiring()
    wish = EndpointWish(f"http://{site.host}/hook", "standard", Selection(statuses=frozenset({"JOB_COMPLETED"})))
    _, secret = put_endpoint(bootstrap.load_event_ports(), ADMIN, "pager", wish)
    assert secret is not None

    told = succeeded()
    for event in told:
        bootstrap.load_event_ports().files.put_json(event["document"], event)  # type: ignore[attr-defined]
    envelopes = [json.dumps({"source": "jobruns", "detail": for_bus(event)}) for event in told]
    answer = route.handler(records(["no JSON", *envelopes, '{"detail": {}}']), LambdaTime())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}, {"itemIdentifier": "6"}]}

    asked = [message["Body"] for message in queues.take()]
    assert len(asked) == 1
    answer = deliver.handler(records(["no message", *asked, *asked]), LambdaTime())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    [delivery] = list_deliveries(bootstrap.load_event_ports(), ADMIN, "pager").deliveries
    assert (delivery.attempts, delivery.log[0].status) == (1, 503)
    # In some seconds, so the queue keeps it; here nobody waits for that.
    second = json.loads(asked[0]) | {"attempt": 2}
    assert deliver.handler(records([json.dumps(second)]), LambdaTime()) == {"batchItemFailures": []}
    assert len(site.got) == 2
    for headers, body in site.got:
        event = Webhook(secret).verify(body.decode(), {name.lower(): value for name, value in headers.items()})
        assert event["type"] == "jobrun.job_completed"
        assert headers["Content-Type"] == "application/json"
        assert int(headers["x-run-sequence"]) == int(told[-1]["sequence"])
    bootstrap.forget_wiring()


def test_an_attempt_costs_four_calls_of_the_ledger(store: Store, calls: Any) -> None:
    office = PostOffice(store)
    office.endpoint()
    told = [office.kept(event) for event in succeeded()]
    calls()
    assert route.route(office.ports, told).deliveries == 5
    assert calls() == {"Query": 1, "PutItem": 5}
    assert (tried := office.tick()) is not None
    assert tried.delivered == 5
    assert calls() == {"BatchGetItem": 1, "GetItem": 1, "UpdateItem": 10}
