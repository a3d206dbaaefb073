"""Ids carry their time and sort by it."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns.errors import NotFoundError
from jobruns.ids import allotted_at, canonical_id, derived_id, id_time, new_id

times = st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


@given(times)
def test_an_id_is_a_uuid_of_version_7_that_carries_its_time(at: datetime) -> None:
    identity = uuid.UUID(new_id(at))
    assert (identity.version, identity.variant) == (7, uuid.RFC_4122)
    assert abs(id_time(str(identity)) - at) < timedelta(milliseconds=1)


@given(times, times)
def test_ids_sort_as_their_times(one: datetime, other: datetime) -> None:
    if abs(one - other) >= timedelta(milliseconds=1):
        assert (new_id(one) < new_id(other)) == (one < other)


@given(times, st.lists(st.text(), min_size=1, max_size=3), st.lists(st.text(), min_size=1, max_size=3))
def test_the_same_parts_give_the_same_id_and_others_another(at: datetime, some: list[str], others: list[str]) -> None:
    assert derived_id(at, *some) == derived_id(at, *some)
    assert (derived_id(at, *some) == derived_id(at, *others)) == ("\0".join(some) == "\0".join(others))


def test_ten_thousand_ids_of_one_moment_differ() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    assert len({new_id(now) for _ in range(10_000)}) == 10_000


@given(st.text())
def test_what_is_no_id_is_not_found(text: str) -> None:
    try:
        expected = str(uuid.UUID(text))
    except ValueError:
        with pytest.raises(NotFoundError):
            canonical_id(text)
    else:
        assert canonical_id(text) == expected


@pytest.mark.parametrize("text", ["run-1", "", str(uuid.UUID(int=3)), "f47ac10b-58cc-4372-a567-0e02b2c3d479"])
def test_what_is_no_id_of_ours_carries_no_time(text: str) -> None:
    assert allotted_at(text) is None


def test_an_id_of_ours_carries_the_time_it_was_allotted() -> None:
    at = datetime(2026, 11, 21, 12, 0, 0, 123_000, tzinfo=UTC)
    assert allotted_at(new_id(at)) == allotted_at(derived_id(at, "x")) == at
