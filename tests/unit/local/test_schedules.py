"""When the local runner calls the targets of schedules; the clock is set forward, nothing waits."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from moto.scheduler.models import scheduler_backends

from jobruns.schedule import next_after
from local.errors import TemplateError
from local.intrinsics import REGION
from local.invoke import Invoker, UnknownFunctionError
from local.schedules import Schedules

DAY = 86_400.0


@dataclass
class Recorder(Invoker):
    """Remembers what it is to invoke and to send, instead of doing it."""

    events: list[tuple[str, str]] = field(default_factory=list)

    def submit(self, function: str, payload: bytes) -> None:
        if function == "nobody":
            raise UnknownFunctionError(function)
        self.events.append((function, payload.decode()))


class Account:
    """An account of a test's own, with the calls that its schedules made."""

    def __init__(self) -> None:
        self.id = f"{uuid.uuid4().int % 10**12:012d}"
        self.letters: list[tuple[str, str, dict[str, str]]] = []
        self.recorder = Recorder(lambda *letter: self.letters.append(letter))
        self.schedules = Schedules(self.id, self.recorder)
        self.backend = scheduler_backends[self.id][REGION]

    def make(self, expression: str, name: str = "one", **changed: Any) -> None:
        given: dict[str, Any] = dict.fromkeys(
            ("description", "group_name", "kms_key_arn", "schedule_expression_timezone", "state")
        )
        given |= dict.fromkeys(("start_date", "end_date", "action_after_completion"))
        target = {"Arn": "function", "Input": '{"at": "<aws.scheduler.scheduled-time>"}'}
        given |= {"name": name, "schedule_expression": expression, "flexible_time_window": {}, "target": target}
        self.backend.create_schedule(**given | changed)

    def calls(self, seconds: float = 0.0) -> list[str]:
        """Set the clock forward; when what is called then was due."""
        self.recorder.events.clear()
        called = self.schedules.advance(seconds)
        assert called == len(self.recorder.events) + len(self.letters)
        return [json.loads(payload)["at"] for _, payload in self.recorder.events]


@pytest.fixture
def account() -> Iterator[Account]:
    account = Account()
    yield account
    scheduler_backends[account.id][REGION].reset()


def written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def test_rate_is_due_when_made_then_once_a_period_however_late(account: Account) -> None:
    account.make("rate(1 day)")
    (first,) = account.calls()
    assert account.calls(DAY - 60) == []
    second = datetime.fromisoformat(first) + timedelta(days=1)
    assert account.calls(60) == [written(second)]
    # The third is made up for, the fourth to the ninth are not; the tenth is on time again.
    assert account.calls(7.5 * DAY) == [written(second + timedelta(days=1))]
    assert account.calls(0.4 * DAY) == []
    assert account.calls(0.1 * DAY + 1) == [written(second + timedelta(days=8))]


def test_cron_is_due_at_the_minute_it_names(account: Account) -> None:
    account.make("cron(30 4 ? * 6L *)")
    due_at = next_after("cron(30 4 ? * 6L *)", account.schedules.now())
    assert due_at is not None
    left = (due_at - account.schedules.now()).total_seconds()
    assert account.calls(left - 30) == []
    assert account.calls(30) == [written(due_at)]
    assert account.calls(DAY) == []


@pytest.mark.parametrize(("after", "left"), [(None, ["one"]), ("DELETE", [])])
def test_moment_comes_once(account: Account, after: str | None, left: list[str]) -> None:
    moment = account.schedules.now() + timedelta(hours=1)
    account.make(f"at({moment:%Y-%m-%dT%H:%M:%S})", action_after_completion=after)
    assert account.calls() == []
    assert account.calls(3600) == [written(moment)]
    assert account.calls(DAY) == []
    assert list(account.backend.schedule_groups["default"].schedules) == left


def test_moment_that_is_over_never_comes(account: Account) -> None:
    account.make("at(2024-01-01T10:00:00)")
    assert account.calls(DAY) == []


def test_schedule_is_followed_as_it_changes(account: Account) -> None:
    account.make("rate(1 day)")
    account.make("rate(1 day)", name="other", state="DISABLED")
    assert len(account.calls()) == 1
    schedule = account.backend.get_schedule(None, "one")
    schedule.target = {"Arn": "elsewhere", "Input": '{"at": "changed"}'}
    assert account.calls(DAY) == ["changed"]
    schedule.schedule_expression = "rate(10 days)"
    assert account.calls() == ["changed"]
    assert account.calls(9 * DAY) == []
    schedule.state = "DISABLED"
    assert account.calls(9 * DAY) == []
    schedule.state = "ENABLED"
    assert account.calls() == ["changed"]
    account.backend.delete_schedule(None, "one")
    assert account.calls(30 * DAY) == []
    # One of the same name that is made again is another.
    account.make("rate(100 days)")
    assert len(account.calls()) == 1


def test_start_and_end_bound_a_schedule(account: Account) -> None:
    now = account.schedules.now()
    start, end = now + timedelta(days=2), now + timedelta(days=4)
    account.make(
        "rate(1 day)", start_date=start.timestamp(), end_date=end.timestamp(), action_after_completion="DELETE"
    )
    assert account.calls(DAY) == []
    assert account.calls(DAY) == [written(start)]
    assert account.calls(DAY) == [written(start + timedelta(days=1))]
    assert account.calls(DAY) == []
    assert account.backend.schedule_groups["default"].schedules == {}


def test_target_without_input_gets_an_event(account: Account) -> None:
    account.make("rate(1 day)", target={"Arn": "function"})
    account.schedules.advance(0)
    ((_, payload),) = account.recorder.events
    event = json.loads(payload)
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.scheduler", "Scheduled Event", "{}")
    assert event["resources"] == [f"arn:aws:scheduler:us-east-1:{account.id}:schedule/default/one"]
    assert datetime.fromisoformat(event["time"]) <= datetime.now(UTC)


def test_event_that_cannot_be_delivered_goes_where_it_is_to_go(account: Account) -> None:
    target = {"Arn": "nobody", "Input": "<aws.scheduler.attempt-number>", "DeadLetterConfig": {"Arn": "queue"}}
    account.make("rate(1 day)", target=target)
    account.make("rate(1 day)", name="silent", target={"Arn": "nobody"})
    assert account.schedules.advance(0) == 2
    ((queue, body, attributes),) = account.letters
    assert (queue, body) == ("queue", "1")
    assert attributes["X-Amz-Scheduler-Error-Code"] == "ResourceNotFoundException"
    assert attributes["X-Amz-Scheduler-Schedule-Arn"].endswith(":schedule/default/one")


def test_queue_may_be_a_target_and_one_that_is_gone_is_told_of(account: Account) -> None:
    queue = "arn:aws:sqs:us-east-1:1:queue"
    account.make("rate(1 day)", target={"Arn": queue, "Input": "{}"})
    assert account.schedules.advance(0) == 1
    assert account.letters == [(queue, "{}", {})]
    account.letters.clear()

    def send(arn: str, *letter: Any) -> None:
        if arn == queue:
            raise EndpointConnectionError(endpoint_url="gone")
        account.letters.append((arn, *letter))

    account.recorder.send = send
    account.make("rate(1 day)", name="other", target={"Arn": queue, "Input": "{}", "DeadLetterConfig": {"Arn": "dlq"}})
    assert account.schedules.advance(0) == 1
    ((arn, body, attributes),) = account.letters
    assert (arn, body) == ("dlq", "{}")
    assert attributes["X-Amz-Scheduler-Error-Code"] == "AWS.SimpleQueueService.NonExistentQueue"


def test_lost_dead_letter_does_not_stop_the_others(account: Account) -> None:
    def lose(*letter: Any) -> None:
        raise EndpointConnectionError(endpoint_url="gone")

    account.recorder.send = lose
    account.make("rate(1 day)", target={"Arn": "nobody", "DeadLetterConfig": {"Arn": "queue"}})
    account.make("rate(1 day)", name="other")
    assert account.schedules.advance(0) == 2
    assert [function for function, _ in account.recorder.events] == ["function"]


def test_rule_of_the_template_is_called_by_the_same_clock(account: Account) -> None:
    account.schedules.add_rule("Tick", "arn:rule", "rate(1 day)", [{"Arn": "plain"}, {"Arn": "given", "Input": "{}"}])
    assert account.schedules.advance(0) == 1
    (plain, event), given = account.recorder.events
    assert (plain, json.loads(event)["resources"]) == ("plain", ["arn:rule"])
    assert given == ("given", "{}")
    assert (account.schedules.advance(DAY - 60), account.schedules.advance(60)) == (0, 1)
    with pytest.raises(TemplateError, match=r"Tock of template.yaml cannot be run: a schedule is cron"):
        account.schedules.add_rule("Tock", "arn:rule", "whenever", [])


def test_clock_is_not_set_back_and_nothing_is_called_after_the_stop(account: Account) -> None:
    with pytest.raises(ValueError, match="not set back"):
        account.schedules.advance(-1)
    account.make("rate(1 day)")
    account.schedules.stop()
    assert account.calls(DAY) == []
