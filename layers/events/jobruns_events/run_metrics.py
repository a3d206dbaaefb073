"""Reads what the files of a run tell of it: how many records there were, and what became of each.

The file target that lays down what a tap found counts records in ``job_metrics.json``, and a target of hotglue's SDK
prints, as its last word, what it did with each record. Both are read as they come; a file that is broken tells nothing.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from jobruns.lifecycle import PhaseReached
from jobruns.run import RunRoot
from jobruns_events.truncation import MAX_THIN_BYTES

__all__ = [
    "EXPORT_FILES",
    "PHASES_FILE",
    "FilePlace",
    "place_of",
    "read_export",
    "read_facts",
    "read_phases",
    "refused_records",
    "tells",
]

EXPORT_FILES: Final = ("target-state.json", "incremental_target_state.json")
"""What a target printed at its end, and what one that did not get that far has saved: the first one counts."""

PHASES_FILE: Final = "phases.json"
"""How far our own runner has come."""

_METRICS_FILE: Final = "job_metrics.json"
_ESTIMATE_FILE: Final = "estimated_job_metrics.json"
_COUNTS: Final = {_METRICS_FILE: "recordCount", _ESTIMATE_FILE: "estimatedRecordCount"}
_OUTCOMES: Final = ("success", "fail", "existing", "updated")
_UNSENT: Final = "mapped_record"
_DATED: Final = r"\d{4}/\d{2}/\d/\d{2}/\d{2}/"
_ROOTED: Final = re.compile(
    rf"(?P<org>[^/]+)/(?P<path>(?P<env>[^/]+)/(?P<tenant>[^/]+)/flows/(?P<flow>[^/]+)/jobs/(?:{_DATED})?(?P<name>[^/]+))"
    r"/(?P<file>.+)"
)
_OWN: Final = re.compile(r"(?P<org>[^/]+)/ledger/(?P<job>[^/]+)/(?P<run_id>[0-9a-f-]{36})/(?P<file>.+)")


class FilePlace(BaseModel):
    """Whose file an object is: of the run with that root, or, where it has none, of that job's run."""

    model_config = ConfigDict(frozen=True)

    org: str
    path: str
    root: RunRoot | None = None
    job: str | None = None
    run_id: str | None = None


class _Phase(BaseModel):
    phase: str
    rank: int
    at: AwareDatetime
    message: str | None = None


_PHASES: Final = TypeAdapter(list[_Phase])


def place_of(key: str) -> FilePlace | None:
    """Tell whose file a key is one of; ``None`` for keys that are no run's."""
    if (found := _OWN.fullmatch(key)) is not None:
        return FilePlace(org=found["org"], path=found["file"], job=unquote(found["job"]), run_id=found["run_id"])
    if (found := _ROOTED.fullmatch(key)) is None:
        return None
    scope = f"{found['env']}/{found['flow']}/{found['tenant']}"
    root = RunRoot(scope=scope, name=found["name"], path=found["path"])
    return FilePlace(org=found["org"], path=found["file"], root=root)


def read_facts(path: str, fetch: Callable[[], bytes]) -> Mapping[str, Any]:
    """Read what a file tells of its run.

    Parameters
    ----------
    path : str
        Where it lies below the run's root.
    fetch : callable
        Gives its content; called where the name says that it tells something.

    Returns
    -------
    mapping
        ``recordCount``, ``estimatedRecordCount``, or ``exportSummary`` with ``exportDetails`` where those are short;
        nothing where it tells nothing.
    """
    name = path.rpartition("/")[2]
    if name in _COUNTS:
        counts = _read_counts(fetch(), _COUNTS[name])
        return {} if counts is None else {_COUNTS[name]: counts}
    if path not in EXPORT_FILES:
        return {}
    export = read_export(fetch())
    if export is None:
        return {}
    details = export["exportDetails"]
    shown = {stream: [_sent(record) for record in records] for stream, records in details.items()}
    summary = {"exportSummary": export["exportSummary"]} if export["exportSummary"] else {}
    if len(json.dumps(shown).encode()) > MAX_THIN_BYTES:
        return {**summary, "exportDetails_truncated": True}
    return {**summary, "exportDetails": shown} if shown else summary


def tells(path: str) -> bool:
    """Say whether a file tells something of its run, unless it is broken."""
    return path in EXPORT_FILES or path.rpartition("/")[2] in _COUNTS


def read_export(content: bytes) -> dict[str, Any] | None:
    """Read what a target says of the records it wrote.

    It is one bare object on the last line of what it printed; while a tap streams into it, the second half of one.

    Returns
    -------
    dict or None
        ``exportSummary`` and ``exportDetails``, by stream; ``None`` where this is something else, as a tap's state is.
    """
    state = _last_object(content)
    if state is not None and state.keys() == {"tap", "target"} and isinstance(state["target"], dict):
        state = state["target"]
    if state is None or not isinstance(state.get("summary"), dict) or not isinstance(state.get("bookmarks"), dict):
        return None
    summary = {
        str(stream): {outcome: _count(counts.get(outcome)) for outcome in _OUTCOMES}
        for stream, counts in state["summary"].items()
        if isinstance(counts, dict)
    }
    details = {
        str(stream): [record for record in records if isinstance(record, dict)]
        for stream, records in state["bookmarks"].items()
        if isinstance(records, list)
    }
    return {"exportSummary": summary, "exportDetails": details}


def read_phases(content: bytes) -> list[PhaseReached]:
    """Read how far our own runner has come, in order; nothing where the file is broken."""
    try:
        phases = _PHASES.validate_json(content)
    except ValidationError:
        return []
    return [PhaseReached(phase.phase, phase.rank, phase.message) for phase in phases]


def _read_counts(content: bytes, name: str) -> dict[str, int] | None:
    document = _object(content)
    counts = document.get(name) if document is not None else None
    if not isinstance(counts, dict):
        return None
    return {str(stream): count for stream, count in counts.items() if type(count) is int and count >= 0}


def _last_object(content: bytes) -> dict[str, Any] | None:
    text = content.strip()
    return _object(text) or _object(text.rpartition(b"\n")[2])


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(content)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _count(value: Any) -> int:
    return value if type(value) is int and value >= 0 else 0


def _sent(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != _UNSENT}


def refused_records(summary: Mapping[str, Mapping[str, int]] | None) -> int:
    """Count the records that the destination refused, of all streams."""
    return sum(counts.get("fail", 0) for counts in (summary or {}).values())
