"""What happened to a run as AWS Glue tells EventBridge of its own job runs, so that rules go on with another source.

https://docs.aws.amazon.com/glue/latest/dg/automating-awsglue-with-cloudwatch-events.html: a job run that ended changes
its state, and one that takes longer than it should has a status. Members that Glue does not have are behind its own.
"""

from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

from jobruns.ids import job_run_id, previous_job_run_id
from jobruns.notices import Notice, NoticeKind
from jobruns.run import Run, RunState

__all__ = ["RUN_STATUS", "STATE_CHANGE", "glue_event"]

STATE_CHANGE: Final = "Glue Job State Change"
RUN_STATUS: Final = "Glue Job Run Status"

_SEVERITIES: Final[Mapping[RunState, str]] = {RunState.FAILED: "ERROR", RunState.TIMEOUT: "WARN"}
_MESSAGES: Final[Mapping[RunState, str]] = {
    RunState.SUCCEEDED: "Job run succeeded",
    RunState.STOPPED: "Job run stopped",
    RunState.TIMEOUT: "Job run timed out",
    RunState.FAILED: "Job run failed",
}


def glue_event(notice: Notice) -> tuple[str, dict[str, Any]] | None:
    """Write what happened as Glue would.

    Returns
    -------
    tuple of str and dict or None
        The detail type and the detail; ``None`` where Glue tells nothing.
    """
    run = notice.run
    match notice.kind:
        case NoticeKind.ENDED | NoticeKind.CORRECTED:
            return STATE_CHANGE, {
                "jobName": run.job,
                "severity": _SEVERITIES.get(run.state, "INFO"),
                "state": str(run.state),
                "jobRunId": job_run_id(run),
                "message": run.message or _MESSAGES[run.state],
                **_more(run),
            }
        case NoticeKind.DELAYED:
            return RUN_STATUS, {
                "jobName": run.job,
                "severity": "INFO",
                "notificationCondition": {"NotifyDelayAfter": (run.notify_after_seconds or 0) / 60},
                "state": str(run.state),
                "jobRunId": job_run_id(run),
                "message": f"Job is in {run.state} state",
                "startedOn": _minute(run),
                **_more(run),
            }
    return None


def _more(run: Run) -> dict[str, Any]:
    more = {"attempt": run.attempt - 1, "previousJobRunId": previous_job_run_id(run), "org": run.org, "door": run.door}
    return {name: value for name, value in more.items() if value is not None}


def _minute(run: Run) -> str:
    return run.submitted_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
