"""Whatever comes in, the answer is rows or an error of this door that puts it on the request."""

from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pgrest.binding import bind_query
from pgrest.bodies import read_body
from pgrest.columns import Relation
from pgrest.conditions import compile_conditions
from pgrest.errors import RefusedError
from pgrest.jobs import JOBS
from pgrest.media import choose_media
from pgrest.ordering import order_rows
from pgrest.preferences import read_preferences
from pgrest.projection import project_row
from pgrest.query import read_query, split_query, write_location
from pgrest.ranges import read_window
from pgrest.representations import render_rows
from pgrest.verbs import check_conflict, check_parameters
from pgrest.writes import check_row, choose_columns, make_changes, make_rows
from tests.unit.pgrest.queries import RELATIONS, make_query, render
from tests.unit.pgrest.queries import make_rows as invent_rows

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ROWS = {relation.name: invent_rows(Random(3), relation, 12) for relation in RELATIONS}

_pieces = st.sampled_from(
    [
        *(
            "id",
            "name",
            "end_date",
            "message",
            "status",
            "a note",
            "flag",
            "at",
            "doc",
            '"name"',
            "*",
            "select",
            "order",
        ),
        *(
            "limit",
            "offset",
            "columns",
            "on_conflict",
            "and",
            "or",
            "not",
            "not.and",
            "eq",
            "in",
            "is",
            "like",
            "ilike",
        ),
        *("match", "isdistinct", "fts", "neq", "gte", "null", "any", "all", "true", "(any)", "desc", "nullslast"),
        *(
            "=",
            "=",
            "&",
            "&",
            ".",
            ".",
            ",",
            "(",
            ")",
            "()",
            "{",
            "}",
            '"',
            "\\",
            "%",
            "%2",
            "%00",
            "%ff",
            "+",
            "->",
            "::",
        ),
        *(
            ":",
            "text",
            "date",
            "integer",
            "1",
            "-1",
            "99999999999",
            "2024-03-10",
            "T10:00:00",
            "Z",
            "x",
            "é",
            "\n",
            " ",
        ),
    ]
)
_soup = st.lists(_pieces, max_size=25).map("".join)


@st.composite
def _broken(draw: st.DrawFn) -> str:
    """Draw a good query string that had a piece cut out, and another put in."""
    random = draw(st.randoms(use_true_random=False))
    text = render(make_query(random, draw(st.sampled_from(RELATIONS)), bad=0.3))
    cut = draw(st.integers(0, len(text)))
    return text[:cut] + draw(_soup | st.text(max_size=3)) + text[cut + draw(st.integers(0, 5)) :]


queries = _soup | _broken() | st.text(max_size=60)


def blame_request(refusal: RefusedError) -> None:
    assert 400 <= refusal.status < 500, refusal
    assert set(refusal.document) == {"code", "message", "details", "hint"}


def answer(raw: str, relation: Relation) -> None:
    """Do all that is done with a query, but for reading the ledger."""
    try:
        parameters = split_query(raw)
        assert write_location(relation.name, parameters)
        query = read_query(parameters)
        bound = bind_query(query, relation)
        passes = compile_conditions(bound.conditions)
        rows = [project_row(row, bound.shown) for row in order_rows(ROWS[relation.name], bound.order) if passes(row)]
        window = read_window(query.limit, query.offset, None, 5000)
        for media in ("application/json", "text/csv"):
            render_rows(rows[window.offset : window.offset + window.limit], choose_media(media)).encode()
        for verb in ("GET", "POST", "PATCH", "DELETE", "PUT"):
            check_parameters(verb, query)
        check_conflict(query, relation)
    except RefusedError as refusal:
        blame_request(refusal)


@given(queries, st.sampled_from(RELATIONS))
@settings(max_examples=1000, deadline=None)
@example("id=eq." + "9" * 5000, JOBS)
@example("name=like." + "%25a" * 2000, JOBS)
@example("name=match." + "(" * 3000, JOBS)
@example("name=match.(a{999}){999}", JOBS)
@example("or=" + "(and" * 3000, JOBS)
@example("start_date=gt.0001-01-01T00:00:00%2B15:00", JOBS)
@example("start_date=gt.9999-12-31T23:59:60", JOBS)
@example("id=eq(any)." + "{" * 3000, JOBS)
@example("id=eq(any).{" + " " * 5000, JOBS)
def test_no_query_breaks_the_door(raw: str, relation: Relation) -> None:
    answer(raw, relation)


@pytest.mark.slow
@given(queries, st.sampled_from(RELATIONS))
@settings(max_examples=20_000, deadline=None)
def test_none_of_twenty_thousand_queries_breaks_the_door(raw: str, relation: Relation) -> None:
    answer(raw, relation)


_types = st.sampled_from([None, "application/json", "text/csv", "application/x-www-form-urlencoded", "text/plain", ";"])
_json_pieces = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"name"',
        '"id"',
        '"start_date"',
        '"status"',
        "null",
        "12",
        "1e3",
        '"\\ud800"',
        " ",
        "\n",
        "NaN",
        "-",
    ]
)
_bodies = (
    st.binary(max_size=40)
    | st.lists(_json_pieces, max_size=20).map("".join).map(str.encode)
    | st.text(st.sampled_from('ab,"\n\rNUL='), max_size=20).map(str.encode)
)


@given(_types, _bodies, st.booleans())
@settings(max_examples=600, deadline=None)
@example(None, b"[" * 100_000, False)
@example(None, b'{"name":' + b"[" * 100_000, False)
@example(None, b'{"id":' + b"9" * 100_000 + b"}", False)
def test_no_body_breaks_the_door(content_type: str | None, body: bytes, given_columns: bool) -> None:
    try:
        names = ["name", "id"] if given_columns else None
        payload = read_body(content_type, body, columns_given=given_columns)
        columns = choose_columns(payload, JOBS, names)
        make_changes(payload, columns, NOW)
        for number, row in enumerate(make_rows(payload, JOBS, columns, NOW, missing_default=given_columns)):
            check_row({"id": number, **row}, JOBS)
    except RefusedError as refusal:
        blame_request(refusal)


@given(st.text(st.sampled_from("abz=,;/*+0159.-_ q\té\0\"'"), max_size=30) | st.text(max_size=20))
@settings(max_examples=300)
def test_no_header_breaks_the_door(header: str) -> None:
    for read in (
        read_preferences,
        lambda text: read_preferences(f"handling=strict,timezone={text}"),
        choose_media,
        lambda text: read_window(5, 1, text, 100),
    ):
        try:
            read(header)
        except RefusedError as refusal:
            blame_request(refusal)
