"""Bodies of requests and answers."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgrest.bodies import Payload, read_body
from pgrest.csv_tables import read_csv, write_csv
from pgrest.errors import Code, RefusedError
from pgrest.media import MediaType, Shape
from pgrest.representations import check_single, render_rows

FORM = "application/x-www-form-urlencoded"


def test_an_object_is_one_row() -> None:
    body = b' {"name": "a\\u00e9", "id": 12, "end_date": null} '
    assert read_body(None, body) == Payload(({"name": "aé", "id": "12", "end_date": None},), ("name", "id", "end_date"))


def test_values_are_the_text_they_were_written_as() -> None:
    (row,) = read_body(
        "application/json; charset=utf-8",
        b'{"a": 1.50, "b": true, "c": {"x": [1, 2.0]}, "d": 1e400, "e": "12", "f": -0, "g": []}',
    ).rows
    assert row == {"a": "1.50", "b": "true", "c": '{"x": [1, 2.0]}', "d": "1e400", "e": "12", "f": "-0", "g": "[]"}


def test_an_array_is_rows_of_the_same_columns() -> None:
    assert len(read_body(None, b'[{"a": 1, "b": 2}, {"b": 3, "a": 4}]').rows) == 2
    assert read_body(None, b"[]") == Payload((), ())
    with pytest.raises(RefusedError, match="must match") as refusal:
        read_body(None, b'[{"a": 1}, {"a": 1, "b": 2}]')
    assert refusal.value.code is Code.BODY
    assert read_body(None, b'[{"a": 1}, {"a": 1, "b": 2}]', columns_given=True).names == ("a", "b")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (None, b""),
        (None, b" "),
        (None, b"{"),
        (None, b"nope"),
        (None, b"12"),
        (None, b'"text"'),
        (None, b"null"),
        (None, b"[1]"),
        (None, b"[[]]"),
        (None, b'[{"a": 1},]'),
        (None, b'{"a": 1,}'),
        (None, b"{'a': 1}"),
        (None, b'{"a" 1}'),
        (None, b"{1: 1}"),
        (None, b'{"a": 1} {"a": 2}'),
        (None, b'{"a": 1, "a": 2}'),
        (None, b'{"a": NaN}'),
        (None, b'{"a": Infinity}'),
        (None, b'{"a": "\\ud800"}'),
        (None, b'{"a": "\xff"}'),
        (None, b'{"a": ' + b"[" * 100_000),
        ("text/csv", b""),
        ("text/csv", b"a,b\n1"),
        ("text/csv", b"a,b\n1,2,3"),
        ("text/csv", b"a,a\n1,2"),
        ("text/csv", b'a\nx"y'),
        ("text/csv", b'a\n"x'),
        ("text/csv", b'a\n"x"y'),
        (FORM, b""),
        (FORM, b"a"),
        (FORM, b"a=1&a=2"),
        (FORM, b"a=%ff"),
        ("text/plain", b"{}"),
        ("application/octet-stream", b"{}"),
        ("multipart/form-data; boundary=x", b"{}"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(content_type: str | None, body: bytes) -> None:
    with pytest.raises(RefusedError) as refusal:
        read_body(content_type, body)
    assert (refusal.value.code, refusal.value.status) == (Code.BODY, 400)


def test_a_text_has_no_null_characters() -> None:
    with pytest.raises(RefusedError) as refusal:
        read_body(None, b'{"a": "x\\u0000"}')
    assert refusal.value.code is Code.UNTRANSLATABLE


def test_csv_is_rows_by_the_names_of_its_first_line() -> None:
    body = '\ufeffname,message,id\r\n"a ""b"", c",NULL,1\n\n"NULL",,2\n"two\nlines",x,'.encode()
    payload = read_body("text/csv; charset=utf-8", body)
    assert payload.names == ("name", "message", "id")
    assert payload.rows == (
        {"name": 'a "b", c', "message": None, "id": "1"},
        {"name": "NULL", "message": "", "id": "2"},
        {"name": "two\nlines", "message": "x", "id": ""},
    )


def test_csv_of_a_first_line_only_has_columns_and_no_rows() -> None:
    assert read_body("text/csv", b"name,nope\n") == Payload((), ("name", "nope"))


def test_a_form_is_one_row() -> None:
    assert read_body(FORM, b"name=a+b%2Bc&message=").rows == ({"name": "a b+c", "message": ""},)


ROWS: list[dict[str, Any]] = [
    {"id": 1, "name": 'a "b", c', "end_date": None, "ok": True},
    {"id": 2, "name": "", "end_date": "2018-06-17T17:18:53+00:00", "ok": None},
]


def test_rows_are_shown_as_an_array() -> None:
    assert json.loads(render_rows(ROWS, MediaType(Shape.ARRAY))) == ROWS
    assert render_rows([{"a": "é"}], MediaType(Shape.ARRAY)) == '[{"a":"é"}]'
    assert render_rows([], MediaType(Shape.ARRAY)) == "[]"


def test_nulls_can_be_left_out() -> None:
    shown = json.loads(render_rows(ROWS, MediaType(Shape.ARRAY, nulls_stripped=True)))
    assert [set(row) for row in shown] == [{"id", "name", "ok"}, {"id", "name", "end_date"}]
    assert "end_date" not in json.loads(render_rows(ROWS[:1], MediaType(Shape.OBJECT, nulls_stripped=True)))


def test_an_object_is_exactly_one_row() -> None:
    assert json.loads(render_rows(ROWS[:1], MediaType(Shape.OBJECT))) == ROWS[0]
    for rows in ([], ROWS):
        with pytest.raises(RefusedError, match="single JSON object") as refusal:
            render_rows(rows, MediaType(Shape.OBJECT))
        assert (refusal.value.code, refusal.value.status) == (Code.NOT_ONE_ROW, 406)
        assert f"{len(rows)} rows" in str(refusal.value.details)
    check_single(5, MediaType(Shape.ARRAY))


def test_rows_are_shown_as_csv() -> None:
    assert render_rows(ROWS, MediaType(Shape.CSV)) == (
        'id,name,end_date,ok\n1,"a ""b"", c",,true\n2,"",2018-06-17T17:18:53+00:00,'
    )
    assert render_rows([], MediaType(Shape.CSV)) == ""


_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


@given(st.lists(_texts.filter(bool), min_size=1, max_size=3, unique=True), st.data())
def test_csv_that_is_written_is_read_back(names: list[str], data: st.DataObject) -> None:
    values = st.lists(_texts, min_size=len(names), max_size=len(names))
    rows = [dict(zip(names, line, strict=True)) for line in data.draw(st.lists(values, min_size=1, max_size=3))]
    written = write_csv(rows)
    assert read_csv(written) == (tuple(names), rows)
    assert list(csv.DictReader(io.StringIO(written, newline=""))) == rows
