"""Plays the recorded requests of ``events/glue`` in their order and compares the answers with those beside them.

They were signed at noon of the day the door's clock is set to. The first are about the protocol; after them comes each
operation, as boto3 sends it, with an answer of every shape. Ids of runs are allotted in a fixed order. What differs
from one time to the next is written as ``<uuid>`` and ``<time>``, and what grows with the door as ``<operations>``.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from glue.operations import OPERATIONS
from jobruns.access import Principal, Role
from jobruns.lifecycle import Succeeded
from jobruns.run import Predecessor, TriggerKind
from jobruns.service import starts
from jobruns.service.definitions import define_job
from jobruns.service.ports import Ports
from jobruns.service.settlement import dispatch_run, settle_run
from jobruns.service.starts import StartRequest, start_run
from tests.integration.glue.client import Key, play
from tests.integration.glue.conftest import DoorClock

EVENTS = Path(__file__).parents[3] / "events" / "glue"
SIGNED_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SERVED = re.compile(r"it has .*\.")
FIRST_ID = "01a1fba8-d3d3-7e99-bb70-{:012x}"


def seed(ports: Ports) -> None:
    """Make what no operation of Glue's can: a run that a trigger started, which has succeeded."""
    admin = Principal(org="acme", name="JRAKADMINACME", role=Role.ADMIN)
    arguments = {"--job-bookmark-option": "job-bookmark-enable"}
    define_job(ports, admin, name="load", door="glue", extra={"glue": {"Role": "r", "Command": {}}})
    for triggered in ({}, {"trigger": TriggerKind.CONDITION, "trigger_name": "after-extract"}):
        before = (Predecessor(job="load", run_id=FIRST_ID.format(0)),) if triggered else ()
        run = start_run(ports, admin, StartRequest("load", "glue", arguments, predecessors=before, **triggered))
        dispatch_run(ports, run.org, run.job, run.run_id, "token")
        settle_run(ports, run.org, run.job, run.run_id, Succeeded())


def blank(value: Any, name: str = "") -> Any:
    """Write ``<time>`` in place of times."""
    match value:
        case dict():
            return {key: blank(member, key) for key, member in value.items()}
        case list():
            return [blank(member) for member in value]
        case float() if name.endswith("On"):
            return "<time>"
    return value


@pytest.fixture
def prepared(
    key: Callable[..., Key], ports: Ports, door_clock: DoorClock, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Play an event as the recordings have it; give the answer as they do."""
    numbers = count()
    monkeypatch.setattr(starts, "new_id", lambda at: FIRST_ID.format(next(numbers)))
    key()
    seed(ports)
    door_clock.ahead = SIGNED_AT + timedelta(seconds=1) - datetime.now(UTC)

    def answer(event: dict[str, Any]) -> dict[str, Any]:
        answered = play(event)
        assert UUID.fullmatch(answered.headers["x-amzn-RequestId"])
        answered.headers["x-amzn-RequestId"] = "<uuid>"
        for text in answered.body.keys() & {"Message", "message"}:
            answered.body[text] = SERVED.sub("it has <operations>.", answered.body[text])
        return {**vars(answered), "body": blank(answered.body)}

    return answer


def test_recorded_requests_are_answered_as_recorded(
    prepared: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    recorded = sorted(path for path in EVENTS.glob("*.json") if not path.name.endswith(".expected.json"))
    served = set()
    for path in recorded:
        event = json.loads(path.read_text())
        answered = prepared(event)
        assert answered == json.loads(path.with_suffix(".expected.json").read_text()), path.name
        if answered["status"] == 200:
            served.add(event["headers"]["x-amz-target"].removeprefix("AWSGlue."))
    assert served == OPERATIONS.keys()
