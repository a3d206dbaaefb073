"""Rows to write: which columns are, what their values are, and what a row has to be."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from pgrest.bodies import Payload
from pgrest.columns import Column, Default, Relation
from pgrest.errors import Code, RefusedError, refuse_feature
from pgrest.literals import parse_literal


def choose_columns(payload: Payload, relation: Relation, names: Sequence[str] | None) -> tuple[Column, ...]:
    """Find the columns a body writes: those of the parameter ``columns``, else all it names.

    Raises
    ------
    RefusedError
        There is none of some name.
    """
    return tuple(relation.body_column(name) for name in dict.fromkeys(payload.names if names is None else names))


def make_rows(
    payload: Payload,
    relation: Relation,
    columns: Sequence[Column],
    now: datetime,
    *,
    missing_default: bool = False,
    zone: tzinfo = UTC,
) -> list[dict[str, Any]]:
    """Make new rows of a body.

    A row lacks its key where the counter is to give it; `check_row` is for when it has it.

    Parameters
    ----------
    payload : Payload
        The body.
    relation : Relation
        Where the rows go.
    columns : sequence of Column
        Those that are written. The others get their default.
    now : datetime
        Default of a timestamp.
    missing_default : bool
        Whether a written column that some row does not name gets its default there, and not null.
    zone : tzinfo
        Of timestamps that name none.

    Raises
    ------
    RefusedError
        A text is no literal of its column's type, or too long.
    """
    defaults = _find_defaults(relation.columns, now)
    missing = defaults if missing_default else None
    # All literals are read before any row is checked for nulls, as in SQL.
    return [{**defaults, **_read_cells(cells, columns, missing, zone)} for cells in payload.rows]


def make_changes(
    payload: Payload,
    columns: Sequence[Column],
    now: datetime,
    *,
    missing_default: bool = False,
    zone: tzinfo = UTC,
) -> dict[str, Any]:
    """Make of a body what it changes in a row; nothing where it says nothing. Of several objects the first counts.

    Raises
    ------
    RefusedError
        A text is no literal of its column's type, or too long; or the key is to have its default.
    """
    if not payload.rows:
        return {}
    missing = _find_defaults(columns, now) if missing_default else None
    changes = _read_cells(payload.rows[0], columns, missing, zone)
    if len(changes) < len(columns):
        raise refuse_feature("Giving rows that are there new keys")
    return changes


def _find_defaults(columns: Iterable[Column], now: datetime) -> dict[str, Any]:
    """Find the defaults of columns, but for those of a counter."""
    return {
        column.name: now if column.default is Default.NOW else column.default
        for column in columns
        if column.default is not Default.SERIAL
    }


def _read_cells(
    cells: Mapping[str, str | None], columns: Iterable[Column], missing: Mapping[str, Any] | None, zone: tzinfo
) -> dict[str, Any]:
    """Read the cells of columns; `missing` has the values of those that are not there, which are else null."""
    values: dict[str, Any] = {}
    for column in columns:
        if column.name in cells:
            text = cells[column.name]
            values[column.name] = None if text is None else _parse_cell(column, text, zone)
        elif missing is None:
            values[column.name] = None
        elif column.name in missing:
            values[column.name] = missing[column.name]
    return values


def _parse_cell(column: Column, text: str, zone: tzinfo) -> Any:
    if column.max_bytes is not None and len(text.encode()) > column.max_bytes:
        raise RefusedError(
            Code.TOO_LONG,
            f"value too long for column {column.name}",
            details=f"It has {len(text.encode())} bytes in UTF-8; there may be {column.max_bytes}.",
        )
    return parse_literal(column.type, text, zone)


def check_row(row: Mapping[str, Any], relation: Relation) -> None:
    """Check a row that is about to be written.

    Raises
    ------
    RefusedError
        A column is null that may not be; or, where none is, one holds what it may not.
    """
    for column in relation.columns:
        if not column.nullable and row[column.name] is None:
            raise RefusedError(
                Code.NOT_NULL,
                f'null value in column "{column.name}" of relation "{relation.name}" violates not-null constraint',
            )
    for check in relation.checks:
        value = row[check.column]
        if value is not None and value not in check.allowed:
            raise RefusedError(
                Code.CHECK,
                f'new row for relation "{relation.name}" violates check constraint "{check.name}"',
                details=f"{check.column} is one of: {', '.join(check.allowed)}.",
            )
