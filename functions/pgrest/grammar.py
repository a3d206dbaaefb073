"""The grammar of filters, logic trees, ``select`` and ``order``.

What PostgREST has and this door does not is read far enough to be named when it is refused.
"""

import re
from typing import Any, NoReturn

from parsy import ParseError, Parser, regex, seq, string

from pgrest.errors import Code, RefusedError, refuse_feature
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
    Selected,
    Term,
    Truth,
)

_DEEPEST = 20
"""How deep groups nest; a level costs a dozen of Python's frames, of which there are a thousand."""

_SHOWN = 200  # characters of a text that an error repeats


def _refuse_operator(name: str) -> NoReturn:
    raise refuse_feature(f"The operator {name}", "Use eq, neq, gt, gte, lt, lte, in, is, like, ilike or isdistinct.")


def _refuse_aggregate(_: Any) -> NoReturn:
    raise RefusedError(Code.AGGREGATES, "Use of aggregate functions is not allowed")


def _refuse_embedding(_: Any) -> NoReturn:
    raise RefusedError(Code.EMBEDDING, "Could not find a relationship: there is nothing here to embed")


def _refuse_depth(_: Any) -> NoReturn:
    raise RefusedError(Code.SYNTAX, f"groups nest {_DEEPEST} deep at most")


_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

_blanks = regex(r" *")
_quoted = regex(r'"((?:[^"\\]|\\.)*)"', re.DOTALL, 1).map(lambda text: _ESCAPED.sub(r"\1", text))
_plain_name = regex(r" *[\w$][\w $]*(?:-(?!>)[\w $]+)*").map(str.strip)
_name = (_quoted | _plain_name).desc("a column's name")

_element_place = regex(r"-?[0-9]{1,10} *(?=->|::|[.,]|\Z)").map(int)
_member_name = _quoted | regex(r"(?:[^(\-:.,>)]|-(?!>))+").map(str.strip)
_arrow = seq(
    as_text=string("->>").result(True) | string("->").result(False),
    step=(_element_place | _member_name).desc("a member's name or an element's place"),
).combine_dict(Arrow)
_arrows = _arrow.many().map(tuple)

_opening = string("(") << _blanks
_closing = string(")") << _blanks
_comma = string(",") << _blanks

_delimited_quoted = _quoted << regex(r"(?=[,)])")
"""A quoted text; where more follows, its quotes are characters like others."""

_bare = regex(r"[^,)]*")
_nothing = _opening >> _closing.result(())
_element = _delimited_quoted | _bare
_list = _nothing | (_opening >> _element.sep_by(string(","), min=1).map(tuple) << _closing)
_truth = regex("|".join(sorted(Truth, reverse=True)), re.IGNORECASE).map(str.lower).map(Truth) << _blanks

_any_text = regex(r".*", re.DOTALL)
_logic_text = _delimited_quoted | regex(r"\{[^{}]*\}") | _bare


def _tail(text: Parser) -> Parser:
    """Make the parser of what follows the column: ``[not.]operator.operand``."""
    quantifier = regex(r"\((any|all)\)", 0, 1).map(Quantifier).optional() << string(".")
    operation = (
        seq(operator=string("in.").result(Operator.IN), operand=_list)
        | seq(operator=string("is.").result(Operator.IS), operand=_truth)
        | seq(operator=string("isdistinct.").result(Operator.ISDISTINCT), operand=text)
        | seq(operator=string("neq.").result(Operator.NEQ), operand=text)
        | seq(
            operator=regex("eq|gte?|lte?|i?like|i?match").map(Operator),
            quantifier=quantifier,
            operand=text,
        )
        | regex(r"((?:pl|ph|w)?fts(?:\([^)]*\))?|c[sd]|ov|s[lr]|nx[rl]|adj)(?:\((?:any|all)\))?\.", 0, 1).map(
            _refuse_operator
        )
    ).desc("an operator (eq, gt, ...) and its operand")
    return seq(negated=string("not.").result(True).optional(False), operation=operation)


def _compare(column: str, arrows: Arrows, tail: dict[str, Any]) -> Comparison:
    return Comparison(column, negated=tail["negated"], arrows=arrows, **tail["operation"])


_filter_key = seq(_name.sep_by(string("."), min=1), _arrows)
_filter = _tail(_any_text)


def parse_filter(key: str, value: str) -> Comparison:
    """Read a parameter that compares a column."""
    path, arrows = _read(_filter_key, key, "a column's name")
    if len(path) > 1:
        raise RefusedError(Code.NOT_EMBEDDED, f"'{path[0]}' is not an embedded resource in this request")
    return _compare(path[0], arrows, _read(_filter, value, "a filter"))


_member = seq(_name, _arrows << string("."), _tail(_logic_text)).combine(_compare)


def _members(condition: Parser) -> Parser:
    return _opening >> condition.sep_by(_comma, min=1).map(tuple) << _closing


def _group(condition: Parser) -> Parser:
    return seq(
        negated=string("not.").result(True).optional(False),
        connective=(string("and") | string("or")).map(Connective),
        members=_members(condition),
    ).combine_dict(Group)


def _nest() -> Parser:
    """Make the parser of a tree from its leaves up, so that it ends where it is too deep."""
    condition = _blanks >> (_member | regex(r"(?:not\.)?(?:and|or)\(").map(_refuse_depth))
    for _ in range(_DEEPEST):
        condition = _blanks >> (_member | _group(condition))
    return condition


_tree = _blanks >> _members(_nest())


def parse_logic(key: str, value: str) -> Group:
    """Read a parameter that is a group: the key is ``and``, ``or``, ``not.and`` or ``not.or``."""
    members: tuple[Condition, ...] = _read(_tree, value, "a logic tree")
    return Group(Connective(key.removeprefix("not.")), members, negated=key.startswith("not."))


_alias = (_name << regex(r":(?!:)")).optional()
_hints = regex(r"(?:![\w ]+)*")
_aggregate = (string("count()") | (_name >> _arrows >> regex(r"\.(?:sum|avg|count|max|min)\(\)"))).map(
    _refuse_aggregate
)
_embedding = (string("...").optional() >> _name >> _hints >> string("(")).map(_refuse_embedding)
_cast = string("::") >> regex(r"\w[\w ]*").map(str.strip).desc("a type's name")
_selected = (
    string("*").map(Selected)
    | (_alias >> (_aggregate | _embedding))
    | seq(alias=_alias, column=_name, arrows=_arrows, cast=_cast.optional()).combine_dict(Selected)
)
_select = _blanks >> (_selected << _blanks).sep_by(_comma, min=1).map(tuple)

_direction = string(".desc").result(True) | string(".asc").result(False)
_nulls = string(".nullsfirst").result(True) | string(".nullslast").result(False)
_term = (_name >> string("(")).map(_refuse_embedding) | seq(
    column=_name, arrows=_arrows, descending=_direction.optional(False), nulls_first=_nulls.optional()
).combine_dict(Term)
_order = _blanks >> (_term << _blanks).sep_by(_comma, min=1).map(tuple)
_names = _blanks >> (_name << _blanks).sep_by(_comma, min=1).map(tuple)


def parse_select(value: str) -> tuple[Selected, ...]:
    """Read ``select``; an empty one asks for everything."""
    return EVERYTHING if not value.strip() else _read(_select, value, "select")


def parse_order(value: str) -> tuple[Term, ...]:
    """Read ``order``."""
    order: tuple[Term, ...] = _read(_order, value, "order")
    return order


def parse_names(key: str, value: str) -> tuple[str, ...]:
    """Read a list of columns."""
    names: tuple[str, ...] = _read(_names, value, key)
    return names


_number = regex(r"-?[0-9]{1,18}").map(int).desc("an integer")


def parse_number(key: str, value: str) -> int:
    """Read ``limit`` or ``offset``."""
    number: int = _read(_number, value, key)
    return number


def _read(parser: Parser, text: str, what: str) -> Any:
    try:
        return parser.parse(text)
    except ParseError as error:
        expected = " or ".join(sorted(error.expected))
        found = f'"{text[error.index]}"' if error.index < len(text) else "the end"
        raise RefusedError(
            Code.SYNTAX,
            f'"failed to parse {what} ({text[:_SHOWN]})" (line 1, column {error.index + 1})',
            details=f"unexpected {found}, expecting {expected}",
        ) from None
