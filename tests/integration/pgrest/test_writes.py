"""Rows of ``jobs`` that are there: what changes them, who may, and that what is refused changes nothing."""

import json
from collections import Counter
from typing import Any

import botocore.client
import pytest

from jobruns.access import Role
from jobruns.job import Job
from jobruns.run import Executor
from pgrest import answers, inserts, updates
from tests.integration.pgrest.door import PLACES, REPRESENTATION, Cloud, Door, cloud, door, ended, refused, started

__all__ = ["cloud", "door"]


def test_rows_are_changed_by_filter(door: Door) -> None:
    door.add(*({"name": name} for name in ("a", "b", "a")))
    target = "/jobs?name=eq.a&select=id,status,message&order=id.desc"
    answer = door("PATCH", target, {"status": "error", "message": "gone"}, prefer="return=representation,count=exact")
    assert (answer.status, answer.headers["Content-Range"]) == (200, "0-1/2")
    assert answer.json == [{"id": number, "status": "error", "message": "gone"} for number in (3, 1)]
    assert [row["status"] for row in door.rows()] == ["error", "in_progress", "error"]
    quiet = door("PATCH", "/jobs?id=eq.2", {"message": "m"})
    assert (quiet.status, quiet.text, quiet.headers["Content-Range"]) == (204, "", "0-0/*")


def test_what_matches_nothing_changes_nothing_and_is_no_error(door: Door) -> None:
    door.add({"name": "etl"})
    for verb in ("PATCH", "DELETE"):
        target = "/jobs?id=eq.9"
        assert door(verb, target, {"message": "m"}).status == 204
        answer = door(verb, target, {"message": "m"}, prefer="return=representation,count=exact")
        assert (answer.status, answer.json, answer.headers["Content-Range"]) == (200, [], "*/0")
        refused(door(verb, target, {"message": "m"}, accept="application/vnd.pgrst.object+json"), 406, "PGRST116")


@pytest.mark.parametrize("body", [{}, [], [{}]])
def test_no_changes_change_nothing(body: Any, door: Door) -> None:
    (row,) = door.add({"name": "etl"})
    answer = door("PATCH", "/jobs?id=eq.1", body)
    assert (answer.status, answer.text) == (204, "")
    assert door("PATCH", "/jobs?id=eq.1", body, **REPRESENTATION).json == []
    assert door.rows() == [row]


def test_an_outcome_is_corrected_and_the_watermark_goes_back(door: Door) -> None:
    hot = "name=eq.etl&status=eq.success&order=end_date.desc&limit=1"
    first, second = door.add(ended(5), ended(1))
    assert door.rows(hot) == [second]
    assert door("PATCH", "/jobs?id=eq.2", {"status": "error", "message": "rows are missing"}).status == 204
    assert door.rows(hot) == [first]
    refused(door("PATCH", "/jobs?id=eq.2", {"status": "in_progress"}), 400, "P0001")
    assert door("PATCH", "/jobs?id=eq.2", {"status": "success"}, **REPRESENTATION).json[0]["message"]
    assert door.rows(hot)[0]["id"] == 2


def test_a_whole_row_can_be_sent_back(door: Door) -> None:
    row, other = door.add(ended(1, records_processed=5, message="m"), {"name": "etl"})
    assert door("PATCH", f"/jobs?id=eq.{row['id']}", row, **REPRESENTATION).json == [row]
    number = started(door, "load")
    (theirs,) = door.rows(f"id=eq.{number}")
    assert (theirs["source"], theirs["status"]) == ("", "in_progress")
    answer = door("PATCH", f"/jobs?id=eq.{number}", {**theirs, "message": "seen"}, **REPRESENTATION)
    assert answer.json == [{**theirs, "message": "seen"}]
    assert door("PATCH", f"/jobs?id=eq.{other['id']}", {**other, "end_date": None}, **REPRESENTATION).json == [other]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"id": 2}, "PGRST127"),
        ({"name": "other"}, "PGRST127"),
        ({"id": None}, "23502"),
        ({"name": None}, "23502"),
        ({"start_date": None}, "23502"),
        ({"status": None}, "23502"),
        ({"source": None}, "23502"),
        ({"status": "done"}, "23514"),
        ({"records_processed": 1.5}, "22P02"),
        ({"records_processed": 3000000000}, "22003"),
        ({"end_date": "soon"}, "22007"),
        ({"nonsense": 1}, "PGRST204"),
        ({"message": "é" * 16385}, "22001"),
    ],
)
def test_a_change_that_is_not_well_is_refused(change: dict[str, Any], code: str, door: Door) -> None:
    (row,) = door.add({"name": "etl"})
    refused(door("PATCH", "/jobs?id=eq.1", change), 400, code)
    assert door.rows() == [row]


def test_of_several_rows_none_is_changed_where_one_may_not_be(door: Door) -> None:
    rows = door.add({"name": "etl"}, ended(1))
    number = started(door, "load", Executor.NOOP)
    for change in ({"status": "in_progress", "message": "m"}, {"records_processed": 7, "message": "m"}):
        refused(door("PATCH", "/jobs?id=gt.0", change), 400, "P0001")
    assert door.rows(f"id=lt.{number}&order=id") == rows


def test_a_limit_of_what_is_affected_holds_before_anything_is_written(door: Door) -> None:
    rows = door.add({"name": "etl"}, ended(1))
    for verb in ("PATCH", "DELETE"):
        target, body = "/jobs?name=eq.etl", {"message": "m"}
        strict = door(verb, target, body, prefer="handling=strict,max-affected=1")
        assert refused(strict, 400, "PGRST124").json["details"] == "The query affects 2 rows"
        refused(door(verb, target, body, accept="application/vnd.pgrst.object+json"), 406, "PGRST116")
    assert door.rows() == rows
    answer = door("PATCH", "/jobs?name=eq.etl", {"message": "m"}, prefer="handling=strict,max-affected=2")
    assert answer.headers["Preference-Applied"] == "handling=strict, max-affected=2"


def test_more_rows_than_one_write_changes_are_refused(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = door.add(ended(1), ended(2), ended(3))
    monkeypatch.setattr(updates, "MAX_FOUND", 2)
    monkeypatch.setattr(inserts, "MAX_INSERTED", 2)
    for verb in ("PATCH", "DELETE"):
        refused(door(verb, "/jobs?id=gt.0", {"message": "m"}), 413, "54000")
        refused(door(verb, "/jobs?id=gt.0", {"message": "m"}, prefer="handling=strict,max-affected=9"), 413, "54000")
        refused(door(verb, "/jobs?id=gt.0", {"message": "m"}, prefer="handling=strict,max-affected=1"), 400, "PGRST124")
    refused(door("POST", "/jobs", [{"name": "etl", **PLACES}] * 3), 413, "54000")
    monkeypatch.setattr(inserts, "MAX_STARTED", 1)
    refused(door("POST", "/jobs", [{"name": "etl", **PLACES}] * 2), 413, "54000")
    assert door.rows() == rows
    assert len(door.add({"name": "etl"}, ended(1))) == 2


def test_what_could_not_be_shown_is_not_written(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = door.add(ended(1), {"name": "etl"})
    message = "/jobs?id=gt.0&select=message::integer"
    refused(door("PATCH", message, {"message": "m"}, **REPRESENTATION), 400, "22P02")
    refused(door("POST", "/jobs?select=name::integer", {"name": "x", **PLACES}, **REPRESENTATION), 400, "22P02")
    assert door("PATCH", message, {"message": "12"}, **REPRESENTATION).json == [{"message": 12}] * 2
    monkeypatch.setattr(answers, "MAX_BYTES", 300)
    for verb in ("PATCH", "DELETE"):
        refused(door(verb, "/jobs?id=gt.0", {"message": "n"}, **REPRESENTATION), 413, "54000")
    refused(door("POST", "/jobs", {"name": "x", "message": "m" * 200, **PLACES}, **REPRESENTATION), 413, "54000")
    assert [(row["id"], row["message"]) for row in door.rows()] == [(row["id"], "12") for row in rows]


def test_rows_that_are_over_are_deleted(door: Door) -> None:
    first, second, live = door.add(ended(5), ended(1), {"name": "etl"})
    answer = door("DELETE", "/jobs?id=in.(1,2)&order=id.desc", {}, prefer="return=representation,count=exact")
    assert (answer.status, answer.json, answer.headers["Content-Range"]) == (200, [second, first], "*/2")
    assert door.rows() == [live]
    refused(door("DELETE", "/jobs?id=eq.3"), 400, "P0001")
    door("PATCH", "/jobs?id=eq.3", {"status": "error"})
    quiet = door("DELETE", "/jobs?id=eq.3", b"no JSON at all")
    assert (quiet.status, quiet.text, quiet.headers["Content-Range"]) == (204, "", "*/*")
    assert door.rows() == []
    assert door.add({"name": "etl"})[0]["id"] == 4, "numbers are never given twice"


def test_a_row_is_put_over_the_one_that_has_its_key(door: Door) -> None:
    (row,) = door.add({"name": "etl"})
    sent = {**row, "status": "success", "end_date": "2026-11-21T12:30:00Z", "records_processed": 3}
    after = {**sent, "end_date": "2026-11-21T12:30:00+00:00"}
    answer = door("PUT", "/jobs?id=eq.1", sent, **REPRESENTATION)
    assert (answer.status, answer.json) == (200, [after])
    quiet = door("PUT", "/jobs?id=eq.1", sent)
    assert (quiet.status, quiet.text) == (204, "")
    assert door.rows() == [after]
    refused(door("PUT", "/jobs?id=eq.2", sent), 400, "PGRST115")
    refused(door("PUT", "/jobs?id=eq.1", [sent, sent]), 400, "PGRST115")
    refused(door("PUT", "/jobs?id=eq.9", {**sent, "id": 9}), 400, "428C9")
    refused(door("PUT", "/jobs?name=eq.etl", sent), 405, "PGRST105")
    refused(door("PUT", "/jobs?id=eq.1&limit=1", sent), 400, "PGRST114")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The calls of DynamoDB that are made from then on."""
    counted = Counter[str]()
    send = botocore.client.BaseClient._make_api_call

    def count(self: Any, operation: str, parameters: Any) -> Any:
        counted[operation] += 1
        return send(self, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", count)
    return counted


def test_writes_cost_the_same_whatever_is_there(door: Door, calls: Counter[str]) -> None:
    door.add({"name": "etl"})
    costs = {
        "start": lambda: door("POST", "/jobs", {"name": "etl", **PLACES}, **REPRESENTATION),
        "nineteen": lambda: door("POST", "/jobs", [{"name": "etl", **PLACES}] * 19, **REPRESENTATION),
        "end": lambda: door("PATCH", "/jobs?id=eq.2", {"status": "success"}, **REPRESENTATION),
        "note": lambda: door("PATCH", "/jobs?id=eq.2", {"message": "m"}, **REPRESENTATION),
        "delete": lambda: door("DELETE", "/jobs?id=eq.2", **REPRESENTATION),
    }
    spent = {}
    for name, send in costs.items():
        calls.clear()
        assert send().status in (200, 201)
        spent[name] = dict(calls)
    begin = {"GetItem": 1, "UpdateItem": 1, "TransactWriteItems": 1}
    change = {"BatchGetItem": 2, "TransactWriteItems": 1}
    # What a state machine has not settled yet is settled before it is gone.
    gone = {**change, "UpdateItem": 1}
    assert spent == {"start": begin, "nineteen": begin, "end": change, "note": change, "delete": gone}


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.READER, {"GET"}),
        (Role.REPORTER, {"GET", "POST", "PATCH", "PUT"}),
        (Role.OPERATOR, {"GET", "POST", "PATCH", "PUT", "DELETE"}),
    ],
)
def test_a_role_has_its_verbs(role: Role, allowed: set[str], cloud: Cloud) -> None:
    org = cloud.open()
    (row,) = org.add(ended(1))
    key = cloud.open(role, org.principal.org)
    sent = {"GET": None, "PATCH": {"message": None}, "PUT": row, "POST": {"name": "etl", **PLACES}, "DELETE": None}
    for verb, body in sent.items():
        target = "/jobs" if verb == "POST" else f"/jobs?id=eq.{row['id']}"
        answer = key(verb, target, body)
        if verb in allowed:
            assert answer.status < 300, answer.text
        else:
            refused(answer, 403, "42501")


def test_an_org_sees_and_changes_its_own_rows_only(cloud: Cloud) -> None:
    ours, theirs = cloud.open(), cloud.open()
    rows = ours.add({"name": "etl"})
    assert theirs.rows() == []
    assert theirs("PATCH", "/jobs?id=eq.1", {"message": "m"}, **REPRESENTATION).json == []
    assert ours.rows() == rows


def test_a_row_that_is_deleted_while_it_is_changed_is_left_out(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    door.add(ended(5), ended(1))
    check = updates.check_retellings

    def delete_meanwhile(*arguments: Any) -> Any:
        door("DELETE", "/jobs?id=eq.1")
        return check(*arguments)

    monkeypatch.setattr(updates, "check_retellings", delete_meanwhile)
    answer = door("PATCH", "/jobs?id=gt.0", {"message": "m"}, prefer="return=representation,count=exact")
    assert (answer.headers["Content-Range"], [row["id"] for row in answer.json]) == ("0-0/1", [2])


def test_the_documents_of_jobs_say_which_door_made_them(door: Door) -> None:
    door.add({"name": "etl"})
    job = door.ports.jobs.get(door.principal.org, "etl")
    assert isinstance(job, Job)
    assert (job.door, job.executor) == ("postgrest", Executor.EXTERNAL)
    assert json.loads(json.dumps(job.extra)) == {}
