"""What a query means by a column, and by the way from it into its JSON: its type, and its value in a row."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from pgrest.columns import Column, ColumnType, Row
from pgrest.errors import Code, RefusedError
from pgrest.jsonb import follow, order_key
from pgrest.syntax import Arrows

_MOST_PLACE = 2**31 - 1


def find_type(column: Column, arrows: Arrows) -> ColumnType:
    """Tell the type of what the arrows lead to.

    Raises
    ------
    RefusedError
        One leads from what is not JSON.
    """
    kind = column.type
    for arrow in arrows:
        sign = "->>" if arrow.as_text else "->"
        if kind is not ColumnType.JSONB:
            hint = (
                f"{column.name} holds no JSON." if kind is column.type else "What ->> gives is a text: use -> before."
            )
            raise RefusedError(Code.NO_OPERATOR, f"operator does not exist: {kind} {sign} unknown", hint=hint)
        if isinstance(arrow.step, int) and not -_MOST_PLACE - 1 <= arrow.step <= _MOST_PLACE:
            raise RefusedError(Code.NO_OPERATOR, f"operator does not exist: jsonb {sign} bigint")
        kind = ColumnType.TEXT if arrow.as_text else ColumnType.JSONB
    return kind


def comparable(column: Column, arrows: Arrows = ()) -> Callable[[Row], Any]:
    """Make what reads of a row that by which it is compared and ordered; ``None`` is null."""
    name = column.name
    if column.type is not ColumnType.JSONB:
        return itemgetter(name)
    if arrows and arrows[-1].as_text:
        return lambda row: follow(row[name], arrows)
    return lambda row: order_key(follow(row[name], arrows))
