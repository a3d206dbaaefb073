"""Keys: the same one is the same wherever it comes from, and two are two."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns_data.keys import Keys, KeySpace, generated_keys, key_token, keys_of_texts, keys_of_values, named

KEYS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(max_size=5).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)),
    st.sampled_from(['"', '"a"', "1", "1.5", "-0", "1e3", "true", "null", "{}", "[1]", ""]),
)


def stored(keys: Keys) -> list[tuple[Any, Any]]:
    return list(zip(keys.numbers.to_pylist(), keys.texts.to_pylist(), strict=True))


@given(st.lists(KEYS, max_size=8))
def test_keys_come_back(keys: list[Any]) -> None:
    assert [key_token(key) for key in named(keys_of_values(keys))] == [key_token(key) for key in keys]


@given(KEYS, KEYS)
def test_two_keys_are_stored_alike_only_if_they_are_the_same(one: Any, other: Any) -> None:
    left, right = stored(keys_of_values([one, other]))
    assert (left == right) == (key_token(one) == key_token(other))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("1", 1), ("-1", -1), ("+1", 1), ("1.0", 1), ("1.5", 1.5), ("007", "007"), ("", ""), ("abc", "abc"),
        ("1e3", "1e3"),
        ("true", True), ("null", None), ("NaN", None), ('"', '"'), ("-0", 0), ("0", 0),
        ("1234567890123456789", 1234567890123456789),
        ("1234567890123456788", 1234567890123456788), ("9" * 400, "9" * 400),
        ("123456789012345678901", 123456789012345678901),
        ("3fa85f64-5717-4562-b3fc-2c963f66afa6", "3fa85f64-5717-4562-b3fc-2c963f66afa6"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_a_cell_is_the_key(text: str, key: Any) -> None:
    (found,) = named(keys_of_texts(pa.array([text])))
    assert key_token(found) == key_token(key)
    # Beside others, which takes another way.
    first, second, *_ = named(keys_of_texts(pa.array([text, "x", "2", None])))
    assert (key_token(first), second) == (key_token(key), "x")


@given(st.lists(st.text('0123456789.-+ae"', max_size=6)))
def test_a_cell_and_the_same_key_as_json_are_one(texts: list[str]) -> None:
    of_texts = keys_of_texts(pa.array(texts, pa.string()))
    assert stored(keys_of_values(named(of_texts))) == stored(of_texts)


def test_keys_made_for_a_run_are_its_own_and_exact_in_every_client() -> None:
    made = generated_keys("run-1", 0, 5).to_pylist()
    assert made[2:] == generated_keys("run-1", 2, 3).to_pylist()
    assert not set(made) & set(generated_keys("run-2", 0, 5).to_pylist())
    assert len(set(made)) == 5
    assert all(0 < key < 2**53 for key in made)
    assert generated_keys("run-1", 0, 1).type == KeySpace.NUMBERS.arrow_type
