"""What happened to a run as OpenLineage's run events (https://openlineage.io/spec/2-0-2/OpenLineage.json).

A run has one START, and one of COMPLETE, FAIL and ABORT; what fails before it begins has both at once. A correction of
an end that has been told is OTHER, as there is no second end.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from jobruns_events.statuses import DOOR

__all__ = ["PRODUCER", "lineage_events"]

PRODUCER: Final = "urn:jobruns:ledger"
_SPEC: Final = "https://openlineage.io/spec"
_RUN_EVENT: Final = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_MEGABYTE: Final = 1_000_000


def lineage_events(event: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Write an event as lineage back ends take it.

    Returns
    -------
    list of tuple of str and dict
        The type and the run event of each: none where lineage has no word for it, two where a run that ended had not
        begun.
    """
    return [(kind, _run_event(event, kind)) for kind in str(event.get("lineage", "")).split()]


def _run_event(event: Mapping[str, Any], kind: str) -> dict[str, Any]:
    details = event["data"]
    start, now = details["start_time"], event["time"]
    written = {
        # A START that is told at the end was at the start.
        "eventTime": min(start, now) if kind == "START" else now,
        "producer": PRODUCER,
        "schemaURL": _RUN_EVENT,
        "eventType": kind,
        "run": {"runId": event["runid"], "facets": _run_facets(event, kind)},
        "job": {
            "namespace": details["env_id"],
            "name": _job_name(event),
            "facets": {
                "jobType": _facet(
                    "2-0-4",
                    "JobTypeJobFacet",
                    processingType="STREAMING" if details.get("streaming_job") else "BATCH",
                    integration=f"{str(event['door']).upper()}-DOOR",
                    jobType="JOB",
                )
            },
        },
    }
    return {**written, "inputs": _inputs(event), "outputs": _outputs(event)}


def _job_name(event: Mapping[str, Any]) -> str:
    details = event["data"]
    own = details["tap"] or details["connector_id"] if event["door"] == DOOR else None
    return f"{details['flow_id']}.{own}" if own else str(details["flow_id"])


def _run_facets(event: Mapping[str, Any], kind: str) -> dict[str, Any]:
    details = event["data"]
    facets: dict[str, Any] = {}
    if details["scheduled_job"]:
        facets["nominalTime"] = _facet("1-0-1", "NominalTimeRunFacet", nominalStartTime=details["start_time"])
    if parent := event.get("triggeredby"):
        job, _, run_id = parent.partition("/")
        facets["parent"] = _facet(
            "1-2-0",
            "ParentRunFacet",
            run={"runId": run_id},
            job={"namespace": details["env_id"], "name": unquote(job)},
        )
    if details["error"] and kind in ("FAIL", "OTHER"):
        facets["errorMessage"] = _facet(
            "1-0-1", "ErrorMessageRunFacet", message=details["error"]["message"], programmingLanguage="PYTHON"
        )
    return facets


def _inputs(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    details = event["data"]
    if not details["tap"]:
        return []
    if event["door"] != DOOR:
        dataset = _dataset(details, details["tap"])
        size = details["data_sizes"].get("input")
        return [dataset | _counted("input", "InputStatisticsInputDatasetFacet", size=_bytes(size))]
    return [
        {"namespace": details["tap"], "name": stream} | _counted("input", "InputStatisticsInputDatasetFacet", rows)
        for stream, rows in _streams(details, "recordCount").items()
    ]


def _outputs(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    details = event["data"]
    if not details["target"]:
        return []
    if event["door"] != DOOR:
        rows = _streams(details, "recordCount").get(details["target"])
        return [_dataset(details, details["target"]) | _counted("output", "OutputStatisticsOutputDatasetFacet", rows)]
    return [
        {"namespace": details["target"], "name": stream}
        | _counted("output", "OutputStatisticsOutputDatasetFacet", _written(summary))
        for stream, summary in _streams(details, "exportSummary").items()
    ]


def _streams(details: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = details["metrics"].get(name)
    return found if isinstance(found, dict) else {}


def _written(summary: Any) -> int | None:
    if not isinstance(summary, dict):
        return None
    counts = [summary.get(name) for name in ("success", "updated")]
    return sum(count for count in counts if isinstance(count, int))


def _dataset(details: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Name a place as OpenLineage does: what serves it is the namespace. A name of somebody's own is of his org."""
    parts = urlsplit(place) if "://" in place else None
    if parts is None or not parts.netloc:
        return {"namespace": details["env_id"], "name": place}
    return {"namespace": f"{parts.scheme}://{parts.netloc}", "name": parts.path.lstrip("/") or "/"}


def _counted(side: str, facet: str, rows: Any = None, size: int | None = None) -> dict[str, Any]:
    figures = {"rowCount": rows if isinstance(rows, int) else None, "size": size}
    told = {name: figure for name, figure in figures.items() if figure is not None}
    if not told:
        return {}
    version = "1-0-0" if side == "input" else "1-0-2"
    return {f"{side}Facets": {f"{side}Statistics": _facet(version, facet, **told)}}


def _bytes(megabytes: float | None) -> int | None:
    return None if megabytes is None else round(megabytes * _MEGABYTE)


def _facet(version: str, name: str, **members: Any) -> dict[str, Any]:
    return {
        "_producer": PRODUCER,
        "_schemaURL": f"{_SPEC}/facets/{version}/{name}.json#/$defs/{name}",
        **members,
    }
