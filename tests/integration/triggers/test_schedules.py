"""Schedules as EventBridge Scheduler gets them, and the function that it calls."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import botocore.client
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from jobruns.aws.clients import forget_clients
from jobruns.aws.schedules import SCHEDULED_TIME, EventSchedules
from jobruns.errors import InvalidInputError, UnavailableError
from jobruns.service.activation import activate_trigger, deactivate_trigger
from jobruns.service.ports import Ports
from jobruns.service.triggers import delete_trigger, replace_trigger
from lifecycle import fire
from tests.integration.doubles import LambdaTime
from tests.integration.triggers.conftest import DAILY, Site

GROUP = "stack-triggers"
FIRE = "arn:aws:lambda:us-east-1:123456789012:function:fire"
ROLE = "arn:aws:iam::123456789012:role/scheduler"
DEAD = "arn:aws:sqs:us-east-1:123456789012:dead"
EVENT = Path(__file__).parents[3] / "events" / "lifecycle" / "fire.json"


@pytest.fixture
def site(site: Site) -> Iterator[Site]:
    forget_clients()
    boto3.client("scheduler").create_schedule_group(Name=GROUP)
    site.ports = replace(site.ports, schedules=EventSchedules(GROUP, FIRE, ROLE, DEAD))
    yield site
    forget_clients()


def schedules() -> list[dict[str, Any]]:
    client: Any = boto3.client("scheduler")
    names = [entry["Name"] for entry in client.list_schedules(GroupName=GROUP)["Schedules"]]
    return [client.get_schedule(GroupName=GROUP, Name=name) for name in names]


def test_a_schedule_calls_the_function_with_all_it_needs(site: Site) -> None:
    name = "Nachts \U0001f319 um drei/" + "x" * 230
    trigger = site.scheduled(name, "extract")
    [schedule] = schedules()
    assert schedule["Name"] == trigger.activation_id
    assert (schedule["ScheduleExpression"], schedule["ScheduleExpressionTimezone"]) == (DAILY, "UTC")
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule["State"] == "ENABLED"
    target = schedule["Target"]
    assert (target["Arn"], target["RoleArn"], target["DeadLetterConfig"]) == (FIRE, ROLE, {"Arn": DEAD})
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 10, "MaximumEventAgeInSeconds": 3600}
    assert json.loads(target["Input"]) == {
        "org": "acme",
        "trigger": name,
        "activation_id": trigger.activation_id,
        "scheduled_at": SCHEDULED_TIME,
    }


def test_schedules_come_and_go_with_activations_and_every_call_may_be_repeated(site: Site) -> None:
    trigger = site.scheduled("nightly", "extract")
    site.ports.schedules.put(trigger)
    assert len(schedules()) == 1
    deactivate_trigger(site.ports, site.admin, "nightly")
    assert schedules() == []
    site.ports.schedules.remove(str(trigger.activation_id))
    activate_trigger(site.ports, site.admin, "nightly")
    replace_trigger(site.ports, site.admin, "nightly", schedule="rate(1 hour)", actions=trigger.actions)
    assert [schedule["ScheduleExpression"] for schedule in schedules()] == ["rate(1 hour)"]
    delete_trigger(site.ports, site.admin, "nightly")
    assert schedules() == []


def refuse(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def refused(self: Any, operation: str, parameters: Any) -> Any:
        raise error

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", refused)


def coded(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateSchedule")


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (coded("ValidationException", "Invalid Schedule Expression cron(0 3 * * ? *)."), InvalidInputError),
        (coded("ValidationException", "The execution role you provide must allow ..."), UnavailableError),
        (coded("ThrottlingException", "Rate exceeded"), UnavailableError),
        (ConnectTimeoutError(endpoint_url="https://scheduler"), UnavailableError),
    ],
)
def test_what_aws_refuses_is_told_apart_from_what_it_cannot_do_now(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception, ours: type[Exception]
) -> None:
    trigger = site.scheduled("nightly", "extract")
    refuse(monkeypatch, error)
    with pytest.raises(ours):
        site.ports.schedules.put(trigger)
    with pytest.raises(UnavailableError):
        site.ports.schedules.remove(str(trigger.activation_id))


def test_the_function_fires_by_what_its_schedule_says(
    site: Site, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fire, "load_ports", lambda: site.ports)
    site.jobs("extract")
    event = json.loads(EVENT.read_text())
    trigger = site.scheduled(event["trigger"], "extract")
    told = json.loads(schedules()[0]["Target"]["Input"])
    assert told.keys() == event.keys()
    calls = {at: _call({**told, "scheduled_at": at}) for at in (event["scheduled_at"], "2026-11-21T12:05:00")}
    again = _call({**told, "scheduled_at": "2026-11-21T12:05:00Z"})
    assert again == calls["2026-11-21T12:05:00"]
    assert [[run.run_id] for run in site.runs("extract")] == [answer["runs"] for answer in calls.values()]
    assert {run.trigger_name for run in site.runs("extract")} == {trigger.name}
    left_behind = trigger.model_copy(update={"activation_id": event["activation_id"]})
    site.ports.schedules.put(left_behind)
    assert _call(event) == {"runs": []}
    assert [schedule["Name"] for schedule in schedules()] == [trigger.activation_id]


def _call(event: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = fire.handler(event, LambdaTime())  # type: ignore[arg-type]
    return answer
