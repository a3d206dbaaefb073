"""What is sent to receivers."""

import json

import pytest

from jobruns.lifecycle import Begun, Failed, Stopped, StopRequested, Succeeded
from jobruns_events.cloud_events import ping_event
from jobruns_events.messages import FORMATS, compose_messages, formats, message_id, subscriptions
from tests.unit.core.runs import NOW, make_run
from tests.unit.events.histories import make_synced, reached, tell


def test_hotglue_s_body_is_the_document_itself() -> None:
    event = tell(make_synced(), [Begun(), *reached("SYNC_STARTED")])[-1]
    (message,) = compose_messages(event, "hotglue")
    assert json.loads(message.body) == event["data"]
    assert (message.content_type, message.sequence) == ("application/json", 3)


def test_the_standard_body_has_a_type_a_time_and_the_data() -> None:
    event = tell(make_synced(), [Begun(), *reached("SYNC_STARTED")])[-1]
    (message,) = compose_messages(event, "standard")
    body = json.loads(message.body)
    assert body == {
        "type": "jobrun.sync_started",
        "timestamp": "2026-11-21T12:00:02.000000+00:00",
        "data": event["data"],
    }


def test_what_is_no_step_is_sent_to_those_only_whose_format_has_a_word_for_it() -> None:
    events = tell(make_synced(), [Begun(), *reached("SYNC_STARTED"), StopRequested(5), Stopped()])
    words = [json.loads(message.body)["type"] for event in events for message in compose_messages(event, "standard")]
    assert words == [
        "jobrun.job_created",
        "jobrun.started",
        "jobrun.sync_started",
        "jobrun.stop_requested",
        "jobrun.job_cancelled",
    ]
    stopping = events[3]
    assert compose_messages(stopping, "hotglue") == ()
    assert formats(stopping) == {"standard", "cloudevents", "openlineage"}
    assert subscriptions(stopping) == frozenset()


def test_the_same_event_has_the_same_id_in_every_format_and_no_other_event_has_it() -> None:
    events = tell(make_synced(), [Begun(), *reached("SYNC_STARTED"), Succeeded()])
    ids = [{message.message_id for form in FORMATS for message in compose_messages(event, form)} for event in events]
    assert [len(one) for one in ids] == [1] * len(events)
    assert len(set.union(*ids)) == len(events)
    assert all("." not in one and one.startswith("msg_") for one in set.union(*ids))
    assert ids == [{message_id(event)} for event in events]


def test_a_run_that_fails_before_it_begins_is_two_messages_to_a_lineage_back_end() -> None:
    *_, failed = tell(make_run(), [Failed("no")])
    messages = compose_messages(failed, "openlineage")
    assert [json.loads(message.body)["eventType"] for message in messages] == ["START", "FAIL"]
    assert [message.message_id for message in messages] == [message_id(failed, 1), message_id(failed)]


@pytest.mark.parametrize("form", ["hotglue", "standard", "cloudevents"])
def test_a_ping_is_a_message_in_every_format_that_is_not_of_runs_alone(form: str) -> None:
    ping = ping_event("01a1fba8-0000-7e99-bb70-b94945b18a25", NOW, org="acme", environment="stage.acorn.example")
    (message,) = compose_messages(ping, form)
    assert b"PING" in message.body
    assert (message.message_id, message.sequence) == ("msg_01a1fba800007e99bb70b94945b18a25", 0)
    assert form in formats(ping)


def test_a_lineage_back_end_is_not_pinged() -> None:
    assert compose_messages(ping_event("01a1fba8", NOW, org="acme"), "openlineage") == ()
