"""New rows of ``jobs``: what becomes of them, what the answer shows, and that what is refused writes nothing."""

import pytest

from jobruns.run import Executor, RunState
from jobruns.service.definitions import define_job
from tests.integration.pgrest.door import PLACES, REPRESENTATION, Door, cloud, door, ended, refused, started

__all__ = ["cloud", "door"]

START = {"name": "etl", "start_date": "2018-06-17 12:18:53-05:00", "end_date": None, "status": "in_progress"}


def test_a_run_is_started_and_ended_as_tdutils_does_it(door: Door) -> None:
    hot = "name=eq.etl&status=eq.success&order=end_date.desc&limit=1"
    assert door.rows(hot) == []
    answer = door("POST", "/jobs", {**START, **PLACES}, **REPRESENTATION)
    assert answer.status == 201
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Preference-Applied"] == "return=representation"
    row = {
        "id": 1,
        "name": "etl",
        "start_date": "2018-06-17T17:18:53+00:00",
        "end_date": None,
        "message": None,
        "status": "in_progress",
        "records_processed": None,
        **PLACES,
    }
    assert answer.json == [row]
    assert list(answer.json[0]) == list(row), "the columns come in their order"
    assert door.rows(hot) == []
    told = {"end_date": "2018-06-17 12:20:05-05:00", "status": "success", "message": None, "records_processed": 0}
    answer = door("PATCH", "/jobs?id=eq.1", told, **REPRESENTATION)
    row |= {"end_date": "2018-06-17T17:20:05+00:00", "status": "success", "records_processed": 0}
    assert (answer.status, answer.json) == (200, [row])
    assert door.rows(hot) == [row]
    run = door.run(1)
    assert (run.state, run.executor, run.door) == (RunState.SUCCEEDED, Executor.EXTERNAL, "postgrest")


def test_a_row_without_what_has_a_default_starts_now(door: Door) -> None:
    (row,) = door.add({"name": "etl"})
    assert (row["status"], row["end_date"]) == ("in_progress", None)
    assert row["start_date"].startswith("2026-11-21T12:00")
    (row,) = door.add({"name": "etl", "status": "error", "message": "a\nb\u2028\U0001f600"})
    assert row["end_date"].startswith("2026-11-21T12:00"), "what has ended has an end"
    assert row["message"] == "a\nb\u2028\U0001f600"


def test_an_answer_without_rows_has_no_body_and_no_type(door: Door) -> None:
    answer = door("POST", "/jobs", {"name": "etl", **PLACES})
    assert (answer.status, answer.text) == (201, "")
    assert "Content-Type" not in answer.headers
    assert answer.headers["Content-Range"] == "*/*"
    headers = door("POST", "/jobs", {"name": "etl", **PLACES}, prefer="return=headers-only,count=exact")
    assert (headers.status, headers.text) == (201, "")
    assert headers.headers["Location"] == "/jobs?id=eq.2"
    assert headers.headers["Content-Range"] == "*/1"
    bulk = door("POST", "/jobs", [{"name": "etl", **PLACES}] * 2, prefer="return=headers-only")
    assert "Location" not in bulk.headers


def test_many_rows_get_their_numbers_in_their_order(door: Door) -> None:
    rows = door.add(*({"name": f"job{place % 3}", "message": str(place)} for place in range(25)))
    assert [row["id"] for row in rows] == list(range(1, 26))
    assert [row["message"] for row in door.rows()] == [str(place) for place in range(25)]


def test_rows_come_as_csv_and_as_a_form(door: Door) -> None:
    table = b'name,source,destination,message,status\n"a, b",s,d,NULL,success\nc,,d,"two\nlines",error\n'
    answer = door("POST", "/jobs", table, content_type="text/csv", accept="text/csv", **REPRESENTATION)
    assert answer.status == 201
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    header, first, *_ = answer.text.split("\n")
    assert header == "id,name,start_date,end_date,message,status,records_processed,source,destination"
    assert first.startswith('1,"a, b",2026-11-21T12:00')
    assert [(row["source"], row["message"]) for row in door.rows()] == [("s", None), ("", "two\nlines")]
    form = b"name=d+e&source=s&destination=%C3%A9"
    answer = door("POST", "/jobs", form, content_type="application/x-www-form-urlencoded", **REPRESENTATION)
    assert [(row["name"], row["destination"]) for row in answer.json] == [("d e", "é")]


def test_no_rows_are_no_error(door: Door) -> None:
    answer = door("POST", "/jobs", [], prefer="return=representation,count=exact")
    assert (answer.status, answer.json, answer.headers["Content-Range"]) == (201, [], "*/0")
    refused(door("POST", "/jobs", [], accept="application/vnd.pgrst.object+json"), 406, "PGRST116")


def test_columns_say_what_counts_of_a_body(door: Door) -> None:
    row = {"name": "etl", **PLACES, "nonsense": 1, "status": "error"}
    answer = door("POST", '/jobs?columns="name","source",destination', row, **REPRESENTATION)
    assert answer.json[0]["status"] == "in_progress"
    mixed = [{"name": "etl", **PLACES}, {"name": "etl", **PLACES, "status": "success"}]
    target = "/jobs?columns=name,source,destination,status,start_date"
    refused(door("POST", target, mixed, **REPRESENTATION), 400, "23502")
    answer = door("POST", target, mixed, prefer="missing=default,return=representation")
    assert [row["status"] for row in answer.json] == ["in_progress", "success"]
    assert answer.headers["Preference-Applied"] == "missing=default, return=representation"


def test_a_representation_has_the_columns_the_order_and_the_zone_asked_for(door: Door) -> None:
    target = "/jobs?select=number:id,start_date&order=start_date.desc"
    rows = [{**START, **PLACES}, {**START, **PLACES, "start_date": "2018-07-01 00:00"}]
    prefer = "return=representation, timezone=America/Chicago"
    answer = door("POST", target, rows, prefer=prefer)
    assert answer.json == [
        {"number": 2, "start_date": "2018-07-01T00:00:00-05:00"},
        {"number": 1, "start_date": "2018-06-17T12:18:53-05:00"},
    ]
    one = door("POST", "/jobs", {"name": "etl", **PLACES}, accept="application/vnd.pgrst.object+json", prefer=prefer)
    assert one.json["id"] == 3
    assert one.headers["Content-Type"] == "application/vnd.pgrst.object+json; charset=utf-8"


@pytest.mark.parametrize("name", ["a+b", "a&b", "a#b", "100%41", "", "a\nb"])
def test_a_name_that_its_own_script_would_not_find_is_refused(name: str, door: Door) -> None:
    answer = refused(door("POST", "/jobs", {"name": name, **PLACES}), 400, "23514")
    assert answer.json["hint"]
    refused(door("POST", "/jobs", {"name": "n" * 256, **PLACES}), 400, "22001")
    assert door.rows() == []


def test_a_name_may_have_any_other_letter(door: Door) -> None:
    names = ["détecteurs 100 % \U0001f6a6", "n" * 255, 'a"b,(c).d', "%zz%"]
    assert [row["name"] for row in door.add(*({"name": name} for name in names))] == names


def test_a_key_makes_a_start_repeatable(door: Door) -> None:
    row = {"name": "etl", "status": "success", **PLACES}
    first = door("POST", "/jobs", row, idempotency_key="k 1", **REPRESENTATION)
    again = door("POST", "/jobs", row, idempotency_key="k 1", **REPRESENTATION)
    other = door("POST", "/jobs", row, idempotency_key="k 2", **REPRESENTATION)
    assert (first.status, first.json) == (again.status, again.json)
    assert (first.json[0]["id"], len(door.rows())) == (1, 2)
    assert other.json[0]["id"] not in (None, 1)
    refused(door("POST", "/jobs", [row, row], idempotency_key="k 1"), 409, "23P01")
    for wrong in ("", "é", "k" * 256):
        refused(door("POST", "/jobs", row, idempotency_key=wrong), 400, "22023")
    assert len(door.rows()) == 2


def test_a_run_that_does_not_count_moves_no_watermark(door: Door) -> None:
    hot = "name=eq.etl&status=eq.success&order=end_date.desc&limit=1"
    counted, backfill = door.add(ended(5)), door.add(ended(1), jobruns_counts="false")
    assert door.rows(hot) == counted
    assert door.rows() == counted, "it is not in the table, so that no query takes it for one that counts"
    assert backfill[0]["id"] == 2, "its own insert shows it"
    target = "/jobs?id=eq.2"
    assert door("PATCH", target, {"message": "x"}, **REPRESENTATION).json == []
    answer = door("PATCH", target, {}, jobruns_counts="true", **REPRESENTATION)
    assert answer.json == backfill
    assert door.rows(hot) == backfill
    answer = door("PATCH", target, {"message": "test"}, jobruns_counts="False", **REPRESENTATION)
    assert [row["message"] for row in answer.json] == ["test"]
    assert door.rows(hot) == counted
    for wrong in ("", "yes"):
        refused(door("POST", "/jobs", {"name": "etl", **PLACES}, jobruns_counts=wrong), 400, "22P02")
        refused(door("PATCH", target, {}, jobruns_counts=wrong), 400, "22P02")


def test_an_id_is_given_by_the_ledger_alone(door: Door) -> None:
    (row,) = door.add(ended(1))
    answer = refused(door("POST", "/jobs", {**row, "id": 7}), 400, "428C9")
    assert "Leave id out" in answer.json["hint"]
    refused(door("POST", "/jobs", row), 409, "23505")
    for resolution in ("merge", "ignore"):
        refused(door("POST", "/jobs", {**row, "id": 7}, prefer=f"resolution={resolution}-duplicates"), 400, "428C9")
    assert door.rows() == [row]


def test_rows_that_are_there_are_merged_with_what_is_sent(door: Door) -> None:
    first, second = door.add({"name": "etl", "message": "kept"}, {"name": "etl"})
    prefer = "return=representation, resolution=merge-duplicates"
    sent = [{"id": row["id"], "name": "etl", "status": "success", **PLACES} for row in (second, first)]
    answer = door("POST", "/jobs?on_conflict=id", sent, prefer=prefer)
    assert answer.status == 200, "nothing was inserted"
    assert answer.headers["Preference-Applied"] == "resolution=merge-duplicates, return=representation"
    assert [(row["id"], row["status"]) for row in answer.json] == [(2, "success"), (1, "success")]
    assert door.rows("id=eq.1")[0]["message"] == "kept", "only what was sent is merged"
    new = [{"id": 1, "message": "m"}, {"message": "n"}]
    mixed = [{**row, "name": "etl", "status": "success", **PLACES} for row in new]
    answer = door("POST", "/jobs?columns=id,name,status,message,source,destination", mixed, prefer=prefer)
    refused(answer, 400, "23502")
    answer = door(
        "POST", "/jobs?columns=id,name,status,message,source,destination", mixed, prefer=f"{prefer},missing=default"
    )
    assert answer.status == 201, "one was inserted"
    assert [(row["id"], row["message"]) for row in answer.json] == [(1, "m"), (answer.json[1]["id"], "n")]
    refused(door("POST", "/jobs", [sent[0], sent[0]], prefer=prefer), 400, "21000")
    refused(door("POST", "/jobs", {**sent[0], "name": "other"}, prefer=prefer), 400, "PGRST127")


def test_rows_that_are_there_are_left_out_where_that_is_preferred(door: Door) -> None:
    (row,) = door.add({"name": "etl", "message": "kept"})
    prefer = "return=representation,resolution=ignore-duplicates,count=exact"
    answer = door("POST", "/jobs", [{**row, "message": "new"}] * 2, prefer=prefer)
    assert (answer.status, answer.json, answer.headers["Content-Range"]) == (201, [], "*/0")
    assert door.rows() == [row]


def test_a_merge_that_is_refused_inserts_nothing(door: Door) -> None:
    (row,) = door.add(ended(1))
    sent = [{"name": "etl", "status": "in_progress", **PLACES}, {"id": row["id"], "status": "in_progress"}]
    rows = [{**PLACES, "name": "etl", **one} for one in sent]
    target = "/jobs?columns=id,name,status,source,destination"
    refused(door("POST", target, rows, prefer="resolution=merge-duplicates,missing=default"), 400, "P0001")
    assert door.rows() == [row]


def test_a_job_of_another_executor_takes_no_rows(door: Door) -> None:
    started(door, "load")
    refused(door("POST", "/jobs", {"name": "load", **PLACES}), 409, "23P01")
    assert len(door.rows()) == 1


def test_a_job_that_is_at_its_limit_takes_no_more_rows_that_go_on(door: Door) -> None:
    define_job(door.ports, door.principal, name="etl", door="glue", max_concurrent_runs=1)
    door.add({"name": "etl"})
    answer = refused(door("POST", "/jobs", {"name": "etl", **PLACES}), 409, "23P01")
    assert "etl" in answer.json["message"]
    door("PATCH", "/jobs?id=eq.1", {"status": "error"})
    assert len(door.add({"name": "etl"})) == 1
