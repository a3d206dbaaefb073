"""Which use case serves which operation."""

from collections.abc import Callable, Mapping
from typing import Any

from hdb import about, accounts, exporting, finding, jobs, loading, querying, structure, writing
from hdb.admission import Caller
from hdb.intake import Taken
from hdb.refusals import refuse_job
from hdb.tables import find_target
from jobruns.service.operations import EXPORTS

AT_ONCE: Mapping[str, Callable[[Caller, Any], Any]] = {
    "create_schema": structure.create_schema,
    "drop_schema": structure.drop_schema,
    "create_table": structure.create_table,
    "drop_table": structure.drop_table,
    "create_attribute": structure.create_declared_attribute,
    "drop_attribute": structure.drop_table_attribute,
    "describe_all": structure.show_all,
    "describe_schema": structure.show_schema,
    "describe_table": structure.show_table,
    "insert": writing.insert,
    "update": writing.update,
    "upsert": writing.upsert,
    "delete": writing.delete,
    "search_by_hash": finding.search,
    "search_by_value": finding.search,
    "search_by_conditions": finding.search,
    "sql": querying.run_statement,
    "get_job": jobs.get_job,
    "search_jobs_by_start_date": jobs.search_jobs,
    "user_info": accounts.show_self,
    "add_user": accounts.add_user,
    "alter_user": accounts.alter_user,
    "drop_user": accounts.drop_user,
    "list_users": accounts.list_users,
    "add_role": accounts.add_role,
    "alter_role": accounts.alter_role,
    "drop_role": accounts.drop_role,
    "list_roles": accounts.list_roles,
    "read_log": about.read_log,
    "system_information": about.show_system,
}
"""Operations that are answered in the request."""

BY_JOB: Mapping[str, Callable[[Caller, str, Any], Any]] = {
    "csv_data_load": loading.start_load,
    "csv_file_load": loading.start_load,
    "csv_url_load": loading.start_load,
    "import_from_s3": loading.start_load,
    "delete_records_before": loading.start_deletion,
    "delete_files_before": loading.start_deletion,
    "export_local": exporting.start_exporting,
    "export_to_s3": exporting.start_exporting,
}
"""Operations that a job does; its type is the name that the request used."""


def serve(caller: Caller, taken: Taken) -> Any:
    """Serve a request whose caller is known; gives the document of the answer."""
    if taken.refusal is not None:
        target = find_target(taken.call.fields)
        job = EXPORTS if target is None else f"{target.schema}.{target.table}"
        return refuse_job(caller, taken.call.name, taken.refusal, job=job)
    name = taken.operation.name
    if name in AT_ONCE:
        return AT_ONCE[name](caller, taken.request)
    return BY_JOB[name](caller, taken.call.name, taken.request)
