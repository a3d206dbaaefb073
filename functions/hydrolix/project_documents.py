"""The project document."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from hydrolix.admission import DOOR, Caller
from hydrolix.bodies import deep_merge
from hydrolix.fields import describe_fields
from hydrolix.members import READ_ONLY, Description, Identity, Name
from hydrolix.moments import write_time
from jobruns.table import Project

SETTINGS: dict[str, Any] = {"default_query_options": {}, "blob": None, "rate_limit": None}


class ProjectDocument(BaseModel):
    """What is sent to create or to change a project. Unknown members are left out, unknown settings kept."""

    model_config = ConfigDict(strict=True, frozen=True)

    name: Name
    description: Description | None = None
    uuid: Identity | None = None
    settings: dict[str, Any] = Field(default_factory=dict)


def project_fields() -> dict[str, Any]:
    """Describe what may be sent of a project, for ``OPTIONS``."""
    read_only = {**READ_ONLY, "org": "field"}
    return describe_fields(ProjectDocument, read_only=read_only, shown={"settings": SETTINGS})


def keep_project(document: ProjectDocument, extra: dict[str, Any], *, creator: str | None = None) -> dict[str, Any]:
    """Give what the core keeps for us with the project: its `extra`, with our part put in place."""
    kept = document.model_dump(include={"description", "settings"})
    return {**extra, DOOR: {**kept, "created_by": creator or extra.get(DOOR, {}).get("created_by")}}


def render_project(project: Project, caller: Caller) -> dict[str, Any]:
    """Show a project."""
    kept = project.extra.get(DOOR, {})
    return {
        "name": project.name,
        "org": project.org,
        "description": kept.get("description"),
        "uuid": project.project_id,
        "url": f"{caller.org_url}/projects/{project.project_id}/",
        "created": write_time(project.created_at),
        "modified": write_time(project.modified_at),
        "settings": deep_merge(SETTINGS, kept.get("settings", {})),
        "publish_task_id": 1,
    }
