"""Use cases around the definitions of tables: projects, tables, transforms."""

from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from jobruns.access import Permission, Principal
from jobruns.documents import Document
from jobruns.errors import AlreadyExistsError, ConflictError, NotFoundError
from jobruns.ids import new_id
from jobruns.service.definitions import describe_invalid
from jobruns.service.loads import define_load_job
from jobruns.service.ports import Ports
from jobruns.service.watches import watch_table
from jobruns.table import Project, Table, TableTransform, lake_name
from jobruns.transform import Transform

PROJECTS = "projects"
AmendedT = TypeVar("AmendedT", Project, Table)
ModelT = TypeVar("ModelT", bound=BaseModel)
_STORED = {"org", "version", "created_at", "modified_at"}


def _tables(project_id: str) -> str:
    return f"tables/{project_id}"


def _transforms(table_id: str) -> str:
    return f"transforms/{table_id}"


_TABLE_INDEX = "tables"
"""Every table under one roof, by id, beside its place under its project."""


def define_project(
    ports: Ports, principal: Principal, name: str, *, project_id: str | None = None, extra: dict[str, Any] | None = None
) -> Project:
    """Make a project.

    Raises
    ------
    InvalidInputError
        The name is not 1 to 64 characters without dots and control characters.
    AlreadyExistsError
        Its name or id is taken.
    """
    principal.require(Permission.DEFINE)
    now = ports.clock()
    identity = project_id or new_id(now)
    try:
        project = Project(
            org=principal.org,
            project_id=identity,
            name=name,
            database=lake_name(name, identity[-8:]),
            extra=extra or {},
            created_at=now,
            modified_at=now,
        )
    except ValidationError as error:
        raise describe_invalid(error) from None
    ports.documents.add(_document(project, PROJECTS, identity, name))
    return project


def find_project(ports: Ports, principal: Principal, project_id: str) -> Project:
    """Read a project by id.

    Raises
    ------
    NotFoundError
        The org has none of this id.
    """
    principal.require(Permission.READ)
    return _read(Project, ports.documents.get(principal.org, PROJECTS, project_id), "project", project_id)


def list_projects(ports: Ports, principal: Principal) -> list[Project]:
    """Read all projects of the org, oldest first where ids were allotted here."""
    principal.require(Permission.READ)
    return [_load(Project, document) for document in ports.documents.page(principal.org, PROJECTS)]


def amend_project(ports: Ports, principal: Principal, project: Project, extra: dict[str, Any]) -> Project:
    """Replace what a door keeps with a project; its name stays, as tables and jobs are named after it."""
    principal.require(Permission.DEFINE)
    return _amend(ports, project, {"extra": extra}, PROJECTS, project.project_id, project.name)


def delete_project(ports: Ports, principal: Principal, project: Project) -> None:
    """Delete a project that has no table.

    Raises
    ------
    ConflictError
        It has tables.
    """
    principal.require(Permission.DEFINE)
    if ports.documents.page(principal.org, _tables(project.project_id), limit=1):
        raise ConflictError(f"the project {project.name!r} still has tables; delete them first")
    ports.documents.remove(_document(project, PROJECTS, project.project_id, project.name))


def define_table(
    ports: Ports,
    principal: Principal,
    project: Project,
    name: str,
    *,
    door: str,
    table_id: str | None = None,
    extra: dict[str, Any] | None = None,
) -> Table:
    """Make a table and the job that loads it. The catalog learns of it with its first load, which knows the columns.

    Raises
    ------
    InvalidInputError
        The name is not 1 to 64 characters without dots and control characters.
    AlreadyExistsError
        Its name or id is taken, or another job is named ``<project>.<name>``.
    """
    principal.require(Permission.DEFINE)
    now = ports.clock()
    identity = table_id or new_id(now)
    try:
        table = Table(
            org=principal.org,
            table_id=identity,
            project_id=project.project_id,
            project=project.name,
            name=name,
            database=project.database,
            lake_table=lake_name(name, identity[-8:]),
            location=f"{principal.org}/{project.database}/{lake_name(name, identity[-8:])}",
            extra=extra or {},
            created_at=now,
            modified_at=now,
        )
    except ValidationError as error:
        raise describe_invalid(error) from None
    ports.documents.add(_document(table, _tables(project.project_id), identity, name))
    try:
        define_load_job(ports, table, door)
    except AlreadyExistsError:
        ports.documents.remove(_document(table, _tables(project.project_id), identity, name))
        raise
    ports.documents.add(_document(table, _TABLE_INDEX, identity, identity))
    return table


def find_table(ports: Ports, principal: Principal, project_id: str, table_id: str) -> Table:
    """Read a table of a project by id.

    Raises
    ------
    NotFoundError
        The project has none of this id.
    """
    principal.require(Permission.READ)
    return _read(Table, ports.documents.get(principal.org, _tables(project_id), table_id), "table", table_id)


def find_table_by_id(ports: Ports, org: str, table_id: str) -> Table:
    """Read a table by id alone, for the service's own use: two reads.

    Raises
    ------
    NotFoundError
        The org has none of this id.
    """
    entry = _read(Table, ports.documents.get(org, _TABLE_INDEX, table_id), "table", table_id)
    return _read(Table, ports.documents.get(org, _tables(entry.project_id), table_id), "table", table_id)


def find_table_by_name(ports: Ports, principal: Principal, full_name: str) -> Table:
    """Read a table by ``<project>.<table>``.

    Raises
    ------
    NotFoundError
        The org has none of this name.
    """
    principal.require(Permission.READ)
    project_name, _, name = full_name.partition(".")
    project = ports.documents.find(principal.org, PROJECTS, project_name)
    found = project and ports.documents.find(principal.org, _tables(project.document_id), name)
    return _read(Table, found, "table", full_name)


def list_tables(ports: Ports, principal: Principal, project_id: str) -> list[Table]:
    """Read all tables of a project."""
    principal.require(Permission.READ)
    return [_load(Table, document) for document in ports.documents.page(principal.org, _tables(project_id))]


def amend_table(ports: Ports, principal: Principal, table: Table, extra: dict[str, Any]) -> Table:
    """Replace what a door keeps with a table.

    Raises
    ------
    ConflictError
        Somebody else changed the table meanwhile.
    """
    principal.require(Permission.DEFINE)
    return _amend(ports, table, {"extra": extra}, _tables(table.project_id), table.table_id, table.name)


def delete_table(ports: Ports, principal: Principal, table: Table) -> None:
    """Delete a table's definition, its transforms, its watch and its job. Its runs and its rows stay."""
    principal.require(Permission.DEFINE)
    watch_table(ports, principal, table, [])
    for held in list_transforms(ports, principal, table):
        delete_transform(ports, principal, table, held)
    job = ports.jobs.get(table.org, table.full_name)
    if job is not None and job.target == table.table_id:
        ports.jobs.remove(job)
    ports.documents.remove(_document(table, _TABLE_INDEX, table.table_id, table.table_id))
    ports.documents.remove(_document(table, _tables(table.project_id), table.table_id, table.name))


def define_transform(
    ports: Ports,
    principal: Principal,
    table: Table,
    transform: Transform,
    *,
    default: bool,
    transform_id: str | None = None,
    extra: dict[str, Any] | None = None,
) -> TableTransform:
    """Add a transform to a table; the first one becomes its default whatever `default` says.

    Raises
    ------
    AlreadyExistsError
        Its name or id is taken.
    """
    principal.require(Permission.DEFINE)
    now = ports.clock()
    held = TableTransform(
        org=table.org,
        table_id=table.table_id,
        transform_id=transform_id or new_id(now),
        transform=transform,
        extra=extra or {},
        created_at=now,
        modified_at=now,
    )
    ports.documents.add(_document(held, _transforms(table.table_id), held.transform_id, transform.name))
    if default or table.default_transform_id is None:
        _set_default(ports, table, held.transform_id)
    return held


def find_transform(
    ports: Ports, table: Table, *, transform_id: str | None = None, name: str | None = None
) -> TableTransform:
    """Read a transform of a table by id or by name; the default one where neither is given.

    Raises
    ------
    NotFoundError
        The table has none of this id or name, or no transform at all.
    """
    collection = _transforms(table.table_id)
    if name is not None:
        found = ports.documents.find(table.org, collection, name)
        return _read(TableTransform, found, "transform", name)
    wanted = transform_id or table.default_transform_id
    if wanted is None:
        raise NotFoundError(f"the table {table.full_name} has no transform; make one first", field="transform")
    return _read(TableTransform, ports.documents.get(table.org, collection, wanted), "transform", wanted)


def list_transforms(ports: Ports, principal: Principal, table: Table) -> list[TableTransform]:
    """Read all transforms of a table."""
    principal.require(Permission.READ)
    found = ports.documents.page(table.org, _transforms(table.table_id))
    return [_load(TableTransform, document) for document in found]


def amend_transform(
    ports: Ports,
    principal: Principal,
    table: Table,
    held: TableTransform,
    transform: Transform,
    *,
    default: bool,
    extra: dict[str, Any],
) -> TableTransform:
    """Replace a transform.

    Raises
    ------
    AlreadyExistsError
        Its new name is taken.
    ConflictError
        Somebody else changed it meanwhile.
    """
    principal.require(Permission.DEFINE)
    was = _document(held, _transforms(table.table_id), held.transform_id, held.transform.name)
    changes = {"transform": transform, "extra": extra, "modified_at": ports.clock(), "version": held.version + 1}
    amended = held.model_copy(update=changes)
    ports.documents.change(_document(amended, _transforms(table.table_id), held.transform_id, transform.name), was=was)
    if default and table.default_transform_id != held.transform_id:
        _set_default(ports, table, held.transform_id)
    return amended


def delete_transform(ports: Ports, principal: Principal, table: Table, held: TableTransform) -> None:
    """Delete a transform; where it was the default, the table has none until another is made."""
    principal.require(Permission.DEFINE)
    ports.documents.remove(_document(held, _transforms(table.table_id), held.transform_id, held.transform.name))
    current = find_table_by_id(ports, table.org, table.table_id)
    if current.default_transform_id == held.transform_id:
        _set_default(ports, current, None)


def _set_default(ports: Ports, table: Table, transform_id: str | None) -> None:
    current = find_table_by_id(ports, table.org, table.table_id)
    changes = {"default_transform_id": transform_id}
    _amend(ports, current, changes, _tables(table.project_id), table.table_id, table.name)


def _amend(
    ports: Ports, model: AmendedT, changes: dict[str, Any], collection: str, identity: str, name: str
) -> AmendedT:
    now: datetime = ports.clock()
    amended = model.model_copy(update={**changes, "modified_at": now, "version": model.version + 1})
    ports.documents.change(
        _document(amended, collection, identity, name), was=_document(model, collection, identity, name)
    )
    return amended


def _document(model: Project | Table | TableTransform, collection: str, identity: str, name: str) -> Document:
    return Document(
        org=model.org,
        collection=collection,
        document_id=identity,
        name=name,
        body=model.model_dump(mode="json", exclude=_STORED),
        version=model.version,
        created_at=model.created_at,
        modified_at=model.modified_at,
    )


def _load(model: type[ModelT], document: Document) -> ModelT:
    stored = {name: getattr(document, name) for name in _STORED}
    return model.model_validate({**document.body, **stored})


def _read(model: type[ModelT], document: Document | None, what: str, wanted: str) -> ModelT:
    if document is None:
        raise NotFoundError(f"there is no {what} {wanted[:300]!r}", field=what)
    return _load(model, document)
