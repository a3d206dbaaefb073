"""The batch job document: what may be sent, what it means, and how it is shown."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from hydrolix.admission import user_id
from hydrolix.bodies import check_document
from hydrolix.fields import describe_fields
from hydrolix.members import Description, Identity, Name
from hydrolix.moments import write_time
from hydrolix.progress import details_of, status_of
from hydrolix.sources import SourceSettings
from jobruns.documents import Document
from jobruns.run import Run
from jobruns.table import MAX_READ_AHEAD, LoadSpec, Table, check_pattern

JOBS = "hydrolix/batch"
"""Collection of the documents; a document's id is its job's uuid."""

DEFAULTS: dict[str, Any] = {
    "max_active_partitions": 576,
    "max_rows_per_partition": 33_554_432,
    "max_minutes_per_partition": 15,
    "input_concurrency": 1,
    "input_aggregation": 1_536_000_000,
    "max_files": 0,
    "dry_run": False,
    "regex_filter": "",
}
"""Of several sets of defaults that exist for these settings, those of the documentation this door is built from."""

SOURCE_DEFAULTS: dict[str, dict[str, Any]] = {
    "url": {"type": "batch", "subtype": "aws s3"},
    "bucket_name": {"bucket_path": "/", "region": None, "endpoint": None, "cloud": "aws", "credential_id": None},
}
_LARGEST = 2**63 - 1
_TABLE = r"^[^.]{1,64}\.[^.]{1,64}$"

Count = Annotated[int, Field(ge=0, le=_LARGEST)]
Positive = Annotated[int, Field(ge=1, le=_LARGEST)]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


class Source(_Sent):
    """Which table, by which transform, and where the files are."""

    table: Annotated[str, StringConstraints(pattern=_TABLE)]
    transform: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    type: Literal["batch"] | None = None
    subtype: Literal["aws s3"] | None = None
    settings: SourceSettings


class Settings(_Sent):
    """How a job reads and writes."""

    source: Source
    max_active_partitions: Count = DEFAULTS["max_active_partitions"]
    max_rows_per_partition: Count = DEFAULTS["max_rows_per_partition"]
    max_minutes_per_partition: Count = DEFAULTS["max_minutes_per_partition"]
    input_concurrency: Positive = DEFAULTS["input_concurrency"]
    input_aggregation: Positive = DEFAULTS["input_aggregation"]
    max_files: Count = DEFAULTS["max_files"]
    dry_run: bool = DEFAULTS["dry_run"]
    regex_filter: Annotated[str, AfterValidator(check_pattern)] = DEFAULTS["regex_filter"]


class BatchRequest(_Sent):
    """What is sent to create a job."""

    name: Name
    description: Description | None = None
    uuid: Identity | None = None
    type: Literal["batch_import"]
    settings: Settings

    def load_spec(self, table: Table, transform_id: str) -> LoadSpec:
        """Say in the core's words what is to be loaded."""
        settings = self.settings
        return LoadSpec(
            table_id=table.table_id,
            transform_id=transform_id,
            source=settings.source.settings.place(),
            pattern=settings.regex_filter,
            max_files=settings.max_files,
            unit_bytes=settings.input_aggregation,
            read_ahead=min(settings.input_concurrency, MAX_READ_AHEAD),
            max_file_rows=settings.max_rows_per_partition,
            # A default that was not asked for would cut years of rows into partitions of an hour.
            partition_minutes=settings.max_minutes_per_partition
            if "max_minutes_per_partition" in settings.model_fields_set
            else None,
            dry_run=settings.dry_run,
        )


def read_request(body: dict[str, Any]) -> BatchRequest:
    """Check what was sent.

    Raises
    ------
    InvalidDocumentError
        Naming each wrong member.
    """
    return check_document(BatchRequest.model_validate, body)


def materialise(sent: dict[str, Any], transform: str) -> dict[str, Any]:
    """Give the settings as they are shown: what was sent, and a default for what was not.

    Parameters
    ----------
    sent : dict
        The ``settings`` as sent, found right.
    transform : str
        Name of the transform that the job reads by.
    """
    source = sent["source"]
    place = source["settings"]
    if place.get("url") is not None:
        source = {**SOURCE_DEFAULTS["url"], **source}
    else:
        source = {**source, "settings": {**SOURCE_DEFAULTS["bucket_name"], **place}}
    return {**DEFAULTS, **sent, "source": {**source, "transform": transform}}


def compose_body(
    request: BatchRequest, settings: dict[str, Any], table: Table, run_id: str, key_id: str
) -> dict[str, Any]:
    """Give what is kept of a job over `table`; `run_id` is that of its run, `key_id` who made it."""
    kept = {"description": request.description, "type": request.type, "settings": settings}
    run = {"job": table.full_name, "run_id": run_id}
    return {**kept, "table_id": table.table_id, "run": run, "created_by": key_id}


def run_of(document: Document) -> tuple[str, str]:
    """Give the (job, run id) of a job's present run."""
    run = document.body["run"]
    return run["job"], run["run_id"]


def table_of(document: Document) -> tuple[str, str]:
    """Give the id and the full name of the table that a job loads."""
    return document.body["table_id"], document.body["run"]["job"]


def job_fields() -> dict[str, Any]:
    """Describe what may be sent to create a job, for ``OPTIONS``."""
    shown = {"created": "datetime", "modified": "datetime", "status": "string", "org": "string"}
    return describe_fields(BatchRequest, read_only={**shown, "details": "field", "created_by_user": "field"})


def render_job(document: Document, run: Run | None, *, brief: bool = False) -> dict[str, Any]:
    """Show a job; `brief` cuts its errors for lists."""
    body = document.body
    return {
        "name": document.name,
        "description": body["description"],
        "uuid": document.document_id,
        "created": write_time(document.created_at),
        "modified": write_time(document.modified_at if run is None else run.modified_at),
        "settings": body["settings"],
        "status": status_of(run),
        "type": body["type"],
        "org": document.org,
        "details": details_of(run, brief=brief),
        "created_by_user": {"uuid": user_id(body["created_by"]), "username": body["created_by"]},
    }
