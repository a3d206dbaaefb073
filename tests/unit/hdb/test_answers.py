"""Answers: routes that are no operations, forms, and pages of other origins."""

import csv
import io
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdb.answers import (
    Answer,
    Route,
    answer_document,
    answer_fault,
    answer_health,
    answer_message,
    answer_nothing,
    answer_preflight,
    find_route,
)
from hdb.errors import NotAcceptableError, UserExistsError, describe_error
from hdb.media import Media, choose_media


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("POST", "/harperdb", Route.OPERATION),
        ("POST", "/harperdb/", Route.OPERATION),
        ("POST", "/stage/harperdb", Route.OPERATION),
        ("GET", "/harperdb/health", Route.HEALTH),
        ("OPTIONS", "/harperdb", Route.PREFLIGHT),
        ("GET", "/harperdb", Route.NOTHING),
        ("GET", "/harperdb/", Route.NOTHING),
        ("PUT", "/harperdb", Route.NOTHING),
        ("POST", "/harperdb/foo", Route.NOTHING),
        ("POST", "/harperdb/health", Route.NOTHING),
        ("POST", "/harperdbs", Route.NOTHING),
    ],
)
def test_routes(method: str, path: str, route: Route) -> None:
    assert find_route(method, path) is route


def test_health_and_nothing_are_text() -> None:
    assert (answer_health().status, answer_health().body) == (200, "HarperDB is running.")
    assert (answer_nothing().status, answer_nothing().body) == (404, "Not found")
    for answer in (answer_health(), answer_nothing()):
        assert answer.headers["Content-Type"].startswith("text/plain")


def test_a_page_of_another_origin_may_call() -> None:
    event = answer_preflight().as_event({"origin": "https://example.com"})
    assert event["statusCode"] == 200
    assert event["headers"]["Access-Control-Allow-Origin"] == "https://example.com"
    assert "POST" in event["headers"]["Access-Control-Allow-Methods"]
    for name in ("Content-Type", "Authorization", "Accept"):
        assert name in event["headers"]["Access-Control-Allow-Headers"]
    assert event["headers"]["Vary"] == "Origin"
    assert "Access-Control-Allow-Origin" not in Answer(200).as_event({})["headers"]


def test_an_answer_is_json_without_a_charset() -> None:
    answer = answer_message("é")
    assert (answer.status, answer.body, answer.headers) == (
        200,
        '{"message":"é"}',
        {"Content-Type": "application/json"},
    )


def test_an_answer_as_csv_has_all_columns_of_all_rows() -> None:
    answer = answer_document([{"id": 1, "a": "x"}, {"id": 2, "b": None}], Media.CSV)
    assert answer.headers["Content-Type"] == "text/csv"
    assert answer.body == '"id","a","b"\n1,"x",\n2,,'
    assert answer_message("ok", Media.CSV).body == '"message"\n"ok"'
    assert answer_document([], Media.CSV).body == ""
    assert answer_document([1], Media.CSV).body == '"value"\n1'


def test_an_error_is_json_whatever_is_accepted() -> None:
    answer = answer_fault(describe_error(UserExistsError("rw")))
    assert (answer.status, json.loads(answer.body)) == (409, {"error": "User rw already exists"})
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("header", "media"),
    [
        (None, Media.JSON),
        ("", Media.JSON),
        ("*/*", Media.JSON),
        ("application/json", Media.JSON),
        ("Application/JSON;charset=utf-8", Media.JSON),
        ("text/csv", Media.CSV),
        ("text/html, text/csv;q=0.5", Media.CSV),
        ("text/csv;q=0.5, application/json;q=0.9", Media.JSON),
        ("text/html,application/xhtml+xml,*/*;q=0.8", Media.JSON),
        ("application/json;q=0, */*", Media.CSV),
    ],
)
def test_the_form_that_is_liked_best_is_chosen(header: str | None, media: Media) -> None:
    assert choose_media(header) is media


@pytest.mark.parametrize("header", ["text/html", "application/cbor", "image/*", "*/*;q=0"])
def test_what_is_not_served_is_406(header: str) -> None:
    with pytest.raises(NotAcceptableError) as refusal:
        choose_media(header)
    assert describe_error(refusal.value).status == 406


@given(st.text(max_size=40) | st.lists(st.sampled_from(["text/csv", ";", "q=", "0.5", ",", "*/*", "x"])).map("".join))
def test_any_header_chooses_or_is_406(header: str) -> None:
    with suppress(NotAcceptableError):
        assert choose_media(header) in Media


_cells = st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@settings(max_examples=50)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), _cells, min_size=1), min_size=1, max_size=4))
def test_csv_and_json_tell_the_same(cells: list[dict[str, Any]]) -> None:
    rows = [{"id": number, **row} for number, row in enumerate(cells)]
    assert json.loads(answer_document(rows).body) == rows
    read = list(csv.reader(io.StringIO(answer_document(rows, Media.CSV).body, newline="")))
    assert len(read) == len(rows) + 1
    for row, line in zip(rows, read[1:], strict=True):
        for name, cell in zip(read[0], line, strict=True):
            assert cell == _as_cell(row.get(name))


def _as_cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
