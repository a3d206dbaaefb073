"""Statements of SQL: read, looked through, and written again for DuckDB.

What was sent is never run. It is parsed, everything in the tree has to be on the list of `hdb.sql_words`, tables get
the names under which the engine registers them, and the text that is run is written from the tree. So it does not
matter where this parser and DuckDB's would understand a text differently.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError

from hdb.errors import InvalidRequestError
from hdb.fields import DEFAULT_SCHEMA, Target
from hdb.sql_words import ARGUMENTS, CALLS, NODES, NUMBER, SPOKEN, TYPES, VARIABLE, WRITES

MAX_LENGTH = 100_000
"""Characters of a statement. The parser reads some 100,000 a second."""

MAX_NODES = 50_000

_SHOWN = 100
# What the parser says of statements that it does not know would repeat their text in our log.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)


class Dialect(DuckDB):  # type: ignore[misc]
    """DuckDB's, in which names may also be between backticks, as the clients of this door write them."""

    # Null comes before everything, as in the reference. The parser's versions have two names for it.
    NULL_ORDERING = "nulls_are_small"
    null_ordering = "nulls_are_small"

    class Tokenizer(DuckDB.Tokenizer):  # type: ignore[misc]
        """Reads backticks as quotes of names."""

        IDENTIFIERS = ('"', "`")

    class Generator(DuckDB.Generator):  # type: ignore[misc]
        """Says where null goes, and quotes whatever was named or said: older versions forget a quote in a name."""

        def identifier_sql(self, expression: exp.Expression) -> str:
            """Write a name."""
            quoted = self.identify or expression.args.get("quoted")
            return _quote(expression.name) if quoted else str(expression.name)

        def literal_sql(self, expression: exp.Expression) -> str:
            """Write a text or a number."""
            text = str(expression.this)
            return "'" + text.replace("'", "''") + "'" if expression.args.get("is_string") else text

        def ordered_sql(self, expression: exp.Expression) -> str:
            """Write one term of an order."""
            descending = " DESC" if expression.args.get("desc") else ""
            nulls = "FIRST" if expression.args.get("nulls_first") else "LAST"
            return f"{self.sql(expression, 'this')}{descending} NULLS {nulls}"


@dataclass(frozen=True, slots=True)
class Select:
    """A query.

    Parameters
    ----------
    sql : str
        For DuckDB; each table has the name `relation_name` gives it.
    tables : tuple of Target
        The tables it reads.
    """

    sql: str
    tables: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Insert:
    """Rows that are to be inserted."""

    target: Target
    records: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Change:
    """An update or, where nothing is assigned, a deletion of the rows of a table for which something holds.

    Parameters
    ----------
    target : Target
        The table.
    tables : tuple of Target
        All tables that have to be read, this one included.
    deletes : bool
        Whether it is a deletion.
    columns : tuple of str
        What is assigned.
    """

    target: Target
    tables: tuple[Target, ...]
    deletes: bool
    columns: tuple[str, ...]
    _alias: str
    _values: tuple[str, ...]
    _rest: str

    def select(self, key: str) -> str:
        """Write the query whose rows are what is to be done: the key of each row, and what is assigned to it.

        Raises
        ------
        InvalidRequestError
            The key itself is assigned.
        """
        if key in self.columns:
            raise InvalidRequestError(f"the primary key '{key}' cannot be updated")
        shown = [f"{_quote(self._alias)}.{_quote(key)}"]
        shown += [f"{value} AS {_quote(name)}" for name, value in zip(self.columns, self._values, strict=True)]
        return f"SELECT {', '.join(shown)} {self._rest}"


Statement = Select | Insert | Change


def relation_name(target: Target) -> str:
    """Give the name under which the engine has to register a table."""
    return f"{target.schema}.{target.table}"


def read_statement(text: str) -> Statement:
    """Read a statement.

    Raises
    ------
    InvalidRequestError
        It is none, it is several, or something in it is not allowed.
    """
    tree = _parse(text)
    kind = type(tree).__name__
    try:
        if kind in {"Select", "Union", "Except", "Intersect"}:
            _check_nodes(text, tree)
            if any(type(node).__name__ in WRITES for node in _nodes(tree)):
                raise _refuse(text, "a query only reads")
            return _read_select(text, tree)
        if kind == "Insert":
            _check_nodes(text, tree)
            return _read_insert(text, tree)
        if kind in {"Update", "Delete"}:
            _check_nodes(text, tree)
            return _read_change(text, tree, deletes=kind == "Delete")
    except RecursionError:
        raise _refuse(text, "it is too deep") from None
    raise _refuse(text, "a statement is SELECT, INSERT, UPDATE or DELETE")


def read_query(text: str) -> Select:
    """Read the statement of an export, which only reads.

    Raises
    ------
    InvalidRequestError
        It is no query, or something in it is not allowed.
    """
    statement = read_statement(text)
    if not isinstance(statement, Select):
        raise _refuse(text, "only SELECT can be exported")
    return statement


def _refuse(text: str, reason: str) -> InvalidRequestError:
    shown = " ".join(text[:_SHOWN].replace("\0", " ").split())
    return InvalidRequestError(f"Invalid SQL at: {shown}: {reason}")


def _parse(text: str) -> exp.Expression:
    if len(text) > MAX_LENGTH:
        raise _refuse(text, f"a statement has {MAX_LENGTH} characters at most")
    if "\0" in text:
        raise _refuse(text, "a text cannot have the character 0")
    try:
        text.encode()
        statements = [tree for tree in sqlglot.parse(text, read=Dialect) if tree is not None]
    except RecursionError:
        raise _refuse(text, "it is too deep") from None
    # On texts that are no SQL the parser also fails in ways of its own.
    except (SqlglotError, ValueError, LookupError, AttributeError, TypeError, RuntimeError):
        raise _refuse(text, "it is no SQL that is understood here") from None
    if len(statements) != 1:
        raise _refuse(text, "there has to be one statement")
    return statements[0]


def _join_names(tree: exp.Expression) -> None:
    """Read ``schema.table.column`` as a column; older versions of the parser take it for a column's member."""
    for node in list(_nodes(tree)):
        if type(node).__name__ != "Dot" or type(node.this).__name__ != "Column" or node.this.args.get("db"):
            continue
        if node.this.args.get("table") and isinstance(node.expression, exp.Identifier):
            parts = {"this": node.expression, "table": node.this.this, "db": node.this.args["table"]}
            node.replace(exp.Column(**parts))


def _check_nodes(text: str, tree: exp.Expression) -> None:
    _join_names(tree)
    for count, node in enumerate(_nodes(tree)):
        if count > MAX_NODES:
            raise _refuse(text, "it is too large")
        reason = _find_fault(node)
        if reason:
            raise _refuse(text, reason)


def _nodes(tree: exp.Expression) -> Iterator[exp.Expression]:
    pending: list[Any] = [tree]
    while pending:
        value = pending.pop()
        if isinstance(value, list | tuple):
            pending.extend(reversed(value))
        elif isinstance(value, exp.Expression):
            yield value
            pending.extend(reversed(value.args.values()))


def _find_fault(node: exp.Expression) -> str | None:
    name = type(node).__name__
    if name == "Anonymous":
        called = str(node.this)
        return None if called.lower() in CALLS else f"the function {called[:40]} is not allowed"
    if name not in NODES:
        return f"{name.upper()} is not allowed"
    words = [value for value in node.args.values() if isinstance(value, str)]
    if name not in SPOKEN and not all(map(VARIABLE.fullmatch, words)):
        return f"{name.upper()} is not understood"
    given = {key for key, value in node.args.items() if value}
    modifiers = sorted(given - ARGUMENTS.get(name, given))
    return f"{name.upper()} with {modifiers[0].upper()} is not allowed" if modifiers else _find_odd_part(name, node)


def _find_odd_part(name: str, node: exp.Expression) -> str | None:
    match name:
        case "Table" if not isinstance(node.this, exp.Identifier):
            return "a table has to be named"
        case "DataType" if node.this.name not in TYPES:
            return f"the type {node.this.name} is not allowed"
        case "Literal" if not node.args.get("is_string") and not NUMBER.fullmatch(node.name):
            return f"{node.name[:40]} is no number"
        case "Column" if node.args.get("catalog"):
            return "a column has two names before it at most"
    return None


def _read_select(text: str, tree: exp.Expression) -> Select:
    if any(type(node).__name__ == "Select" and not node.expressions for node in _nodes(tree)):
        raise _refuse(text, "nothing is selected")
    _name_columns(tree)
    tables = _rename_tables(text, tree)
    return Select(_write(tree), tables)


def _read_insert(text: str, tree: exp.Expression) -> Insert:
    schema, values = tree.this, tree.args.get("expression")
    if type(schema).__name__ != "Schema" or type(values).__name__ != "Values":
        raise _refuse(text, "an INSERT has names of columns and VALUES")
    names = [column.name for column in schema.expressions]
    if len(set(names)) < len(names):
        raise _refuse(text, "a column is there twice")
    records = []
    for row in values.expressions:
        cells = row.expressions if type(row).__name__ == "Tuple" else [row.unnest()]
        if len(cells) != len(names):
            raise _refuse(text, "a row has not as many values as there are columns")
        records.append({name: _read_value(text, cell) for name, cell in zip(names, cells, strict=True)})
    return Insert(_target(schema.this), tuple(records))


def _read_change(text: str, tree: exp.Expression, *, deletes: bool) -> Change:
    table = tree.this
    if type(table).__name__ != "Table":
        raise _refuse(text, "an UPDATE or DELETE is of one table")
    target = _target(table)
    alias = table.alias or target.table
    assigned = [] if deletes else list(tree.expressions)
    for pair in assigned:
        if type(pair).__name__ != "EQ" or type(pair.this).__name__ != "Column":
            raise _refuse(text, "what is set has to be a column")
    columns = tuple(pair.this.name for pair in assigned)
    if len(set(columns)) < len(columns):
        raise _refuse(text, "a column is there twice")
    tables = _rename_tables(text, tree)
    where = tree.args.get("where")
    if where and any(type(node).__name__ in WRITES for node in _nodes(where)):
        raise _refuse(text, "a condition only reads")
    rest = f"FROM {_write(table)}{' ' + _write(where) if where else ''}"
    return Change(target, tables, deletes, columns, alias, tuple(_write(pair.expression) for pair in assigned), rest)


def _name_columns(tree: exp.Expression) -> None:
    """Name what a query shows and does not name itself by its own text: ``COUNT(*)``."""
    while type(tree).__name__ != "Select":
        tree = tree.this
    named = {"Alias", "Column", "Star"}
    shown = [
        item if type(item).__name__ in named else exp.alias_(item.copy(), _write(item, identify=False), quoted=True)
        for item in tree.expressions
    ]
    tree.set("expressions", shown)


def _rename_tables(text: str, tree: exp.Expression) -> tuple[Target, ...]:
    """Give the tables the names they are registered by; columns keep what they were called by."""
    nodes = list(_nodes(tree))
    known = _check_common(text, tree, nodes)
    tables: dict[str, Target] = {}
    for node in nodes:
        if type(node).__name__ != "Table" or (not node.args.get("db") and node.name.lower() in known):
            continue
        target = _target(node)
        # DuckDB does not tell names apart by their case.
        if tables.setdefault(relation_name(target).lower(), target) != target:
            raise _refuse(text, "two tables are told apart by nothing but the case of their names")
        if not node.args.get("alias"):
            node.set("alias", exp.TableAlias(this=exp.to_identifier(target.table, quoted=True)))
        node.set("db", None)
        node.set("this", exp.to_identifier(relation_name(target), quoted=True))
    for node in nodes:
        if type(node).__name__ == "Column" and node.args.get("db"):
            node.set("db", None)
    return tuple(tables.values())


def _check_common(text: str, tree: exp.Expression, nodes: Sequence[exp.Expression]) -> frozenset[str]:
    """Give the names of the common tables. They stand at the beginning, and each may use those before it."""
    clause = tree.args.get("with") or tree.args.get("with_")
    if any(type(node).__name__ == "With" and node is not clause for node in nodes):
        raise _refuse(text, "WITH can only be at the beginning")
    known: set[str] = set()
    names = [common.alias.lower() for common in clause.expressions] if clause else []
    for position, name in enumerate(names):
        used = {node.name.lower() for node in _nodes(clause.expressions[position].this) if _is_plain_table(node)}
        if "." in name or name in known or used & set(names[position:]):
            raise _refuse(text, "a name after WITH is used before it is defined, has a dot, or is there twice")
        known.add(name)
    return frozenset(known)


def _is_plain_table(node: exp.Expression) -> bool:
    return type(node).__name__ == "Table" and not node.args.get("db")


def _target(table: exp.Expression) -> Target:
    return Target(table.text("db") or DEFAULT_SCHEMA, table.name)


def _read_value(text: str, cell: exp.Expression) -> Any:
    match type(cell).__name__:
        case "Null":
            return None
        case "Boolean":
            return bool(cell.this)
        case "Literal":
            return cell.this if cell.args.get("is_string") else _read_number(text, cell.this)
        case "Neg" if type(cell.this).__name__ == "Literal" and not cell.this.args.get("is_string"):
            return -_read_number(text, cell.this.this)
    raise _refuse(text, "values of an INSERT are texts, numbers, TRUE, FALSE and NULL")


def _read_number(text: str, digits: str) -> int | float:
    try:
        return int(digits) if digits.isdecimal() else float(digits)
    except ValueError:
        raise _refuse(text, f"{digits[:40]} is no number") from None


def _write(tree: exp.Expression, *, identify: bool = True) -> str:
    # Without comments: one could end where it is written and go on as SQL that nobody has looked at.
    return str(tree.sql(dialect=Dialect, identify=identify, comments=False))


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
