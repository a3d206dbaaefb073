"""Starts the jobs that load rows into a table, or delete old ones from it."""

from pydantic import ValidationError

from hdb.admission import DOOR, Caller
from hdb.errors import InvalidRequestError, found_before_job
from hdb.job_records import keep_facts, write_answer_to_start
from hdb.loads import DeleteBefore, Download, InlineData, Load, S3Object, Source, StoredFile
from hdb.places import NoSuchFileError, S3Credentials
from hdb.refusals import refuse_job
from hdb.stored_tables import find_table
from jobruns import operation as core
from jobruns.errors import InvalidInputError, NotFoundError
from jobruns.grants import LOAD_RIGHTS
from jobruns.run import Run
from jobruns.service.operations import OperationRequest, load_inline, start_operation
from jobruns.table import Table


def start_load(caller: Caller, name: str, request: Load) -> dict[str, str]:
    """Start a load; what it does not find before it is started is a wrong request.

    Raises
    ------
    InvalidRequestError
        There is no such table, or no such file.
    """
    try:
        table = find_table(caller, request.target)
    except NotFoundError as error:
        raise found_before_job(error) from None
    _require_all_attributes(caller, table)
    return write_answer_to_start(_load(caller, name, request, table).run_id)


def start_deletion(caller: Caller, name: str, request: DeleteBefore) -> dict[str, str]:
    """Start a deletion; of a table that is not there the job tells."""
    try:
        table = find_table(caller, request.target)
    except (NotFoundError, InvalidRequestError) as error:
        return refuse_job(caller, name, error.message, job=f"{request.target.schema}.{request.target.table}")
    spec = core.DeleteBefore(table_id=table.table_id, before=request.before)
    run = start_operation(caller.ports, caller.principal, spec, table, _request(caller, name))
    return write_answer_to_start(run.run_id)


def describe_misfit(error: ValidationError) -> str:
    """Tell which part of a place cannot be what it is; what it is stays unsaid."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{first['loc'][-1]} is invalid: {first['msg']}"


def open_credentials(credentials: S3Credentials) -> core.CallerCredentials:
    """Give what opens a bucket in the core's words."""
    pair = {"access_key_id": credentials.access_key_id, "secret_access_key": credentials.secret_access_key}
    return core.CallerCredentials(s3=core.S3Credentials.model_validate(pair))


def _load(caller: Caller, name: str, request: Load, table: Table) -> Run:
    action, asked = core.WriteAction(request.action), _request(caller, name, request.source)
    if isinstance(request.source, InlineData):
        content = request.source.data.encode(errors="replace")
        return load_inline(caller.ports, caller.principal, table, action, content, asked)
    try:
        spec = core.Load.model_validate({"table_id": table.table_id, "action": action, **_source(request.source)})
    except ValidationError as error:
        raise InvalidRequestError(describe_misfit(error)) from None
    try:
        return start_operation(caller.ports, caller.principal, spec, table, asked)
    except NotFoundError as error:
        if isinstance(request.source, StoredFile) and error.field == "path":
            raise NoSuchFileError(request.source.path) from None
        raise


def _source(source: Source) -> dict[str, object]:
    match source:
        case S3Object(place=place):
            kind = core.RowFormat.JSON if place.key.endswith(".json") else core.RowFormat.CSV
            told = {"kind": "s3", "bucket": place.bucket, "key": place.key, "region": place.region}
            return {"source": told, "format": kind}
        case Download(url=url):
            return {"source": {"kind": "url", "url": url}}
        case StoredFile(path=path):
            return {"source": {"kind": "file", "path": path}}
    raise InvalidInputError("rows that come with a request are loaded otherwise")


def _request(caller: Caller, name: str, source: Source | None = None) -> OperationRequest:
    credentials: core.CallerCredentials | None = None
    if isinstance(source, S3Object):
        credentials = open_credentials(source.credentials)
    elif isinstance(source, Download) and source.headers:
        credentials = core.CallerCredentials.model_validate({"headers": dict(source.headers)})
    return OperationRequest(DOOR, credentials=credentials, extra=keep_facts(name, caller.principal.name))


def _require_all_attributes(caller: Caller, table: Table) -> None:
    """Let nobody load who may not write to every attribute: which ones there are is known when all has been read."""
    held = caller.grants
    grant = held.tables.get(table.project, {}).get(table.name)
    if held.everything or held.everywhere >= LOAD_RIGHTS or grant is None or grant.attributes is None:
        return
    raise InvalidRequestError(f"a load needs rights on all attributes of '{table.full_name}', not on some of them")
