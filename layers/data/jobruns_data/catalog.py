"""The Glue Data Catalog, and a table that a transform's rows fit into."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from pyiceberg.catalog import Catalog
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import IcebergType

from jobruns.transform import Transform
from jobruns_data.aws import glue_client, retrying
from jobruns_data.errors import CommitConflictError, SchemaConflictError
from jobruns_data.s3_io import bucket_and_key
from jobruns_data.schema import iceberg_schema, iceberg_type, partition_spec, widenings

__all__ = ["NEW_TABLE_PROPERTIES", "TableTarget", "ensure_table", "load_table", "open_catalog"]

_CONFLICTS = 8

NEW_TABLE_PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    # Each commit writes a metadata file; without these they stay for ever.
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "50",
}


@dataclass(frozen=True, slots=True)
class TableTarget:
    """Where a table is.

    Parameters
    ----------
    database, table : str
        Names in the Glue Data Catalog.
    location : str
        ``s3://bucket/prefix`` under which all its files lie.
    """

    database: str
    table: str
    location: str

    @property
    def identifier(self) -> tuple[str, str]:
        """Name as PyIceberg wants it."""
        return (self.database, self.table)

    def run_prefix(self, run_id: str) -> str:
        """Return the place of a run's data files, so that its leftovers can be found: ``s3://…/data/<run_id>/``."""
        return f"{self.location.rstrip('/')}/data/{run_id}/"

    def own_prefix(self) -> tuple[str, str]:
        """Return the bucket and the prefix below which all files are the table's, which may be deleted.

        Raises
        ------
        ValueError
            Others may have theirs there.
        """
        bucket, prefix = bucket_and_key(self.location.rstrip("/"))
        if prefix.rpartition("/")[2] != self.table:
            raise ValueError(f"{self.location} does not end in the table's name: it may be shared with others")
        # The slash keeps tables apart whose names begin alike.
        return bucket, f"{prefix}/"


def open_catalog(lake_bucket: str) -> Catalog:
    """Return the Glue Data Catalog with the tables of the lake bucket. No call is made yet."""
    return GlueCatalog(
        "lake",
        client=glue_client(),
        warehouse=f"s3://{lake_bucket}",
        **{"py-io-impl": "jobruns_data.s3_io.S3FileIO"},
    )


def load_table(catalog: Catalog, target: TableTarget) -> Table:
    """Load a table.

    Raises
    ------
    NoSuchTableError
        There is none.
    """
    return retrying()(catalog.load_table, target.identifier)


def ensure_table(
    catalog: Catalog, target: TableTarget, transform: Transform, partition_minutes: int | None = None
) -> Table:
    """Return the table, made or widened so that every row of the transform fits.

    A new table has the transform's columns and is partitioned by its primary timestamp, as wide as `partition_minutes`
    says (see `jobruns_data.schema.partition_spec`). A table that exists gets the columns it lacks, nullable, and keeps
    its partitions. Several callers at once all get the same table.

    Raises
    ------
    SchemaConflictError
        A column exists with a type that cannot hold the transform's values.
    CommitConflictError
        Other writers changed the table too often meanwhile.
    """
    table = retrying()(_load_or_create, catalog, target, transform, partition_minutes)
    for _ in range(_CONFLICTS):
        missing, widened = _differences(table.schema(), transform, target)
        if not missing and not widened:
            return table
        try:
            with table.update_schema() as update:
                for name, kind in missing.items():
                    update.add_column((name,), kind, required=False)
                for path, kind in widened.items():
                    update.update_column(path, kind)
        except (CommitFailedException, ValueError):
            # Somebody else changed the schema since it was loaded, perhaps by the same columns: look again.
            table = load_table(catalog, target)
        else:
            return table
    raise CommitConflictError(
        f"the table {target.database}.{target.table} is being changed by too many writers at once"
    )


def _load_or_create(catalog: Catalog, target: TableTarget, transform: Transform, minutes: int | None) -> Table:
    try:
        return catalog.load_table(target.identifier)
    except NoSuchTableError:
        pass
    with suppress(NamespaceAlreadyExistsError):  # checked, then made: another caller may be in between
        catalog.create_namespace_if_not_exists(target.database)
    schema = iceberg_schema(transform)
    try:
        return catalog.create_table(
            target.identifier,
            schema,
            location=target.location.rstrip("/"),
            partition_spec=partition_spec(transform, schema, minutes),
            properties=NEW_TABLE_PROPERTIES,
        )
    except TableAlreadyExistsError:
        return catalog.load_table(target.identifier)


def _differences(
    schema: Schema, transform: Transform, target: TableTarget
) -> tuple[dict[str, IcebergType], dict[tuple[str, ...], IcebergType]]:
    """Compare by name; returns the columns to add, and the paths to widen."""
    existing = {field.name.casefold(): field for field in schema.fields}
    missing: dict[str, IcebergType] = {}
    widened: dict[tuple[str, ...], IcebergType] = {}
    for column in transform.columns:
        wanted = iceberg_type(column)
        field = existing.pop(column.name.casefold(), None)
        where = f'column "{column.name}" of transform "{transform.name}"'
        if field is None:
            missing[column.name] = wanted
        elif field.name != column.name:
            raise SchemaConflictError(
                f'{where} is called "{field.name}" in the table {target.database}.{target.table}; use the same letters'
            )
        elif (wider := widenings(field.field_type, wanted, (column.name,))) is not None:
            widened |= wider
        else:
            raise SchemaConflictError(
                f"{where} is {column.type.value} ({wanted}), but the table {target.database}.{target.table}"
                f" stores it as {field.field_type}; change the column's type or its name"
            )
    if required := [field.name for field in existing.values() if field.required]:
        raise SchemaConflictError(
            f"the table {target.database}.{target.table} requires {', '.join(required)},"
            f' which transform "{transform.name}" does not have'
        )
    return missing, widened
