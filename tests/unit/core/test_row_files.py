"""Files of exports, to the byte."""

import csv
import io
import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jobruns.row_files import write_csv_file, write_json_file
from jobruns.row_values import write_json, write_number

ROWS = [
    {"id": 1, "__createdtime__": 1795218081193.141, "name": 'Pen "P" ny', "ok": True, "tags": ["a", 1], "z": None},
    {"id": "x", "__createdtime__": 1795218081193.0, "name": "", "ok": False, "tags": {"a": 'b"'}, "z": 0.1},
]


def csv_text(*arguments: Any) -> str:
    return b"".join(write_csv_file(*arguments)).decode()


def test_json_is_one_array_on_one_line() -> None:
    assert b"".join(write_json_file(ROWS)) == (
        b'[{"id":1,"__createdtime__":1795218081193.141,"name":"Pen \\"P\\" ny","ok":true,"tags":["a",1],"z":null},'
        b'{"id":"x","__createdtime__":1795218081193,"name":"","ok":false,"tags":{"a":"b\\""},"z":0.1}]'
    )


def test_json_of_no_rows_is_an_empty_array() -> None:
    assert b"".join(write_json_file([])) == b"[]"


def test_csv_has_names_and_texts_in_quotes_numbers_bare_and_no_final_newline() -> None:
    assert csv_text(ROWS) == (
        '"id","__createdtime__","name","ok","tags","z"\n'
        '1,1795218081193.141,"Pen ""P"" ny",true,"[""a"",1]",\n'
        '"x",1795218081193,"",false,"{""a"":""b\\""""}",0.1'
    )


def test_csv_of_no_rows_is_an_empty_file() -> None:
    assert csv_text([]) == ""
    assert csv_text([], ["id"]) == ""


def test_csv_has_the_columns_asked_for() -> None:
    assert csv_text([{"a": 1}, {"b": "x", "a": 2}], ["b", "a"]) == '"b","a"\n,1\n"x",2'
    assert csv_text([{'q"': 1}]) == '"q"""\n1'


def test_dates_are_texts_in_both() -> None:
    rows = [{"at": datetime(2021, 1, 25, 23, 3, 18, 805_999, UTC), "day": date(2021, 1, 25), "n": Decimal("1.50")}]
    assert b"".join(write_json_file(rows)) == b'[{"at":"2021-01-25T23:03:18.805Z","day":"2021-01-25","n":1.5}]'
    assert csv_text(rows) == '"at","day","n"\n"2021-01-25T23:03:18.805Z","2021-01-25",1.5'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (100.0, "100"),
        (1e20, "100000000000000000000"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (1e-6, "0.000001"),
        (1.5e-6, "0.0000015"),
        (1e-7, "1e-7"),
        (1.25e-7, "1.25e-7"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (4.35, "4.35"),
        (math.nan, None),
        (math.inf, None),
        (Decimal("12.3400"), "12.34"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.00"), "0"),
    ],
)
def test_numbers_are_as_javascript_writes_them(value: float | Decimal, text: str | None) -> None:
    assert write_number(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(9007199254740993.0)
def test_numbers_come_back(value: float) -> None:
    text = write_number(value)
    assert text is not None
    assert float(text) == value


def load(text: str | bytes) -> Any:
    """Read JSON as JavaScript does: every number is a float."""
    return json.loads(text, parse_int=float)


_texts = st.text(max_size=12) | st.text(st.sampled_from('"\\,\n\r\t\x00\x1f\x7f é\u2028😀\ud800'), max_size=6)
_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)


@given(_values)
def test_json_is_what_json_is_elsewhere(value: Any) -> None:
    written = write_json(value)
    assert load(written) == value
    written.encode()
    assert "\n" not in written


@given(_texts)
def test_texts_are_escaped_as_javascript_does_it(text: str) -> None:
    halves = any("\ud800" <= letter <= "\udfff" for letter in text)
    assert halves or write_json(text) == json.dumps(text, ensure_ascii=False)


_plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.fixed_dictionaries({"id": st.integers(), "a": _plain | st.none()}), max_size=5), st.integers(1, 40))
def test_csv_comes_back_whatever_the_pieces(rows: list[dict[str, Any]], piece_bytes: int) -> None:
    pieces = list(write_csv_file(rows, None, piece_bytes))
    assert all(pieces)
    text = b"".join(pieces).decode()
    assert text == csv_text(rows)
    assert not rows or not text.endswith("\n")
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    assert read == [{"id": str(row["id"]), "a": row["a"] or ""} for row in rows]


@given(st.lists(st.dictionaries(_plain, _values, max_size=3), max_size=3), st.integers(1, 40))
@settings(max_examples=40)
def test_json_comes_back_whatever_the_pieces(rows: list[dict[str, Any]], piece_bytes: int) -> None:
    assert load(b"".join(write_json_file(rows, piece_bytes))) == rows


def test_rows_are_written_as_they_come() -> None:
    taken: list[int] = []

    def rows() -> Any:
        for number in range(1000):
            taken.append(number)
            yield {"id": number}

    for write in (write_json_file, write_csv_file):
        taken.clear()
        next(iter(write(rows(), piece_bytes=100)))
        assert len(taken) < 50
