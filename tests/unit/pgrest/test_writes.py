"""Rows to write: their columns, values, defaults, and what a row has to be."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pgrest.binding import bind_query
from pgrest.bodies import read_body
from pgrest.errors import Code, RefusedError
from pgrest.jobs import JOBS
from pgrest.query import read_query, split_query
from pgrest.verbs import check_conflict, check_parameters, check_put_row, check_verb, find_put_key
from pgrest.writes import check_row, choose_columns, make_changes, make_rows

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
REQUIRED = '"name": "a", "source": "b", "destination": "c"'


def new(body: str, columns: list[str] | None = None, **options: Any) -> list[dict[str, Any]]:
    payload = read_body(None, body.encode(), columns_given=columns is not None)
    rows = make_rows(payload, JOBS, choose_columns(payload, JOBS, columns), NOW, **options)
    for row in rows:
        check_row({"id": 1, **row}, JOBS)
    return rows


def change(body: str, columns: list[str] | None = None, **options: Any) -> dict[str, Any]:
    payload = read_body(None, body.encode(), columns_given=columns is not None)
    return make_changes(payload, choose_columns(payload, JOBS, columns), NOW, **options)


def refusal_of(action: Any) -> RefusedError:
    with pytest.raises(RefusedError) as refusal:
        action()
    return refusal.value


def test_a_row_gets_the_defaults_of_what_it_does_not_name_and_waits_for_its_id() -> None:
    assert new(f"{{{REQUIRED}}}") == [
        {
            "name": "a",
            "start_date": NOW,
            "end_date": None,
            "message": None,
            "status": "in_progress",
            "records_processed": None,
            "source": "b",
            "destination": "c",
        }
    ]


def test_what_is_not_text_is_stored_in_a_text_column_as_it_was_written() -> None:
    (row,) = new(f'{{{REQUIRED}, "message": 1.50}}')
    assert row["message"] == "1.50"
    (row,) = new(f'{{{REQUIRED}, "message": {{"a": 1}}, "records_processed": "12"}}')
    assert (row["message"], row["records_processed"]) == ('{"a": 1}', 12)


def test_a_timestamp_without_a_zone_is_of_the_zone_preferred() -> None:
    (row,) = new(f'{{{REQUIRED}, "start_date": "2018-06-17 12:00:00"}}', zone=ZoneInfo("America/Chicago"))
    assert row["start_date"] == datetime(2018, 6, 17, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ('"nope": 1', Code.BODY_COLUMN),
        ('"records_processed": 1.5', Code.BAD_LITERAL),
        ('"records_processed": "x"', Code.BAD_LITERAL),
        ('"records_processed": true', Code.BAD_LITERAL),
        ('"records_processed": 3000000000', Code.OUT_OF_RANGE),
        ('"start_date": "soon"', Code.BAD_TIMESTAMP),
        ('"start_date": 1529256005', Code.BAD_TIMESTAMP),
        ('"end_date": "2018-13-01"', Code.DATE_FIELD),
        ('"start_date": null', Code.NOT_NULL),
        ('"status": null', Code.NOT_NULL),
        ('"id": null', Code.NOT_NULL),
        ('"status": "done"', Code.CHECK),
        ('"status": "SUCCESS"', Code.CHECK),
        ('"status": ""', Code.CHECK),
        (f'"message": "{"é" * 50_001}"', Code.TOO_LONG),
    ],
)
def test_a_row_that_cannot_be_is_refused(cells: str, code: Code) -> None:
    assert refusal_of(lambda: new(f"{{{REQUIRED}, {cells}}}")).code is code


@pytest.mark.parametrize("missing", ["name", "source", "destination"])
def test_what_is_required_must_be_there(missing: str) -> None:
    row = {name: "x" for name in ("name", "source", "destination") if name != missing}
    error = refusal_of(lambda: new("{" + ", ".join(f'"{name}": "x"' for name in row) + "}"))
    assert error.code is Code.NOT_NULL
    assert f'"{missing}"' in error.message
    assert refusal_of(lambda: new("{}")).code is Code.NOT_NULL


def test_what_is_null_is_told_before_what_is_not_allowed() -> None:
    assert refusal_of(lambda: new('{"name": "a", "status": "done"}')).code is Code.NOT_NULL


def test_what_is_no_literal_is_told_before_what_is_null_even_in_another_row() -> None:
    rows = f'[{{{REQUIRED}, "status": null, "id": "1"}}, {{{REQUIRED}, "status": "error", "id": "x"}}]'
    assert refusal_of(lambda: new(rows)).code is Code.BAD_LITERAL


def test_only_the_columns_named_count() -> None:
    columns = ["name", "source", "destination", "message"]
    (row,) = new(f'{{{REQUIRED}, "nope": 1, "status": "bogus"}}', columns)
    assert (row["message"], row["status"]) == (None, "in_progress")
    assert refusal_of(lambda: new(f"{{{REQUIRED}}}", ["nope"])).code is Code.BODY_COLUMN


def test_what_a_row_does_not_name_is_null_or_its_default_as_preferred() -> None:
    columns = ["name", "source", "destination", "status", "start_date", "id"]
    assert refusal_of(lambda: new(f"{{{REQUIRED}}}", columns)).code is Code.NOT_NULL
    (row,) = new(f"{{{REQUIRED}}}", columns, missing_default=True)
    assert (row["status"], row["start_date"]) == ("in_progress", NOW)
    assert "id" not in row


def test_a_change_is_what_the_body_says_and_no_more() -> None:
    assert change('{"status": "success", "end_date": "2018-06-17T17:18:53Z", "message": null}') == {
        "status": "success",
        "end_date": datetime(2018, 6, 17, 17, 18, 53, tzinfo=UTC),
        "message": None,
    }
    assert change("{}") == change("[]") == {}
    assert change('[{"status": "error"}, {"status": "success"}]') == {"status": "error"}
    assert change("{}", ["message", "status"], missing_default=True) == {"message": None, "status": "in_progress"}
    assert change("{}", ["message"]) == {"message": None}
    assert refusal_of(lambda: change("{}", ["id"], missing_default=True)).code is Code.UNSUPPORTED


@pytest.mark.parametrize(
    ("verb", "raw", "code"),
    [
        ("PATCH", "", Code.CARDINALITY),
        ("DELETE", "", Code.CARDINALITY),
        ("DELETE", "select=id&order=id", Code.CARDINALITY),
        ("PATCH", "id=eq.1&limit=1", Code.UNSUPPORTED),
        ("DELETE", "id=eq.1&offset=0", Code.UNSUPPORTED),
        ("POST", "limit=1", Code.UNSUPPORTED),
        ("POST", "id=eq.1", Code.UNSUPPORTED),
        ("GET", "columns=id", Code.UNSUPPORTED),
        ("DELETE", "id=eq.1&columns=id", Code.UNSUPPORTED),
        ("GET", "on_conflict=id", Code.UNSUPPORTED),
        ("PUT", "id=eq.1&limit=1", Code.PUT_RANGE),
    ],
)
def test_a_parameter_that_a_verb_would_ignore_is_refused(verb: str, raw: str, code: Code) -> None:
    assert refusal_of(lambda: check_parameters(verb, read_query(split_query(raw)))).code is code


@pytest.mark.parametrize(
    ("verb", "raw"),
    [
        ("GET", ""),
        ("HEAD", "id=gt.0&limit=1&offset=2&order=id&select=id"),
        ("POST", "columns=id&select=id&on_conflict=id&order=id"),
        ("PATCH", "id=gt.0&order=id&select=id&columns=name"),
        ("DELETE", "or=(id.eq.1)&order=id"),
        ("PUT", "id=eq.1&columns=id"),
    ],
)
def test_what_a_verb_understands_passes(verb: str, raw: str) -> None:
    check_parameters(verb, read_query(split_query(raw)))


def test_a_verb_that_is_not_served_is_refused_and_the_others_told() -> None:
    error = refusal_of(lambda: check_verb("TRACE", JOBS))
    assert (error.code, error.status) == (Code.VERB, 405)
    assert error.headers["Allow"] == "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"
    check_verb("PATCH", JOBS)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("on_conflict=name", Code.NO_CONSTRAINT),
        ("on_conflict=id,name", Code.NO_CONSTRAINT),
        ("on_conflict=x", Code.NO_COLUMN),
    ],
)
def test_rows_conflict_by_id_only(raw: str, code: Code) -> None:
    assert refusal_of(lambda: check_conflict(read_query(split_query(raw)), JOBS)).code is code
    check_conflict(read_query(split_query("on_conflict=id")), JOBS)


@pytest.mark.parametrize(
    "raw", ["", "id=gt.1", "id=not.eq.1", "id=eq.1&name=eq.a", "name=eq.a", "or=(id.eq.1)", "id=eq(any).{1}"]
)
def test_a_put_names_one_row_by_its_id(raw: str) -> None:
    conditions = bind_query(read_query(split_query(raw)), JOBS).conditions
    error = refusal_of(lambda: find_put_key(conditions, JOBS))
    assert (error.code, error.status) == (Code.PUT_FILTER, 405)


def test_a_put_has_that_row_in_its_body() -> None:
    key = find_put_key(bind_query(read_query(split_query("id=eq.5")), JOBS).conditions, JOBS)
    row = {"id": 5}
    assert check_put_row([row], key, JOBS) == row
    for rows in ([], [row, row], [{"id": 6}], [{}]):
        assert refusal_of(lambda rows=rows: check_put_row(rows, key, JOBS)).code is Code.PUT_KEY
