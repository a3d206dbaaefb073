"""What happened to a run as a CloudEvent, version 1.0 (https://github.com/cloudevents/spec).

In this form it is kept, and goes over the bus. What is sent to receivers is made of it, and of nothing else.

Its data is the run's document as it was at that stage. What the document does not say is in extension attributes:

==================  ====================================================================================
``sequence``        place among the events of the run, ten digits, so that text order is their order
``runid``           the ledger's own id of the run
``org``, ``job``    whose run, and of which job of the ledger
``door``            through which it was started
``state``           the ledger's word for where it is
``status``          hotglue's word for it
``notice``          what happened, in the ledger's words; see `jobruns.notices.NoticeKind`
``step``            whether the status moved: what follows the steps of jobs hears of nothing else
``attempt``         1 for the first
``lineage``         the event types by which lineage back ends hear of it, where they do, a space between two
``document``        key of this event in the bucket of the runs' files
``triggeredby``     run whose end started this one, where there is one, as ``<job>/<run id>``, the job quoted
``retryof``         run that this one tries again, where there is one
``redirect``        endpoint that is to hear of this run in place of the others, where there is one
``truncated``       what was left out of the data, with commas between; never in the copy that is kept
==================  ====================================================================================
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from jobruns.notices import Notice, NoticeKind
from jobruns.run import Run, RunState
from jobruns.run_file import EVENTS, RunFile, files_prefix
from jobruns_events.details import environment_of, flow_of, job_details, write_time
from jobruns_events.statuses import DISCOVER_SUCCESS, DOOR, own_facts, phase_of
from jobruns_events.truncation import cut, thin

__all__ = [
    "NAMESPACE",
    "TYPE_PREFIX",
    "TYPE_SUFFIX",
    "cloud_event",
    "document_key",
    "event_word",
    "for_bus",
    "ping_event",
    "short_type",
]

NAMESPACE: Final = "io.jobruns."
TYPE_PREFIX: Final = f"{NAMESPACE}jobrun."
TYPE_SUFFIX: Final = ".v1"

_ENDS: Final[Mapping[RunState, str]] = {
    RunState.SUCCEEDED: "COMPLETE",
    RunState.FAILED: "FAIL",
    RunState.TIMEOUT: "FAIL",
    RunState.STOPPED: "ABORT",
}
_STEPS: Final = frozenset({NoticeKind.SUBMITTED, NoticeKind.PHASE, NoticeKind.ENDED, NoticeKind.CORRECTED})
_WORDS: Final[Mapping[NoticeKind, str]] = {NoticeKind.STOPPING: "stop_requested"}


def cloud_event(
    notice: Notice,
    before: Run | None,
    files: Sequence[RunFile] = (),
    *,
    export_details: Mapping[str, Any] | None = None,
    region: str | None = None,
) -> dict[str, Any]:
    """Write what happened to a run.

    Parameters
    ----------
    notice : Notice
        What happened.
    before : Run or None
        The run as it was before it.
    files, export_details, region
        As `jobruns_events.details.job_details` takes them.

    Returns
    -------
    dict
        JSON, with the document in its data as receivers are sent it.
    """
    run = notice.run
    details = thin(job_details(run, files, export_details=export_details, region=region))
    step = _is_step(notice)
    if _discovered(notice):
        details["status"] = DISCOVER_SUCCESS
    word = details["status"].lower() if step or _discovered(notice) else _WORDS.get(notice.kind, str(notice.kind))
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": notice.notice_id,
        "source": f"/env/{quote(environment_of(run), safe='')}/flows/{quote(flow_of(run), safe='')}",
        "type": f"{TYPE_PREFIX}{word}{TYPE_SUFFIX}",
        "subject": details["s3_root"],
        "time": write_time(run.modified_at),
        "datacontenttype": "application/json",
        "sequence": f"{notice.sequence:010d}",
        "runid": run.run_id,
        "org": run.org,
        "job": run.job,
        "door": run.door,
        "state": str(run.state),
        "status": details["status"],
        "notice": str(notice.kind),
        "step": step,
        "attempt": run.attempt,
        "document": document_key(run, notice.sequence),
    }
    if lineage := _lineage(notice, before):
        event["lineage"] = " ".join(lineage)
    if run.predecessors:
        first = run.predecessors[0]
        event["triggeredby"] = f"{quote(first.job, safe='')}/{first.run_id}"
    if run.previous_run_id is not None:
        event["retryof"] = run.previous_run_id
    if redirect := own_facts(run).get("redirect"):
        event["redirect"] = str(redirect)
    return {**event, "data": details}


def document_key(run: Run, sequence: int) -> str:
    """Give the key under which an event of a run is kept."""
    return f"{files_prefix(run)}{EVENTS}{sequence:010d}.json"


def for_bus(event: Mapping[str, Any]) -> dict[str, Any]:
    """Give an event as it goes over the bus: short enough for it, and without what a caller had the run write."""
    details, left_out = cut(event["data"])
    truncated = {"truncated": ",".join(left_out)} if left_out else {}
    return {**event, **truncated, "data": details}


def event_word(event: Mapping[str, Any]) -> str:
    """Give what happened in a word, without what is around it in the event's type."""
    return str(event["type"]).removeprefix(TYPE_PREFIX).removesuffix(TYPE_SUFFIX)


def short_type(event: Mapping[str, Any]) -> str:
    """Give the type of any event of ours as those receivers read it who know whom they hear."""
    return str(event["type"]).removeprefix(NAMESPACE).removesuffix(TYPE_SUFFIX)


def ping_event(ping_id: str, at: datetime, *, org: str, environment: str | None = None) -> dict[str, Any]:
    """Write an event that stands for no run: whoever gets it knows that an endpoint works.

    Parameters
    ----------
    ping_id : str
        Its id.
    at : datetime
        The time, aware.
    org : str
        Whose endpoint.
    environment : str, optional
        By default the org stands for it.
    """
    env, moment = environment or org, write_time(at)
    names = ("job_id", "flow_id", "job_name", "tenant", "started_by", "s3_root", "tap", "target", "task_id")
    details: dict[str, Any] = dict.fromkeys(names)
    details |= {"env_id": env, "start_time": moment, "last_updated": moment, "status": "PING", "state": {}}
    details |= {"message": "this tries whether the endpoint works; no job has run", "error": None, "metrics": {}}
    return {
        "specversion": "1.0",
        "id": ping_id,
        "source": f"/env/{quote(env, safe='')}",
        "type": f"{TYPE_PREFIX}ping{TYPE_SUFFIX}",
        "time": moment,
        "datacontenttype": "application/json",
        "sequence": f"{0:010d}",
        "org": org,
        "status": "PING",
        "notice": "ping",
        "step": True,
        "data": details,
    }


def _discovered(notice: Notice) -> bool:
    return notice.kind is NoticeKind.PHASE and phase_of(notice.run) == DISCOVER_SUCCESS


def _is_step(notice: Notice) -> bool:
    """Tell whether the outward status of the run moved: runs of the hotglue door begin with their first phase."""
    if notice.kind is NoticeKind.STARTED:
        return notice.run.door != DOOR
    return notice.kind in _STEPS and not _discovered(notice)


def _lineage(notice: Notice, before: Run | None) -> tuple[str, ...]:
    """Tell by which types of events lineage back ends hear of it: each run has one START, and one end."""
    run, kind = notice.run, notice.kind
    if kind is NoticeKind.ENDED:
        return (_ENDS[run.state],) if phase_of(run) is not None else ("START", _ENDS[run.state])
    if run.state.terminal:
        return ("OTHER",)
    if phase_of(run) is None:
        return ()
    begun = before is not None and phase_of(before) is not None
    return ("RUNNING",) if begun else ("START",)
