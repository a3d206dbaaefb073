"""Starts the jobs that write rows to files. What is wrong with one its job tells."""

from pydantic import ValidationError

from hdb import messages
from hdb.admission import DOOR, Caller
from hdb.errors import JobRefusedError
from hdb.exports import Export, LocalPlace
from hdb.finding import compose_query
from hdb.grants import tell_denied
from hdb.job_records import keep_facts, write_answer_to_start
from hdb.loading import describe_misfit, open_credentials
from hdb.places import NoSuchFileError
from hdb.querying import find_tables
from hdb.refusals import refuse_job
from hdb.searches import SqlSearch
from hdb.stored_tables import find_table
from jobruns import operation as core
from jobruns.errors import AccessDeniedError, InvalidInputError, NotFoundError
from jobruns.run import Run
from jobruns.service.operations import EXPORTS, OperationRequest, start_export, start_sql_export


def start_exporting(caller: Caller, name: str, request: Export) -> dict[str, str]:
    """Start an export, or record a job that has ended with what is wrong with it."""
    try:
        return write_answer_to_start(_start(caller, name, request).run_id)
    except AccessDeniedError as error:
        told = tell_denied(error)
    except (InvalidInputError, NotFoundError) as error:
        told = error.message
    return refuse_job(caller, name, told, job=EXPORTS)


def _start(caller: Caller, name: str, request: Export) -> Run:
    try:
        return _submit(caller, name, request)
    except NotFoundError as error:
        if error.field != "path" or not isinstance(request.place, LocalPlace):
            raise
        raise NoSuchFileError(request.place.path) from None


def _submit(caller: Caller, name: str, request: Export) -> Run:
    region = None if isinstance(request.place, LocalPlace) else request.place.region or caller.settings.aws_region
    kind, target = core.RowFormat(request.format), _target(caller, request)
    asked = OperationRequest(
        DOOR,
        credentials=None if request.credentials is None else open_credentials(request.credentials),
        extra=keep_facts(name, caller.principal.name, format=request.format, region=region),
    )
    if isinstance(request.search, SqlSearch):
        from hdb.sql_statements import read_query

        query = read_query(request.search.sql)
        tables = find_tables(caller, query.tables)
        return start_sql_export(caller.ports, caller.principal, query.sql, tables, kind, target, asked)
    table = find_table(caller, request.search.target)
    return start_export(caller.ports, caller.principal, table, compose_query(request.search), kind, target, asked)


def _target(caller: Caller, request: Export) -> core.FileTarget | core.S3Object:
    try:
        if isinstance(request.place, LocalPlace):
            now = caller.ports.clock()
            path = messages.name_export(request.place.path, request.place.filename, request.format, now)
            return core.FileTarget(path=path)
        place = request.place
        return core.S3Object(bucket=place.bucket, key=place.key, region=place.region)
    except ValidationError as error:
        raise JobRefusedError(describe_misfit(error)) from None
