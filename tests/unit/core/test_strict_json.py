"""JSON that callers send, and what of it is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns.errors import UnreadableJsonError
from jobruns.strict_json import read_json, read_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, st.booleans())
def test_what_is_json_is_read_as_it_was_sent(value: Any, escaped: bool) -> None:
    assert read_json(json.dumps(value, ensure_ascii=escaped).encode()) == value


@given(st.binary(max_size=60) | st.text('{}[]"\\ud8:,eE+-0123456789naNI ', max_size=60).map(str.encode))
def test_what_is_read_of_any_bytes_can_be_stored_and_sent_back(body: bytes) -> None:
    try:
        value = read_object(body)
    except UnreadableJsonError:
        return
    assert json.loads(json.dumps(value, ensure_ascii=False, allow_nan=False).encode().decode()) == value


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not JSON in UTF-8"),
        (b'{"a": NaN}', "has no NaN"),
        (b'{"a": -Infinity}', "has no -Infinity"),
        (b'{"a": 1e999}', "not JSON in UTF-8"),
        (b'{"a": "\\ud800"}', "not JSON in UTF-8"),
        (b'{"\\udfff": 1}', "not JSON in UTF-8"),
        (b'{"a": "\xff"}', "not JSON in UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not JSON in UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON in UTF-8"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON in UTF-8"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    ],
)
def test_what_could_not_be_stored_or_sent_back_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(UnreadableJsonError, match=says):
        read_json(body)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"5"])
def test_an_object_is_no_other_value(body: bytes) -> None:
    read_json(body)
    with pytest.raises(UnreadableJsonError, match="not an object"):
        read_object(body)


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_no_body_is_an_empty_object_and_no_value(body: bytes) -> None:
    assert read_object(body) == {}
    with pytest.raises(UnreadableJsonError):
        read_json(body)


def test_broken_rules_are_told_by_their_place_and_nothing_of_the_body_is_quoted() -> None:
    with pytest.raises(UnreadableJsonError) as refused:
        read_json(b'{"password": "hunter2" "b": 1}')
    syntax = refused.value.syntax
    assert syntax is not None
    assert (syntax.msg, syntax.pos) == ("Expecting ',' delimiter", 23)
    assert "hunter2" not in f"{refused.value.message} {syntax}"
