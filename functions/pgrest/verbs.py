"""What a verb may be asked with: parameters that a verb would ignore are refused, and so are writes to everything."""

from collections.abc import Mapping
from typing import Any

from pgrest.binding import Bound, Predicate
from pgrest.columns import Relation
from pgrest.errors import Code, RefusedError, refuse_feature
from pgrest.syntax import Operator, Query

READS = frozenset({"GET", "HEAD"})
WRITES = frozenset({"POST", "PATCH", "PUT", "DELETE"})
_COLUMNS = frozenset({"POST", "PATCH", "PUT"})


def list_verbs(relation: Relation) -> list[str]:
    """List the verbs a relation serves, as the header ``Allow`` does."""
    return ["OPTIONS", "GET", "HEAD", *(("POST", "PUT", "PATCH", "DELETE") if relation.writable else ())]


def check_verb(verb: str, relation: Relation) -> None:
    """Check that a relation serves a verb.

    Raises
    ------
    RefusedError
        It does not.
    """
    verbs = list_verbs(relation)
    if verb not in verbs:
        raise RefusedError(Code.VERB, f"Unsupported HTTP method: {verb[:20]}", headers={"Allow": ",".join(verbs)})


def check_parameters(verb: str, query: Query) -> None:
    """Check that everything the query says means something to the verb.

    Raises
    ------
    RefusedError
        It does not, or a write has no filter and would change every row.
    """
    ranged = query.limit is not None or query.offset is not None
    if verb == "PUT" and ranged:
        raise RefusedError(Code.PUT_RANGE, "limit/offset querystring parameters are not allowed for PUT")
    if verb in WRITES and ranged:
        raise refuse_feature(f"limit or offset on {verb}", "They would not limit what is written.")
    if verb == "POST" and query.conditions:
        raise refuse_feature("A filter on POST", "A new row is not searched for.")
    if query.columns is not None and verb not in _COLUMNS:
        raise refuse_feature(f"columns on {verb}", "Use select to choose what is shown.")
    if query.on_conflict is not None and verb != "POST":
        raise refuse_feature(f"on_conflict on {verb}")
    if verb in {"PATCH", "DELETE"} and not query.conditions:
        name = "UPDATE" if verb == "PATCH" else "DELETE"
        raise RefusedError(
            Code.CARDINALITY,
            f"{name} requires a WHERE clause",
            hint="Add a filter; id=gt.0 is one that every row passes.",
        )


def check_conflict(query: Query, relation: Relation) -> None:
    """Check that rows are told apart by the key.

    Raises
    ------
    RefusedError
        They are to be told apart by what is not unique, or is no column.
    """
    if query.on_conflict is None:
        return
    names = [relation.column(name).name for name in query.on_conflict]
    if names != [relation.key]:
        raise RefusedError(
            Code.NO_CONSTRAINT,
            "there is no unique or exclusion constraint matching the ON CONFLICT specification",
            hint=f"Only {relation.key} is unique.",
        )


def find_put_key(conditions: tuple[Bound, ...], relation: Relation) -> Any:
    """Give the key of the row a PUT is about.

    Raises
    ------
    RefusedError
        The filter is another one than ``key=eq.value``.
    """
    match conditions:
        case (Predicate(column=column, operator=Operator.EQ, operands=(value,), quantifier=None, negated=False),) if (
            column.name == relation.key
        ):
            return value
    raise RefusedError(
        Code.PUT_FILTER,
        "Filters must include all and only primary key columns with 'eq' operators",
        hint=f"PUT /{relation.name}?{relation.key}=eq.N",
    )


def check_put_row(rows: list[dict[str, Any]], key: Any, relation: Relation) -> Mapping[str, Any]:
    """Give the one row of a PUT's body.

    Raises
    ------
    RefusedError
        There is another number of them, or it has another key than the filter.
    """
    if len(rows) != 1 or rows[0].get(relation.key) != key:
        raise RefusedError(Code.PUT_KEY, "Payload values do not match URL in primary key column(s)")
    return rows[0]
