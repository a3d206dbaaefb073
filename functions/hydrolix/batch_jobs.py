"""Use cases of batch jobs. A batch job is a document of this door that points at its present run of the ledger."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from aws_lambda_powertools import Logger

from hydrolix.admission import DOOR
from hydrolix.batch_documents import JOBS, compose_body, materialise, read_request, run_of
from hydrolix.batch_filters import JobFilter
from hydrolix.bodies import check_size
from hydrolix.errors import UnknownReferenceError
from hydrolix.progress import status_of
from jobruns.access import Permission, Principal
from jobruns.documents import Document
from jobruns.errors import ConflictError, IllegalTransitionError, NotFoundError
from jobruns.ids import canonical_id, new_id
from jobruns.run import Run, RunState
from jobruns.service.loads import load_table
from jobruns.service.lookups import find_run
from jobruns.service.ports import Ports
from jobruns.service.retries import retry_run
from jobruns.service.starts import StartRequest
from jobruns.service.stops import stop_run
from jobruns.service.tables import find_table_by_name, find_transform
from jobruns.table import Table, TableTransform

PAGE = 1000
MAX_LISTED = 10_000
"""Most jobs a list looks at. An answer of Lambda has 6 MB, which holds no more of them even when compressed."""

PURGED_PER_CALL = 500
"""Most jobs that one purge forgets, each by a transaction of some 20 ms: clients wait for 30 seconds."""

logger = Logger(child=True)

Job = tuple[Document, Run | None]
"""A batch job: its document and its present run."""


def create_job(ports: Ports, principal: Principal, body: dict[str, Any]) -> Job:
    """Make a batch job and start its run: both or neither.

    Raises
    ------
    InvalidDocumentError
        The document is wrong.
    UnknownReferenceError
        There is no such table or transform.
    AlreadyExistsError
        The name or the uuid is taken.
    """
    principal.require(Permission.START)
    request = read_request(body)
    table, held = _find_target(ports, principal, request.settings.source.table, request.settings.source.transform)
    now = ports.clock()
    run_id = new_id(now)
    settings = materialise(body["settings"], held.transform.name)
    document = Document(
        org=principal.org,
        collection=JOBS,
        document_id=request.uuid or new_id(now),
        name=request.name,
        body=compose_body(request, settings, table, run_id, principal.name),
        created_at=now,
        modified_at=now,
    )
    check_size("job", document.body)
    spec = request.load_spec(table, held.transform_id)
    run = load_table(ports, principal, table, spec, door=DOOR, run_id=run_id, new_documents=[document])
    logger.append_keys(run_id=run.run_id)
    return document, run


def find_job(ports: Ports, principal: Principal, job_id: str) -> Job:
    """Read a batch job: one read of its document, one of its run.

    Raises
    ------
    NotFoundError
        The org has none of this uuid.
    """
    document = _find_document(ports, principal, job_id)
    job, run_id = run_of(document)
    logger.append_keys(run_id=run_id)
    return document, ports.runs.get(principal.org, job, run_id)


def list_documents(ports: Ports, principal: Principal, wanted: JobFilter) -> list[Document]:
    """Read the documents of those batch jobs of the org that are wanted, newest first, out of at most `MAX_LISTED`."""
    principal.require(Permission.READ)
    found: list[Document] = []
    while len(found) < MAX_LISTED:
        after = found[-1].document_id if found else None
        page = ports.documents.page(principal.org, JOBS, after=after, limit=PAGE, newest_first=True)
        found += page
        if len(page) < PAGE:
            break
    else:
        logger.warning("there may be more batch jobs than a list shows; delete some", extra={"listed": len(found)})
    # Ids that clients chose are not in the order of time.
    return sorted(filter(wanted.admits, found), key=lambda document: document.created_at, reverse=True)


def join_runs(ports: Ports, documents: Sequence[Document]) -> list[Job]:
    """Read the runs of documents, all in one batch."""
    if not documents:
        return []
    runs = ports.runs.many(documents[0].org, [run_of(document) for document in documents])
    return [(document, runs.get(run_of(document)[1])) for document in documents]


def cancel_job(ports: Ports, principal: Principal, job_id: str) -> Job:
    """Stop a batch job's run. From now on the job shows as canceled, whatever its workers are still at.

    Raises
    ------
    IllegalTransitionError
        It has ended, or is about to: its rows are being committed.
    """
    document = _find_document(ports, principal, job_id)
    job, run_id = run_of(document)
    logger.append_keys(run_id=run_id)
    run = find_run(ports, principal, run_id, job=job)
    if run.state.terminal:
        raise IllegalTransitionError(f"the job is {status_of(run)}; it cannot be canceled any more")
    return document, stop_run(ports, principal, run, f"canceled by {principal.name}")


def retry_job(ports: Ports, principal: Principal, job_id: str) -> Job:
    """Start a new run of a batch job that failed or was canceled; the job keeps its uuid.

    Raises
    ------
    IllegalTransitionError
        It has not ended, or it is done.
    ConflictError
        Somebody else did this at the same moment.
    """
    document = _find_document(ports, principal, job_id)
    job, run_id = run_of(document)
    run = find_run(ports, principal, run_id, job=job)
    if run.state is RunState.STOPPING:
        raise IllegalTransitionError("the job is still being canceled; retry it in a moment")
    if status_of(run) not in ("failed", "canceled"):
        raise IllegalTransitionError(f"only a job that failed or was canceled is retried; this one is {status_of(run)}")
    now = ports.clock()
    again = {"job": job, "run_id": new_id(now)}
    amended = document.amended(now, body={**document.body, "run": again})
    request = StartRequest(job=job, door=DOOR, run_id=again["run_id"], changed_documents=[amended])
    logger.append_keys(run_id=again["run_id"])
    return amended, retry_run(ports, principal, run, request)


def delete_job(ports: Ports, principal: Principal, job_id: str) -> None:
    """Forget a batch job that is not going any more. Its runs stay in the ledger.

    Raises
    ------
    ConflictError
        It is going.
    """
    principal.require(Permission.STOP)
    document, run = find_job(ports, principal, job_id)
    if run is not None and not run.state.terminal and run.state is not RunState.STOPPING:
        raise ConflictError("the job has not ended; cancel it first")
    # Not if it was retried since it was read: it is going again.
    ports.documents.remove(document, unchanged=True)


def purge_jobs(ports: Ports, principal: Principal) -> tuple[int, bool]:
    """Forget the batch jobs that have ended, at most `PURGED_PER_CALL`, those with the lowest ids first.

    A job that is going stays, and so does one that is being canceled until its workers are gone. Runs stay in the
    ledger.

    Returns
    -------
    tuple of int and bool
        How many were forgotten, and whether another call would forget more.
    """
    principal.require(Permission.STOP)
    purged, after = 0, None
    for _ in range(MAX_LISTED // PAGE):
        page = ports.documents.page(principal.org, JOBS, after=after, limit=PAGE)
        for document, run in join_runs(ports, page):
            if run is not None and not run.state.terminal:
                continue
            if purged == PURGED_PER_CALL:
                return purged, True
            with suppress(ConflictError):  # it was retried since it was read
                ports.documents.remove(document, unchanged=True)
                purged += 1
        if len(page) < PAGE:
            return purged, False
        after = page[-1].document_id
    return purged, True


def _find_document(ports: Ports, principal: Principal, job_id: str) -> Document:
    principal.require(Permission.READ)
    document = ports.documents.get(principal.org, JOBS, canonical_id(job_id))
    if document is None:
        raise NotFoundError(f"no batch job has the uuid {job_id[:64]!r}")
    return document


def _find_target(
    ports: Ports, principal: Principal, table_name: str, transform: str | None
) -> tuple[Table, TableTransform]:
    try:
        table = find_table_by_name(ports, principal, table_name)
        return table, find_transform(ports, table, name=transform)
    except NotFoundError as error:
        raise UnknownReferenceError(f"Not found: {error.message}") from None
