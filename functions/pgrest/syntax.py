"""What a query says, before it is known what it is asked of: no column is looked up here and no literal read."""

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Operator(StrEnum):
    """How a column is compared."""

    EQ = "eq"
    NEQ = "neq"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    LIKE = "like"
    ILIKE = "ilike"
    MATCH = "match"
    IMATCH = "imatch"
    IN = "in"
    IS = "is"
    ISDISTINCT = "isdistinct"


@unique
class Quantifier(StrEnum):
    """Of how many operands a comparison has to hold."""

    ANY = "any"
    ALL = "all"


@unique
class Truth(StrEnum):
    """What a column can be said to be."""

    NULL = "null"
    NOT_NULL = "not_null"
    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


@unique
class Connective(StrEnum):
    """How conditions make one."""

    AND = "and"
    OR = "or"


@dataclass(frozen=True, slots=True)
class Arrow:
    """A step into JSON: ``->`` to a member by its name or to an element by its place, ``->>`` to its text."""

    step: str | int
    as_text: bool = False


Arrows = tuple[Arrow, ...]
"""The way from a column to what is meant in it; none where that is the column itself."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """``column=[not.]operator.operand``.

    The operand is a text, the texts of a list with IN, and a `Truth` with IS. That of a quantified comparison is the
    literal of an array.
    """

    column: str
    operator: Operator
    operand: str | tuple[str, ...]
    quantifier: Quantifier | None = None
    negated: bool = False
    arrows: Arrows = ()


@dataclass(frozen=True, slots=True)
class Group:
    """``[not.]and(...)`` or ``[not.]or(...)``; never empty."""

    connective: Connective
    members: tuple["Condition", ...]
    negated: bool = False


Condition = Comparison | Group


@dataclass(frozen=True, slots=True)
class Selected:
    """One entry of ``select``: a column, or ``*`` for all of them."""

    column: str
    alias: str | None = None
    cast: str | None = None
    arrows: Arrows = ()

    @property
    def label(self) -> str:
        """What it is called in the answer: of JSON the last name on the way there."""
        names = [arrow.step for arrow in self.arrows if isinstance(arrow.step, str)]
        return self.alias or (names[-1] if names else self.column)


@dataclass(frozen=True, slots=True)
class Term:
    """One entry of ``order``. Without ``nulls_first`` nulls are the greatest values."""

    column: str
    descending: bool = False
    nulls_first: bool | None = None
    arrows: Arrows = ()


EVERYTHING = (Selected("*"),)


@dataclass(frozen=True, slots=True)
class Query:
    """A query string. All conditions have to hold."""

    conditions: tuple[Condition, ...] = ()
    select: tuple[Selected, ...] = EVERYTHING
    order: tuple[Term, ...] = ()
    limit: int | None = None
    offset: int | None = None
    columns: tuple[str, ...] | None = None
    on_conflict: tuple[str, ...] | None = None
