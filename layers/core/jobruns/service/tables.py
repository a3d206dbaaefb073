"""Use cases around the definitions of tables: projects, tables, transforms."""

import secrets
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from jobruns.access import Permission, Principal
from jobruns.errors import AlreadyExistsError, ConflictError, NotFoundError
from jobruns.ids import new_id
from jobruns.service.definitions import describe_invalid
from jobruns.service.loads import define_load_job
from jobruns.service.ports import Ports
from jobruns.service.table_records import (
    PROJECTS,
    TABLE_INDEX,
    compose,
    dropped_of,
    load,
    read,
    tables_of,
    transforms_of,
)
from jobruns.service.watches import watch_table
from jobruns.table import Project, Table, TableTransform, lake_name
from jobruns.transform import Transform

AmendedT = TypeVar("AmendedT", Project, Table)


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
            database=_unique_name(name, identity),
            extra=extra or {},
            created_at=now,
            modified_at=now,
        )
    except ValidationError as error:
        raise describe_invalid(error) from None
    ports.documents.add(compose(project, PROJECTS, identity, name))
    return project


def find_project(ports: Ports, principal: Principal, project_id: str) -> Project:
    """Read a project by id.

    Raises
    ------
    NotFoundError
        The org has none of this id.
    """
    principal.require(Permission.READ)
    return read(Project, ports.documents.get(principal.org, PROJECTS, project_id), "project", project_id)


def find_project_by_name(ports: Ports, principal: Principal, name: str) -> Project:
    """Read a project by name.

    Raises
    ------
    NotFoundError
        The org has none of this name.
    """
    principal.require(Permission.READ)
    return read(Project, ports.documents.find(principal.org, PROJECTS, name), "project", name)


def list_projects(ports: Ports, principal: Principal) -> list[Project]:
    """Read all projects of the org, oldest first where ids were allotted here."""
    principal.require(Permission.READ)
    return [load(Project, document) for document in ports.documents.page(principal.org, PROJECTS)]


def amend_project(ports: Ports, principal: Principal, project: Project, extra: dict[str, Any]) -> Project:
    """Replace what a door keeps with a project; its name stays, as tables and jobs are named after it."""
    principal.require(Permission.DEFINE)
    return _amend(ports, project, {"extra": extra}, PROJECTS, project.project_id, project.name)


def delete_project(ports: Ports, principal: Principal, project: Project) -> None:
    """Delete a project that has no table, and its database where nobody else keeps anything in that.

    Raises
    ------
    ConflictError
        It has tables.
    UnavailableError
        It could not be done now; the same call may succeed later.
    """
    principal.require(Permission.DEFINE)
    if ports.documents.page(principal.org, tables_of(project.project_id), limit=1):
        raise ConflictError(f"the project {project.name!r} still has tables; delete them first")
    ports.lake.drop_database(project)
    ports.documents.remove(compose(project, PROJECTS, project.project_id, project.name))


def define_table(
    ports: Ports,
    principal: Principal,
    project: Project,
    name: str,
    *,
    door: str,
    key: str | None = None,
    table_id: str | None = None,
    extra: dict[str, Any] | None = None,
) -> Table:
    """Make a table and the job that loads it. The catalog learns of it with its first load, which knows the columns.

    With `key`, the name of an attribute, its rows are told apart by that, and its job's runs are operations on it.

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
    lake_table = _unique_name(name, identity)
    try:
        table = Table(
            org=principal.org,
            table_id=identity,
            project_id=project.project_id,
            project=project.name,
            name=name,
            database=project.database,
            lake_table=lake_table,
            location=f"{principal.org}/{project.database}/{lake_table}",
            key=key,
            extra=extra or {},
            created_at=now,
            modified_at=now,
        )
    except ValidationError as error:
        raise describe_invalid(error) from None
    ports.documents.add(compose(table, tables_of(project.project_id), identity, name))
    try:
        define_load_job(ports, table, door)
    except AlreadyExistsError:
        ports.documents.remove(compose(table, tables_of(project.project_id), identity, name))
        raise
    ports.documents.add(compose(table, TABLE_INDEX, identity, identity))
    return table


def find_table(ports: Ports, principal: Principal, project_id: str, table_id: str) -> Table:
    """Read a table of a project by id.

    Raises
    ------
    NotFoundError
        The project has none of this id.
    """
    principal.require(Permission.READ)
    return read(Table, ports.documents.get(principal.org, tables_of(project_id), table_id), "table", table_id)


def find_table_by_id(ports: Ports, org: str, table_id: str) -> Table:
    """Read a table by id alone, for the service's own use: two reads.

    Raises
    ------
    NotFoundError
        The org has none of this id.
    """
    entry = read(Table, ports.documents.get(org, TABLE_INDEX, table_id), "table", table_id)
    return read(Table, ports.documents.get(org, tables_of(entry.project_id), table_id), "table", table_id)


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
    found = project and ports.documents.find(principal.org, tables_of(project.document_id), name)
    return read(Table, found, "table", full_name)


def list_tables(ports: Ports, principal: Principal, project_id: str) -> list[Table]:
    """Read all tables of a project."""
    principal.require(Permission.READ)
    return [load(Table, document) for document in ports.documents.page(principal.org, tables_of(project_id))]


def amend_table(ports: Ports, principal: Principal, table: Table, extra: dict[str, Any]) -> Table:
    """Replace what a door keeps with a table.

    Raises
    ------
    ConflictError
        Somebody else changed the table meanwhile.
    """
    principal.require(Permission.DEFINE)
    return _amend(ports, table, {"extra": extra}, tables_of(table.project_id), table.table_id, table.name)


def truncate_table(ports: Ports, principal: Principal, table: Table) -> int:
    """Take all rows out of a table by one commit. Its older snapshots still have them.

    Returns
    -------
    int
        Number of data files that left the table; 0 where it has never been loaded.

    Raises
    ------
    StaleWriteError
        Other writers changed the table too often meanwhile; nothing was taken out.
    UnavailableError
        It could not be done now, or nobody knows whether it was; doing it again is safe.
    """
    principal.require(Permission.DEFINE)
    return ports.lake.truncate(table)


def delete_table(ports: Ports, principal: Principal, table: Table) -> None:
    """Delete a table: its rows, its transforms, its watch and its job. Its runs stay in the ledger.

    It is there to be deleted again until all is done, so dying anywhere leaves what a repeat mends. First no upload
    and no job starts a load any more. Then loads that are going no longer find the table, and fail. Then it leaves the
    catalog, and its files are deleted in the background. A load may be putting the table back into the catalog, or
    another file beside the deleted ones, at that very moment: what was dropped is noted before, and the end of such a
    load drops it once more.

    Raises
    ------
    UnavailableError
        Not all of it could be done now; the same call may succeed later.
    """
    principal.require(Permission.DEFINE)
    watch_table(ports, principal, table, [])
    job = ports.jobs.get(table.org, table.full_name)
    if job is not None and job.target == table.table_id:
        ports.jobs.remove(job)
    with suppress(AlreadyExistsError):
        ports.documents.add(compose(table, dropped_of(table.table_id), table.lake_table, table.lake_table))
    ports.documents.remove(compose(table, TABLE_INDEX, table.table_id, table.table_id))
    ports.lake.drop(table)
    for held in list_transforms(ports, principal, table):
        ports.documents.remove(compose(held, transforms_of(table.table_id), held.transform_id, held.transform.name))
    ports.documents.remove(compose(table, tables_of(table.project_id), table.table_id, table.name))


def purge_dropped(ports: Ports, org: str, table_id: str) -> int:
    """Drop once more what was deleted under a table's id, in the background.

    Returns
    -------
    int
        How many tables were.
    """
    dropped = [load(Table, document) for document in ports.documents.page(org, dropped_of(table_id))]
    for table in dropped:
        ports.lake.purge(table)
    return len(dropped)


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
    ports.documents.add(compose(held, transforms_of(table.table_id), held.transform_id, transform.name))
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
    collection = transforms_of(table.table_id)
    if name is not None:
        found = ports.documents.find(table.org, collection, name)
        return read(TableTransform, found, "transform", name)
    wanted = transform_id or table.default_transform_id
    if wanted is None:
        raise NotFoundError(f"the table {table.full_name} has no transform; make one first", field="transform")
    return read(TableTransform, ports.documents.get(table.org, collection, wanted), "transform", wanted)


def list_transforms(ports: Ports, principal: Principal, table: Table) -> list[TableTransform]:
    """Read all transforms of a table."""
    principal.require(Permission.READ)
    found = ports.documents.page(table.org, transforms_of(table.table_id))
    return [load(TableTransform, document) for document in found]


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
    was = compose(held, transforms_of(table.table_id), held.transform_id, held.transform.name)
    changes = {"transform": transform, "extra": extra, "modified_at": ports.clock(), "version": held.version + 1}
    amended = held.model_copy(update=changes)
    ports.documents.change(compose(amended, transforms_of(table.table_id), held.transform_id, transform.name), was=was)
    if default and table.default_transform_id != held.transform_id:
        _set_default(ports, table, held.transform_id)
    return amended


def delete_transform(ports: Ports, principal: Principal, table: Table, held: TableTransform) -> None:
    """Delete a transform; where it was the default, the table has none until another is made."""
    principal.require(Permission.DEFINE)
    ports.documents.remove(compose(held, transforms_of(table.table_id), held.transform_id, held.transform.name))
    current = find_table_by_id(ports, table.org, table.table_id)
    if current.default_transform_id == held.transform_id:
        _set_default(ports, current, None)


def _set_default(ports: Ports, table: Table, transform_id: str | None) -> None:
    current = find_table_by_id(ports, table.org, table.table_id)
    changes = {"default_transform_id": transform_id}
    _amend(ports, current, changes, tables_of(table.project_id), table.table_id, table.name)


def _amend(
    ports: Ports, model: AmendedT, changes: dict[str, Any], collection: str, identity: str, name: str
) -> AmendedT:
    now: datetime = ports.clock()
    amended = model.model_copy(update={**changes, "modified_at": now, "version": model.version + 1})
    ports.documents.change(compose(amended, collection, identity, name), was=compose(model, collection, identity, name))
    return amended


def _unique_name(name: str, identity: str) -> str:
    """Make a name for the catalog that no other table or project has or will have.

    Ids may be chosen by clients, be the same in two orgs, and be given again; so their end, by which people find the
    table, is not enough.
    """
    return lake_name(name, secrets.token_hex(4), identity[-8:])
