"""Answers about rows at once: writes, deletions, searches, and what a table has in it."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitStateUnknownException, NoSuchTableError

from jobruns.bootstrap import load_ports
from jobruns.errors import InvalidInputError, JobrunsError, UnavailableError
from jobruns.operation import DeleteResult, TableFacts, TableQuery, WriteAction, WriteResult
from jobruns_data.attributes import Layout, create_keyed_table, declare_attribute, drop_attribute
from jobruns_data.catalog import TableTarget, load_table, open_catalog
from jobruns_data.deleting import delete_keys
from jobruns_data.incoming import incoming_records
from jobruns_data.keyed import write_rows
from operations.relation import Relation
from operations.searches import find_rows
from operations.sweeps import have_swept

MAX_ANSWER_BYTES = 5_500_000
"""Lambda gives an answer of 6 MB, and a door must put it into one of its own."""

SEARCH_SECONDS = 14.0
"""Whoever waits gives up after 18."""

_ATTEMPTS = 12  # the caller waits, and gives up after 20 seconds


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Place(_Model):
    """Which table."""

    database: str
    table: str
    location: str
    key: str


class _Request(_Model):
    on: Place


class Write(_Request):
    """Records to be written."""

    action: Literal["write"]
    write: WriteAction
    records: list[dict[str, Any]]
    operation_id: str


class Delete(_Request):
    """Keys whose rows are to be deleted."""

    action: Literal["delete"]
    keys: list[Any]
    operation_id: str


class Search(_Request):
    """Rows to be found."""

    action: Literal["search"]
    query: TableQuery


class Sql(_Model):
    """A query in SQL over tables, by the names that they have in it."""

    action: Literal["sql"]
    sql: str
    relations: tuple[Relation, ...]


class Describe(_Request):
    """A table to be described."""

    action: Literal["describe"]


class ChangeAttribute(_Request):
    """An attribute to be made before there is a value of it, or to be taken out."""

    action: Literal["create_attribute", "drop_attribute"]
    attribute: str


_OnTable = Write | Delete | Search | Describe | ChangeAttribute
_REQUEST: TypeAdapter[_OnTable | Sql] = TypeAdapter(Annotated[_OnTable | Sql, Field(discriminator="action")])


def answer_request(event: Mapping[str, Any], lake_bucket: str) -> dict[str, Any]:
    """Do what is asked and give the answer; what is refused is told as such, and is no error of the function's."""
    request = _REQUEST.validate_python(event)
    catalog = open_catalog(lake_bucket)
    try:
        if isinstance(request, Sql):
            from operations.sql import select_rows

            return _collect(select_rows(catalog, lake_bucket, request.sql, request.relations))
        target = TableTarget(request.on.database, request.on.table, f"s3://{lake_bucket}/{request.on.location}")
        return _answer(catalog, target, request)
    except CommitStateUnknownException:
        return _refuse(UnavailableError("nobody knows whether it was done"))
    except JobrunsError as error:
        return _refuse(error)


def _answer(catalog: Catalog, target: TableTarget, request: _OnTable) -> dict[str, Any]:
    match request:
        case Write():
            return _write(catalog, target, request)
        case Delete(keys=keys, operation_id=operation_id):
            return _delete(catalog, target, request.on, keys, operation_id)
        case Search(query=query):
            return _search(catalog, target, query)
        case Describe():
            return _describe(catalog, target)
        case ChangeAttribute():
            return _change_attribute(catalog, target, request)


def _write(catalog: Catalog, target: TableTarget, request: Write) -> dict[str, Any]:
    create_keyed_table(catalog, target, request.on.key)
    outcome = write_rows(
        catalog,
        target,
        request.write,
        incoming_records(request.records, request.on.key),
        run_id=request.operation_id,
        at=datetime.now(UTC),
        name_keys=True,
        attempts=_ATTEMPTS,
    )
    if outcome.sweep_due:
        have_swept(load_ports(), request.on.database, request.on.table, request.on.location)
    written: tuple[Any, ...] = outcome.written_keys or ()
    if outcome.already_committed and outcome.written == outcome.total:
        # By a first try whose answer was lost; which keys those are is known only where none was skipped.
        written = tuple(record.get(request.on.key) for record in request.records)
    result = WriteResult(
        total=outcome.total, written=outcome.written, written_keys=written, skipped_keys=outcome.skipped_keys or ()
    )
    return result.model_dump(mode="json")


def _delete(catalog: Catalog, target: TableTarget, on: Place, keys: list[Any], operation_id: str) -> dict[str, Any]:
    try:
        outcome = delete_keys(catalog, target, keys, run_id=operation_id, attempts=_ATTEMPTS)
    except NoSuchTableError:
        return DeleteResult(deleted_keys=(), missing_keys=tuple(keys)).model_dump(mode="json")
    if outcome.sweep_due:
        have_swept(load_ports(), on.database, on.table, on.location)
    deleted = tuple(keys) if outcome.deleted_keys is None else outcome.deleted_keys
    return DeleteResult(deleted_keys=deleted, missing_keys=outcome.missing_keys or ()).model_dump(mode="json")


def _search(catalog: Catalog, target: TableTarget, query: TableQuery) -> dict[str, Any]:
    return _collect(find_rows(catalog, target, query, SEARCH_SECONDS).rows)


def _collect(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    found = []
    size = 0
    for row in rows:
        size += len(json.dumps(row))
        if size > MAX_ANSWER_BYTES:
            raise InvalidInputError(
                f"there are more rows than {MAX_ANSWER_BYTES} bytes, which an answer has: ask for fewer, or export"
            )
        found.append(row)
    return {"rows": found}


def _change_attribute(catalog: Catalog, target: TableTarget, request: ChangeAttribute) -> dict[str, Any]:
    if request.action == "create_attribute":
        return {"created": declare_attribute(catalog, target, request.on.key, request.attribute)}
    try:
        return {"dropped": drop_attribute(catalog, target, request.attribute)}
    except NoSuchTableError:
        return {"dropped": False}


def _describe(catalog: Catalog, target: TableTarget) -> dict[str, Any]:
    try:
        table = load_table(catalog, target)
    except NoSuchTableError:
        return TableFacts().model_dump(mode="json")
    snapshot = table.current_snapshot()
    counts = snapshot.summary.additional_properties if snapshot is not None and snapshot.summary is not None else {}
    facts = TableFacts(
        attributes=tuple(Layout.of(table).attributes),
        rows=int(counts.get("total-records", 0)),
        bytes=int(counts.get("total-files-size", 0)),
        changed_at=None if snapshot is None else datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC),
    )
    return facts.model_dump(mode="json")


def _refuse(error: JobrunsError) -> dict[str, Any]:
    return {"refused": {"type": type(error).__name__, "message": error.message, "field": error.field}}
