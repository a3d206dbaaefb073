"""Every operation this door serves: how it is served, who may call it, and what reads its request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto, unique
from typing import Any

from hdb import exports, job_requests, loads, people, searches, server, tables
from hdb.errors import RestrictedError, UnknownOperationError
from hdb.fields import DEFAULT_SCHEMA, SCHEMA, pick
from hdb.grants import SYSTEM_SCHEMA, require_rights
from jobruns.grants import LOAD_RIGHTS, Grants, Need, Right


@unique
class Kind(Enum):
    """How an operation is served: in the answer, or by a job."""

    SYNC = auto()
    JOB = auto()


@unique
class Access(Enum):
    """Who may call an operation.

    ``OPEN`` is everybody, as the operation looks at the credentials itself; ``USER`` whoever is known; ``ROWS`` who has
    rights on the table; ``STATEMENT`` who has them on all tables of the statement, which are known later;
    ``STRUCTURE`` who may make and drop tables; ``SUPER`` the super user alone.
    """

    OPEN = auto()
    USER = auto()
    ROWS = auto()
    STATEMENT = auto()
    STRUCTURE = auto()
    SUPER = auto()


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation.

    Parameters
    ----------
    name : str
        Its first name.
    read : callable
        Makes the request of the body's members; raises what is wrong with them.
    access : Access
        Who may call it.
    kind : Kind
        How it is served.
    rights : frozenset of Right
        What ``Access.ROWS`` asks for.
    function : str
        What the reference calls it where it says who may call it.
    """

    name: str
    read: Callable[[Mapping[str, Any]], Any]
    access: Access
    kind: Kind = Kind.SYNC
    rights: frozenset[Right] = frozenset()
    function: str = ""


def _rows(name: str, read: Callable[[Mapping[str, Any]], Any], *rights: Right) -> Operation:
    return Operation(name, read, Access.ROWS, rights=frozenset(rights))


def _load(name: str, read: Callable[[Mapping[str, Any]], Any]) -> Operation:
    return Operation(name, read, Access.ROWS, Kind.JOB, LOAD_RIGHTS)


def _structure(name: str, read: Callable[[Mapping[str, Any]], Any]) -> Operation:
    return Operation(name, read, Access.STRUCTURE, function=_in_camel_case(name))


def _super(
    name: str, read: Callable[[Mapping[str, Any]], Any], function: str = "", kind: Kind = Kind.SYNC
) -> Operation:
    return Operation(name, read, Access.SUPER, kind, function=function or _in_camel_case(name))


def _in_camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


OPERATIONS: Mapping[str, Operation] = {
    operation.name: operation
    for operation in (
        _load("csv_data_load", loads.read_data_load),
        _load("csv_file_load", loads.read_file_load),
        _load("csv_url_load", loads.read_url_load),
        _load("import_from_s3", loads.read_s3_import),
        _super("delete_records_before", loads.read_delete_before, "deleteFilesBefore", Kind.JOB),
        _super("delete_files_before", loads.read_delete_before, "deleteFilesBefore", Kind.JOB),
        Operation("export_local", exports.read_local_export, Access.STATEMENT, Kind.JOB, function="exportLocal"),
        Operation("export_to_s3", exports.read_s3_export, Access.STATEMENT, Kind.JOB, function="exportToS3"),
        Operation("get_job", job_requests.read_get_job, Access.USER),
        _super("search_jobs_by_start_date", job_requests.read_search_jobs, "handleGetJobsByStartDate"),
        _structure("create_schema", tables.read_database),
        _structure("drop_schema", tables.read_database),
        _structure("create_table", tables.read_new_table),
        _structure("drop_table", tables.read_target),
        _structure("create_attribute", tables.read_attribute),
        _structure("drop_attribute", tables.read_attribute),
        # Of those that describe, the answer leaves out what the caller does not see.
        Operation("describe_all", tables.read_nothing, Access.USER),
        Operation("describe_schema", tables.read_database, Access.USER),
        _rows("describe_table", tables.read_target),
        _rows("insert", tables.read_rows, Right.INSERT),
        _rows("update", tables.read_rows, Right.UPDATE),
        _rows("upsert", tables.read_rows, Right.INSERT, Right.UPDATE),
        _rows("delete", tables.read_deletion, Right.DELETE),
        _rows("search_by_hash", searches.read_hash_search, Right.READ),
        _rows("search_by_value", searches.read_value_search, Right.READ),
        _rows("search_by_conditions", searches.read_condition_search, Right.READ),
        Operation("sql", searches.read_sql, Access.STATEMENT),
        Operation("create_authentication_tokens", people.read_login, Access.OPEN),
        Operation("refresh_operation_token", tables.read_nothing, Access.OPEN),
        Operation("user_info", tables.read_nothing, Access.USER),
        _super("add_user", people.read_new_user),
        _super("alter_user", people.read_changed_user),
        _super("drop_user", people.read_named_user),
        _super("list_users", tables.read_nothing),
        _super("add_role", people.read_new_role),
        _super("alter_role", people.read_changed_role),
        _super("drop_role", people.read_named_role),
        _super("list_roles", tables.read_nothing),
        _super("read_log", server.read_log_request),
        _super("system_information", tables.read_nothing),
    )
}
"""By their first names.

What the reference has no more, or only to keep several servers together, is not found here either: nodes, licences,
certificates. Its deletions of audit and transaction logs are not there, as the history of runs is not for deleting.
"""

ALIASES: Mapping[str, str] = {
    "create_database": "create_schema",
    "drop_database": "drop_schema",
    "describe_database": "describe_schema",
    "search_by_id": "search_by_hash",
}
"""Other names of operations. Both names of the deletion before a date are first ones: a job shows which was used."""


def find_operation(name: str) -> Operation:
    """Find an operation by any of its names.

    Raises
    ------
    UnknownOperationError
        There is none.
    """
    operation = OPERATIONS.get(ALIASES.get(name, name))
    if operation is None:
        raise UnknownOperationError(name)
    return operation


def check_access(operation: Operation, grants: Grants, fields: Mapping[str, Any]) -> None:
    """Check that a caller may call an operation; before its members are checked, as the reference does it.

    A request that names no table is let pass, for the check of its members to tell. Of a statement, `require_rights`
    has to be asked once its tables are known.

    Raises
    ------
    RestrictedError
        The caller may not.
    """
    match operation.access:
        case Access.SUPER:
            allowed = grants.everything
        case Access.STRUCTURE:
            schema = pick(fields, SCHEMA)
            name = schema if isinstance(schema, str) else DEFAULT_SCHEMA
            allowed = grants.may_shape(name) and name != SYSTEM_SCHEMA
        case Access.STATEMENT:
            allowed = operation.kind is Kind.SYNC or grants.everything or exports.searches_by_sql(fields)
        case Access.ROWS:
            target = tables.find_target(fields)
            if target is not None:
                require_rights(grants, [Need.of(target.schema, target.table, *operation.rights)])
            return
        case _:
            return
    if not allowed:
        raise RestrictedError([f"Operation '{operation.function}' is restricted to 'super_user' roles"])
