"""Routes of transforms."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from hydrolix.admission import Caller, admit
from hydrolix.bodies import check_document, check_size, deep_merge, read_object
from hydrolix.continuous import follow_transforms
from hydrolix.fields import describe_actions, describe_fields
from hydrolix.members import READ_ONLY
from hydrolix.pagination import answer_list
from hydrolix.tables import read_table
from hydrolix.transform_documents import (
    SETTINGS,
    TransformDocument,
    keep_transform,
    read_transform,
    render_transform,
)
from jobruns.ids import canonical_id
from jobruns.service.tables import (
    amend_transform,
    define_transform,
    delete_transform,
    find_transform,
    list_transforms,
)
from jobruns.table import Table, TableTransform
from jobruns.transform import Transform

router = Router()
_TRANSFORMS = "/config/v1/orgs/<org>/projects/<project_id>/tables/<table_id>/transforms"
_TRANSFORM = f"{_TRANSFORMS}/<transform_id>"


@router.get(_TRANSFORMS, compress=True)
def show_transforms(org: str, project_id: str, table_id: str) -> Any:
    """List a table's transforms."""
    caller = admit(router, org)
    table = read_table(caller, project_id, table_id)
    found = list_transforms(caller.ports, caller.principal, table)
    return answer_list(caller, found, lambda shown: [render_transform(one, table, caller) for one in shown], bare=True)


@router.post(_TRANSFORMS, status_code=201)
def create_transform(org: str, project_id: str, table_id: str) -> dict[str, Any]:
    """Create a transform; the first one of a table becomes its default."""
    caller = admit(router, org)
    table, body = read_table(caller, project_id, table_id), read_object(caller.event)
    sent, transform = read_transform(body)
    kept = keep_transform(body, {})
    _check_size(transform, kept)
    made = define_transform(
        caller.ports,
        caller.principal,
        table,
        transform,
        default=sent.wants_default,
        transform_id=sent.uuid,
        extra=kept,
    )
    return _settle(caller, table, made)


@router.route(_TRANSFORMS, method="OPTIONS")
def describe_transforms(org: str, project_id: str, table_id: str) -> dict[str, Any]:
    """Tell what may be sent to create a transform."""
    read_table(admit(router, org), project_id, table_id)
    return describe_actions("Transform List", "POST", _fields())


@router.route(_TRANSFORM, method="OPTIONS")
def describe_transform(org: str, project_id: str, table_id: str, transform_id: str) -> dict[str, Any]:
    """Tell what may be sent to replace a transform."""
    caller = admit(router, org)
    _find(caller, read_table(caller, project_id, table_id), transform_id)
    return describe_actions("Transform Detail", "PUT", _fields())


@router.get(_TRANSFORM)
def show_transform(org: str, project_id: str, table_id: str, transform_id: str) -> dict[str, Any]:
    """Show a transform."""
    caller = admit(router, org)
    table = read_table(caller, project_id, table_id)
    return render_transform(_find(caller, table, transform_id), table, caller)


@router.put(_TRANSFORM)
def replace_transform(org: str, project_id: str, table_id: str, transform_id: str) -> dict[str, Any]:
    """Replace a transform."""
    caller = admit(router, org)
    table = read_table(caller, project_id, table_id)
    return _change(caller, table, _find(caller, table, transform_id), read_object(caller.event))


@router.patch(_TRANSFORM)
def change_transform(org: str, project_id: str, table_id: str, transform_id: str) -> dict[str, Any]:
    """Change what is sent, object by object, and leave the rest. Numbers and booleans may come as text."""
    caller = admit(router, org)
    table = read_table(caller, project_id, table_id)
    held = _find(caller, table, transform_id)
    whole = deep_merge(render_transform(held, table, caller), read_object(caller.event))
    read = check_document(lambda document: TransformDocument.model_validate(document, strict=False), whole)
    return _change(caller, table, held, read.model_dump(mode="json", exclude_unset=True))


@router.delete(_TRANSFORM)
def remove_transform(org: str, project_id: str, table_id: str, transform_id: str) -> Response[None]:
    """Delete a transform; the oldest one left becomes the default where it was this."""
    caller = admit(router, org)
    table = read_table(caller, project_id, table_id)
    delete_transform(caller.ports, caller.principal, table, _find(caller, table, transform_id))
    follow_transforms(caller.ports, caller.principal, table)
    return Response(204)


def _fields() -> dict[str, Any]:
    return describe_fields(TransformDocument, read_only={**READ_ONLY, "table": "field"}, shown={"settings": SETTINGS})


def _find(caller: Caller, table: Table, transform_id: str) -> TableTransform:
    return find_transform(caller.ports, table, transform_id=canonical_id(transform_id))


def _change(caller: Caller, table: Table, held: TableTransform, body: dict[str, Any]) -> dict[str, Any]:
    sent, transform = read_transform(body)
    kept = keep_transform(body, held.extra)
    _check_size(transform, kept)
    amended = amend_transform(
        caller.ports, caller.principal, table, held, transform, default=sent.wants_default, extra=kept
    )
    return _settle(caller, table, amended)


def _settle(caller: Caller, table: Table, held: TableTransform) -> dict[str, Any]:
    current = follow_transforms(caller.ports, caller.principal, table)
    return render_transform(held, current, caller)


def _check_size(transform: Transform, kept: dict[str, Any]) -> None:
    check_size("transform", {"transform": transform.model_dump(mode="json"), "extra": kept})
