"""Finds rows: the searches of requests and of exports as queries on a table."""

from collections.abc import Iterable
from typing import Any

from hdb.admission import Caller
from hdb.errors import FailedRequestError
from hdb.messages import unknown_attribute
from hdb.searches import Condition, ConditionSearch, Group, HashSearch, Junction, Order, ValueSearch
from hdb.stored_tables import find_table
from jobruns import operation as core
from jobruns.errors import NoAttributeError
from jobruns.service.records import search_records

TableSearch = HashSearch | ValueSearch | ConditionSearch


def search(caller: Caller, request: TableSearch) -> list[dict[str, Any]]:
    """Give the rows that a search finds.

    Raises
    ------
    FailedRequestError
        The table has no such attribute.
    """
    table = find_table(caller, request.target)
    query = compose_query(request)
    try:
        return search_records(caller.ports, caller.principal, table, query)
    except NoAttributeError as error:
        raise FailedRequestError(unknown_attribute(error.name)) from None


def compose_query(request: TableSearch) -> core.TableQuery:
    """Make the query on a table that a search is."""
    shown = None if "*" in request.attributes else request.attributes
    match request:
        case HashSearch(keys=keys):
            return core.TableQuery(attributes=shown, keys=keys)
        case ValueSearch(condition=condition):
            conditions = () if condition is None else (_translate(condition),)
            return core.TableQuery(attributes=shown, conditions=conditions, order=_sort(request.orders))
    return core.TableQuery(
        attributes=shown,
        conditions=tuple(map(_translate, request.where.conditions)),
        every=request.where.junction is Junction.AND,
        order=_sort(request.orders),
        offset=request.offset,
        limit=request.limit,
    )


def _translate(condition: Condition | Group) -> core.Condition | core.Group:
    if isinstance(condition, Group):
        members = tuple(map(_translate, condition.conditions))
        return core.Group(conditions=members, every=condition.junction is Junction.AND)
    return core.Condition(
        attribute=condition.attribute, comparator=core.Comparator(condition.comparator), value=condition.value
    )


def _sort(orders: Iterable[Order]) -> tuple[core.Order, ...]:
    return tuple(core.Order(attribute=order.attribute, descending=order.descending) for order in orders)
