"""Runs as this door shows them: jobs.

Both readers of jobs are served with one shape: what the reference sends now, and what it was said to send before. So
``job_body`` is always there and always null, and times are there as numbers and as texts. What has not happened yet is
left out where one job is asked for, and null in lists.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from hdb import messages
from hdb.exports import Format
from hdb.moments import write_milliseconds
from jobruns.operation import ROWS_DELETED, ROWS_READ, ROWS_WRITTEN
from jobruns.row_values import write_iso
from jobruns.run import Outcome, Run, RunState

DOOR = "harperdb"
_LOADS = frozenset({"csv_data_load", "csv_file_load", "csv_url_load", "import_from_s3"})
_EXPORTS = frozenset({"export_local", "export_to_s3"})
_STATUSES = {Outcome.GOING: "IN_PROGRESS", Outcome.SUCCEEDED: "COMPLETE", Outcome.FAILED: "ERROR"}
_FAULTS = {"InvalidAttributeError": messages.bad_column, "UnknownAttributeError": messages.unknown_attribute}
"""Of these the message is the name of the attribute alone."""

_UNTOLD = {
    RunState.FAILED: "the job failed and did not say why",
    RunState.STOPPED: "the job was stopped",
    RunState.TIMEOUT: "the job did not end in time",
}


def write_answer_to_start(job_id: str) -> dict[str, Any]:
    """Answer that a job has been started."""
    return {"message": messages.started(job_id), "job_id": job_id}


def keep_facts(operation: str, user: str, **more: str | None) -> dict[str, Any]:
    """Give what a run keeps for this door, and for it alone: nothing that is secret.

    Of an export that is the `format` of its file, and the `region` of its bucket.
    """
    return {DOOR: {"type": operation, "user": user, **{name: text for name, text in more.items() if text}}}


def write_job(run: Run) -> list[dict[str, Any]]:
    """Write the job that was asked for: a list of one."""
    job = _write(run)
    result = _write_result(run)
    return [job if result is None else {**job, "result": result}]


def write_jobs(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Write jobs that were searched for, oldest first."""
    absent = {"end_datetime": None, "message": None}
    return [{**absent, **_write(run)} for run in sorted(runs, key=lambda run: (run.start_at, run.run_id))]


def write_local_result(kind: Format, path: str) -> dict[str, Any]:
    """Write the result of an export to a file."""
    return {"message": messages.exported_to_file(kind), "path": path}


def write_s3_result(metrics: Mapping[str, Any], bucket: str, key: str, location: str) -> dict[str, Any]:
    """Write the result of an export to S3.

    Parameters
    ----------
    metrics : mapping
        Of the run: what S3 told of the object.
    bucket, key, location : str
        Where the object is; the last is its URL.
    """
    names = {"ETag": "etag", "ChecksumCRC32": "checksum_crc32", "VersionId": "version_id"}
    return {
        # Of the request that made the object whole. How long it waited before it was sent again nobody counts.
        "$metadata": {
            "httpStatusCode": 200,
            "requestId": metrics.get("request_id"),
            "attempts": metrics.get("attempts", 1),
            "totalRetryDelay": 0,
        },
        **{name: metrics[ours] for name, ours in names.items() if metrics.get(ours)},
        "Bucket": bucket,
        "Key": key,
        "Location": location,
    }


def _write(run: Run) -> dict[str, Any]:
    own = run.extra.get(DOOR, {})
    start = write_milliseconds(run.start_at)
    job: dict[str, Any] = {
        "id": run.run_id,
        "type": own.get("type") or run.executor.value,
        "status": _STATUSES[run.outcome],
        "user": own.get("user") or run.started_by,
        "created_datetime": write_milliseconds(run.submitted_at),
        "start_datetime": start,
        "start_datetime_converted": write_iso(run.start_at),
        "job_body": None,
        "__createdtime__": write_milliseconds(run.submitted_at),
        "__updatedtime__": write_milliseconds(run.modified_at),
    }
    if run.state.terminal:
        ended_at = run.end_at or run.modified_at
        job |= {
            "end_datetime": write_milliseconds(ended_at),
            "end_datetime_converted": write_iso(ended_at),
            "message": _tell_success(run) if run.state is RunState.SUCCEEDED else _tell_failure(run),
        }
    return job


def _tell_success(run: Run) -> str:
    own, metrics = run.extra.get(DOOR, {}), run.metrics
    kind = own.get("type")
    if kind in _LOADS and ROWS_READ in metrics:
        inline = kind == "csv_data_load"
        return messages.loaded(metrics.get(ROWS_WRITTEN, 0), metrics[ROWS_READ], inline=inline)
    if ROWS_DELETED in metrics:
        return messages.deleted_before(metrics[ROWS_DELETED])
    return messages.exported(run.run_id) if kind in _EXPORTS or not run.message else run.message


def _tell_failure(run: Run) -> str:
    if not run.message:
        return _UNTOLD.get(run.state, "the job failed and did not say why")
    tell = _FAULTS.get(run.error_code or "")
    return tell(run.message) if tell else run.message


def _write_result(run: Run) -> dict[str, Any] | None:
    own, place = run.extra.get(DOOR, {}), run.metrics.get("place")
    if run.state is not RunState.SUCCEEDED or own.get("type") not in _EXPORTS or not isinstance(place, str):
        return None
    if own["type"] == "export_local":
        return write_local_result(Format(own["format"]), place)
    bucket, _, key = place.removeprefix("s3://").partition("/")
    region = own.get("region")
    host = f"{bucket}.s3.{region}.amazonaws.com" if region else f"{bucket}.s3.amazonaws.com"
    return write_s3_result(run.metrics, bucket, key, f"https://{host}/{quote(key)}")
