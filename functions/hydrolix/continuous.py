"""Keeps a table's continuous ingest in step with its settings and its transforms."""

from hydrolix.admission import DOOR
from hydrolix.table_documents import autoingest_of
from jobruns.access import Principal
from jobruns.service.ports import Ports
from jobruns.service.tables import amend_table, amend_transform, find_table, list_transforms
from jobruns.service.watches import watch_table
from jobruns.table import Table, TableTransform, Watch


def watch_uploads(ports: Ports, principal: Principal, table: Table, transforms: list[TableTransform]) -> None:
    """Put the enabled wishes of `autoingest`, in their order, in place of what is watched for the table.

    A wish for a transform that does not exist (yet) is not watched for; it will be when the transform is made.
    """
    ids = {held.transform.name: held.transform_id for held in transforms}
    watches = [
        Watch(
            org=table.org,
            table_id=table.table_id,
            pattern=entry.pattern,
            transform_id=ids[entry.transform] if entry.transform else None,
            max_file_rows=entry.max_rows_per_partition,
            dry_run=entry.dry_run,
        )
        for entry in autoingest_of(table)
        if entry.enabled and (not entry.transform or entry.transform in ids)
    ]
    watch_table(ports, principal, table, watches)


def follow_transforms(ports: Ports, principal: Principal, table: Table) -> Table:
    """Do what follows for a table from a change of its transforms.

    A table with transforms has a default one, the oldest where there is no other; the table shows the default one's
    primary column; and continuous ingest goes by the transforms' names.
    """
    current = find_table(ports, principal, table.project_id, table.table_id)
    transforms = list_transforms(ports, principal, current)
    default = next((held for held in transforms if held.transform_id == current.default_transform_id), None)
    if default is None and transforms:
        oldest = min(transforms, key=lambda held: held.created_at)
        default = amend_transform(ports, principal, current, oldest, oldest.transform, default=True, extra=oldest.extra)
        current = find_table(ports, principal, table.project_id, table.table_id)
    primary_key = default.transform.primary.name if default else ""
    kept = current.extra.get(DOOR, {})
    if kept.get("primary_key", "") != primary_key:
        extra = {**current.extra, DOOR: {**kept, "primary_key": primary_key}}
        current = amend_table(ports, principal, current, extra)
    if autoingest_of(current):
        watch_uploads(ports, principal, current, transforms)
    return current
