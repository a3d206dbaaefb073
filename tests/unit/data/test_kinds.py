"""What a cell stands for, cell by cell beside a rule written down in plain Python."""

import json
import math
import re
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns_data.kinds import Kind, any_texts, kinds_by_weight, python_values, type_texts, type_values

CELLS = [
    ("true", True), ("TRUE", True), ("True", "True"), ("false", False), ("FALSE", False), ("tRUE", "tRUE"),
    ("null", None), ("NULL", None), ("undefined", None), ("NaN", None), ("Null", "Null"), ("", ""), (" ", " "),
    ("0", 0), ("7", 7), ("-7", -7), ("+7", 7), ("0.10", 0.1), ("10.50", 10.5), (".5", 0.5), ("5.", 5), ("-0", 0),
    ("007", "007"), ("00", "00"), ("-007", "-007"), ("1e3", "1e3"), ("1E3", "1E3"), ("0x10", "0x10"), ("1,5", "1,5"),
    ("-", "-"), (".", "."), ("Infinity", "Infinity"), ("12 ", "12 "), ("1_000", "1_000"), ("٣", "٣"), ("7\n", "7\n"),
    ("9007199254740993", 9007199254740992), ("9" * 400, "9" * 400),
    ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00.000Z"), ("2024-02-30T12:00:00Z", "2024-02-30T12:00:00Z"),
    ("2024-02-29T12:00:00.123456+02:00", "2024-02-29T10:00:00.123Z"),
    ("2024-02-29T12:00:00-0130", "2024-02-29T13:30:00.000Z"),
    ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
    ("2024-02-29", "2024-02-29"), ("2024-02-29T12:00:00", "2024-02-29T12:00:00"),
    ("2024-02-29 12:00:00Z", "2024-02-29 12:00:00Z"),
    ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"), ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59-14:00"),
]  # fmt: skip
STRUCTURES = [
    ('{"a": [1, null]}', {"a": [1, None]}), ("[]", []), ("[1, 2", "[1, 2"), ("{a}", "{a}"), ('{"a":1}x', '{"a":1}x'),
    ('[NaN]', '[NaN]'), ('["ä\\n"]', ["ä\n"]), ("[" * 100_000 + "]" * 100_000, "[" * 100_000 + "]" * 100_000),
]  # fmt: skip


def values(found: dict[Kind, pa.Array], rows: int) -> list[Any]:
    """Put the kinds together again; no row may be of two."""
    out: list[Any] = [None] * rows
    for kind, array in found.items():
        for row, value in enumerate(python_values(kind, array)):
            if value is not None:
                assert out[row] is None
                out[row] = value
    return out


def same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


@pytest.mark.parametrize(("text", "value"), CELLS)
def test_a_cell_stands_for(text: str, value: object) -> None:
    (found,) = values(type_texts(pa.array([text]), structures=False), 1)
    assert same(found, value), found


def test_what_a_cell_is_does_not_depend_on_the_others() -> None:
    texts = [text for text, _ in CELLS + STRUCTURES] + [None]
    found = values(type_texts(pa.array(texts), structures=True), len(texts))
    wanted = [value for _, value in CELLS + STRUCTURES] + [None]
    assert all(same(one, other) for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize(("text", "value"), STRUCTURES)
def test_structures_are_read_only_where_they_are_wanted(text: str, value: object) -> None:
    assert values(type_texts(pa.array([text]), structures=False), 1) == [text]
    (found,) = values(type_texts(pa.array([text]), structures=True), 1)
    assert same(found, value)


def by_hand(text: str) -> Any:
    """The rule, one text at a time."""
    words = {"true": True, "TRUE": True, "false": False, "FALSE": False}
    if text in words:
        return words[text]
    if text in {"null", "NULL", "undefined", "NaN"}:
        return None
    digits = text.lstrip("+-")
    if (
        re.fullmatch(r"[+-]?[0-9]*\.?[0-9]*", text)
        and re.search("[0-9]", text)
        and not (digits.startswith("0") and digits != "0" and not digits.startswith("0."))
    ):
        number = float(text)
        return text if math.isinf(number) else int(number) if number.is_integer() and abs(number) < 1e21 else number
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9-]{5}T[0-9:]{8}(\.[0-9]+)?(Z|[+-][0-9]{2}:?[0-9]{2})", text):
            moment = datetime.fromisoformat(re.sub(r"\.([0-9]+)", lambda m: "." + m[1][:3].ljust(3, "0"), text))
            return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    except ValueError:
        pass
    return text


@given(
    st.lists(
        st.one_of(
            st.text(max_size=6).filter(lambda text: text.isprintable()),
            st.text("0123456789.+-eE", max_size=8),
            st.from_regex(r"\A(1[0-9]|20)[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,7})?(Z|[+-]0[0-9]:?[03]0)?\Z"),
            st.sampled_from(["true", "TRUE", "false", "FALSE", "null", "NULL", "undefined", "NaN", "", "None"]),
        )
    )
)  # fmt: skip
def test_cells_are_read_as_the_rule_says(texts: list[str]) -> None:
    found = values(type_texts(pa.array(texts, pa.string()), structures=False), len(texts))
    wanted = [by_hand(text) for text in texts]
    assert all(same(one, other) for one, other in zip(found, wanted, strict=True)), (found, wanted)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8).filter(lambda text: not re.search("[\ud800-\udfff]", text)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(st.lists(JSON, max_size=8))
def test_json_values_come_back_and_as_json_too(given: list[Any]) -> None:
    found = type_values(given)
    assert values(found, len(given)) == given
    for kind, array in found.items():
        texts = any_texts(kind, array).to_pylist()
        again = [None if text is None else json.loads(text) for text in texts]
        assert again == python_values(kind, array)


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400])
def test_what_json_has_no_number_for_is_no_value(value: float) -> None:
    assert type_values([value]) == {}


def test_half_a_surrogate_is_replaced() -> None:
    assert values(type_values(["a\ud800", ["\udfff"]]), 2) == ["a\ufffd", ["\udfff".replace("\udfff", "\ufffd")]]


def test_a_moment_among_others_is_the_text_it_is_shown_as() -> None:
    found = type_texts(pa.array(["2024-01-01T00:00:00.5Z"]), structures=False)
    assert any_texts(Kind.MOMENT, found[Kind.MOMENT]).to_pylist() == ['"2024-01-01T00:00:00.500Z"']


@pytest.mark.parametrize(
    ("texts", "kinds"),
    [
        (["", "", "", "1"], [Kind.NUMBER, Kind.TEXT]),
        (["a", "b", "1"], [Kind.TEXT, Kind.NUMBER]),
        (["", ""], [Kind.TEXT]),
        (["null"], []),
        (["true", "2", "3"], [Kind.NUMBER, Kind.BOOLEAN]),
    ],
)
def test_the_most_frequent_kind_comes_first_and_empty_texts_do_not_count(texts: list[str], kinds: list[Kind]) -> None:
    assert kinds_by_weight(type_texts(pa.array(texts), structures=False)) == kinds
