"""Endpoints and deliveries without their ledger: what is selected, how secrets are derived, when tries come."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns.announcement import Announcement
from jobruns.delivery import (
    KEPT_ATTEMPTS,
    MAX_RETRY_AFTER_SECONDS,
    MAX_TRIES,
    RETRY_SECONDS,
    Attempt,
    Delivery,
    DeliveryState,
    next_wait,
    read_retry_after,
)
from jobruns.endpoint import Endpoint, Selection, Topic, derive_secret
from jobruns.notices import NoticeKind
from jobruns.run import RunState

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ENDS = {"notice": NoticeKind.ENDED, "status": "JOB_COMPLETED", "state": RunState.SUCCEEDED}
FAILS = {"notice": NoticeKind.ENDED, "status": "SYNC_FAILED", "state": RunState.FAILED}
LATE = {"notice": NoticeKind.DELAYED, "step": False}


def announce(**fields: Any) -> Announcement:
    given: dict[str, Any] = {
        "announcement_id": "01a1fba8-d3d3-7e99-bb70-b94945b18a25",
        "org": "o",
        "job": "env/flow/tenant",
        "run_id": "r",
        "sequence": 3,
        "at": NOW,
        "notice": NoticeKind.PHASE,
        "state": RunState.RUNNING,
        "status": "SYNC_STARTED",
        "kinds": {"job_lifecycle"},
        "formats": {"standard"},
        "document": "key",
    }
    return Announcement.model_validate({**given, **fields})


def make_endpoint(**fields: Any) -> Endpoint:
    given: dict[str, Any] = {
        "endpoint_id": "e",
        "org": "o",
        "name": "pager",
        "url": "https://pager.example",
        "format": "standard",
        "salt": "s",
        "created_at": NOW,
        "modified_at": NOW,
    }
    return Endpoint.model_validate({**given, **fields})


@pytest.mark.parametrize(
    ("chosen", "told", "takes"),
    [
        ({}, {}, True),
        ({}, LATE, True),
        ({"jobs_prefix": "env/"}, {}, True),
        ({"jobs_prefix": "env2/"}, {}, False),
        ({"kinds": {"job_lifecycle"}}, {}, True),
        ({"kinds": {"discover"}}, {}, False),
        ({"kinds": {"job_lifecycle"}}, {"kinds": set()}, False),
        ({"statuses": {"SYNC_STARTED"}}, {}, True),
        ({"statuses": {"SYNC_STARTED"}}, {"step": False}, False),
        ({"statuses": {"JOB_COMPLETED"}}, {}, False),
        ({"only": {"failures"}}, {}, False),
        ({"only": {"failures"}}, FAILS, True),
        ({"only": {"failures"}}, {**FAILS, "state": RunState.TIMEOUT}, True),
        ({"only": {"failures"}}, {**FAILS, "state": RunState.STOPPED}, False),
        ({"only": {"failures"}}, {**FAILS, "notice": NoticeKind.CORRECTED}, True),
        ({"only": {"failures"}}, {**FAILS, "notice": NoticeKind.AMENDED}, False),
        ({"only": {"failures"}}, LATE, False),
        ({"only": {"failures"}, "statuses": {"EXPORT_FAILED"}}, FAILS, False),
        ({"only": {"recoveries"}}, ENDS, True),
        ({"only": {"recoveries"}}, FAILS, False),
        ({"only": {"overdue"}}, LATE, True),
        ({"only": {"overdue"}}, {"notice": NoticeKind.DEADLINE_NEAR}, True),
        ({"only": {"overdue"}}, ENDS, False),
        ({"only": {"overdue"}, "kinds": {"job_lifecycle"}}, {**LATE, "kinds": set()}, True),
        ({"only": {"overdue"}, "jobs_prefix": "other/"}, LATE, False),
        ({"only": {"overdue", "failures"}}, FAILS, True),
    ],
)
def test_what_is_selected_is_told(chosen: dict[str, Any], told: dict[str, Any], takes: bool) -> None:
    assert Selection.model_validate(chosen).takes(announce(**told), lambda: True) is takes


def test_whether_a_job_has_recovered_is_asked_only_where_it_matters() -> None:
    asked: list[int] = []

    def recovered() -> bool:
        asked.append(1)
        return False

    for chosen in (set(), {Topic.FAILURES}, {Topic.RECOVERIES}):
        for told in ({}, FAILS, LATE):
            Selection(only=frozenset(chosen)).takes(announce(**told), recovered)
    assert asked == []
    assert not Selection(only=frozenset({Topic.RECOVERIES})).takes(announce(**ENDS), recovered)
    assert asked == [1]


def test_a_secret_is_of_one_endpoint_and_one_generation() -> None:
    endpoint = make_endpoint()
    others = [
        endpoint.model_copy(update=change)
        for change in ({"endpoint_id": "f"}, {"org": "p"}, {"salt": "t"}, {"name": "else", "url": "https://x.example"})
    ]
    secrets = {derive_secret("master", one, 1) for one in (endpoint, *others)}
    assert len(secrets) == 4
    assert derive_secret("master", endpoint, 2) not in secrets
    assert derive_secret("another", endpoint, 1) not in secrets
    assert all(len(base64.b64decode(secret.removeprefix("whsec_"))) == 32 for secret in secrets)


def test_the_secret_before_signs_until_its_time_is_over() -> None:
    endpoint = make_endpoint(generation=3, previous_until=NOW)
    assert endpoint.generations(NOW - timedelta(seconds=1)) == (3, 2)
    assert endpoint.generations(NOW) == (3,)
    assert make_endpoint(previous_until=NOW).generations(NOW - timedelta(days=1)) == (1,)


def test_ten_tries_come_over_three_days() -> None:
    waits = [next_wait(tries, 0.0) for tries in range(1, MAX_TRIES + 1)]
    assert waits == [*map(float, RETRY_SECONDS[1:]), None]
    assert 3 * 86400 < sum(RETRY_SECONDS) < 4 * 86400


@given(st.integers(1, MAX_TRIES - 1), st.floats(-1, 1), st.none() | st.floats(0, 1e12))
def test_a_wait_is_near_its_plan_and_never_shorter_than_asked_for(
    tries: int, jitter: float, asked: float | None
) -> None:
    wait = next_wait(tries, jitter, asked)
    assert wait is not None
    plan = RETRY_SECONDS[tries]
    assert wait >= plan * 0.8 - 1e-6
    if asked is None:
        assert wait <= plan * 1.2 + 1e-6
    else:
        assert wait >= min(asked, MAX_RETRY_AFTER_SECONDS)
        assert wait <= max(plan * 1.2, MAX_RETRY_AFTER_SECONDS) + 1e-6


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        (" 17 ", 17),
        ("1" + "0" * 50, MAX_RETRY_AFTER_SECONDS),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30),
        ("Saturday, 21-Nov-26 12:00:30 GMT", 30),
        ("Sat Nov 21 12:00:30 2026", 30),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("soon", None),
        ("", None),
        ("9" * 200, None),
        (None, None),
    ],
)
def test_what_a_receiver_asks_for_is_read_in_all_its_forms(text: str | None, seconds: float | None) -> None:
    assert read_retry_after(text, NOW) == seconds


@given(st.text(max_size=60))
def test_whatever_a_receiver_says_is_a_wait_or_nothing(text: str) -> None:
    seconds = read_retry_after(text, NOW)
    assert seconds is None or seconds >= 0


def test_the_id_of_a_delivery_is_that_of_what_is_told_where() -> None:
    one = Delivery.of(announce(), "e", NOW)
    again = Delivery.of(announce(), "e", NOW + timedelta(hours=1))
    elsewhere = Delivery.of(announce(), "f", NOW)
    other = Delivery.of(announce(announcement_id="other"), "e", NOW)
    later = Delivery.of(announce(at=NOW + timedelta(seconds=1)), "e", NOW)
    assert one.delivery_id == again.delivery_id
    assert len({one.delivery_id, elsewhere.delivery_id, other.delivery_id, later.delivery_id}) == 4
    assert later.delivery_id > max(one.delivery_id, other.delivery_id)


def test_of_many_attempts_the_last_are_kept() -> None:
    delivery = Delivery.of(announce(), "e", NOW)
    for number in range(1, KEPT_ATTEMPTS + 6):
        delivery = delivery.tried(Attempt(number=number, at=NOW), DeliveryState.PENDING)
    assert delivery.attempts == KEPT_ATTEMPTS + 5
    assert [attempt.number for attempt in delivery.log] == list(range(6, KEPT_ATTEMPTS + 6))
    assert delivery.reopened(NOW).tried_from == KEPT_ATTEMPTS + 5
