"""What a statement may be made of: the classes of sqlglot's tree that are let through, by their names.

It is a list of what is allowed: whatever the parser learns to read in later versions is refused until it is added here.
Nothing in it reads files, settings or the environment, waits, or makes rows out of nothing.
"""

import re
from collections.abc import Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CLAUSES = _words("""
    Alias Boolean CTE Column Delete Distinct EQ Except From Group Having Identifier Insert Intersect Join Limit Literal
    Null Offset Order Ordered Paren Schema Select Star Subquery Table TableAlias Tuple Union Update Values Var Where
    With
    """)
_OPERATORS = _words("""
    Add And Between Case DPipe Div Escape Exists GT GTE ILike If In Is LT LTE Like Mod Mul NEQ Neg Not NullSafeEQ
    NullSafeNEQ Or RegexpLike SafeDPipe Sub
    """)
_FUNCTIONS = _words("""
    Abs Avg Cast Ceil Coalesce Concat ConcatWs Count CurrentDate CurrentTimestamp DataType DataTypeParam DateTrunc
    Extract Filter Floor Greatest Least Left Length Ln Log Lower Max Median Min Month Nullif Pow Replace Right Round
    RowNumber SafeConcat Sign Sqrt Stddev StddevPop StddevSamp Substring Sum TimestampTrunc Trim TryCast Upper Variance
    VariancePop Window WindowSpec Year
    """)
NODES = _CLAUSES | _OPERATORS | _FUNCTIONS
"""Names of classes."""

CALLS = _words("dense_rank greatest least left len median mod nullif rank replace right row_number sign")
"""Functions that older versions of the parser know by their names only."""

TYPES = _words("""
    BIGINT BOOLEAN CHAR DATE DECIMAL DOUBLE FLOAT INT SMALLINT TEXT TIME TIMESTAMP TIMESTAMPTZ TINYINT VARCHAR
    """)
"""What a value may be cast to."""

_SET = _words("this expression distinct order limit offset with with_")
WRITES = frozenset({"Delete", "Insert", "Schema", "Update", "Values"})
"""Classes of writing: a query has none of them inside."""

# Where a class has modifiers beside what is meant by it, those that are let through.
ARGUMENTS: Mapping[str, frozenset[str]] = {
    "Select": _words("expressions from from_ joins where group having order limit offset distinct with with_"),
    "Union": _SET,
    "Except": _SET,
    "Intersect": _SET,
    "Table": frozenset({"this", "db", "alias"}),
    "TableAlias": frozenset({"this"}),
    "Star": frozenset(),
    "Ordered": frozenset({"this", "desc", "nulls_first"}),
    "Subquery": frozenset({"this", "alias"}),
    "CTE": frozenset({"this", "alias"}),
    "With": frozenset({"expressions"}),
    "Insert": frozenset({"this", "expression"}),
    "Update": frozenset({"this", "expressions", "where"}),
    "Delete": frozenset({"this", "where"}),
    "Values": frozenset({"expressions"}),
    "Schema": frozenset({"this", "expressions"}),
}

SPOKEN = frozenset({"Identifier", "Literal"})
"""Classes that hold any text; it is quoted when it is written."""

VARIABLE = re.compile(r"[A-Za-z_]{0,32}")
"""Words that other classes hold, such as the side of a join; they are written as they are."""

NUMBER = re.compile(r"(?=\.?[0-9])[0-9]*\.?[0-9]*(?:[eE][+-]?[0-9]+)?", re.ASCII)
