from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jobruns.schedule import check_schedule, next_after, read_schedule, too_often

NOW = datetime(2024, 1, 1, tzinfo=UTC)  # A Monday.


def first_three(text: str, at: datetime = NOW) -> list[str]:
    occurrences: list[str] = []
    moment: datetime | None = at
    while len(occurrences) < 3 and (moment := next_after(text, moment)) is not None:
        occurrences.append(f"{moment:%a %Y-%m-%d %H:%M}")
    return occurrences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The examples of "Time-based schedules for jobs and crawlers" in the AWS Glue developer guide.
        ("cron(0 10 * * ? *)", ["Mon 2024-01-01 10:00", "Tue 2024-01-02 10:00", "Wed 2024-01-03 10:00"]),
        ("cron(15 12 * * ? *)", ["Mon 2024-01-01 12:15", "Tue 2024-01-02 12:15", "Wed 2024-01-03 12:15"]),
        ("cron(0 18 ? * MON-FRI *)", ["Mon 2024-01-01 18:00", "Tue 2024-01-02 18:00", "Wed 2024-01-03 18:00"]),
        ("cron(0 8 1 * ? *)", ["Mon 2024-01-01 08:00", "Thu 2024-02-01 08:00", "Fri 2024-03-01 08:00"]),
        ("cron(0/15 * * * ? *)", ["Mon 2024-01-01 00:15", "Mon 2024-01-01 00:30", "Mon 2024-01-01 00:45"]),
        ("cron(0/10 * ? * MON-FRI *)", ["Mon 2024-01-01 00:10", "Mon 2024-01-01 00:20", "Mon 2024-01-01 00:30"]),
        ("cron(0/5 8-17 ? * MON-FRI *)", ["Mon 2024-01-01 08:00", "Mon 2024-01-01 08:05", "Mon 2024-01-01 08:10"]),
        # Those of "Creating a rule that runs on a schedule" in the EventBridge user guide.
        ("cron(0/30 20-2 ? * MON-FRI *)", ["Mon 2024-01-01 00:30", "Mon 2024-01-01 01:00", "Mon 2024-01-01 01:30"]),
        ("cron(5,35 14 * * ? *)", ["Mon 2024-01-01 14:05", "Mon 2024-01-01 14:35", "Tue 2024-01-02 14:05"]),
        # Those of "Schedule types" in the EventBridge Scheduler user guide.
        ("cron(15 10 ? * 6L 2022-2024)", ["Fri 2024-01-26 10:15", "Fri 2024-02-23 10:15", "Fri 2024-03-29 10:15"]),
        ("cron(0 0 ? * 3#2 *)", ["Tue 2024-01-09 00:00", "Tue 2024-02-13 00:00", "Tue 2024-03-12 00:00"]),
        ("cron(1/10 3 7 * ? *)", ["Sun 2024-01-07 03:01", "Sun 2024-01-07 03:11", "Sun 2024-01-07 03:21"]),
        ("cron(0 0 15 JAN,FEB,MAR ? *)", ["Mon 2024-01-15 00:00", "Thu 2024-02-15 00:00", "Fri 2024-03-15 00:00"]),
        # What the wildcards mean at the ends of months and weeks.
        ("cron(0 0 L * ? *)", ["Wed 2024-01-31 00:00", "Thu 2024-02-29 00:00", "Sun 2024-03-31 00:00"]),
        ("cron(0 0 ? * L *)", ["Sat 2024-01-06 00:00", "Sat 2024-01-13 00:00", "Sat 2024-01-20 00:00"]),
        ("cron(0 0 ? * fri-mon *)", ["Fri 2024-01-05 00:00", "Sat 2024-01-06 00:00", "Sun 2024-01-07 00:00"]),
        ("cron(0 0 ? * FRI#5 *)", ["Fri 2024-03-29 00:00", "Fri 2024-05-31 00:00", "Fri 2024-08-30 00:00"]),
        ("cron(0 0 6W 1,4,7 ? *)", ["Fri 2024-01-05 00:00", "Fri 2024-04-05 00:00", "Fri 2024-07-05 00:00"]),
        ("cron(0 0 1W 6,9 ? *)", ["Mon 2024-06-03 00:00", "Mon 2024-09-02 00:00", "Mon 2025-06-02 00:00"]),
        ("cron(0 0 31W 3,8 ? *)", ["Fri 2024-03-29 00:00", "Fri 2024-08-30 00:00", "Mon 2025-03-31 00:00"]),
        ("cron(0 0 31W 2-3 ? *)", ["Fri 2024-03-29 00:00", "Mon 2025-03-31 00:00", "Tue 2026-03-31 00:00"]),
        ("cron(0 0 1-10/4 1 ? *)", ["Fri 2024-01-05 00:00", "Tue 2024-01-09 00:00", "Wed 2025-01-01 00:00"]),
        ("cron(0 0 29 2 ? *)", ["Thu 2024-02-29 00:00", "Tue 2028-02-29 00:00", "Sun 2032-02-29 00:00"]),
        ("cron(0 0 1 1 ? 2024/100)", ["Sat 2124-01-01 00:00"]),
        ("cron(59 23 31 12 ? 2199)", ["Tue 2199-12-31 23:59"]),
        ("rate(5 minutes)", ["Mon 2024-01-01 00:05", "Mon 2024-01-01 00:10", "Mon 2024-01-01 00:15"]),
        ("rate(1 hour)", ["Mon 2024-01-01 01:00", "Mon 2024-01-01 02:00", "Mon 2024-01-01 03:00"]),
        ("rate(7 days)", ["Mon 2024-01-08 00:00", "Mon 2024-01-15 00:00", "Mon 2024-01-22 00:00"]),
    ],
)
def test_is_due_when_aws_says(text: str, expected: list[str]) -> None:
    assert first_three(text) == expected


def test_is_due_at_the_minute_whatever_the_second_and_the_zone() -> None:
    for at in (NOW.replace(hour=9, minute=59, second=59, microsecond=999_999), NOW.replace(hour=9, minute=59)):
        assert next_after("cron(0 10 * * ? *)", at) == NOW.replace(hour=10)
    elsewhere = datetime.fromisoformat("2024-01-01T12:00:00+02:00")
    assert next_after("cron(0 10 * * ? *)", elsewhere) == NOW.replace(day=2, hour=10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "every day",
            "a schedule is cron(...) or rate(...), such as cron(0 10 * * ? *) or rate(1 hour), not 'every day'",
        ),
        ("", "a schedule is cron(...) or rate(...)"),
        ("cron(0 0 ? * FR\u0131 *)", "a schedule is cron(...) or rate(...)"),
        ("cron(0 0 1 * ? *" + " " * 256 + ")", "at most 256 characters"),
        ("cron(0 10 * * ?)", "six fields, minutes hours day-of-month month day-of-week year, not 5"),
        ("cron(0 10 * * * *)", "exactly one of day-of-month and day-of-week"),
        ("cron(0 10 ? * ? *)", "exactly one of day-of-month and day-of-week"),
        ("cron(60 * * * ? *)", "'60' is not allowed in minutes of cron(...): it takes 0 to 59"),
        ("cron(* 24 * * ? *)", "'24' is not allowed in hours of cron(...): it takes 0 to 23"),
        ("cron(0 0 0 * ? *)", "'0' is not allowed in day-of-month of cron(...): it takes 1 to 31, L, or a day with W"),
        ("cron(0 0 1,L * ? *)", "'L' is not allowed in day-of-month"),
        ("cron(0 0 LW * ? *)", "'LW' is not allowed in day-of-month"),
        ("cron(0 0 1 13 ? *)", "'13' is not allowed in month of cron(...): it takes 1 to 12 or JAN to DEC"),
        ("cron(0 0 1 MON ? *)", "'MON' is not allowed in month"),
        (
            "cron(0 0 ? * 0 *)",
            "'0' is not allowed in day-of-week of cron(...): it takes 1 to 7 or SUN to SAT, L, or one",
        ),
        ("cron(0 0 ? * 3#1,6#3 *)", "'3#1' is not allowed in day-of-week"),
        ("cron(0 0 ? * 3#6 *)", "a month has a weekday 1 to 5 times, not 6"),
        ("cron(0 0 ? * 8L *)", "'8' is not allowed in day-of-week"),
        ("cron(? 0 1 * ? *)", "'?' is not allowed in minutes"),
        ("cron(0,,5 0 1 * ? *)", "'' is not allowed in minutes"),
        ("cron(*/0 0 1 * ? *)", "a step is 1 to 59, not 0"),
        ("cron(0/60 0 1 * ? *)", "a step is 1 to 59, not 60"),
        ("cron(0 0 1 1 ? 1969)", "'1969' is not allowed in year of cron(...): it takes 1970 to 2199"),
        ("cron(0 0 1 1 ? 2030-2025)", "2030-2025 in year of cron(...) ends before it begins"),
        ("rate(5 minute)", "write rate(5 minutes), not 'rate(5 minute)'"),
        ("rate(1 hours)", "write rate(1 hour), not 'rate(1 hours)'"),
        ("rate(0 minutes)", "the value of a rate is 1 to 1000000, not 0"),
        ("rate(1000001 days)", "the value of a rate is 1 to 1000000"),
        ("rate(30 seconds)", "write a rate as rate(5 minutes), rate(1 hour) or rate(7 days), not 'rate(30 seconds)'"),
        ("rate(-5 minutes)", "write a rate as"),
        # Read well, and still of no use.
        ("cron(0 0 1 1 ? 2023)", "is never due after 2024-01-01 00:00 UTC"),
        ("cron(0 0 31 2 ? *)", "is never due after"),
        ("rate(4 minutes)", "rate(4 minutes) is due more often than every 5 minutes"),
        ("cron(* * * * ? *)", "more often than every 5 minutes"),
        ("cron(0,4 0 1 1 ? *)", "more often than every 5 minutes"),
    ],
)
def test_refuses_what_cannot_start_jobs(text: str, message: str) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 - the whole message is compared below
        check_schedule(text, NOW)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rate(1 minute)", True),
        ("rate(5 minutes)", False),
        ("cron(0/5 * * * ? *)", False),
        ("cron(0/3 * * * ? *)", True),
        # 58 and 2 are four minutes apart when the hours follow one another.
        ("cron(2,58 1-2 * * ? *)", True),
        ("cron(2,58 1,3 * * ? *)", False),
        # And so across midnight when the days do, were it only from one year to the next.
        ("cron(2,58 0,23 * * ? *)", True),
        ("cron(2,58 0,23 1,15 * ? *)", False),
        ("cron(2,58 0,23 1,31 1,12 ? *)", True),
        ("cron(2,58 0,23 1,31 1,12 ? 2024/2)", False),
        ("cron(58 23 * * ? *)", False),
    ],
)
def test_is_too_often_only_where_two_occurrences_come_close(text: str, expected: bool) -> None:
    assert too_often(text) is expected


def test_minutes_can_be_read_all_the_same() -> None:
    assert read_schedule("cron(* * * * ? *)").next_after(NOW) == NOW + timedelta(minutes=1)
    assert read_schedule("rate(1 minute)").next_after(NOW) == NOW + timedelta(minutes=1)


def values(low: int, high: int) -> st.SearchStrategy[tuple[str, set[int]]]:
    """A field and the values it means."""
    whole = set(range(low, high + 1))

    def ranged(pair: tuple[int, int]) -> tuple[str, set[int]]:
        first, last = sorted(pair)
        return f"{first}-{last}", set(range(first, last + 1))

    def stepped(pair: tuple[int, int]) -> tuple[str, set[int]]:
        first, step = pair
        return f"{first}/{step}", set(range(first, high + 1, step))

    number = st.integers(low, high)
    part = st.one_of(
        number.map(lambda value: (str(value), {value})),
        st.tuples(number, number).map(ranged),
        st.tuples(number, st.integers(1, high)).map(stepped),
    )
    listed = st.lists(part, min_size=1, max_size=3).map(
        lambda parts: (",".join(text for text, _ in parts), set().union(*(meant for _, meant in parts)))
    )
    return st.just(("*", whole)) | listed


moments = st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is given beside


@given(
    values(0, 59), values(0, 23), values(1, 31) | values(1, 7).map(lambda field: (f"?{field[0]}", field[1])),
    values(1, 12), values(1970, 2199), moments,
)  # fmt: skip
def test_next_is_the_first_minute_whose_fields_match(
    minute: Any, hour: Any, day: Any, month: Any, year: Any, at: datetime
) -> None:
    by_week = day[0].startswith("?")
    fields = ("?", month[0], day[0][1:]) if by_week else (day[0], month[0], "?")
    text = f"cron({minute[0]} {hour[0]} {' '.join(fields)} {year[0]})"

    def matches(candidate: date) -> bool:
        number = candidate.isoweekday() % 7 + 1 if by_week else candidate.day
        return candidate.year in year[1] and candidate.month in month[1] and number in day[1]

    found = next_after(text, at)
    assume(found is not None)
    assert found is not None
    assert found > at
    assert (found.second, found.microsecond, found.tzinfo) == (0, 0, UTC)
    assert (matches(found.date()), found.hour in hour[1], found.minute in minute[1]) == (True, True, True)
    # None was passed over: neither on that day nor, as far back as is worth looking, on a day before.
    begin = found.replace(hour=0, minute=0)
    earlier = (begin + timedelta(hours=h, minutes=m) for h in hour[1] for m in minute[1])
    assert not [moment for moment in earlier if at < moment < found]
    days = range(1, min(400, (found.date() - at.date()).days))
    assert not [back for back in days if matches(found.date() - timedelta(days=back))]
    following = next_after(text, found)
    assert following is None or following > found


@given(st.integers(1, 31), st.integers(1, 12), st.integers(1970, 2199))
def test_nearest_weekday_is_within_two_days_and_the_month(day: int, month: int, year: int) -> None:
    found = next_after(f"cron(0 0 {day}W {month} ? {year})", datetime(1969, 12, 31, tzinfo=UTC))
    try:
        wanted = date(year, month, day)
    except ValueError:
        assert found is None
        return
    assert found is not None
    assert found.isoweekday() <= 5
    assert found.month == month
    near = [wanted + timedelta(days=distance) for distance in (0, -1, 1, 2, -2)]
    assert found.date() == next(other for other in near if other.isoweekday() <= 5 and other.month == month)
