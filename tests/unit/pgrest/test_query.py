"""Query strings: what they say, and what of them is refused, with which code."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgrest.errors import Code, RefusedError
from pgrest.query import read_query, split_query, write_location
from pgrest.syntax import (
    EVERYTHING,
    Arrow,
    Arrows,
    Comparison,
    Connective,
    Group,
    Operator,
    Quantifier,
    Query,
    Selected,
    Term,
    Truth,
)
from tests.unit.pgrest.queries import RELATIONS, make_query, render


def read(raw: str) -> Query:
    return read_query(split_query(raw))


def only(raw: str) -> Comparison | Group:
    (condition,) = read(raw).conditions
    return condition


@pytest.mark.parametrize(
    ("raw", "operator", "operand"),
    [
        ("name=eq.etl", Operator.EQ, "etl"),
        ("name=eq.", Operator.EQ, ""),
        ('name=eq.a.b,c:(d)"e"', Operator.EQ, 'a.b,c:(d)"e"'),
        ("name=eq.a=b", Operator.EQ, "a=b"),
        ("name=eq.a+b%2Bc%20d", Operator.EQ, "a b+c d"),
        ("name=eq.caf%C3%A9", Operator.EQ, "café"),
        ("name=eq.100%", Operator.EQ, "100%"),
        ("name=neq.x", Operator.NEQ, "x"),
        ("id=gt.1", Operator.GT, "1"),
        ("id=gte.1", Operator.GTE, "1"),
        ("id=lt.1", Operator.LT, "1"),
        ("id=lte.1", Operator.LTE, "1"),
        ("name=like.a*", Operator.LIKE, "a*"),
        ("name=ilike.*a", Operator.ILIKE, "*a"),
        ("name=match.^a", Operator.MATCH, "^a"),
        ("name=imatch.a$", Operator.IMATCH, "a$"),
        ("name=isdistinct.a", Operator.ISDISTINCT, "a"),
        ("id=in.(1,2)", Operator.IN, ("1", "2")),
        ("id=in.()", Operator.IN, ()),
        ('name=in.("")', Operator.IN, ("",)),
        ("name=in.(,a)", Operator.IN, ("", "a")),
        (r'name=in.("a,b","c\"d","e\\f",g)', Operator.IN, ("a,b", 'c"d', r"e\f", "g")),
        ('name=in.(a"b,"c"d)', Operator.IN, ('a"b', '"c"d')),
        ("id=is.null", Operator.IS, Truth.NULL),
        ("id=is.NOT_null", Operator.IS, Truth.NOT_NULL),
        ("id=is.True", Operator.IS, Truth.TRUE),
        ("id=is.false", Operator.IS, Truth.FALSE),
        ("id=is.unknown", Operator.IS, Truth.UNKNOWN),
    ],
)
def test_a_parameter_compares_a_column(raw: str, operator: Operator, operand: str | tuple[str, ...]) -> None:
    column = raw.partition("=")[0]
    assert only(raw) == Comparison(column, operator, operand)
    negated = raw.replace("=", "=not.", 1)
    assert only(negated) == Comparison(column, operator, operand, negated=True)


@pytest.mark.parametrize("operator", ["eq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch"])
@pytest.mark.parametrize("quantifier", ["any", "all"])
def test_a_comparison_can_be_quantified(operator: str, quantifier: str) -> None:
    assert only(f"name={operator}({quantifier}).{{a,b}}") == Comparison(
        "name", Operator(operator), "{a,b}", Quantifier(quantifier)
    )


def test_repeated_filters_all_hold() -> None:
    query = read("start_date=gte.A&start_date=lt.B")
    assert [condition.operand for condition in query.conditions if isinstance(condition, Comparison)] == ["A", "B"]


def test_names_can_be_quoted_and_have_blanks_and_dashes() -> None:
    assert only('"or"=eq.1') == Comparison("or", Operator.EQ, "1")
    assert only("a%20b-c=eq.1") == Comparison("a b-c", Operator.EQ, "1")
    assert only(r'"a.\"b"=eq.1') == Comparison('a."b', Operator.EQ, "1")


def test_logic_nests() -> None:
    raw = 'or=(id.eq.1, not.and(name.not.in.("a,)",b) ,end_date.is.null ),name.eq."x,y" )'
    nested = Group(
        Connective.AND,
        (
            Comparison("name", Operator.IN, ("a,)", "b"), negated=True),
            Comparison("end_date", Operator.IS, Truth.NULL),
        ),
        negated=True,
    )
    # As in the reference a quoted text with a blank behind it is a text with quotes.
    members = (Comparison("id", Operator.EQ, "1"), nested, Comparison("name", Operator.EQ, '"x,y" '))
    with pytest.raises(RefusedError):
        read(raw)
    assert only(raw.replace('" )', '")')) == Group(
        Connective.OR, (*members[:2], Comparison("name", Operator.EQ, "x,y"))
    )


@pytest.mark.parametrize(
    ("key", "connective", "negated"),
    [
        ("and", Connective.AND, False),
        ("or", Connective.OR, False),
        ("not.and", Connective.AND, True),
        ("not.or", Connective.OR, True),
    ],
)
def test_a_group_is_a_parameter(key: str, connective: Connective, negated: bool) -> None:
    assert only(f"{key}=(id.eq.1)") == Group(connective, (Comparison("id", Operator.EQ, "1"),), negated)


def test_values_in_logic_may_have_dots_colons_and_braces() -> None:
    group = only("or=(start_date.gt.2020-01-01T00:00:00.5,name.like(any).{a*,b*},name.eq.a(b)")
    assert isinstance(group, Group)
    assert [member.operand for member in group.members if isinstance(member, Comparison)] == [
        "2020-01-01T00:00:00.5",
        "{a*,b*}",
        "a(b",
    ]


def test_groups_nest_twenty_deep() -> None:
    assert only("or=(" + "and(" * 20 + "id.eq.1" + ")" * 21)
    with pytest.raises(RefusedError, match="20 deep") as refusal:
        read("or=(" + "and(" * 21 + "id.eq.1" + ")" * 22)
    assert refusal.value.code is Code.SYNTAX
    with pytest.raises(RefusedError):
        read("or=" + "(" * 5000)


def test_select_names_renames_and_casts() -> None:
    assert read("select=id,run:name,start_date::text,on:end_date::date").select == (
        Selected("id"),
        Selected("name", "run"),
        Selected("start_date", None, "text"),
        Selected("end_date", "on", "date"),
    )
    assert read('select="a,b"::text, *').select == (Selected("a,b", None, "text"), Selected("*"))
    assert read("select=").select == read("").select == read("select=*").select == EVERYTHING


def test_order_says_directions_and_where_nulls_go() -> None:
    assert read("order=a,b.desc,c.asc.nullsfirst,d.nullslast, e.desc.nullslast").order == (
        Term("a"),
        Term("b", descending=True),
        Term("c", nulls_first=True),
        Term("d", nulls_first=False),
        Term("e", descending=True, nulls_first=False),
    )


def test_limit_and_offset_are_numbers() -> None:
    assert (read("limit=5&offset=7").limit, read("limit=5&offset=7").offset) == (5, 7)
    assert read("offset=-3").offset == 0
    assert read("limit=0").limit == 0


@pytest.mark.parametrize(
    ("written", "arrows"),
    [
        ("doc", ()),
        ("doc->a", (Arrow("a"),)),
        ("doc->>a", (Arrow("a", as_text=True),)),
        ("doc->a->0->>-1", (Arrow("a"), Arrow(0), Arrow(-1, as_text=True))),
        ("doc->0a->--b", (Arrow("0a"), Arrow("--b"))),  # as arguments of scripts are called
        ('doc->"0"->"a.b,c->d"', (Arrow("0"), Arrow("a.b,c->d"))),
        ("doc->a b->c-d->é", (Arrow("a b"), Arrow("c-d"), Arrow("é"))),
    ],
)
def test_arrows_lead_into_json_wherever_a_column_can_be_named(written: str, arrows: Arrows) -> None:
    comparison = only(f"{written}=not.eq.x")
    assert isinstance(comparison, Comparison)
    assert (comparison.column, comparison.arrows, comparison.negated) == ("doc", arrows, True)
    group = only(f"or=({written}.eq.x,id.eq.1)")
    assert isinstance(group, Group)
    assert group.members[0] == Comparison("doc", Operator.EQ, "x", arrows=arrows)
    (term,) = read(f"order={written}.desc.nullslast").order
    assert term == Term("doc", descending=True, nulls_first=False, arrows=arrows)
    (plain, cast) = read(f"select={written},x:{written}::text").select
    assert (plain.column, plain.arrows, cast.alias, cast.cast, cast.arrows) == ("doc", arrows, "x", "text", arrows)


@pytest.mark.parametrize(
    ("selected", "label"),
    [("doc", "doc"), ("doc->a", "a"), ("doc->a->>b", "b"), ("doc->a->0", "a"), ("doc->0->1", "doc"), ("x:doc->a", "x")],
)
def test_what_arrows_lead_to_is_called_by_the_last_name_on_the_way(selected: str, label: str) -> None:
    (entry,) = read(f"select={selected}").select
    assert entry.label == label


def test_columns_and_on_conflict_are_lists() -> None:
    assert read('columns="a",b&on_conflict=id') == Query(columns=("a", "b"), on_conflict=("id",))


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("page=2", Code.SYNTAX),
        ("name=", Code.SYNTAX),
        ("name=etl", Code.SYNTAX),
        ("name=EQ.etl", Code.SYNTAX),
        ("name=eq", Code.SYNTAX),
        ("name=equals.etl", Code.SYNTAX),
        ("name=not.etl", Code.SYNTAX),
        ("name=not.not.eq.etl", Code.SYNTAX),
        ("name=neq(any).{a}", Code.SYNTAX),
        ("name=eq(some).{a}", Code.SYNTAX),
        ("=eq.1", Code.SYNTAX),
        ("name!=eq.1", Code.SYNTAX),
        ("id=in.1,2", Code.SYNTAX),
        ("id=in.(1,2", Code.SYNTAX),
        ("id=in.(1,2)3", Code.SYNTAX),
        ("id=is.empty", Code.SYNTAX),
        ("id=is.nullx", Code.SYNTAX),
        ("or=()", Code.SYNTAX),
        ("or=", Code.SYNTAX),
        ("or=id.eq.1", Code.SYNTAX),
        ("or=(id.eq.1", Code.SYNTAX),
        ("or=(id.eq.1)x", Code.SYNTAX),
        ("or=(id.eq.1,)", Code.SYNTAX),
        ("or=(xor(id.eq.1))", Code.SYNTAX),
        ("select=id,,name", Code.SYNTAX),
        ("select=id,", Code.SYNTAX),
        ("select=a:b:c", Code.SYNTAX),
        ("select=a:*", Code.SYNTAX),
        ("select=id::", Code.SYNTAX),
        ("select=id::varchar(3)", Code.SYNTAX),
        ("order=", Code.SYNTAX),
        ("order=id.descending", Code.SYNTAX),
        ("order=id.nullsfirst.desc", Code.SYNTAX),
        ("order=id desc.", Code.SYNTAX),
        ("limit=", Code.SYNTAX),
        ("limit=ten", Code.SYNTAX),
        ("limit=1.5", Code.SYNTAX),
        ("limit=%2B5", Code.SYNTAX),
        ("limit=" + "9" * 5000, Code.SYNTAX),
        ("offset=x", Code.SYNTAX),
        ("limit=-1", Code.RANGE),
        ("columns=", Code.SYNTAX),
        ("columns=a,,b", Code.SYNTAX),
        ("on_conflict=", Code.SYNTAX),
        ("limit", Code.SYNTAX),
        ("name", Code.SYNTAX),
        ("limit=1&limit=1", Code.SYNTAX),
        ("offset=1&offset=2", Code.SYNTAX),
        ("order=id&order=name", Code.SYNTAX),
        ("select=id&select=id", Code.SYNTAX),
        ("columns=id&columns=id", Code.SYNTAX),
        ("on_conflict=id&on_conflict=id", Code.SYNTAX),
        ("select=client(id)", Code.EMBEDDING),
        ("select=x:client!inner(id,name)", Code.EMBEDDING),
        ("select=...client(id)", Code.EMBEDDING),
        ("order=client(id).desc", Code.EMBEDDING),
        ("select=count()", Code.AGGREGATES),
        ("select=total:count()", Code.AGGREGATES),
        ("select=id.sum()", Code.AGGREGATES),
        ("select=x:id.max()::text", Code.AGGREGATES),
        ("client.id=eq.1", Code.NOT_EMBEDDED),
        ("client.limit=1", Code.NOT_EMBEDDED),
        ("client.order=id", Code.NOT_EMBEDDED),
        ("client.or=(id.eq.1)", Code.NOT_EMBEDDED),
        ("select=doc->a.sum()", Code.AGGREGATES),
        ("doc->=eq.1", Code.SYNTAX),
        ("doc->>=eq.1", Code.SYNTAX),
        ("doc->a->=eq.1", Code.SYNTAX),
        ("select=doc->(a)", Code.SYNTAX),
        ("client.doc->a=eq.1", Code.NOT_EMBEDDED),
        ("name=eq.%FF", Code.CHARACTER),
        ("%FF=eq.1", Code.CHARACTER),
        ("name=eq.%00", Code.CHARACTER),
        ("name=eq.\ud800", Code.CHARACTER),
    ],
)
def test_what_cannot_be_read_is_refused(raw: str, code: Code) -> None:
    with pytest.raises(RefusedError) as refusal:
        read(raw)
    assert refusal.value.code is code


@pytest.mark.parametrize(
    "operator",
    ["fts", "plfts", "phfts", "wfts", "fts(english)", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj", "not.cs"],
)
@pytest.mark.parametrize("form", ["message={}.x", "or=(message.{}.x,id.eq.1)"])
def test_an_operator_that_is_not_served_is_named(operator: str, form: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        read(form.format(operator))
    assert refusal.value.code is Code.UNSUPPORTED
    assert operator.removeprefix("not.") in str(refusal.value.details)


def test_empty_pieces_say_nothing() -> None:
    assert read("&id=eq.1&&") == read("id=eq.1")


def test_the_location_is_the_same_in_whichever_order() -> None:
    assert write_location("jobs", split_query("name=eq.a b&limit=1")) == "/jobs?limit=1&name=eq.a%20b"
    assert write_location("jobs", split_query("limit=1&name=eq.a+b")) == "/jobs?limit=1&name=eq.a%20b"
    assert write_location("jobs", ()) == "/jobs"


@given(st.randoms(use_true_random=False), st.sampled_from(RELATIONS))
@settings(max_examples=200)
def test_a_query_written_as_a_query_string_reads_the_same(random: Random, relation: object) -> None:
    query = make_query(random, relation, bad=0.1)  # type: ignore[arg-type]
    assert read(render(query)) == query


_names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=6)


@given(st.lists(_names, min_size=1, max_size=4), st.lists(_names, min_size=1, max_size=4))
def test_any_text_is_a_value_and_any_a_quoted_name(names: list[str], values: list[str]) -> None:
    conditions = tuple(Comparison(name, Operator.IN, tuple(values)) for name in names)
    query = Query(
        (*conditions, Group(Connective.OR, (*conditions, Comparison(names[0], Operator.EQ, values[0])))),
        tuple(Selected(name, value) for name, value in zip(names, values, strict=False)),
        columns=tuple(names),
    )
    assert read(render(query)) == query
