"""Literals and patterns, read by PostgreSQL and by this door."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from pgrest.casts import find_caster
from pgrest.columns import ColumnType
from pgrest.errors import RefusedError
from pgrest.literals import parse_literal, split_array
from pgrest.patterns import like, regular_expression

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_theirs(postgres: psycopg.Connection[Any], kind: str, shown: str, texts: Sequence[str]) -> list[Any]:
    """Have texts read as a type: what it shows of each, or the code of its error."""
    rows = postgres.execute(
        f"SELECT (pg_input_error_info(text, '{kind}')).sql_error_code,"
        f" CASE WHEN pg_input_is_valid(text, '{kind}') THEN {shown.format(f'text::{kind}')} END"
        " FROM unnest(%s::text[]) WITH ORDINALITY AS given(text, place) ORDER BY place",
        [list(texts)],
    ).fetchall()
    return [code or value for code, value in rows]


def read_ours(kind: ColumnType, text: str, zone: str = "UTC") -> Any:
    try:
        value = parse_literal(kind, text, ZoneInfo(zone))
    except RefusedError as error:
        return error.code.value
    if isinstance(value, datetime):
        return Decimal((value - _EPOCH) // timedelta(microseconds=1)) / 1_000_000
    return value


def _moment(random: Random) -> str:
    date = f"{random.choice([1900, 1970, 2023, 2024, 2024, 2024, 9999])}-{_number(random, 13)}-{_number(random, 32)}"
    time = f"{_number(random, 25)}:{_number(random, 61)}"
    if random.random() < 0.7:
        time += f":{_number(random, 62)}"
        if random.random() < 0.4:
            time += "." + "".join(random.choices("0123456789", k=random.randint(0, 8)))
    separator = random.choice(["T", " ", " ", "t", "  "])
    zone = random.choice(["", "", "Z", "z", " Z"])
    if random.random() < 0.5:
        minutes = random.choice(["", "00", ":00", ":30", "30", ":59", ":60", ":15:30", ":99"])
        zone = f"{random.choice(['+', '-', ' +', ' -'])}{random.choice([0, 5, 9, 13, 14, 15, 16, 17]):02}{minutes}"
    text = date if random.random() < 0.1 else f"{date}{separator}{time}{zone}"
    if random.random() < 0.1:
        at = random.randrange(len(text))
        text = text[:at] + random.choice("x:.-+ 0") + text[at + random.choice([0, 1]) :]
    return random.choice(["", " "]) + text + random.choice(["", "\n"])


def _number(random: Random, bound: int) -> str:
    return random.choice(["{:02}", "{:02}", "{}"]).format(random.randint(0, bound))


@pytest.mark.parametrize("zone", ["UTC", "America/Chicago", "Australia/Lord_Howe", "Africa/Monrovia"])
def test_what_is_read_as_a_timestamp_is_the_moment_that_postgresql_reads(
    postgres: psycopg.Connection[Any], zone: str
) -> None:
    random = Random(zone)
    texts = [_moment(random) for _ in range(3000)]
    postgres.execute(f"SET timezone = '{zone}'")
    theirs = read_theirs(postgres, "timestamptz", "extract(epoch FROM {})", texts)
    ours = [read_ours(ColumnType.TIMESTAMPTZ, text, zone) for text in texts]
    moments = sum(isinstance(moment, Decimal) for moment in ours)
    assert moments > 1000
    for text, mine, its in zip(texts, ours, theirs, strict=True):
        # PostgreSQL reads more forms than ISO 8601's, and this door refuses them.
        assert mine in (its, "22007"), text
    stricter = [text for text, mine, its in zip(texts, ours, theirs, strict=True) if mine == "22007" != its]
    assert len(stricter) < 0.08 * len(texts), stricter[:20]


def test_what_is_read_as_a_number_or_a_truth_value_is_what_postgresql_reads(
    postgres: psycopg.Connection[Any],
) -> None:
    random = Random(7)
    numbers = ["".join(random.choices("0123456789- +.ex", k=random.randint(0, 5))) for _ in range(1000)]
    numbers += [str(base + step) for base in (2**31, -(2**31), 2**63, -(2**63)) for step in (-2, -1, 0, 1, 2)]
    # Since release 16 PostgreSQL also reads hexadecimal and 1_000, which nobody writes into a URL.
    numbers = [text for text in numbers if "x" not in text[:3]]
    for kind in (ColumnType.INTEGER, ColumnType.BIGINT):
        theirs = read_theirs(postgres, kind, "{}", numbers)
        assert [read_ours(kind, text) for text in numbers] == theirs
    words = ["true", "false", "yes", "no", "on", "off", "1", "0", "", "10", "truee", "y es", "T", "N", "oFf"]
    words = [f"{blank}{word[:length]}{blank}" for word in words for length in range(1, 6) for blank in ("", " ", "\n")]
    theirs = read_theirs(postgres, "boolean", "{}", words)
    assert [read_ours(ColumnType.BOOLEAN, text) for text in words] == theirs


def test_what_is_read_as_an_array_is_what_postgresql_reads(postgres: psycopg.Connection[Any]) -> None:
    random = Random(11)
    texts = ["".join(random.choices(r'{},,a "\bN', k=random.randint(0, 9))) for _ in range(4000)]
    texts += ["{" + text.strip("{}") + "}" for text in texts]
    texts += ["{null}", "{NuLL, a}", '{"null"}', "{ a b , c }", " {a} ", "{}", "{ }", '{""}', '{"a" }', "{a}b"]
    theirs = read_theirs(postgres, "text[]", "{}", texts)
    arrays = 0
    for text, its in zip(texts, theirs, strict=True):
        try:
            ours: Any = list(split_array(text))
        except RefusedError as error:
            ours = error.code.value
        arrays += isinstance(its, list)
        nested = isinstance(its, list) and (its == [] or isinstance(its[0], list)) and "{" in text.strip()[1:]
        assert ours == ("22P02" if nested else its), text
    assert arrays > 300


def test_casts_of_text_to_a_date_show_the_day_that_postgresql_reads(postgres: psycopg.Connection[Any]) -> None:
    random = Random(13)
    cast = find_caster(ColumnType.TEXT, "date")
    texts = [_moment(random) for _ in range(2000)]
    theirs = read_theirs(postgres, "date", "({})::text", texts)
    for text, its in zip(texts, theirs, strict=True):
        try:
            ours = cast(text, UTC)
        except RefusedError as error:
            ours = error.code.value
        assert ours in (its, "22007"), text


def test_patterns_match_what_they_match_in_postgresql(postgres: psycopg.Connection[Any]) -> None:
    random = Random(17)
    texts = ["".join(random.choices("aAbé\n%_\\ßÉ", k=random.randint(0, 6))) for _ in range(4000)]
    pieces = ["a", "B", "%", "%", "%", "_", "_", "\\%", "\\a", "é", "\\\\", "\n"]
    patterns = ["".join(random.choices(pieces, k=random.randint(0, 4))) for _ in texts]
    rows = postgres.execute(
        "SELECT text LIKE pattern, text ILIKE pattern FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY"
        " AS given(text, pattern, place) ORDER BY place",
        [texts, patterns],
    ).fetchall()
    for text, pattern, its in zip(texts, patterns, rows, strict=True):
        assert (like(pattern)(text), like(pattern, ignore_case=True)(text)) == its, (pattern, text)
    assert 200 < sum(row[0] for row in rows) < 3800


def test_regular_expressions_find_what_they_find_in_postgresql(postgres: psycopg.Connection[Any]) -> None:
    random = Random(19)
    pieces = ["a", "b", "é", ".", "[ab]", "[^a]", "[]a]", "[a-c]", r"\d", r"\s", r"\.", "(a|b)", "(?:ab)", "", "^", "$"]
    quantifiers = ["", "", "", "*", "+", "?", "*?", "{2}", "{1,2}", "{0,}"]
    texts, patterns = [], []
    for _ in range(4000):
        made = [random.choice(pieces) for _ in range(random.randint(1, 4))]
        patterns.append("".join(piece + (random.choice(quantifiers) if piece.strip("^$") else "") for piece in made))
        texts.append("".join(random.choices("aBb1é.]\n ", k=random.randint(0, 6))))
    rows = postgres.execute(
        "SELECT text ~ pattern, text ~* pattern FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY"
        " AS given(text, pattern, place) ORDER BY place",
        [texts, patterns],
    ).fetchall()
    for text, pattern, its in zip(texts, patterns, rows, strict=True):
        ours = regular_expression(pattern)(text), regular_expression(pattern, ignore_case=True)(text)
        assert ours == its, (pattern, text)
    assert 400 < sum(row[0] for row in rows) < 3600
