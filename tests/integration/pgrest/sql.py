"""The SQL a query stands for, made of what the query says, by the rules of PostgREST."""

from pgrest.columns import Relation
from pgrest.syntax import Arrows, Comparison, Condition, Connective, Group, Operator, Query, Term

_SIGNS = {
    Operator.EQ: "=",
    Operator.NEQ: "<>",
    Operator.GT: ">",
    Operator.GTE: ">=",
    Operator.LT: "<",
    Operator.LTE: "<=",
    Operator.LIKE: "LIKE",
    Operator.ILIKE: "ILIKE",
    Operator.MATCH: "~",
    Operator.IMATCH: "~*",
    Operator.ISDISTINCT: "IS DISTINCT FROM",
}


def name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def array(texts: tuple[str, ...]) -> str:
    escaped = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return literal("{" + ",".join(f'"{text}"' for text in escaped) + "}")


def create(relation: Relation) -> str:
    columns = ", ".join(f"{name(column.name)} {column.type}" for column in relation.columns)
    return f"CREATE TABLE {name(relation.name)} ({columns}, PRIMARY KEY ({name(relation.key)}))"


def select(query: Query, relation: Relation) -> str:
    """Write the SELECT that answers with one JSON text; the relation's key is the hidden last of the order."""
    columns = ", ".join(
        ", ".join(name(column.name) for column in relation.columns)
        if selected.column == "*"
        else cast(cell(selected.column, selected.arrows), selected.cast) + f" AS {name(selected.label)}"
        for selected in query.select
    )
    where = " AND ".join(condition(member) for member in query.conditions) or "true"
    descending = query.order[-1].descending if query.order else False
    # A bare name would be that of the answer's column, which may be cast.
    terms = (*query.order, Term(relation.key, descending))
    order = ", ".join(f"{name(relation.name)}.{term(entry)}" for entry in terms)
    limit = "" if query.limit is None else f" LIMIT {query.limit}"
    rows = (
        f"SELECT {columns} FROM {name(relation.name)} WHERE {where} ORDER BY {order}{limit} OFFSET {query.offset or 0}"
    )
    return f"SELECT coalesce(json_agg(t), '[]')::text FROM ({rows}) t"


def cast(expression: str, target: str | None) -> str:
    return f"CAST({expression} AS {target})" if target else expression


def cell(column: str, arrows: Arrows) -> str:
    steps = (
        f"->{'>' * arrow.as_text}{f'({arrow.step})' if isinstance(arrow.step, int) else literal(arrow.step)}"
        for arrow in arrows
    )
    return name(column) + "".join(steps)


def condition(node: Condition) -> str:
    if isinstance(node, Group):
        sign = " AND " if node.connective is Connective.AND else " OR "
        text = sign.join(condition(member) for member in node.members)
    else:
        text = comparison(node)
    return f"NOT ({text})" if node.negated else f"({text})"


def comparison(node: Comparison) -> str:
    column, operand = f"({cell(node.column, node.arrows)})" if node.arrows else name(node.column), node.operand
    if node.operator is Operator.IS:
        return f"{column} IS {str(operand).replace('_', ' ')}"
    if node.operator is Operator.IN:
        assert isinstance(operand, tuple)
        return f"{column} = ANY({array(operand)})"
    text = str(operand)
    if node.operator in {Operator.LIKE, Operator.ILIKE}:
        text = text.replace("*", "%")
    if node.quantifier:
        return f"{column} {_SIGNS[node.operator]} {node.quantifier}({literal(text)})"
    return f"{column} {_SIGNS[node.operator]} {literal(text)}"


def term(entry: Term) -> str:
    nulls = {None: "", True: " NULLS FIRST", False: " NULLS LAST"}[entry.nulls_first]
    return f"{cell(entry.column, entry.arrows)} {'DESC' if entry.descending else 'ASC'}{nulls}"
