"""Use cases of operations on tables with a primary key: each that takes its time is a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import SecretStr

from jobruns.access import Principal, system_principal
from jobruns.addresses import show_url
from jobruns.errors import AlreadyExistsError, ConflictError, InvalidInputError, NotFoundError, UnavailableError
from jobruns.file_paths import file_key, no_file
from jobruns.grants import LOAD_RIGHTS, Need, Right
from jobruns.ids import new_id
from jobruns.operation import (
    BEAT_LIMIT_SECONDS,
    CallerCredentials,
    DeleteBefore,
    Export,
    FileSource,
    FileTarget,
    InlineSource,
    Load,
    RowFormat,
    S3Object,
    SqlQuery,
    SqlTable,
    TableQuery,
    UrlSource,
    WriteAction,
)
from jobruns.run import Executor, Run
from jobruns.service.definitions import define_job
from jobruns.service.loads import OPERATION_LIMITS, define_load_job
from jobruns.service.ports import Ports
from jobruns.service.records import narrow_query, see_tables
from jobruns.service.starts import StartRequest, start_run
from jobruns.service.work import conclude_work
from jobruns.table import Table

EXPORTS = "exports"
"""Name of the job whose runs are an org's exports, which may be of several tables."""

NOT_HANDED_OVER = "NotHandedOver"
"""Error code of a run whose work could not be begun with the credentials of its caller."""


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """What a caller may say of an operation beside what is to be done.

    With `run_id` the start may be repeated. An operation on a source or a target of the caller's own needs
    `credentials`; they are used for this one and not kept.
    """

    door: str
    run_id: str | None = None
    credentials: CallerCredentials | None = field(default=None, repr=False)
    timeout_seconds: int | None = None
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def load_inline(
    ports: Ports, principal: Principal, table: Table, action: WriteAction, content: bytes, request: OperationRequest
) -> Run:
    """Start a run that loads CSV which came with the request.

    Raises
    ------
    MissingRightsError
        The caller may not both insert and update rows of the table.
    InvalidInputError
        The table has no primary key.
    """
    principal = principal.cleared(Need.of(table.project, table.name, *LOAD_RIGHTS))
    _require_key(table)
    run_id = request.run_id or new_id(ports.clock())
    key = f"{_inline_prefix(table.org)}{run_id}/rows.csv"
    ports.objects.put(key, content)
    spec = Load(table_id=table.table_id, action=action, source=InlineSource(key=key), structures=False)
    return _start(ports, principal, spec, table, request, run_id=run_id)


def start_operation(
    ports: Ports, principal: Principal, spec: Load | DeleteBefore, table: Table, request: OperationRequest
) -> Run:
    """Start a run that does an operation on a table.

    Raises
    ------
    MissingRightsError
        The caller may not do that with rows of the table; a load may do both, insert and update.
    InvalidInputError
        The table has no primary key, or a bucket of the caller's is named without what opens it.
    NotFoundError
        A file of the org's own is named that there is not.
    """
    rights = LOAD_RIGHTS if isinstance(spec, Load) else {Right.DELETE}
    principal = principal.cleared(Need.of(table.project, table.name, *rights))
    _require_key(table)
    if isinstance(spec, Load):
        _check_source(ports, table.org, spec, request)
        spec, request = _take_out_secrets(spec, request)
    return _start(ports, principal, spec, table, request, run_id=request.run_id)


def start_export(
    ports: Ports,
    principal: Principal,
    table: Table,
    query: TableQuery,
    form: RowFormat,
    target: FileTarget | S3Object,
    request: OperationRequest,
) -> Run:
    """Start a run that writes rows to a file: a run of the org's job for exports, which is defined when first needed.

    Raises
    ------
    MissingRightsError
        The caller may not read what is asked for.
    InvalidInputError
        A bucket of the caller's is named without what opens it.
    NotFoundError
        The file would be none of the org's own.
    ConflictError
        The org has another job of that name.
    """
    principal = principal.cleared(Need.of(table.project, table.name, Right.READ))
    query = narrow_query(ports, principal, table, query)
    return _start_export(ports, principal, table, query, form, target, request)


def start_sql_export(
    ports: Ports,
    principal: Principal,
    sql: str,
    tables: Mapping[str, Table],
    form: RowFormat,
    target: FileTarget | S3Object,
    request: OperationRequest,
) -> Run:
    """Start a run that writes the rows of a query in SQL to a file; for the rest see `start_export` and `query_rows`.

    Raises
    ------
    InvalidInputError
        It reads no table.
    """
    if not tables:
        raise InvalidInputError("a query that is exported reads a table", field="sql")
    query = SqlQuery(
        sql=sql,
        tables=tuple(
            SqlTable(name=view.name, table_id=view.table.table_id, attributes=view.attributes)
            for view in see_tables(ports, principal, tables)
        ),
    )
    first = next(iter(tables.values()))
    principal = principal.cleared(Need.of(first.project, first.name, Right.READ))
    return _start_export(ports, principal, first, query, form, target, request)


def _start_export(
    ports: Ports,
    principal: Principal,
    table: Table,
    query: TableQuery | SqlQuery,
    form: RowFormat,
    target: FileTarget | S3Object,
    request: OperationRequest,
) -> Run:
    if isinstance(target, FileTarget):
        file_key(principal.org, target.path)
    else:
        _require_s3(request)
    job = ports.jobs.get(principal.org, EXPORTS)
    if job is None:
        maker = system_principal(principal.org, "tables")
        try:
            job = define_job(
                ports, maker, name=EXPORTS, executor=Executor.OPERATION, door=request.door, **OPERATION_LIMITS
            )
        except AlreadyExistsError:
            job = ports.jobs.get(principal.org, EXPORTS)
    if job is not None and job.executor is not Executor.OPERATION:
        raise ConflictError(f"a job named {EXPORTS!r} is there that does no exports; delete it or name it otherwise")
    run_id = request.run_id or new_id(ports.clock())
    key = f"{_inline_prefix(table.org)}{run_id}/query.json"
    ports.objects.put(key, query.model_dump_json(exclude_none=True).encode())
    spec = Export(table_id=table.table_id, query_key=key, format=form, target=target)
    started = _compose(spec, EXPORTS, request, run_id)
    return _hand_over(ports, start_run(ports, principal, started), request)


def check_inline_key(org: str, key: str) -> str:
    """Let the key of a document of the work bucket pass that a request of the org itself brought.

    Raises
    ------
    InvalidInputError
        It is another: the arguments of the run are not this service's own.
    """
    if not key.startswith(_inline_prefix(org)) or ".." in key:
        raise InvalidInputError("the key is of no document of this org's operations", field="key")
    return key


def _inline_prefix(org: str) -> str:
    return f"runs/operations/{org}/"


def _require_key(table: Table) -> None:
    if table.key is None:
        raise InvalidInputError(
            f"the table {table.full_name} has no primary key, by which operations find rows; load it instead",
            field="table",
        )


def _require_s3(request: OperationRequest) -> None:
    if request.credentials is None or request.credentials.s3 is None:
        raise InvalidInputError("a bucket of the caller's needs the caller's credentials", field="credentials")


def _check_source(ports: Ports, org: str, spec: Load, request: OperationRequest) -> None:
    match spec.source:
        case S3Object():
            _require_s3(request)
        case FileSource(path=path):
            if not ports.files.has(file_key(org, path)):
                raise no_file(path)
        case InlineSource(key=key):
            check_inline_key(org, key)
        case UrlSource():
            pass  # of what is wrong with it the run tells, which alone may ask


def _take_out_secrets(spec: Load, request: OperationRequest) -> tuple[Load, OperationRequest]:
    """Move a URL that may have a secret in it from what the run is told to what is handed over."""
    source = spec.source
    if not isinstance(source, UrlSource) or (shown := show_url(source.url)) == source.url:
        return spec, request
    credentials = (request.credentials or CallerCredentials()).model_copy(update={"url": SecretStr(source.url)})
    told = spec.model_copy(update={"source": UrlSource(url=shown, partial=True)})
    return told, replace(request, credentials=credentials)


def _start(
    ports: Ports,
    principal: Principal,
    spec: Load | DeleteBefore,
    table: Table,
    request: OperationRequest,
    *,
    run_id: str | None,
) -> Run:
    started = _compose(spec, table.full_name, request, run_id)
    try:
        run = start_run(ports, principal, started)
    except NotFoundError:
        # Whoever made the table died before its job was made.
        define_load_job(ports, table, request.door)
        run = start_run(ports, principal, started)
    return _hand_over(ports, run, request)


def _compose(
    spec: Load | DeleteBefore | Export, job: str, request: OperationRequest, run_id: str | None
) -> StartRequest:
    source, destination = (None, job) if not isinstance(spec, Export) else (None, _place(spec.target))
    return StartRequest(
        job=job,
        door=request.door,
        arguments=spec.model_dump(mode="json", exclude_none=True),
        run_id=run_id,
        timeout_seconds=request.timeout_seconds,
        heartbeat_seconds=BEAT_LIMIT_SECONDS if request.credentials is not None else None,
        source=_place(spec.source) if isinstance(spec, Load) else source,
        destination=destination,
        extra=request.extra,
    )


def _place(place: InlineSource | FileSource | FileTarget | S3Object | UrlSource) -> str:
    match place:
        case InlineSource():
            return "request"
        case S3Object(bucket=bucket, key=key):
            return f"s3://{bucket}/{key}"
        case UrlSource(url=url):
            return url
    return f"file:{place.path}"


def _hand_over(ports: Ports, run: Run, request: OperationRequest) -> Run:
    """Have a run done that needs what its caller alone can give, or say that it could not be begun."""
    if request.credentials is None or run.state.terminal:
        return run
    try:
        ports.records.hand_over(run, request.credentials)
    except UnavailableError as error:
        return conclude_work(ports, run, error=error.message, error_code=NOT_HANDED_OVER)
    return run
