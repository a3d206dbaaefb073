"""Timestamps and numbers, read and written."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgrest.columns import ColumnType
from pgrest.errors import Code, RefusedError
from pgrest.literals import parse_literal
from pgrest.timestamps import find_zone, parse_timestamp, write_json, write_text

MOMENT = datetime(2018, 6, 17, 17, 18, 53, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2018-06-17 12:18:53-05:00",
        "2018-06-17T12:18:53-05:00",
        "2018-06-17T12:18:53-05",
        "2018-06-17T12:18:53-0500",
        "2018-06-17T17:18:53Z",
        "2018-06-17T17:18:53.000000+00:00",
        "2018-06-17 17:18:53",
        " 2018-6-17 22:48:53+05:30 ",
    ],
)
def test_the_same_moment_is_read_in_every_form(text: str) -> None:
    assert parse_timestamp(text) == MOMENT


def test_a_date_is_its_midnight() -> None:
    assert parse_timestamp("2018-06-17") == datetime(2018, 6, 17, tzinfo=UTC)
    chicago = parse_timestamp("2018-06-17", ZoneInfo("America/Chicago"))
    assert chicago == datetime(2018, 6, 17, 5, tzinfo=UTC)


def test_fractions_are_rounded_to_the_microsecond() -> None:
    assert parse_timestamp("2018-06-17T17:18:53.0000005Z") - MOMENT == timedelta(microseconds=0)
    assert parse_timestamp("2018-06-17T17:18:52.9999999Z") == MOMENT


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("now", Code.BAD_TIMESTAMP),
        ("infinity", Code.BAD_TIMESTAMP),
        ("-infinity", Code.BAD_TIMESTAMP),
        ("today", Code.BAD_TIMESTAMP),
        ("", Code.BAD_TIMESTAMP),
        ("1529256005", Code.BAD_TIMESTAMP),
        ("20180617", Code.BAD_TIMESTAMP),
        ("2018-06-17T17:18:53 00:00", Code.BAD_TIMESTAMP),
        ("2018-06-17T17:18:53 America/Chicago", Code.BAD_TIMESTAMP),
        ("٢٠١٨-06-17", Code.BAD_TIMESTAMP),
        ("2018-13-01", Code.DATE_FIELD),
        ("2018-06-31", Code.DATE_FIELD),
        ("2018-06-17T25:00", Code.DATE_FIELD),
        ("2018-06-17T10:60", Code.DATE_FIELD),
        ("0001-01-01T00:00:00+01", Code.DATE_FIELD),
        ("9999-12-31T23:59:60", Code.DATE_FIELD),
        ("2018-06-17T10:00+16:00", Code.ZONE_DISPLACEMENT),
    ],
)
def test_what_is_no_moment_is_refused(text: str, code: Code) -> None:
    with pytest.raises(RefusedError) as refusal:
        parse_timestamp(text)
    assert refusal.value.code is code


@pytest.mark.parametrize(
    ("microsecond", "shown"),
    [(0, ""), (600_000, ".6"), (1, ".000001"), (120_000, ".12"), (999_999, ".999999")],
)
def test_a_fraction_is_shown_without_zeros_at_its_end(microsecond: int, shown: str) -> None:
    moment = MOMENT.replace(microsecond=microsecond)
    assert write_json(moment, UTC) == f"2018-06-17T17:18:53{shown}+00:00"
    assert write_text(moment, UTC) == f"2018-06-17 17:18:53{shown}+00"


def test_a_moment_is_shown_in_the_zone_preferred() -> None:
    assert write_json(MOMENT, find_zone("America/Chicago")) == "2018-06-17T12:18:53-05:00"
    assert write_text(MOMENT, find_zone("America/Chicago")) == "2018-06-17 12:18:53-05"
    assert write_text(MOMENT, find_zone("Asia/Kolkata")) == "2018-06-17 22:48:53+05:30"


def test_the_end_of_the_calendar_is_shown_in_utc() -> None:
    last = datetime(9999, 12, 31, 23, tzinfo=UTC)
    assert write_json(last, find_zone("Asia/Tokyo")) == "9999-12-31T23:00:00+00:00"


@pytest.mark.parametrize("name", ["Mars/Base", "", "America", "../etc/passwd", "/etc/passwd", "a\0b", "EST5EDT4" * 40])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        find_zone(name)
    assert refusal.value.code is Code.PARAMETER


@given(st.datetimes(datetime(2, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds
def test_what_is_written_is_read_back(moment: datetime) -> None:
    for zone in (UTC, ZoneInfo("America/Chicago"), ZoneInfo("Asia/Kolkata")):
        assert parse_timestamp(write_json(moment, zone)) == parse_timestamp(write_text(moment, zone)) == moment


@given(st.integers(-(2**70), 2**70))
def test_an_integer_is_read_where_it_fits(number: int) -> None:
    for kind, bits in ((ColumnType.INTEGER, 31), (ColumnType.BIGINT, 63)):
        if -(2**bits) <= number < 2**bits:
            assert parse_literal(kind, str(number)) == number
        else:
            with pytest.raises(RefusedError) as refusal:
                parse_literal(kind, str(number))
            assert refusal.value.code is Code.OUT_OF_RANGE


@pytest.mark.parametrize("text", ["1.5", "1e3", "x", "", "0x10", "1_000", "١"])  # noqa: RUF001 - an Arabic digit
def test_what_is_no_integer_is_refused(text: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        parse_literal(ColumnType.INTEGER, text)
    assert refusal.value.code is Code.BAD_LITERAL
