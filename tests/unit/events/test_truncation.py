"""Documents that are too long for where they go."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jobruns_events.cloud_events import cloud_event, for_bus
from jobruns_events.details import job_details
from jobruns_events.json_text import write_json
from jobruns_events.messages import compose_messages
from jobruns_events.truncation import MAX_BUS_BYTES, MAX_THIN_BYTES, cut, thin
from tests.unit.events.histories import make_synced, notices


def outcomes(records: int) -> dict[str, Any]:
    return {"Invoice": [{"success": True, "id": f"INV-{n}", "hash": "0" * 64} for n in range(records)]}


def test_what_became_of_few_records_is_told_and_of_many_is_not() -> None:
    few = thin(job_details(make_synced(), export_details=outcomes(10)))
    assert few["metrics"]["exportDetails"] == outcomes(10)
    many = thin(job_details(make_synced(metrics={"recordCount": {"a": 1}}), export_details=outcomes(1000)))
    assert many["metrics"] == {"recordCount": {"a": 1}, "exportDetails_truncated": True}


def test_records_as_they_were_sent_are_told_to_nobody() -> None:
    sent = {"Invoice": [{"success": True, "id": "1", "mapped_record": {"email": "a@b.example"}, "own": 5}]}
    details = thin(job_details(make_synced(), export_details=sent))
    assert details["metrics"]["exportDetails"] == {"Invoice": [{"success": True, "id": "1", "own": 5}]}


def test_the_limit_counts_bytes_and_not_letters() -> None:
    letters = MAX_THIN_BYTES // 2 - 100
    assert "exportDetails" in thin(job_details(make_synced(), export_details={"a": ["x" * letters]}))["metrics"]
    assert "exportDetails" not in thin(job_details(make_synced(), export_details={"a": ["ж" * 2 * letters]}))["metrics"]


def test_the_bus_is_not_told_what_a_caller_had_written_and_hotglue_s_receivers_are() -> None:
    payload = {"Invoice": [{"n": 1}]}
    run = make_synced(own={"state": payload})
    (before, notice), *_ = notices(run, [])
    event = cloud_event(notice, before)
    bus = for_bus(event)
    assert (bus["data"]["state"], bus["truncated"]) == ({}, "state")
    assert event["data"]["state"] == payload
    sent = {form: json.loads(compose_messages(event, form)[0].body) for form in ("hotglue", "standard", "cloudevents")}
    assert sent["hotglue"]["state"] == payload
    assert sent["standard"]["data"]["state"] == {}
    assert sent["cloudevents"]["data"]["state"] == {}


_NAMES = st.sampled_from(["override_field_map", "override_source_config", "override_target_config", "state"])


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(_NAMES, st.integers(0, 150_000), max_size=4), st.integers(0, 300_000), st.integers(0, 5000))
def test_whatever_is_in_a_document_the_bus_takes_it(sizes: dict[str, int], message: int, streams: int) -> None:
    own = {name: {"text": "y" * size} for name, size in sizes.items()}
    count = {f"stream number {n:05d} with a long name": n for n in range(streams)}
    run = make_synced(own=own, message="z" * message or None, metrics={"recordCount": count})
    details = job_details(run)
    shown, left_out = cut(details)
    assert len(write_json(shown)) <= MAX_BUS_BYTES
    assert shown.keys() == details.keys()
    assert (shown["job_id"], shown["status"], shown["s3_root"]) == ("q7Zt_9", "JOB_CREATED", details["s3_root"])
    if not left_out:
        assert shown == details


def test_what_is_no_number_in_json_is_null() -> None:
    assert write_json({"a": [float("nan"), 1.5], "b": float("inf")}) == b'{"a":[null,1.5],"b":null}'
    assert json.loads(write_json({"text": "\ud800 ж"})) == {"text": "? ж"}
