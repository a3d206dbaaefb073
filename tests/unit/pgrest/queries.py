"""Queries made at random over two relations, their rows, and queries written as query strings."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import quote

from pgrest.cells import find_type
from pgrest.columns import Column, ColumnType, Relation
from pgrest.errors import RefusedError
from pgrest.jobs import JOBS
from pgrest.syntax import (
    EVERYTHING,
    Arrow,
    Arrows,
    Comparison,
    Condition,
    Connective,
    Group,
    Operator,
    Quantifier,
    Query,
    Selected,
    Term,
    Truth,
)

THINGS = Relation(
    name="things",
    columns=(
        Column("id", ColumnType.INTEGER, nullable=False),
        Column("big", ColumnType.BIGINT),
        Column("flag", ColumnType.BOOLEAN),
        Column("a note", ColumnType.TEXT),
        Column("at", ColumnType.TIMESTAMPTZ),
        Column("doc", ColumnType.JSONB),
    ),
    key="id",
)
"""A relation with a column of every type there is."""

RELATIONS = (JOBS, THINGS)

_NOON = datetime(2024, 3, 10, 12, tzinfo=UTC)
_MOMENTS = [_NOON + timedelta(seconds=offset) for offset in (-90_061, -3600, -0.5, 0, 0.000001, 1, 3600, 40_000_000)]
_TEXTS = ["etl_a", "etl_b", "Etl_A", "etl%a", "a,b", 'say "x"', "back\\slash", "(x)", "{x}", "é", "É", "two\nlines", ""]
_TEXTS += ["ß", "🦉", "ﬀ", "12", "-7", " 3 ", "2024-03-10", "null", "a.b:c", "etl", "ETL_A", "*", "\t"]
_INTEGERS = [0, 1, 2, 3, 10, -1, 2147483647, -2147483648]
_DOCUMENTS: list[Any] = [
    *({}, [], "etl_a", "", 5, -0.0, 1e22, True, False, {"a": None}, {"a": "etl_a"}, {"a": "etl_b"}, {"a": "12"}),
    *({"a": {"b": "x", "é": 1e-7}, "b": 2}, {"a": 1.5}, {"a": 12}, {"b": 2.0}, {"bb": [True, False], "a": [1, None]}),
    *([1, 2, 3], [1.0, 2, 3.5], [[]], [{}, "two\nlines"], [None], ["b", "a"], {"a b": [[1], {"a": 5}], "a": 10}),
    *(
        {"a": {"bb": 1, "c": 2}},
        {"a": {"c": 2, "bb": 0}},
        {"a": []},
        {"a": True},
        {"a": 1e16},
        {"a": 'say "x"\x7f\x01'},
    ),
]
_STEPS: list[str | int] = ["a", "a", "a", "b", "bb", "é", "a b", "0", 0, 0, 1, -1, -2, 7, -9]

_CELLS: dict[ColumnType, list[Any]] = {
    ColumnType.INTEGER: _INTEGERS,
    ColumnType.BIGINT: [*_INTEGERS, 2**63 - 1, -(2**63)],
    ColumnType.BOOLEAN: [True, False],
    ColumnType.TEXT: _TEXTS,
    ColumnType.TIMESTAMPTZ: _MOMENTS,
    ColumnType.JSONB: _DOCUMENTS,
}

_BAD = {
    ColumnType.INTEGER: ["x", "1.5", "", "3000000000", "-2147483649", "1e3", "--1", "9" * 40],
    ColumnType.BIGINT: ["x", "1.5", "", "9223372036854775808", "-9223372036854775809", "9" * 400],
    ColumnType.BOOLEAN: ["x", "", "o", "2", "truely", "tru e"],
    ColumnType.TIMESTAMPTZ: [
        "garbage",
        "",
        "2024-13-01",
        "2024-02-30",
        "2023-02-29 10:00",
        "2024-00-10",
        "2024-03-10 25:00",
        "2024-03-10 10:60",
        "2024-03-10 10:00:61",
        "2024-03-10 24:00:01",
        "2024-03-10T10:00:00+16:00",
        "2024-03-10T10:00:00 05:00",
        "2024-03-10T10:00:00+05:60",
        "2024-03-10 10:00:00.x",
        "12:00",
        "0000-01-01",
    ],
    ColumnType.JSONB: [
        *(
            "x",
            "",
            "{",
            "NaN",
            "-Infinity",
            "01",
            "'a'",
            "[1,]",
            "tru",
            '{"a" 1}',
            '"\t"',
            "1 2",
            "1e200000",
            ".5",
            "+1",
        ),
        *('"\\u0000"', '{"\\u0000": 1}', '["\\ud800"]', '"\\udc00\\ud800"', '"\\x"', '"open'),
    ],
}


def make_rows(random: Random, relation: Relation, count: int) -> list[dict[str, Any]]:
    """Make rows of few different values, so that conditions hold for some and rows tie."""
    return [
        {column.name: key if column.name == relation.key else _invent(random, column) for column in relation.columns}
        for key in random.sample(range(1, count * 3), count)
    ]


def _invent(random: Random, column: Column) -> Any:
    if random.random() < 0.25:
        return None
    return random.choice(_CELLS[column.type])


def make_query(random: Random, relation: Relation, *, bad: float = 0.02) -> Query:
    """Make a query; `bad` is how often a name, a literal or an operator is one that has to be refused."""
    limited = random.random() < 0.3
    return Query(
        conditions=tuple(_condition(random, relation, bad, 0) for _ in range(random.choice([0, 1, 1, 1, 2, 3]))),
        select=EVERYTHING if limited or random.random() < 0.4 else _select(random, relation, bad),
        order=tuple(_term(random, relation, bad) for _ in range(random.choice([0, 1, 1, 2, 3]))),
        limit=random.choice([0, 1, 2, 5, 1000]) if limited else None,
        offset=random.choice([0, 1, 7, 500]) if limited and random.random() < 0.7 else None,
    )


def _column(random: Random, relation: Relation, bad: float) -> Column:
    if random.random() < bad / 4:
        return Column("no such", ColumnType.TEXT)
    return random.choice(relation.columns)


def _select(random: Random, relation: Relation, bad: float) -> tuple[Selected, ...]:
    selected = []
    for index in range(random.randint(1, 4)):
        column = _column(random, relation, bad)
        arrows = _arrows(random, column, bad)
        casts: list[str | None] = [None, None, None, "text", "text"]
        if column.type is ColumnType.TIMESTAMPTZ:
            casts += ["date", "timestamptz"]
        if column.type in {ColumnType.INTEGER, ColumnType.BOOLEAN}:
            casts += ["integer", "int4"]
        if random.random() < bad and column.type is not ColumnType.JSONB:
            casts = ["integer", "date", "timestamptz", "nonesuch"]
        alias = f"alias {index}" if random.random() < 0.4 or index else None
        selected.append(Selected(column.name, alias, random.choice(casts), arrows))
    return tuple(selected)


def _term(random: Random, relation: Relation, bad: float) -> Term:
    column = _column(random, relation, bad)
    nulls_first = random.choice([None, None, True, False])
    return Term(column.name, random.random() < 0.5, nulls_first, _arrows(random, column, bad))


def _arrows(random: Random, column: Column, bad: float) -> Arrows:
    """Choose a way into a column's JSON; into a column without any where the query is to be refused."""
    if random.random() > (0.8 if column.type is ColumnType.JSONB else bad / 8):
        return ()
    steps = random.choices(_STEPS, k=random.choice([1, 1, 1, 2, 3]))
    arrows = [Arrow(step, random.random() < bad / 4) for step in steps]
    return (*arrows[:-1], Arrow(steps[-1], random.random() < 0.5))


def _condition(random: Random, relation: Relation, bad: float, depth: int) -> Condition:
    if random.random() < (0.25 if depth < 3 else 0):
        members = tuple(_condition(random, relation, bad, depth + 1) for _ in range(random.randint(1, 3)))
        return Group(random.choice(list(Connective)), members, random.random() < 0.3)
    return _comparison(random, _column(random, relation, bad), bad)


_ORDERED = (Operator.EQ, Operator.NEQ, Operator.GT, Operator.GTE, Operator.LT, Operator.LTE, Operator.ISDISTINCT)
_PATTERNS = (Operator.LIKE, Operator.ILIKE, Operator.MATCH, Operator.IMATCH)
_QUANTIFIED = frozenset({*_ORDERED, *_PATTERNS}) - {Operator.NEQ, Operator.ISDISTINCT}


def _comparison(random: Random, column: Column, bad: float) -> Comparison:
    arrows = _arrows(random, column, bad)
    try:
        meant = replace(column, type=find_type(column, arrows))
    except RefusedError:
        meant = column
    return replace(_compare(random, meant, bad), arrows=arrows)


def _compare(random: Random, column: Column, bad: float) -> Comparison:
    negated = random.random() < 0.25
    operators = [Operator.IS, Operator.IN, *_ORDERED]
    if column.type is ColumnType.TEXT or random.random() < bad:
        operators += [*_PATTERNS, Operator.LIKE, Operator.ILIKE]
    operator = random.choice(operators)
    if operator is Operator.IS:
        truths = [Truth.NULL, Truth.NOT_NULL]
        if column.type is ColumnType.BOOLEAN or random.random() < bad:
            truths = list(Truth)
        return Comparison(column.name, operator, random.choice(truths), None, negated)
    if operator is Operator.IN:
        texts = tuple(_operand(random, column, operator, bad) for _ in range(random.choice([0, 1, 2, 3])))
        return Comparison(column.name, operator, texts, None, negated)
    if operator in _QUANTIFIED and random.random() < 0.2:
        elements = [_element(random, column, operator, bad) for _ in range(random.choice([0, 1, 2, 3]))]
        blank = random.choice(["", " "])
        text = "{" + f",{blank}".join(elements) + "}"
        return Comparison(column.name, operator, text, random.choice(list(Quantifier)), negated)
    return Comparison(column.name, operator, _operand(random, column, operator, bad), None, negated)


def _element(random: Random, column: Column, operator: Operator, bad: float) -> str:
    if random.random() < 0.1:
        return "NULL"
    text = _operand(random, column, operator, bad)
    if text.isalnum() and text.lower() != "null":
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _operand(random: Random, column: Column, operator: Operator, bad: float) -> str:
    if operator in {Operator.LIKE, Operator.ILIKE}:
        pieces = ["*", "%", "_", "\\_", "\\%", "\\\\", "etl", "ETL", "a", "A", "é", "É", "x", "\\a", "b", "\n", "ß"]
        return "".join(random.choices(pieces, k=random.randint(0, 4)))
    if operator in {Operator.MATCH, Operator.IMATCH}:
        pieces = [".", ".*", "a", "(a|é)", "[a-f]+", "[^a]", "etl", "x?", "\\(", "(?:t|L)"]
        pieces += ["\\d", "\\s*", "[[:digit:]]"]
        return (
            random.choice(["", "^"])
            + "".join(random.choices(pieces, k=random.randint(1, 3)))
            + random.choice(["", "$"])
        )
    if random.random() < bad and column.type in _BAD:
        return random.choice(_BAD[column.type])
    return _literal(random, column)


def _literal(random: Random, column: Column) -> str:
    match column.type:
        case ColumnType.INTEGER | ColumnType.BIGINT:
            number = random.choice(_INTEGERS) if random.random() < 0.5 else random.randint(-20, 700)
            return random.choice(["{}", " {} ", "{}\n", "{:+}", "{:05}"]).format(number)
        case ColumnType.BOOLEAN:
            return random.choice(["t", "true", "TRUE", "f", "fal", "yes", "no", "on", "off", "1", "0", " true "])
        case ColumnType.TIMESTAMPTZ:
            return write_timestamp(random, random.choice(_MOMENTS))
        case ColumnType.JSONB:
            document = random.choice([*_DOCUMENTS, None, 1, 2, 10, "b"])
            # In an array's literal a bare number may have no blanks around it.
            return random.choice(["{}", "{}", " {}\n"]).format(json.dumps(document, ensure_ascii=random.random() < 0.5))
        case _:
            return random.choice(_TEXTS)


_FORMS = (
    "%Y-%m-%dT%H:%M:%S.%f+00:00",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%d %H:%M:%S.%f+00",
    "%Y-%m-%d %H:%M:%S Z",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dt%H:%M:%Sz",
    "%Y-%m-%d",
    " %Y-%m-%d %H:%M:%S-0530 ",
    "%Y-%m-%d %H:%M:%S +05:30",
    "%Y-%m-%d %H:%M:%S.%f999+14:59:59",
    "%Y-%m-%d 24:00",
    "%Y-%m-%d 23:59:60",
    "%Y-3-5 7:08:9",
    "%Y-%m-%d  10:00:00.5",
    "2024-03-10 02:30",  # the clocks of Chicago have no such time
    "2024-11-03 01:30",  # and show this one twice
    "9999-12-31",
    "0001-01-02 00:00:00",
)


def write_timestamp(random: Random, moment: datetime) -> str:
    """Write a moment in one of the forms that can be read; some are of another moment."""
    return moment.strftime(random.choice(_FORMS))


def render(query: Query) -> str:
    """Write a query as a query string, all of it percent-encoded but what must not be."""
    parameters = [_parameter(condition) for condition in query.conditions]
    if query.select != EVERYTHING:
        parameters.append(("select", ",".join(_selected(entry) for entry in query.select)))
    if query.order:
        parameters.append(("order", ",".join(_ordered(entry) for entry in query.order)))
    for key, number in (("limit", query.limit), ("offset", query.offset)):
        if number is not None:
            parameters.append((key, str(number)))
    for key, names in (("columns", query.columns), ("on_conflict", query.on_conflict)):
        if names is not None:
            parameters.append((key, ",".join(_quoted(entry) for entry in names)))
    return "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in parameters)


def _cell(column: str, arrows: Arrows) -> str:
    steps = (f"->{'>' * arrow.as_text}{_step(arrow.step)}" for arrow in arrows)
    return _quoted(column) + "".join(steps)


def _step(step: str | int) -> str:
    return str(step) if isinstance(step, int) else step if step.isalpha() else _quoted(step)


def _parameter(condition: Condition) -> tuple[str, str]:
    if isinstance(condition, Group):
        members = ",".join(_member(member) for member in condition.members)
        return f"{'not.' * condition.negated}{condition.connective}", f"({members})"
    return _cell(condition.column, condition.arrows), _tail(condition, str(condition.operand))


def _member(condition: Condition) -> str:
    if isinstance(condition, Group):
        key, value = _parameter(condition)
        return key + value
    return f"{_cell(condition.column, condition.arrows)}.{_tail(condition, _quoted(str(condition.operand)))}"


def _tail(comparison: Comparison, operand: str) -> str:
    if isinstance(comparison.operand, tuple):
        operand = f"({','.join(_quoted(text) for text in comparison.operand)})"
    elif isinstance(comparison.operand, Truth):
        operand = comparison.operand
    quantifier = f"({comparison.quantifier})" if comparison.quantifier else ""
    return f"{'not.' * comparison.negated}{comparison.operator}{quantifier}.{operand}"


def _selected(selected: Selected) -> str:
    column = "*" if selected.column == "*" else _cell(selected.column, selected.arrows)
    alias = f"{_quoted(selected.alias)}:" if selected.alias else ""
    return f"{alias}{column}{f'::{selected.cast}' if selected.cast else ''}"


def _ordered(term: Term) -> str:
    nulls = {None: "", True: ".nullsfirst", False: ".nullslast"}[term.nulls_first]
    return f"{_cell(term.column, term.arrows)}{'.desc' if term.descending else ''}{nulls}"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
