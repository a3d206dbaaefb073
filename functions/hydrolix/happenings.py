"""What happened to projects and tables: their definitions made and changed, their loads begun and ended."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hydrolix.admission import DOOR
from hydrolix.moments import write_time
from hydrolix.progress import status_of
from jobruns.access import Principal
from jobruns.run import Run
from jobruns.service.lookups import list_job_runs
from jobruns.service.ports import Ports
from jobruns.service.tables import list_tables, list_transforms
from jobruns.table import Project, Table

MAX_RUNS = 500
"""Runs of a table that its activity goes back to: one query, of at most 1 MB."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened; `who` is empty where that was not written down."""

    at: datetime
    action: str
    who: str = ""
    about: dict[str, Any] = field(default_factory=dict)

    def render(self) -> dict[str, Any]:
        """Show it as an entry of an activity."""
        user = {"user": {"username": self.who}} if self.who else {}
        return {"created": write_time(self.at), "action": self.action, "log": {**user, **self.about}}


def list_project_happenings(ports: Ports, principal: Principal, project: Project) -> list[Happening]:
    """Tell of a project and the definitions of its tables, newest first: one query."""
    found = list(_of_definition("project", project))
    for table in list_tables(ports, principal, project.project_id):
        found += _of_definition("table", table)
    return _newest_first(found)


def list_table_happenings(ports: Ports, principal: Principal, table: Table) -> list[Happening]:
    """Tell of a table, its transforms and its newest loads, newest first: two queries."""
    found = list(_of_definition("table", table))
    for held in list_transforms(ports, principal, table):
        about = {"uuid": held.transform_id, "name": held.transform.name}
        found += _of_life("transform", held.transform.name, held.created_at, held.modified_at, about)
    for run in list_job_runs(ports, principal, table.full_name, limit=MAX_RUNS).runs:
        # A table of this name may have been here before; its runs are not this one's.
        if run.submitted_at >= table.created_at:
            found += _of_load(run)
    return _newest_first(found)


def _of_definition(kind: str, defined: Project | Table) -> Iterator[Happening]:
    uuid = defined.table_id if isinstance(defined, Table) else defined.project_id
    about = {"uuid": uuid, "name": defined.name}
    creator = defined.extra.get(DOOR, {}).get("created_by") or ""
    yield from _of_life(kind, defined.name, defined.created_at, defined.modified_at, about, creator)


def _of_life(
    kind: str, name: str, created_at: datetime, modified_at: datetime, about: dict[str, Any], creator: str = ""
) -> Iterator[Happening]:
    yield Happening(created_at, f"create {kind} {name}", creator, about)
    if modified_at > created_at:
        yield Happening(modified_at, f"update {kind} {name}", about=about)


def _of_load(run: Run) -> Iterator[Happening]:
    about = {"run_id": run.run_id, "trigger": str(run.trigger)}
    yield Happening(run.submitted_at, "load started", run.started_by, about)
    if run.ended_at is not None:
        rows = {"rows_loaded": run.progress.rows_loaded, "rows_rejected": run.progress.rows_rejected}
        message = {"message": run.message} if run.message else {}
        yield Happening(run.ended_at, f"load {status_of(run)}", run.started_by, {**about, **rows, **message})


def _newest_first(found: list[Happening]) -> list[Happening]:
    return sorted(found, key=lambda one: one.at, reverse=True)
