"""Timestamp layouts: what Go's time package says about the same texts."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobruns.layout import LayoutError, compile_layout

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("layout", "text", "expected"),
    [
        ("2006-01-02T15:04:05Z07:00", "2024-02-29T23:59:59Z", "2024-02-29T23:59:59+00:00"),
        ("2006-01-02T15:04:05Z07:00", "2024-02-29T23:59:59.25+05:30", "2024-02-29T18:29:59.25+00:00"),
        ("2006-01-02T15:04:05.999Z", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00+00:00"),
        ("2006-01-02T15:04:05.999Z", "2024-01-01T00:00:00.1234567Z", "2024-01-01T00:00:00.123456+00:00"),
        ("2006-01-02 15:04:05.000", "2024-01-01 00:00:00.123", "2024-01-01T00:00:00.123+00:00"),
        ("2006-01-02 15:04:05,000", "2024-01-01 00:00:00,123", "2024-01-01T00:00:00.123+00:00"),
        ("02/Jan/2006:15:04:05 -0700", "10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36+00:00"),
        ("Mon Jan _2 15:04:05 2006", "Sun Feb  4 21:00:57 2010", "2010-02-04T21:00:57+00:00"),
        ("Monday, 02-Jan-06 15:04:05 MST", "Tuesday, 04-Feb-69 21:00:57 GMT", "1969-02-04T21:00:57+00:00"),
        ("Mon, 02 Jan 2006 15:04:05 MST", "Mon, 02 Jan 2006 15:04:05 UTC", "2006-01-02T15:04:05+00:00"),
        ("Jan 2, 2006 at 3:04pm (MST)", "Feb 3, 2013 at 7:54pm (GMT-8)", "2013-02-04T03:54:00+00:00"),
        ("January 2 2006 03:04:05 PM", "march 7 2020 12:00:01 AM", "2020-03-07T00:00:01+00:00"),
        ("1/2/06 15:4:5", "12/31/99 7:8:9", "1999-12-31T07:08:09+00:00"),
        ("2006-002 15:04", "2024-366 23:59", "2024-12-31T23:59:00+00:00"),
        ("20060102150405", "20240229010203", "2024-02-29T01:02:03+00:00"),
        ("2006-01", "1999-07", "1999-07-01T00:00:00+00:00"),
        ("2006-01-02T15:04:05-07", "2024-01-01T00:00:00-03", "2024-01-01T03:00:00+00:00"),
        ("2006", "0001", "0001-01-01T00:00:00+00:00"),
        # "Janet" and "_2006" are no elements: letters behind the month, an underscore before the year.
        ("Janet_2006", "Janet_1987", "1987-01-01T00:00:00+00:00"),
        ("2006-01-02  15:04", "2024-01-01    10:11", "2024-01-01T10:11:00+00:00"),
        # A fraction is read behind the seconds whether the layout shows one or not, with a point or a comma.
        ("2006-01-02 15:04:05", "2024-01-01 00:00:00.5", "2024-01-01T00:00:00.5+00:00"),
        ("2006-01-02 15:04:05", "2024-01-01 00:00:00,25", "2024-01-01T00:00:00.25+00:00"),
        ("2006-01-02 15:04:05,999", "2024-01-01 00:00:00", "2024-01-01T00:00:00+00:00"),
        ("2006-01-02 15:04:05,999", "2024-01-01 00:00:00.123456789", "2024-01-01T00:00:00.123456+00:00"),
        ("15:04:05.000000000 2006", "00:00:00.123456789 2024", "2024-01-01T00:00:00.123456+00:00"),
        ("2006-01-02T15:04:05.999999999Z07:00", "2024-01-01T00:00:00.1-00:30", "2024-01-01T00:30:00.1+00:00"),
        ("2006-01-02T15:04:05Z0700", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00+00:00"),
        ("2006-01-02T15:04:05Z0700", "2024-01-01T00:00:00+0545", "2023-12-31T18:15:00+00:00"),
        ("2006-01-02T15:04:05Z07:00:00", "2024-01-01T00:00:00+00:19:32", "2023-12-31T23:40:28+00:00"),
        ("2006-01-02 3:04 PM", "2024-01-01 12:30 PM", "2024-01-01T12:30:00+00:00"),
        ("2006-01-02 3:04 PM", "2024-01-01 12:30 AM", "2024-01-01T00:30:00+00:00"),
        ("2006-01-02 03:04pm", "2024-01-01 11:59pm", "2024-01-01T23:59:00+00:00"),
        ("_2 January 06", " 7 DECEMBER 68", "2068-12-07T00:00:00+00:00"),
        ("_2 January 06", "17 december 69", "1969-12-17T00:00:00+00:00"),
        ("2006 __2", "2024  60", "2024-02-29T00:00:00+00:00"),
        ("2006.002", "2023.060", "2023-03-01T00:00:00+00:00"),
        ("Mon, 2 Jan 2006 15:04:05 GMT", "Fri, 9 Feb 2024 08:07:06 GMT", "2024-02-09T08:07:06+00:00"),
    ],
)
def test_reads(layout: str, text: str, expected: str) -> None:
    assert compile_layout(layout).parse(text) == micros(datetime.fromisoformat(expected))


@pytest.mark.parametrize(
    ("layout", "text", "why"),
    [
        ("2006-01-02", "2024-02-30", "day is out of range"),
        ("2006-01-02", "2024-13-01", "month must be in 1..12"),
        ("2006-01-02", "2024-1-01", "does not follow"),
        ("2006-01-02", "2024-01-01x", "does not follow"),
        ("2006-01-02", "", "does not follow"),
        ("2006-01-02", "٢٠٢٤-01-01", "does not follow"),
        ("2006-01-02 15:04:05", "2024-01-01 24:00:00", "hour must be in 0..23"),
        ("2006-01-02 15:04:05", "2024-01-01 00:00:60", "second must be in 0..59"),
        ("2006-01-02 3:04 PM", "2024-01-01 13:00 PM", "hour must be in 0..12"),
        ("2006-01-02T15:04:05Z", "2024-01-01T00:00:00", "does not follow"),
        ("2006-01-02 15:04:05.000", "2024-01-01 00:00:00.12", "does not follow"),
        ("2006-01-02 MST", "2024-01-01 PST", "no certain offset"),
        ("2006-01-02 MST", "2024-01-01 +02:00", "does not follow"),
        ("2006-01-02 -07:00", "2024-01-01 UTC", "does not follow"),
        ("2006-01-02 -07:00", "2024-01-01 Z", "does not follow"),
        ("2006-01-02 3:04 PM", "2024-01-01 1:00 pm", "does not follow"),
        ("2006 __2", "2024 6", "does not follow"),
        ("Jan 2006", "Foo 2024", "does not follow"),
        ("2006-01-02 15:04:05.00", "2024-01-01 00:00:00.123", "does not follow"),
        ("2006-01-02 -0700", "2024-01-01 -0799", "out of range"),
        ("2006-002", "2023-366", "out of range"),
        ("2006-002", "2023-000", "out of range"),
        ("2006", "0000", "year 0 is out of range"),
    ],
)
def test_refuses(layout: str, text: str, why: str) -> None:
    with pytest.raises(LayoutError, match=why):
        compile_layout(layout).parse(text)


@pytest.mark.parametrize(
    ("layout", "why"),
    [
        ("15:04:05", "no year"),
        ("", "no year"),
        ("yyyy-mm-dd", "no year"),
        ("2006 06", "twice"),
        ("2006 Jan 01", "twice"),
    ],
)
def test_refuses_a_layout(layout: str, why: str) -> None:
    with pytest.raises(LayoutError, match=why):
        compile_layout(layout)


MOMENTS = st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 28))  # noqa: DTZ001
ZONES = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda m: timezone(timedelta(minutes=m)))


@given(MOMENTS, ZONES)
def test_every_moment_reads_back(naive: datetime, zone: timezone) -> None:
    moment = naive.replace(tzinfo=zone)
    offset = f"{moment:%z}"[:5]
    text = f"{moment.day:02}.{moment.month:02}.{moment.year:04} {moment:%H:%M:%S}.{moment.microsecond:06} {offset}"
    assert compile_layout("02.01.2006 15:04:05.000000 -0700").parse(text) == micros(moment)


@given(st.text(max_size=30), st.sampled_from(["2006-01-02", "Jan _2 2006", "1/2/06 3:04PM MST", "2006-002Z07:00"]))
def test_any_text_is_read_or_refused(text: str, layout: str) -> None:
    with suppress(LayoutError):
        moment = compile_layout(layout).parse(text)
        assert EPOCH + timedelta(microseconds=moment)
