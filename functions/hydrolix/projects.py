"""Routes of projects."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from hydrolix.admission import Caller, admit
from hydrolix.bodies import check_document, check_size, deep_merge, read_object
from hydrolix.errors import InvalidDocumentError
from hydrolix.fields import describe_actions
from hydrolix.pagination import answer_list
from hydrolix.project_documents import ProjectDocument, keep_project, project_fields, render_project
from jobruns.ids import canonical_id
from jobruns.service.tables import amend_project, define_project, delete_project, find_project, list_projects
from jobruns.table import Project

router = Router()
_PROJECTS = "/config/v1/orgs/<org>/projects"
_PROJECT = f"{_PROJECTS}/<project_id>"


@router.get(_PROJECTS, compress=True)
def show_projects(org: str) -> Any:
    """List the org's projects."""
    caller = admit(router, org)
    found = list_projects(caller.ports, caller.principal)
    return answer_list(caller, found, lambda shown: [render_project(one, caller) for one in shown], bare=True)


@router.post(_PROJECTS, status_code=201)
def create_project(org: str) -> dict[str, Any]:
    """Create a project."""
    caller = admit(router, org)
    sent = check_document(ProjectDocument.model_validate, read_object(caller.event))
    kept = keep_project(sent, {}, creator=caller.principal.name)
    check_size("project", kept)
    made = define_project(caller.ports, caller.principal, sent.name, project_id=sent.uuid, extra=kept)
    return render_project(made, caller)


@router.route(_PROJECTS, method="OPTIONS")
def describe_projects(org: str) -> dict[str, Any]:
    """Tell what may be sent to create a project."""
    admit(router, org)
    return describe_actions("Project List", "POST", project_fields())


@router.route(_PROJECT, method="OPTIONS")
def describe_project(org: str, project_id: str) -> dict[str, Any]:
    """Tell what may be sent to replace a project."""
    _find(admit(router, org), project_id)
    return describe_actions("Project Detail", "PUT", project_fields())


@router.get(_PROJECT)
def show_project(org: str, project_id: str) -> dict[str, Any]:
    """Show a project."""
    caller = admit(router, org)
    return render_project(_find(caller, project_id), caller)


@router.put(_PROJECT)
def replace_project(org: str, project_id: str) -> dict[str, Any]:
    """Replace a project's description and settings."""
    caller = admit(router, org)
    return _change(caller, _find(caller, project_id), read_object(caller.event))


@router.patch(_PROJECT)
def change_project(org: str, project_id: str) -> dict[str, Any]:
    """Change what is sent and leave the rest."""
    caller = admit(router, org)
    project = _find(caller, project_id)
    return _change(caller, project, deep_merge(render_project(project, caller), read_object(caller.event)))


@router.delete(_PROJECT)
def remove_project(org: str, project_id: str) -> Response[None]:
    """Delete a project that has no table."""
    caller = admit(router, org)
    delete_project(caller.ports, caller.principal, _find(caller, project_id))
    return Response(204)


def _find(caller: Caller, project_id: str) -> Project:
    return find_project(caller.ports, caller.principal, canonical_id(project_id))


def _change(caller: Caller, project: Project, document: dict[str, Any]) -> dict[str, Any]:
    sent = check_document(ProjectDocument.model_validate, document)
    if sent.name != project.name:
        raise InvalidDocumentError([(("name",), "cannot be changed: tables and jobs are named after it")])
    kept = keep_project(sent, project.extra)
    check_size("project", kept)
    return render_project(amend_project(caller.ports, caller.principal, project, kept), caller)
