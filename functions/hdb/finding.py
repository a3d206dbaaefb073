"""Finds rows: the searches of requests and of exports as queries on a table."""

from typing import Any

from hdb.admission import Caller
from hdb.errors import FailedRequestError, InvalidRequestError
from hdb.messages import unknown_attribute
from hdb.searches import (
    Comparator,
    Condition,
    ConditionSearch,
    Group,
    HashSearch,
    Junction,
    ValueSearch,
)
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
    """Make the query on a table that a search is.

    Raises
    ------
    InvalidRequestError
        It is one that cannot be answered.
    """
    shown = None if "*" in request.attributes else request.attributes
    match request:
        case HashSearch(keys=keys):
            return core.TableQuery(attributes=shown, keys=keys)
        case ValueSearch(condition=condition):
            conditions = () if condition is None else (_translate(condition),)
            return core.TableQuery(attributes=shown, conditions=conditions)
    if request.order:
        raise InvalidRequestError("'sort' is not served: ask for the rows and sort them")
    return core.TableQuery(
        attributes=shown,
        conditions=tuple(map(_translate, _flatten(request.where))),
        every=request.where.junction is Junction.AND,
        offset=request.offset,
        limit=request.limit,
    )


def _flatten(group: Group) -> tuple[Condition, ...]:
    """Give the conditions of a group; those of groups in it only where they are joined in the same way."""
    found: list[Condition] = []
    pending: list[Condition | Group] = list(reversed(group.conditions))
    while pending:
        member = pending.pop()
        if isinstance(member, Condition):
            found.append(member)
        elif member.junction is group.junction or len(member.conditions) == 1:
            pending.extend(reversed(member.conditions))
        else:
            raise InvalidRequestError("'conditions' that are joined by both 'and' and 'or' are not served")
    return tuple(found)


def _translate(condition: Condition) -> core.Condition:
    if condition.comparator is Comparator.NOT_EQUAL:
        raise InvalidRequestError(f"the comparator '{condition.comparator}' is not served")
    return core.Condition(
        attribute=condition.attribute, comparator=core.Comparator(condition.comparator), value=condition.value
    )
