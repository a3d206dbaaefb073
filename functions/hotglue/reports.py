"""Use case of a worker outside: it reports how far its job has come, and how it ended.

What is late or repeated changes nothing, and is no error to who reports: each answer says how the job is now.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from hotglue.admission import DOOR, Caller
from hotglue.bodies import check_document
from hotglue.jobs import find_job
from hotglue.names import Lane
from jobruns.access import Permission
from jobruns.errors import IllegalTransitionError, InvalidInputError
from jobruns.run import Run, RunState
from jobruns.run_file import files_prefix
from jobruns.service.phases import reach_phase
from jobruns.service.reports import report_run
from jobruns.service.telling import read_told
from jobruns_events.statuses import PHASES
from jobruns_events.stored_parts import OUTCOMES_FILE

MAX_METRICS_BYTES = 16_000
"""Of what the ledger keeps of one report: an item has 400 KB, and a list shows a hundred runs in 6 MB."""

MAX_INLINE_DETAILS_BYTES = 20_000
MAX_MESSAGE_CHARACTERS = 4096

_CREATED = "JOB_CREATED"
_COMPLETED = "JOB_COMPLETED"
_CANCELLED = "JOB_CANCELLED"
_FAILED = "_FAILED"
_STARTED = "_STARTED"
_TIMEOUT = "timeout"
_METRICS = ("recordCount", "exportSummary", "exportDetails", "estimatedRecordCount", "resources_usage")
_NEVER_SENT = "mapped_record"


class ReportedError(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(frozen=True)

    message: str | None = None
    type: str | None = Field(default=None, max_length=100)


class Report(BaseModel):
    """A report, as it is sent; members that are not known are dropped."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    s3_root: str
    status: str
    at: datetime | None = None
    message: str | None = None
    metrics: dict[str, Any] | None = None
    error: ReportedError | None = None

    @field_validator("status")
    @classmethod
    def _known(cls, status: str) -> str:
        ends = {f"{phase.partition('_')[0]}{_FAILED}" for phase in PHASES}
        if status not in {*PHASES, *ends, _CREATED, _COMPLETED, _CANCELLED, f"JOB{_FAILED}"}:
            raise ValueError("is no status of a job")
        return status

    @field_validator("at")
    @classmethod
    def _in_utc(cls, at: datetime | None) -> datetime | None:
        return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at

    @field_validator("error", mode="before")
    @classmethod
    def _told(cls, error: Any) -> Any:
        return {"message": error} if isinstance(error, str) else error


@dataclass(frozen=True, slots=True)
class _Told:
    """What a report says beside the status. When it ended is the worker's own word."""

    message: str | None
    metrics: dict[str, Any]
    error: ReportedError = field(default_factory=ReportedError)
    at: datetime | None = None


def report_job(caller: Caller, lane: Lane, body: dict[str, Any]) -> Run:
    """Take a report.

    Returns
    -------
    Run
        As it is now.

    Raises
    ------
    NotFoundError
        The lane has no such job.
    InvalidInputError
        The report cannot be read.
    IllegalTransitionError
        The job waits for another to end: nothing can have been done.
    """
    caller.principal.require(Permission.REPORT)
    if "s3_root" not in body and "job_root" in body:
        body = {**body, "s3_root": body["job_root"]}
    report = check_document(Report.model_validate, body)
    run = find_job(caller, lane, report.s3_root)
    metrics = _read_metrics(report.metrics or {})
    if not run.state.terminal:
        metrics = _keep_details(caller, run, metrics)
    told = _Told(report.message, metrics, report.error or ReportedError(), report.at)
    if report.status in PHASES:
        return _reach(caller, run, report.status, told)
    if report.status == _CREATED:
        return run
    if report.status == _COMPLETED:
        return _complete(caller, run, told)
    if report.status == _CANCELLED:
        return _end(caller, run, RunState.STOPPED, told)
    return _fail(caller, run, report.status, told)


def _reach(caller: Caller, run: Run, phase: str, told: _Told) -> Run:
    return reach_phase(
        caller.ports,
        caller.principal,
        run,
        phase,
        PHASES[phase],
        message=told.message,
        metrics=told.metrics,
    )


def _complete(caller: Caller, run: Run, told: _Told) -> Run:
    refused = _count_refused({**run.metrics, **told.metrics})
    if refused and run.extra.get(DOOR, {}).get("fail_on_refused"):
        records = "record was" if refused == 1 else "records were"
        error = ReportedError(type="RecordsRefused")
        reason = told.message or f"{refused} {records} refused by the destination"
        return _fail(caller, run, f"EXPORT{_FAILED}", _Told(reason, told.metrics, error, told.at))
    return _end(caller, run, RunState.SUCCEEDED, told)


def _fail(caller: Caller, run: Run, status: str, told: _Told) -> Run:
    """Let a job fail in a phase. One that has left the phase has not failed in it: that word comes too late."""
    started = status.removesuffix(_FAILED) + _STARTED
    if started in PHASES and not run.state.terminal:
        if run.phase_rank != PHASES[started]:
            run = _reach(caller, run, started, _Told(None, {}))
        if run.phase_rank > PHASES[started]:
            return run
    timed_out = told.error.type == _TIMEOUT
    return _end(caller, run, RunState.TIMEOUT if timed_out else RunState.FAILED, told)


def _end(caller: Caller, run: Run, state: RunState, told: _Told) -> Run:
    message = told.message or told.error.message
    try:
        return report_run(
            caller.ports,
            caller.principal,
            run,
            state,
            message=message,
            metrics=told.metrics,
            told=read_told({"reported_end_at": told.at} if told.at else {}),
            error_code=told.error.type,
        )
    except IllegalTransitionError:
        now = caller.ports.runs.get(run.org, run.job, run.run_id) or run
        if not now.state.terminal:
            raise
        return now


def _read_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Check the figures of a report; those that nobody knows are dropped.

    Raises
    ------
    InvalidInputError
        One is not of the kind it has to be, or there is too much of them.
    """
    known = {name: metrics[name] for name in _METRICS if metrics.get(name) is not None}
    for name, value in known.items():
        if not isinstance(value, dict):
            raise InvalidInputError(f"metrics.{name}: must be an object", field=f"metrics.{name}")
    for name in ("recordCount", "estimatedRecordCount"):
        if not all(isinstance(count, int) and not isinstance(count, bool) for count in known.get(name, {}).values()):
            raise InvalidInputError(
                f"metrics.{name}: must have a whole number for each stream", field=f"metrics.{name}"
            )
    if not all(isinstance(stream, dict) for stream in known.get("exportSummary", {}).values()):
        raise InvalidInputError("metrics.exportSummary: must have an object for each stream", field="metrics")
    if "exportDetails" in known:
        known["exportDetails"] = _without_records(known["exportDetails"])
    size = len(json.dumps({name: value for name, value in known.items() if name != "exportDetails"}))
    if size > MAX_METRICS_BYTES:
        raise InvalidInputError(f"metrics: have {size} bytes; they may have {MAX_METRICS_BYTES}", field="metrics")
    return known


def _without_records(details: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the records themselves, which may be about persons."""
    return {
        stream: [
            {name: value for name, value in entry.items() if name != _NEVER_SENT} if isinstance(entry, dict) else entry
            for entry in entries
        ]
        if isinstance(entries, list)
        else entries
        for stream, entries in details.items()
    }


def _keep_details(caller: Caller, run: Run, metrics: dict[str, Any]) -> dict[str, Any]:
    """Put what became of each record among the run's files where it is too much for the ledger."""
    details = metrics.get("exportDetails")
    if details is None or len(json.dumps(details)) <= MAX_INLINE_DETAILS_BYTES:
        return metrics
    caller.ports.run_objects.put_json(files_prefix(run) + OUTCOMES_FILE, details)
    rest = {name: value for name, value in metrics.items() if name != "exportDetails"}
    return {**rest, "exportDetails_truncated": True}


def _count_refused(metrics: Mapping[str, Any]) -> int:
    summary = metrics.get("exportSummary")
    if not isinstance(summary, dict):
        return 0
    counts = [stream.get("fail") for stream in summary.values() if isinstance(stream, dict)]
    return sum(count for count in counts if isinstance(count, int) and not isinstance(count, bool))
