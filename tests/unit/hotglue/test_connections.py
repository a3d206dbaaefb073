"""What changed of what a flow is linked to."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hotglue.connections import MARKS, find_changes, mark_configs
from hotglue.flow_documents import Flow, find_config, gather_configs, write_body
from jobruns_events.connections import CONNECTION_STATUSES, Connection, LinkChange, Outcome

SECRET = "s3cret"
NAMES = st.sampled_from(["ledgerly", "depot", "crm:sandbox", "a.b"])
CONFIGS = st.none() | st.dictionaries(st.sampled_from(["key", "site"]), st.sampled_from([f"{SECRET}-1", f"{SECRET}-2"]))
CONNECTORS = st.fixed_dictionaries(
    {"name": NAMES, "package": st.none() | st.sampled_from(["tap-a", "tap-a==2"]), "config": CONFIGS}
)
SIDES = {"tap": st.none() | CONNECTORS, "target": st.none() | CONNECTORS}
FLOWS = st.one_of(
    st.fixed_dictionaries(SIDES),
    st.fixed_dictionaries(
        {**SIDES, "version": st.just(2), "connectors": st.dictionaries(NAMES, st.fixed_dictionaries(SIDES), max_size=3)}
    ),
)

Body = dict[str, Any]
Key = tuple[Connection, str]


def keep(document: dict[str, Any]) -> Body:
    """Give the body as the ledger keeps it."""
    flow = Flow.model_validate(document)
    configs = gather_configs(flow, {})
    body = {"flow": write_body(flow, configs), MARKS: mark_configs(flow, configs, "salt")}
    kept: Body = json.loads(json.dumps(body))
    return kept


def linked(document: dict[str, Any]) -> dict[Key, Any]:
    """Give all that a flow is linked to, read another way."""
    sides = {Connection.SOURCE: document["tap"], Connection.TARGET: document["target"]}
    found: dict[Key, Any] = {(kind, side["name"]): side for kind, side in sides.items() if side is not None}
    return found | {(Connection.CONNECTOR, name): one for name, one in document.get("connectors", {}).items()}


def outcomes(changes: list[LinkChange]) -> dict[Key, Outcome]:
    told = {(change.connection, change.name): change.outcome for change in changes}
    assert len(told) == len(changes)
    return told


@given(FLOWS)
def test_what_stays_as_it_is_is_not_told(document: dict[str, Any]) -> None:
    assert find_changes(keep(document), keep(document)) == []


@settings(max_examples=300)
@given(FLOWS, FLOWS)
def test_what_is_told_makes_the_one_out_of_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    was, now = linked(before), linked(after)
    expected = {key: Outcome.REMOVED for key in was if key not in now}
    expected |= {key: Outcome.CREATED for key in now if key not in was}
    expected |= {key: Outcome.OVERWRITTEN for key in now if key in was and now[key] != was[key]}
    changes = find_changes(keep(before), keep(after))
    assert outcomes(changes) == expected
    assert SECRET not in str(changes)
    assert all(change.status in CONNECTION_STATUSES for change in changes)


@given(FLOWS)
def test_a_flow_that_is_made_or_deleted_makes_or_removes_all_it_is_linked_to(document: dict[str, Any]) -> None:
    body = keep(document)
    assert outcomes(find_changes(None, body)) == dict.fromkeys(linked(document), Outcome.CREATED)
    assert outcomes(find_changes(body, None)) == dict.fromkeys(linked(document), Outcome.REMOVED)


def test_a_change_names_the_sides_of_a_connector() -> None:
    sides = {"tap": {"name": "tap-crm"}, "target": None}
    document = {"version": 2, "connectors": {"crm": sides}}
    (change,) = find_changes(None, keep(document))
    assert change.status == "CONNECTOR_CREATED"
    assert (change.connector_id, change.tap, change.target, change.name) == ("crm", "tap-crm", None, "crm")


def test_a_source_of_another_name_is_another_and_the_one_before_goes_first() -> None:
    before, after = keep({"tap": {"name": "ledgerly"}}), keep({"tap": {"name": "shop"}})
    told = [(change.status, change.tap) for change in find_changes(before, after)]
    assert told == [("SOURCE_REMOVED", "ledgerly"), ("SOURCE_CREATED", "shop")]


def test_what_else_a_flow_says_is_no_change_of_what_it_is_linked_to() -> None:
    tap = {"name": "ledgerly", "package": "tap-ledgerly"}
    before, after = keep({"tap": tap}), keep({"tap": tap, "runner": "singer", "script": "a.py", "timeout_seconds": 5})
    assert find_changes(before, after) == []


def test_marks_tell_configs_apart_and_nothing_of_what_is_in_them() -> None:
    def mark(config: dict[str, Any], salt: str = "salt") -> str:
        flow = Flow.model_validate({"tap": {"name": "a", "config": config}})
        configs = gather_configs(flow, {})
        assert find_config(configs, ("tap",)) == config
        return mark_configs(flow, configs, salt)["tap"]

    assert mark({"a": 1, "b": [2]}) == mark({"b": [2], "a": 1})
    assert len({mark({"a": 1}), mark({"a": 2}), mark({"a": "1"}), mark({}), mark({"a": 1}, "other")}) == 5
    assert len(mark({"a": 1})) == len(mark({"a": SECRET * 1000}))
