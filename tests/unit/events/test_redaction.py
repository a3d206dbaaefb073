"""Secrets in settings that callers gave."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns.secret_names import HIDDEN
from jobruns_events.redaction import redact

SECRETS = ("password", "apiKey", "client_secret", "access-token", "PRIVATE_KEY", "connection_string", "key", "pass")


def test_what_is_no_secret_is_shown() -> None:
    assert redact({"start_date": "x", "n": [1.5, None]}) == {"start_date": "x", "n": [1.5, None]}


@pytest.mark.parametrize("value", [None, True, ""])
def test_that_a_secret_is_not_set_is_shown(value: Any) -> None:
    assert redact({"password": value}) == {"password": value}


def test_what_is_given_stays_as_it_is() -> None:
    given_config = {"password": "p", "deep": {"list": ["ftp://u:p@h/x", "Server=db;Pwd=p"]}}
    assert redact(given_config) == {"password": HIDDEN, "deep": {"list": ["ftp://u:***@h/x", "Server=db;Pwd=***"]}}
    assert given_config == {"password": "p", "deep": {"list": ["ftp://u:p@h/x", "Server=db;Pwd=p"]}}


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("abc", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(SECRETS), _PLAIN, st.lists(st.text("xyz", min_size=1, max_size=3), max_size=4), st.booleans())
def test_whatever_lies_below_a_secret_s_name_is_hidden_however_deep(
    name: str, beside: Any, path: list[str], listed: bool
) -> None:
    value: Any = {name: ["S3CR3T", {"more": "S3CR3T"}] if listed else "S3CR3T", "beside": beside}
    for part in path:
        value = {part: [value]}
    shown = redact(value)
    assert "S3CR3T" not in json.dumps(shown)
    assert redact(shown) == shown
    for part in reversed(path):
        shown = shown[part][0]
    assert shown["beside"] == beside
