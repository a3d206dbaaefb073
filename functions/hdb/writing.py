"""Inserts, updates, upserts and deletes rows while the caller waits."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from hdb import messages
from hdb.admission import Caller
from hdb.errors import InvalidRequestError
from hdb.loads import Action
from hdb.records import answer_deleted, answer_written
from hdb.stored_tables import find_table, key_of
from hdb.tables import Deletion, Rows
from jobruns.errors import InvalidInputError
from jobruns.operation import WriteAction
from jobruns.service.records import delete_records, write_records
from jobruns.table import Table


def write_rows(action: Action, caller: Caller, table: Table, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Write rows in one commit.

    Raises
    ------
    InvalidRequestError
        A row that is to be updated does not say which it is.
    """
    key = key_of(table)
    if action is Action.UPDATE:
        nameless = next((place for place, row in enumerate(records) if row.get(key) is None), None)
        if nameless is not None:
            raise InvalidRequestError(messages.no_key(nameless, key))
    if not records:
        return answer_written(action, [], [])
    try:
        done = write_records(caller.ports, caller.principal, table, WriteAction(action), records)
    except InvalidInputError as error:
        if error.field != "attribute":
            raise
        raise InvalidRequestError(messages.bad_attribute(error.message)) from None  # the message is the name alone
    answer = answer_written(action, done.written_keys, done.skipped_keys)
    return {**answer, "message": messages.written(action, done.written, done.total)}


def delete_rows(caller: Caller, table: Table, keys: Sequence[Any]) -> dict[str, Any]:
    """Delete rows by their keys; one that no row has counts as deleted."""
    if keys:
        delete_records(caller.ports, caller.principal, table, keys)
    return answer_deleted(keys)


def _write(action: Action, caller: Caller, request: Rows) -> dict[str, Any]:
    return write_rows(action, caller, find_table(caller, request.target), request.records)


insert = partial(_write, Action.INSERT)
update = partial(_write, Action.UPDATE)
upsert = partial(_write, Action.UPSERT)


def delete(caller: Caller, request: Deletion) -> dict[str, Any]:
    """Delete the rows that a request names."""
    return delete_rows(caller, find_table(caller, request.target), request.keys)
