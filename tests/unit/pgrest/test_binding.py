"""Queries bound to a relation: what each says of rows, and which are refused there."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pgrest.binding import Ordering, Predicate, bind_query
from pgrest.columns import Relation
from pgrest.conditions import all_of, any_of, compile_conditions
from pgrest.errors import Code, RefusedError
from pgrest.jobs import JOBS
from pgrest.jsonb import make_finite, write_text
from pgrest.ordering import order_rows
from pgrest.projection import project_row
from pgrest.query import read_query, split_query
from tests.unit.pgrest.queries import THINGS

START = datetime(2018, 6, 17, 17, 18, 53, tzinfo=UTC)
JOB: dict[str, Any] = {
    "id": 7,
    "name": "signals_socrata",
    "start_date": START,
    "end_date": None,
    "message": None,
    "status": "in_progress",
    "records_processed": None,
    "source": "knack",
    "destination": "socrata",
}


def passes(raw: str, row: dict[str, Any] = JOB, relation: Relation = JOBS) -> bool:
    return compile_conditions(bind_query(read_query(split_query(raw)), relation).conditions)(row)


def show(raw: str, row: dict[str, Any] = JOB, zone: str = "UTC") -> dict[str, Any]:
    bound = bind_query(read_query(split_query(raw)), JOBS, ZoneInfo(zone))
    return project_row(row, bound.shown, bound.zone)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("name=eq.signals_socrata", True),
        ("name=eq.Signals_socrata", False),
        ("id=eq.7", True),
        ("id=in.(6,7)", True),
        ("id=in.()", False),
        ("id=not.in.()", True),
        ("name=gt.signals", True),
        ("name=gt.Z", True),  # by code point
        ("start_date=eq.2018-06-17T12:18:53-05:00", True),
        ("start_date=gte.2018-06-17&start_date=lt.2018-06-18", True),
        ("end_date=is.null", True),
        ("end_date=is.not_null", False),
        ("end_date=not.is.null", False),
        # What is compared with null is unknown, and so is its negation.
        ("end_date=eq.2018-06-17", False),
        ("end_date=not.eq.2018-06-17", False),
        ("records_processed=neq.5", False),
        ("records_processed=not.in.(5)", False),
        ("not.and=(records_processed.eq.5,id.eq.7)", False),
        ("not.and=(records_processed.eq.5,id.eq.8)", True),
        ("or=(records_processed.eq.5,id.eq.7)", True),
        ("not.or=(records_processed.eq.5,id.eq.8)", False),
        ("message=like.*", False),
        ("message=isdistinct.x", True),
        ("name=isdistinct.signals_socrata", False),
        ("name=like.signals*", True),
        ("name=like.signals%25", True),
        ("name=like.signals_s*", True),
        (r"name=like.signals\_socrata", True),
        (r"name=like.signals\%25", False),
        ("name=like.SIGNALS*", False),
        ("name=ilike.SIGNALS*", True),
        ("name=like(any).{x*,*socrata}", True),
        ("name=like(all).{x*,*socrata}", False),
        ("name=eq(any).{}", False),
        ("name=eq(all).{}", True),
        ("id=gt(all).{1,2}", True),
        ("id=gt(any).{NULL,9}", False),
        ("name=match.^sig.*(rata|x)$", True),
        ("name=match.SIG", False),
        ("name=imatch.SIG", True),
    ],
)
def test_a_row_passes_where_the_condition_is_true(raw: str, expected: bool) -> None:
    assert passes(raw) is expected


def test_truth_values_are_asked_for_by_their_names() -> None:
    row = dict.fromkeys(THINGS.by_name, None) | {"id": 1, "flag": True}
    assert passes("flag=is.true", row, THINGS)
    assert not passes("flag=is.false", row, THINGS)
    assert passes("flag=is.unknown", {**row, "flag": None}, THINGS)
    assert passes("flag=not.is.true", {**row, "flag": None}, THINGS)


@pytest.mark.parametrize(
    ("answers", "conjunction", "disjunction"),
    [
        ([], True, False),
        ([True], True, True),
        ([False], False, False),
        ([None], None, None),
        ([True, None], None, True),
        ([False, None], False, None),
        ([True, False, None], False, True),
    ],
)
def test_unknown_is_neither_true_nor_false(
    answers: list[bool | None], conjunction: bool | None, disjunction: bool | None
) -> None:
    for order in (answers, answers[::-1]):
        assert all_of(order) is conjunction
        assert any_of(order) is disjunction


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("page=eq.2", Code.NO_COLUMN),
        ("Name=eq.x", Code.NO_COLUMN),
        ("select=id,nope", Code.NO_COLUMN),
        ("order=nope", Code.NO_COLUMN),
        ("order=id,nope", Code.NO_COLUMN),
        ("or=(nope.eq.1,id.eq.1)", Code.NO_COLUMN),
        ("id=eq.x", Code.BAD_LITERAL),
        ("id=eq.1.5", Code.BAD_LITERAL),
        ("id=eq.", Code.BAD_LITERAL),
        ("id=in.(1,x)", Code.BAD_LITERAL),
        ("id=eq(any).1", Code.BAD_LITERAL),
        ("id=eq(any).{{1}}", Code.BAD_LITERAL),
        ("id=eq.3000000000", Code.OUT_OF_RANGE),
        ("start_date=gt.yesterday", Code.BAD_TIMESTAMP),
        ("start_date=gt.now", Code.BAD_TIMESTAMP),
        ("start_date=gt.infinity", Code.BAD_TIMESTAMP),
        ("start_date=gt.2018-06-17T12:18:53+05:00", Code.BAD_TIMESTAMP),  # a raw plus is a blank
        ("start_date=gt.2018-13-17", Code.DATE_FIELD),
        ("start_date=gt.2018-02-30", Code.DATE_FIELD),
        ("id=like.1*", Code.NO_OPERATOR),
        ("records_processed=ilike.1*", Code.NO_OPERATOR),
        ("start_date=like.2018*", Code.NO_OPERATOR),
        ("end_date=match.2018", Code.NO_OPERATOR),
        ("id=imatch.1", Code.NO_OPERATOR),
        ("id=is.true", Code.TYPE_MISMATCH),
        ("name=is.unknown", Code.TYPE_MISMATCH),
        ("end_date=not.is.false", Code.TYPE_MISMATCH),
        (r"name=like.a\\".replace("\\\\", "\\"), Code.ESCAPE),
        ("name=match.(", Code.REGULAR_EXPRESSION),
        (r"name=match.(a)\1", Code.REGULAR_EXPRESSION),
        ("name=match.(?=a)", Code.REGULAR_EXPRESSION),
        (r"name=match.\ba", Code.REGULAR_EXPRESSION),
        ("name=like." + "a" * 1001, Code.SYNTAX),
        ("select=id::nonesuch", Code.NO_TYPE),
        ("select=id::numeric", Code.UNSUPPORTED),
        ("select=id::date", Code.NO_CAST),
        ("select=start_date::integer", Code.NO_CAST),
        ("select=a:id,a:name", Code.DUPLICATE_COLUMN),
        ("message->>a=eq.1", Code.NO_OPERATOR),
        ("or=(message->a.eq.1)", Code.NO_OPERATOR),
        ("select=message->a", Code.NO_OPERATOR),
        ("select=id->>0", Code.NO_OPERATOR),
        ("order=start_date->a", Code.NO_OPERATOR),
        ("nope->a=eq.1", Code.NO_COLUMN),
        ("select=*,id::text", Code.DUPLICATE_COLUMN),
    ],
)
def test_what_cannot_be_asked_of_the_relation_is_refused(raw: str, code: Code) -> None:
    with pytest.raises(RefusedError) as refusal:
        bind_query(read_query(split_query(raw)), JOBS)
    assert refusal.value.code is code


def test_a_time_that_lost_its_plus_is_refused_with_a_hint() -> None:
    for raw, told in (("2018-06-17T12:18:53+05:00", True), ("2018-06-17T12:18:53.5 05", True), ("12:18", False)):
        with pytest.raises(RefusedError) as refusal:
            bind_query(read_query(split_query(f"start_date=gt.{raw}")), JOBS)
        assert ("%2B" in (refusal.value.hint or "")) is told


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("doc=like.1", Code.NO_OPERATOR),
        ("doc->a=like.1", Code.NO_OPERATOR),
        ("doc->>a->b=eq.1", Code.NO_OPERATOR),
        ("select=doc->>a->>b", Code.NO_OPERATOR),
        ("order=doc->>a->b", Code.NO_OPERATOR),
        ("doc->3000000000=eq.1", Code.NO_OPERATOR),
        ("doc->a=is.true", Code.TYPE_MISMATCH),
        ("doc->a=eq.x", Code.BAD_LITERAL),
        ("doc=in.(1,{)", Code.BAD_LITERAL),
        ("doc=eq.NaN", Code.BAD_LITERAL),
        ('doc=eq."\\ud800"', Code.BAD_LITERAL),
        ('doc=eq."\\u0000"', Code.UNTRANSLATABLE),
        ("doc=eq.1e140000", Code.OUT_OF_RANGE),
        ("doc=eq." + "[" * 100_000 + "]" * 100_000, Code.BAD_LITERAL),
        ("doc=eq." + "9" * 140_000, Code.OUT_OF_RANGE),
        ("select=doc->a::integer", Code.UNSUPPORTED),
        ("select=doc->a,a:id", Code.DUPLICATE_COLUMN),
    ],
)
def test_what_cannot_be_asked_of_json_is_refused(raw: str, code: Code) -> None:
    with pytest.raises(RefusedError) as refusal:
        bind_query(read_query(split_query(raw)), THINGS)
    assert refusal.value.code is code


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("doc->rows=eq.12", True),
        ("doc->rows=eq.12.0", True),
        ("doc->rows=gt.9", True),
        ("doc->>rows=gt.9", False),  # as texts
        ("doc->>rows=eq.12", True),
        ("doc->rows=in.(1,12)", True),
        ('doc->by->0=eq."eu"', True),
        ("doc->by->>-1=like.u*", True),
        ("doc->by->7=is.null", True),
        ("doc->none=is.null", False),  # JSON's null is a value
        ("doc->none=eq.null", True),
        ("doc->>none=is.null", True),
        ("doc->nothing=isdistinct.null", True),
        ("doc->nothing=neq.1", False),
        ('doc->by=eq.[ "eu", "us" ]', True),
        ("doc->rows->0=eq.12", True),  # as in PostgreSQL, to which a number is a list of one
        ("or=(doc->>rows.eq.13,doc->rows.lt.13)", True),
    ],
)
def test_json_is_compared_by_its_values(raw: str, expected: bool) -> None:
    row = dict.fromkeys(THINGS.by_name, None) | {"id": 1, "doc": {"rows": 12, "by": ["eu", "us"], "none": None}}
    assert passes(raw, row, THINGS) is expected


def test_json_is_written_as_text_as_jsonb_is() -> None:
    document: dict[str, Any] = {"bb": 1.0, "é": None, "a": [True, 1e22, 'x"y\n'], "c": {}}
    assert write_text(document) == '{"a": [true, 10000000000000000000000, "x\\"y\\n"], "c": {}, "bb": 1.0, "é": null}'
    assert make_finite({"a": [float("nan"), float("inf"), 1.5]}) == {"a": [None, None, 1.5]}


def test_a_condition_keeps_its_column_and_its_typed_operands_for_the_plan() -> None:
    (condition,) = bind_query(read_query(split_query("start_date=gte.2018-06-17 17:18:53")), JOBS).conditions
    assert isinstance(condition, Predicate)
    assert (condition.column, condition.operands) == (JOBS.column("start_date"), (START,))


def test_a_row_is_shown_with_all_its_columns_in_their_order() -> None:
    assert list(show("").items()) == list({**JOB, "start_date": "2018-06-17T17:18:53+00:00"}.items())
    assert show("select=*,id") == show("select=")


def test_a_row_is_shown_renamed_and_cast() -> None:
    assert list(show("select=run:id::text,name,start_date::text,day:start_date::date,end_date::text").items()) == [
        ("run", "7"),
        ("name", "signals_socrata"),
        ("start_date", "2018-06-17 17:18:53+00"),
        ("day", "2018-06-17"),
        ("end_date", None),
    ]


def test_a_preferred_zone_shifts_what_is_shown_and_what_names_no_zone() -> None:
    late = {**JOB, "start_date": datetime(2018, 6, 18, 3, tzinfo=UTC)}
    shown = show("select=start_date,a:start_date::text,b:start_date::date", late, "America/Chicago")
    assert shown == {"start_date": "2018-06-17T22:00:00-05:00", "a": "2018-06-17 22:00:00-05", "b": "2018-06-17"}
    query = read_query(split_query("start_date=eq.2018-06-17 12:18:53"))
    assert compile_conditions(bind_query(query, JOBS, ZoneInfo("America/Chicago")).conditions)(JOB)


def test_a_text_that_is_no_number_cannot_be_cast_to_one() -> None:
    with pytest.raises(RefusedError) as refusal:
        show("select=name::integer")
    assert refusal.value.code is Code.BAD_LITERAL


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("", [1, 2, 3, 4]),
        ("order=end_date", [2, 1, 3, 4]),
        ("order=end_date.desc", [4, 3, 1, 2]),
        ("order=end_date.nullsfirst", [3, 4, 2, 1]),
        ("order=end_date.desc.nullslast", [1, 2, 4, 3]),
        ("order=name,id.desc", [4, 2, 1, 3]),
        ("order=name.desc", [3, 1, 4, 2]),
    ],
)
def test_rows_are_ordered_with_nulls_where_postgresql_puts_them_and_ties_by_id(raw: str, expected: list[int]) -> None:
    ends = {1: datetime(2020, 1, 2, tzinfo=UTC), 2: datetime(2020, 1, 1, tzinfo=UTC), 3: None, 4: None}
    names = {1: "b", 2: "B", 3: "é", 4: "B"}
    rows = [{**JOB, "id": key, "end_date": ends[key], "name": names[key]} for key in (3, 1, 4, 2)]
    order = bind_query(read_query(split_query(raw)), JOBS).order
    assert [row["id"] for row in order_rows(rows, order)] == expected
    assert order[-1] == Ordering(JOBS.column("id"), order[-1].descending, order[-1].nulls_first)
