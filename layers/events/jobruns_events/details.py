"""The document of a run, ``job_details.json``: one shape for the whole ledger, whichever door a run came through.

Every key is always there, and null where it does not apply. Of a run of another door the org stands for the
environment and for the tenant, and the job for the flow; what it reads and writes stand for tap and target.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from jobruns.run import Run, RunState, TriggerKind
from jobruns.run_file import RunFile, files_prefix, is_runs_own
from jobruns_events.redaction import redact
from jobruns_events.statuses import own_facts, phase_of, status_of

__all__ = [
    "SIZED",
    "environment_of",
    "flow_of",
    "job_details",
    "processed_rows",
    "root_of",
    "sync_type_of",
    "write_time",
]

SIZED: Final = ("sync-output", "etl-output", "snapshots")
"""Folders of a run whose sizes are always told."""

_MEGABYTE: Final = 1_000_000
_TIMED_OUT: Final = "timed out"

_MEASURED: Final = ("recordCount", "estimatedRecordCount", "exportSummary", "exportDetails", "exportDetails_truncated")
_OUTSIDE_METRICS: Final = frozenset({"resources_usage"})
_UNTOLD: Final[Mapping[RunState, str]] = {
    RunState.WAITING: "the job waits for another one to end",
    RunState.STARTING: "the job has been created",
    RunState.RUNNING: "the job is running",
    RunState.STOPPING: "the job is being stopped",
    RunState.SUCCEEDED: "the job is done",
    RunState.FAILED: "the job failed and did not say why",
    RunState.TIMEOUT: "it did not end in time",
    RunState.STOPPED: "the job was stopped",
}


def job_details(
    run: Run,
    files: Sequence[RunFile] = (),
    *,
    export_details: Mapping[str, Any] | None = None,
    region: str | None = None,
) -> dict[str, Any]:
    """Write the document of a run.

    Parameters
    ----------
    run : Run
        As it was at the stage that is told of.
    files : sequence of RunFile
        What is known of its files.
    export_details : mapping, optional
        What became of each record, where it has been read in full; the ledger keeps only what is small of it.
    region : str, optional
        Where the work is done.

    Returns
    -------
    dict
        JSON. Nothing in it is secret.
    """
    own = own_facts(run)
    metrics = _metrics(run, files, export_details)
    details: dict[str, Any] = {
        "job_id": run.root.name if run.root else run.run_id,
        "env_id": environment_of(run),
        "flow_id": flow_of(run),
        "job_name": own.get("job_name") or _name(run),
        "tenant": own.get("tenant") or run.org,
        "started_by": own.get("started_by") or own.get("tenant") or run.started_by,
        "s3_root": root_of(run),
        "start_time": write_time(run.reported_start_at or run.started_at or run.submitted_at),
        "last_updated": write_time((run.end_at if run.state.terminal else None) or run.modified_at),
        "state": own.get("state") or {},
        "tap": own.get("tap", run.source),
        "target": own.get("target", run.destination),
        "connector_id": own.get("connector_id"),
        "job_type": own.get("job_type"),
        "status": status_of(run),
        "scheduled_job": bool(own.get("scheduled_job", run.trigger is TriggerKind.SCHEDULE)),
        "sync_type": sync_type_of(run),
        "override_start_date": own.get("override_start_date"),
        "override_end_date": own.get("override_end_date"),
        "override_field_map": own.get("override_field_map"),
        "override_source_config": redact(own.get("override_source_config")),
        "override_target_config": redact(own.get("override_target_config")),
        "override_connector_config": redact(own.get("override_connector_config")),
        "override_selected_tables": own.get("override_selected_tables"),
        "override_lifecycle_webhook": _redirection(own.get("override_lifecycle_webhook")),
        "streaming_job": bool(own.get("streaming_job", False)),
        "message": _message(run, metrics),
        "task_id": own.get("task_id") or run.run_id.replace("-", ""),
        "task_type": own.get("task_type") or "STANDARD",
        "task_definition": own.get("task_definition")
        or {"id": str(run.executor), "memory": None, "cpu": None, "region": region},
        "discover_install_uri": own.get("discover_install_uri"),
        "metrics": metrics,
        "error": _error(run),
        "data_sizes": _data_sizes(run, files),
        "resources_usage": _mapping(run.metrics.get("resources_usage")),
    }
    return details | ({"stop_requested": True} if run.state is RunState.STOPPING else {})


def environment_of(run: Run) -> str:
    """Give the environment that a run belongs to."""
    return str(own_facts(run).get("env_id") or run.org)


def flow_of(run: Run) -> str:
    """Give the flow that a run is one of."""
    return str(own_facts(run).get("flow_id") or run.job)


def root_of(run: Run) -> str:
    """Give the root of a run. The environment is no part of it; where the ledger itself places files there is none."""
    if run.root is not None:
        return run.root.path.partition("/")[2]
    return files_prefix(run).removeprefix(f"{run.org}/").rstrip("/")


def sync_type_of(run: Run) -> str:
    """Say whether a run began anew or took up from something: as its start said, or by what it was handed."""
    if said := own_facts(run).get("sync_type"):
        return str(said)
    if run.sync_state is not None:
        return "incremental_sync" if run.sync_state.given else "full_sync"
    return "incremental_sync" if run.bookmark is not None and run.bookmark.from_version > 0 else "full_sync"


def processed_rows(details: Mapping[str, Any]) -> int:
    """Count the records that were fetched, of all streams, by a document."""
    return sum(_integers(_mapping(details["metrics"].get("recordCount")).values()))


def write_time(at: datetime) -> str:
    """Write a time as the documents have it: UTC, microseconds, and the offset in numbers."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _name(run: Run) -> str:
    flow, tap = flow_of(run), own_facts(run).get("tap")
    at = run.submitted_at.astimezone(UTC).strftime("%Y%m%d-%H%M%S")
    return "-".join([flow, str(tap), at] if tap else [flow, at])


def _metrics(run: Run, files: Sequence[RunFile], export_details: Mapping[str, Any] | None) -> dict[str, Any]:
    """Gather the figures of a run: what its files tell, and over it what its worker said."""
    told: dict[str, Any] = {}
    for file in sorted(files, key=lambda file: (file.modified_at, file.path)):
        told |= {name: file.facts[name] for name in _MEASURED if name in file.facts}
    said = {name: value for name, value in run.metrics.items() if name not in _OUTSIDE_METRICS}
    metrics = {"recordCount": _record_count(run), **told, **said}
    if export_details is not None and "exportDetails" not in said:
        metrics["exportDetails"] = dict(export_details)
    if "exportDetails" in metrics:
        metrics.pop("exportDetails_truncated", None)
    return metrics


def _record_count(run: Run) -> dict[str, int]:
    records = run.records if run.records is not None else run.progress.rows_loaded
    return {run.destination or run.job: records} if records else {}


def _message(run: Run, metrics: Mapping[str, Any]) -> str:
    text = run.message or _UNTOLD[run.state]
    if run.state is RunState.TIMEOUT and not text.startswith(_TIMED_OUT):
        return f"{_TIMED_OUT}: {text}"
    if run.state is RunState.SUCCEEDED and not run.message and (refused := _refused(metrics)):
        return f"{text}; {refused} {'record was' if refused == 1 else 'records were'} refused by the destination"
    return text


def _refused(metrics: Mapping[str, Any]) -> int:
    summary = _mapping(metrics.get("exportSummary"))
    return sum(_integers(_mapping(stream).get("fail") for stream in summary.values()))


def _error(run: Run) -> dict[str, Any] | None:
    if run.state not in (RunState.FAILED, RunState.TIMEOUT):
        return None
    phase = phase_of(run)
    return {
        "message": _message(run, {}),
        "type": "timeout" if run.state is RunState.TIMEOUT else run.error_code or "Failed",
        "phase": phase.partition("_")[0].lower() if phase else None,
    }


def _data_sizes(run: Run, files: Iterable[RunFile]) -> dict[str, float]:
    """Add up the sizes of a run's files by their folders, in megabytes; what lies in none counts in the total only."""
    folders = dict.fromkeys(SIZED, 0)
    total = 0
    for file in files:
        folder, inside, _ = file.path.partition("/")
        if file.size is None or not is_runs_own(file.path):
            continue
        total += file.size
        if inside:
            folders[folder] = folders.get(folder, 0) + file.size
    sizes = {folder: _megabytes(size) for folder, size in folders.items()}
    read = {"input": _megabytes(run.progress.bytes_read)} if run.progress.bytes_read else {}
    return {**read, **sizes, "total": _megabytes(total)}


def _megabytes(size: int) -> float:
    return round(size / _MEGABYTE, 3)


def _redirection(told: Any) -> Any:
    """Give where a job is told of instead; whose secret signs it is a name, and none itself."""
    if isinstance(told, dict) and "secret_ref" in told:
        return {**redact(told), "secret_ref": told["secret_ref"]}
    return redact(told)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _integers(values: Iterable[Any]) -> Iterable[int]:
    return (value for value in values if isinstance(value, int) and not isinstance(value, bool))
