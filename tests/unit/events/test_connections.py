"""What a flow is linked to, as it is told."""

import json
from datetime import timedelta
from typing import Any

import pytest

from jobruns.endpoint import Selection
from jobruns_events.connections import CONNECTION_STATUSES, Connection, LinkChange, Outcome, connection_event
from jobruns_events.messages import FORMATS, compose_messages
from tests.unit.core.runs import NOW

SOURCE = LinkChange(connection=Connection.SOURCE, outcome=Outcome.CREATED, tap="ledgerly")


def event(change: LinkChange = SOURCE, **fields: Any) -> dict[str, Any]:
    where = {"org": "acme", "env_id": "stage", "flow_id": "orders", "version": 2, "at": NOW, "changed_by": "JRAK1"}
    return connection_event(change, **{**where, **fields})


def test_the_same_change_has_the_same_id_and_no_other_has_it() -> None:
    assert event() == event()
    target = LinkChange(connection=Connection.TARGET, outcome=Outcome.CREATED, target="ledgerly")
    others = [
        event(target),
        event(SOURCE.model_copy(update={"outcome": Outcome.REMOVED})),
        event(SOURCE.model_copy(update={"tap": "shop"})),
        event(org="other"),
        event(env_id="prod"),
        event(flow_id="invoices"),
        event(version=3),
        event(at=NOW + timedelta(milliseconds=1)),
    ]
    assert len({one["id"] for one in [event(), *others]}) == len(others) + 1


def test_every_status_may_be_asked_for() -> None:
    changes = [SOURCE.model_copy(update={"connection": kind, "outcome": end}) for kind in Connection for end in Outcome]
    assert [event(change)["status"] for change in changes] == list(CONNECTION_STATUSES)
    assert Selection(statuses=frozenset(CONNECTION_STATUSES)).check()


def test_what_happens_later_has_a_higher_number() -> None:
    later = [event(version=1, at=NOW + timedelta(milliseconds=step))["sequence"] for step in (0, 1, 999, 60_000)]
    assert later == sorted(set(later))
    assert {len(number) for number in later} == {13}


def test_each_format_has_the_document_and_the_same_id() -> None:
    told = event()
    bodies = {}
    for form in ("hotglue", "standard", "cloudevents"):
        (message,) = compose_messages(told, form)
        assert (message.message_id, message.sequence) == (f"msg_{told['id'].replace('-', '')}", int(told["sequence"]))
        bodies[form] = json.loads(message.body)
    assert bodies["hotglue"] == bodies["standard"]["data"] == bodies["cloudevents"]["data"] == told["data"]
    assert bodies["standard"]["type"] == "connection.source_created"
    assert bodies["standard"]["timestamp"] == told["data"]["last_updated"]


def test_lineage_has_no_word_for_it() -> None:
    assert compose_messages(event(), "openlineage") == ()
    assert len(FORMATS) == 4


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (Outcome.CREATED, "the source 'ledgerly' has been linked to the flow"),
        (Outcome.OVERWRITTEN, "the source 'ledgerly' has been changed"),
        (Outcome.REMOVED, "the source 'ledgerly' is not linked to the flow any more"),
    ],
)
def test_it_is_told_in_a_sentence_too(outcome: Outcome, message: str) -> None:
    assert event(SOURCE.model_copy(update={"outcome": outcome}))["data"]["message"] == message
