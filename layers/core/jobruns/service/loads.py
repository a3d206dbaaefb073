"""Use cases that load tables: each load is a run of the table's job."""

from collections.abc import Mapping, Sequence
from typing import Any

from jobruns.access import Principal, system_principal
from jobruns.documents import Document
from jobruns.errors import NotFoundError
from jobruns.run import Executor, Run, TriggerKind
from jobruns.service.definitions import define_job
from jobruns.service.ports import Ports
from jobruns.service.starts import StartRequest, start_run
from jobruns.table import LoadSpec, Table

OPERATION_LIMITS: Mapping[str, Any] = {"timeout_seconds": 3600}
"""A function has 15 minutes for an operation, and the state machine calls it a few times when it dies."""


def load_table(
    ports: Ports,
    principal: Principal,
    table: Table,
    spec: LoadSpec,
    *,
    door: str,
    trigger: TriggerKind = TriggerKind.CALLER,
    run_id: str | None = None,
    new_documents: Sequence[Document] = (),
    changed_documents: Sequence[Document] = (),
) -> Run:
    """Start a run that loads files into a table.

    Raises
    ------
    InvalidInputError
        The table has a primary key.
    AlreadyExistsError
        A document's name or id is taken, or no run may have `run_id`.
    """
    table.require_appends()
    request = StartRequest(
        job=table.full_name,
        door=door,
        arguments=spec.model_dump(mode="json", exclude_none=True),
        run_id=run_id,
        trigger=trigger,
        source="uploads" if spec.source is None else f"s3://{spec.source.bucket}/{spec.source.path}",
        destination=table.full_name,
        new_documents=new_documents,
        changed_documents=changed_documents,
    )
    try:
        return start_run(ports, principal, request)
    except NotFoundError:
        # Whoever made the table died before its job was made.
        define_load_job(ports, table, door)
        return start_run(ports, principal, request)


def define_load_job(ports: Ports, table: Table, door: str) -> None:
    """Define the job whose runs load a table; of one with a primary key, the job whose runs are operations on it.

    Raises
    ------
    AlreadyExistsError
        Another job has the table's name.
    """
    maker = system_principal(table.org, "tables")
    limits = {} if table.key is None else OPERATION_LIMITS
    executor = Executor.INGEST if table.key is None else Executor.OPERATION
    define_job(ports, maker, name=table.full_name, executor=executor, target=table.table_id, door=door, **limits)
