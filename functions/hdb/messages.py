"""What this door says of what went well."""

from datetime import datetime

from hdb.exports import Format
from hdb.loads import Action
from hdb.moments import write_milliseconds

NO_RECORDS_PARSED = "No records parsed from csv file."
NOTHING_TO_DELETE = "No records found to delete"
_FORMAT_NAMES = {Format.JSON: "JSON", Format.CSV: "CSV", Format.PARQUET: "Parquet"}
_DONE = {Action.INSERT: "inserted", Action.UPDATE: "updated", Action.UPSERT: "upserted"}


def started(job_id: str) -> str:
    """Tell that a job has been started; clients take its id for the fifth word."""
    return f"Starting job with id {job_id}"


def loaded(written: int, total: int, *, inline: bool = False) -> str:
    """Tell how many of the rows of a load were written; `inline` is a load whose data came with the request."""
    return NO_RECORDS_PARSED if inline and not total else f"successfully loaded {written} of {total} records"


def deleted(count: int, total: int) -> str:
    """Tell how many rows of those named were deleted."""
    return f"{count} of {total} record{'' if total == 1 else 's'} successfully deleted"


def deleted_before(count: int) -> str:
    """Tell how many rows were created before a moment and are deleted now."""
    return deleted(count, count) if count else NOTHING_TO_DELETE


def written(action: Action, count: int, total: int) -> str:
    """Tell how many of the rows of a request were written."""
    return f"{_DONE[action]} {count} of {total} records"


def no_key(position: int, key: str) -> str:
    """Tell of a record of an update that does not say which row it is about; `position` counts from 0."""
    return f"records[{position}] must have a value for the primary key '{key}'"


def exported(job_id: str) -> str:
    """Tell that the job of an export is over."""
    return f"Successfully completed job: {job_id}"


def exported_to_file(kind: Format) -> str:
    """Tell, in the result of an export to a file, in which form it is."""
    return f"Successfully exported {_FORMAT_NAMES[kind]} locally."


def name_export(path: str, filename: str | None, kind: Format, now: datetime) -> str:
    """Give the whole path of the file of an export."""
    return f"{path.rstrip('/')}/{filename or write_milliseconds(now)}.{kind}"


def database_created(schema: str) -> str:
    """Tell of ``create_schema``."""
    return f"database '{schema}' successfully created"


def database_dropped(schema: str) -> str:
    """Tell of ``drop_schema``."""
    return f"successfully deleted '{schema}'"


def table_created(schema: str, table: str) -> str:
    """Tell of ``create_table``."""
    return f"table '{schema}.{table}' successfully created."


def table_dropped(schema: str, table: str) -> str:
    """Tell of ``drop_table``."""
    return f"successfully deleted table '{schema}.{table}'"


def attribute_created(schema: str, table: str, attribute: str) -> str:
    """Tell of ``create_attribute``."""
    return f"attribute '{schema}.{table}.{attribute}' successfully created."


def attribute_exists(schema: str, table: str, attribute: str) -> str:
    """Tell that there is such an attribute."""
    return f"attribute '{attribute}' already exists in {schema}.{table}"


def bad_name(member: str) -> str:
    """Tell that a database or a table cannot have this name; `member` is the request's that has it."""
    return f"'{member}' names have 64 characters at most, and no dots and control characters"


def attribute_dropped(attribute: str) -> str:
    """Tell of ``drop_attribute``."""
    return f"successfully deleted attribute '{attribute}'"


def user_added(username: str) -> str:
    """Tell of ``add_user``."""
    return f"{username} successfully added"


def user_changed() -> str:
    """Tell of ``alter_user``."""
    return written(Action.UPDATE, 1, 1)


def dropped(name: str) -> str:
    """Tell of ``drop_user`` and ``drop_role``."""
    return f"{name} successfully deleted"


def bad_column(name: str) -> str:
    """Tell, as the end of a load, of a column that cannot be."""
    return f"Invalid column name '{name}', cancelling load operation"


def bad_attribute(name: str) -> str:
    """Tell, to a request that writes rows, of an attribute that cannot be."""
    return f"'{name[:300]}' is no name of an attribute: it has a slash or a backtick, is too long, or is taken"


def kept_attribute(name: str) -> str:
    """Tell that an attribute is not dropped."""
    return f"attribute '{name}' is the primary key or a time of the row, which stay"


def unknown_column(name: str) -> str:
    """Tell of a column that a statement names and the table does not have."""
    return f"unknown column {name}"


def unknown_attribute(name: str) -> str:
    """Tell of an attribute that a search names and the table does not have."""
    return f"unknown attribute '{name}'"
