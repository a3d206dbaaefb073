"""What files of runs tell: how many records, what became of each, and how far our own runner has come."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from jobruns.lifecycle import PhaseReached
from jobruns.run import RunRoot
from jobruns_events.run_metrics import place_of, read_export, read_facts, read_phases, tells
from jobruns_events.truncation import MAX_THIN_BYTES

RUN_ID = "01a1fba8-d3d0-7000-8000-000000000001"
ENTRY = {"success": True, "hash": "a" * 64, "id": "INV-1", "externalId": "our-1", "extra": 1}
COUNTS = {"success": 1, "fail": 0, "existing": 0, "updated": 0}
OWN = {"bookmarks": {"Invoice": [ENTRY]}, "summary": {"Invoice": COUNTS}}


def of(value: Any) -> Callable[[], bytes]:
    return lambda: value if isinstance(value, bytes) else json.dumps(value).encode()


def refuse() -> bytes:
    raise AssertionError("it is not to be read")


def test_counts_of_records_are_read_wherever_they_lie() -> None:
    counts = {"recordCount": {"Invoice": 41, "Party": 0}}
    for path in ("job_metrics.json", "sync-output/job_metrics.json", "a/b/job_metrics.json"):
        assert read_facts(path, of(counts)) == counts
    estimate = {"estimatedRecordCount": {"Invoice": 50}}
    assert read_facts("sync-output/estimated_job_metrics.json", of(estimate)) == estimate


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"recordCount": 3}', b"\xff\xfe"])
def test_counts_that_are_broken_tell_nothing(content: bytes) -> None:
    assert read_facts("job_metrics.json", of(content)) == {}


def test_of_counts_only_what_are_counts_is_told() -> None:
    told = {"recordCount": {"a": 1, "b": "2", "c": True, "d": -1, "e": 1.5}}
    assert read_facts("job_metrics.json", of(told)) == {"recordCount": {"a": 1}}


@pytest.mark.parametrize("path", ["target-state.json", "incremental_target_state.json"])
def test_what_a_target_did_with_each_record_is_read(path: str) -> None:
    assert read_facts(path, of(OWN)) == {"exportSummary": OWN["summary"], "exportDetails": OWN["bookmarks"]}


def test_of_what_streams_the_targets_half_is_read_and_of_several_lines_the_last() -> None:
    streamed = json.dumps({"tap": {"bookmarks": {"a": {"at": 1}}}, "target": OWN}).encode()
    assert read_export(streamed) == read_export(b"INFO hello\n" + streamed + b"\n")
    assert read_export(streamed) == {"exportSummary": OWN["summary"], "exportDetails": OWN["bookmarks"]}


@pytest.mark.parametrize(
    "state", [b"", b"null", b'{"bookmarks": {"a": {"replication_key_value": 3}}}', b'{"people": 2}', b"[1]", b"{"]
)
def test_the_state_of_a_tap_is_no_word_of_a_target(state: bytes) -> None:
    assert read_export(state) is None
    assert read_facts("target-state.json", of(state)) == {}


def test_records_as_they_were_sent_are_not_told() -> None:
    sent = {**OWN, "bookmarks": {"Invoice": [{**ENTRY, "mapped_record": {"name": "somebody"}}]}}
    assert read_facts("target-state.json", of(sent))["exportDetails"] == {"Invoice": [ENTRY]}


def test_what_is_too_long_to_tell_is_left_where_it_is() -> None:
    entries = [{**ENTRY, "id": str(number)} for number in range(MAX_THIN_BYTES // 100)]
    facts = read_facts("target-state.json", of({**OWN, "bookmarks": {"Invoice": entries}}))
    assert facts == {"exportSummary": OWN["summary"], "exportDetails_truncated": True}


def test_other_files_are_not_read() -> None:
    for path in ("sync-output/data.singer", "job_metrics.json.bak", "deep/target-state.json", "logs/sync.log"):
        assert read_facts(path, refuse) == {}
        assert not tells(path)


@given(some.binary(max_size=80))
def test_any_content_is_read_without_failing(content: bytes) -> None:
    for path in ("job_metrics.json", "target-state.json"):
        read_facts(path, of(content))
    read_phases(content)


@given(
    some.recursive(
        some.none() | some.integers() | some.text(max_size=3),
        lambda s: (
            some.lists(s) | some.dictionaries(some.sampled_from(["bookmarks", "summary", "tap", "target", "a"]), s)
        ),
    )
)
def test_any_document_is_read_without_failing(document: Any) -> None:
    read_export(json.dumps(document).encode())


def test_phases_are_read_in_order_or_not_at_all() -> None:
    phases = [{"phase": "SYNC_STARTED", "rank": 20, "at": "2026-11-21T15:00:00Z"}]
    assert read_phases(json.dumps(phases).encode()) == [PhaseReached("SYNC_STARTED", 20)]
    assert read_phases(b"[{}]") == read_phases(b"") == read_phases(b"{}") == []


@pytest.mark.parametrize("dated", ["2026/11/3/21/15/", ""])
def test_a_key_says_which_run_has_the_file(dated: str) -> None:
    root = f"stage.acorn.example/cust 881/flows/Kp3vWm-aQ/jobs/{dated}q7Zt_9"
    place = place_of(f"org/{root}/sync-output/a/b.csv")
    assert place is not None
    assert (place.org, place.path, place.job, place.run_id) == ("org", "sync-output/a/b.csv", None, None)
    assert place.root == RunRoot(scope="stage.acorn.example/Kp3vWm-aQ/cust 881", name="q7Zt_9", path=root)


def test_the_key_of_a_run_without_a_root_says_its_job_and_its_id() -> None:
    place = place_of(f"org/ledger/a%2Fb%20c/{RUN_ID}/x.json")
    assert place is not None
    assert (place.org, place.job, place.run_id, place.path, place.root) == ("org", "a/b c", RUN_ID, "x.json", None)


@pytest.mark.parametrize("key", ["org/requests/1.json", "org/scripts/f.py", "x", "", "org/e/t/flows/f/snapshots/a.csv"])
def test_other_keys_are_no_runs(key: str) -> None:
    assert place_of(key) is None
