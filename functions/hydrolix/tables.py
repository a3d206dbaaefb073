"""Routes of tables."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from hydrolix.admission import DOOR, Caller, admit
from hydrolix.bodies import check_document, check_size, deep_merge, read_object
from hydrolix.continuous import watch_uploads
from hydrolix.errors import InvalidDocumentError
from hydrolix.fields import describe_actions
from hydrolix.pagination import answer_list
from hydrolix.table_documents import TableDocument, keep_table, render_table, table_fields
from jobruns.ids import canonical_id
from jobruns.service.tables import (
    amend_table,
    define_table,
    delete_table,
    find_project,
    find_table,
    list_tables,
    list_transforms,
    truncate_table,
)
from jobruns.table import Table

router = Router()
_TABLES = "/config/v1/orgs/<org>/projects/<project_id>/tables"
_TABLE = f"{_TABLES}/<table_id>"


@router.get(_TABLES, compress=True)
def show_tables(org: str, project_id: str) -> Any:
    """List a project's tables."""
    caller = admit(router, org)
    project = find_project(caller.ports, caller.principal, canonical_id(project_id))
    found = list_tables(caller.ports, caller.principal, project.project_id)
    return answer_list(caller, found, lambda shown: [render_table(one, caller) for one in shown], bare=True)


@router.post(_TABLES, status_code=201)
def create_table(org: str, project_id: str) -> dict[str, Any]:
    """Create a table."""
    caller = admit(router, org)
    ports, principal = caller.ports, caller.principal
    project = find_project(ports, principal, canonical_id(project_id))
    sent = check_document(TableDocument.model_validate, read_object(caller.event))
    kept = keep_table(sent, {}, creator=principal.name)
    check_size("table", kept)
    table = define_table(ports, principal, project, sent.name, door=DOOR, table_id=sent.uuid, extra=kept)
    watch_uploads(ports, principal, table, [])
    return render_table(table, caller)


@router.route(_TABLES, method="OPTIONS")
def describe_tables(org: str, project_id: str) -> dict[str, Any]:
    """Tell what may be sent to create a table."""
    caller = admit(router, org)
    find_project(caller.ports, caller.principal, canonical_id(project_id))
    return describe_actions("Table List", "POST", table_fields())


@router.route(_TABLE, method="OPTIONS")
def describe_table(org: str, project_id: str, table_id: str) -> dict[str, Any]:
    """Tell what may be sent to replace a table."""
    read_table(admit(router, org), project_id, table_id)
    return describe_actions("Table Detail", "PUT", table_fields())


@router.get(_TABLE)
def show_table(org: str, project_id: str, table_id: str) -> dict[str, Any]:
    """Show a table."""
    caller = admit(router, org)
    return render_table(read_table(caller, project_id, table_id), caller)


@router.put(_TABLE)
def replace_table(org: str, project_id: str, table_id: str) -> dict[str, Any]:
    """Replace a table's description and settings."""
    caller = admit(router, org)
    return _change(caller, read_table(caller, project_id, table_id), read_object(caller.event))


@router.patch(_TABLE)
def change_table(org: str, project_id: str, table_id: str) -> dict[str, Any]:
    """Change what is sent, object by object, and leave the rest."""
    caller = admit(router, org)
    table = read_table(caller, project_id, table_id)
    return _change(caller, table, deep_merge(render_table(table, caller), read_object(caller.event)))


@router.delete(_TABLE)
def remove_table(org: str, project_id: str, table_id: str) -> Response[None]:
    """Delete a table with its rows. Its runs stay in the ledger."""
    caller = admit(router, org)
    delete_table(caller.ports, caller.principal, read_table(caller, project_id, table_id))
    return Response(204)


@router.post(f"{_TABLE}/truncate")
def empty_table(org: str, project_id: str, table_id: str) -> dict[str, Any]:
    """Take all rows out of a table; a partition is a data file here."""
    caller = admit(router, org)
    table = read_table(caller, project_id, table_id)
    return {"deactivated_partitions": truncate_table(caller.ports, caller.principal, table)}


def read_table(caller: Caller, project_id: str, table_id: str) -> Table:
    """Read the table a path names."""
    return find_table(caller.ports, caller.principal, canonical_id(project_id), canonical_id(table_id))


def _change(caller: Caller, table: Table, document: dict[str, Any]) -> dict[str, Any]:
    ports, principal = caller.ports, caller.principal
    sent = check_document(TableDocument.model_validate, document)
    if sent.name != table.name:
        raise InvalidDocumentError([(("name",), "cannot be changed: jobs and files are named after it")])
    transforms = list_transforms(ports, principal, table)
    known = {held.transform.name for held in transforms}
    missing = [
        (("settings", "autoingest", index, "transform"), f"names {entry.transform!r}, which the table does not have")
        for index, entry in enumerate(sent.settings.autoingest)
        if entry.enabled and entry.transform and entry.transform not in known
    ]
    if missing:
        raise InvalidDocumentError(missing)
    kept = keep_table(sent, table.extra)
    check_size("table", kept)
    amended = amend_table(ports, principal, table, kept)
    watch_uploads(ports, principal, amended, transforms)
    return render_table(amended, caller)
