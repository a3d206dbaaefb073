"""CloudEvents, by the project's own library."""

import json
from datetime import UTC, datetime

from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from jobruns.lifecycle import Begun, Delayed, Failed, Stopped, StopRequested, Succeeded
from jobruns.run import Predecessor
from jobruns_events.cloud_events import for_bus, ping_event
from jobruns_events.connections import Connection, LinkChange, Outcome, connection_event
from jobruns_events.json_text import write_json
from jobruns_events.messages import compose_messages
from tests.unit.core.runs import NOW, make_run
from tests.unit.events.histories import make_synced, reached, tell

RUNS = [
    (make_synced(own={"redirect": "ep_1", "state": {"a": 1}}), [Begun(), *reached("SYNC_STARTED"), Succeeded()]),
    (make_run(job="a b/ü", predecessors=(Predecessor(job="x/y", run_id="r"),)), [Begun(), Delayed("x"), Failed("no")]),
    (make_run(previous_run_id="r", attempt=2), [StopRequested(), Stopped()]),
]


def test_every_event_is_one_that_the_library_reads_and_writes_the_same() -> None:
    for run, events in RUNS:
        for event in tell(run, events):
            for shown in (event, for_bus(event)):
                text = write_json(shown)
                read = JSONFormat().read(CloudEvent, text)
                again = json.loads(JSONFormat().write(read))
                assert datetime.fromisoformat(again.pop("time")) == datetime.fromisoformat(event["time"])
                assert again == {name: value for name, value in json.loads(text).items() if name != "time"}
                assert read.get_data() == shown["data"]


def test_a_message_is_read_as_an_http_request() -> None:
    event = tell(*RUNS[0])[1]
    (message,) = compose_messages(event, "cloudevents")
    read = from_http_event(HTTPMessage({"Content-Type": message.content_type}, message.body), JSONFormat())
    assert read.get_id() == event["id"]
    assert read.get_source() == "/env/stage.acorn.example/flows/Kp3vWm-aQ"
    assert read.get_type() == "io.jobruns.jobrun.started.v1"
    assert read.get_subject() == event["data"]["s3_root"]
    assert read.get_time() == datetime(2026, 11, 21, 12, 0, 1, tzinfo=UTC)
    assert read.get_extension("sequence") == "0000000002"
    assert read.get_extension("redirect") == "ep_1"


def test_names_of_somebody_s_own_make_a_source_all_the_same() -> None:
    assert tell(*RUNS[1])[0]["source"] == "/env/o/flows/a%20b%2F%C3%BC"
    assert tell(*RUNS[1])[0]["triggeredby"] == "x%2Fy/r"
    assert tell(*RUNS[2])[0]["retryof"] == "r"


def test_no_two_events_of_a_run_have_one_id() -> None:
    ids = [event["id"] for run, events in RUNS[:1] for event in tell(run, events)]
    assert len(set(ids)) == len(ids)


def test_a_ping_is_a_cloud_event() -> None:
    read = JSONFormat().read(CloudEvent, write_json(ping_event("1", NOW, org="acme")))
    assert (read.get_source(), read.get_type()) == ("/env/acme", "io.jobruns.jobrun.ping.v1")


def test_what_a_flow_is_linked_to_is_a_cloud_event() -> None:
    change = LinkChange(connection=Connection.CONNECTOR, outcome=Outcome.REMOVED, connector_id="crm:eu", tap="tap-crm")
    event = connection_event(
        change, org="acme", env_id="stage.acorn.example", flow_id="Kp3vWm-aQ", version=7, at=NOW, changed_by="JRAK1"
    )
    (message,) = compose_messages(event, "cloudevents")
    read = from_http_event(HTTPMessage({"Content-Type": message.content_type}, message.body), JSONFormat())
    assert (read.get_id(), read.get_time()) == (event["id"], NOW)
    assert read.get_source() == "/env/stage.acorn.example/flows/Kp3vWm-aQ"
    assert read.get_type() == "io.jobruns.connection.connector_removed.v1"
    assert read.get_subject() == "connector/crm%3Aeu"
    assert read.get_extension("sequence") == str(message.sequence)
    assert read.get_data() == event["data"]
