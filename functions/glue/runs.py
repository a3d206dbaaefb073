"""The operations on runs.

Decided for this service, where Glue leaves it open:

* Runs of a deleted job can still be read: the history is what this ledger is for. A name of which there is neither a
  job nor a run is not found.
* A run is started again by ``JobRunId`` whatever became of it, with its own arguments unless others are sent, as a run
  of its own that counts one attempt more.
* Stopping a run that is being stopped succeeds again.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from glue.admission import DOOR, Caller
from glue.errors import name_error, write_sentence
from glue.job_documents import RUN_SETTINGS, pick_run_settings, read_notice, read_timeout
from glue.pages import DEFAULT_PAGE, count_fitting
from glue.run_documents import write_run
from jobruns.access import Permission
from jobruns.errors import IllegalTransitionError, InvalidInputError, JobrunsError, NotFoundError
from jobruns.ids import job_run_id, plain_job_run_id, read_job_run_id
from jobruns.run import Run
from jobruns.service.definitions import find_job
from jobruns.service.lookups import find_job_run, find_run, find_runs, list_job_runs
from jobruns.service.starts import StartRequest, load_arguments, start_run
from jobruns.service.stops import stop_run

Members = dict[str, Any]

_RUN_MEMBERS = (*RUN_SETTINGS, "ExecutionRoleSessionPolicy", "JobRunQueuingEnabled")


def start_job_run(caller: Caller, request: Members) -> Members:
    """Start a run, or start one again."""
    if "AllocatedCapacity" in request and "MaxCapacity" in request:
        raise InvalidInputError("MaxCapacity: send either it or AllocatedCapacity, not both")
    job = request["JobName"]
    previous = _find_previous(caller, job, request["JobRunId"]) if "JobRunId" in request else None
    own = pick_run_settings(request, _RUN_MEMBERS)
    if previous is not None:
        own["PreviousRunId"] = request["JobRunId"]
    wanted = StartRequest(
        job=job,
        door=DOOR,
        arguments=request.get("Arguments"),
        timeout_seconds=read_timeout(request),
        notify_after_seconds=read_notice(request),
        queueing=request.get("JobRunQueuingEnabled"),
        token=caller.token,
        previous=previous,
        extra={DOOR: own},
    )
    try:
        run = start_run(caller.ports, caller.principal, wanted)
    except NotFoundError as error:
        raise NotFoundError(
            f"Failed to start job run due to missing metadata. {write_sentence(error.message)}"
        ) from None
    return {"JobRunId": job_run_id(run)}


def get_job_run(caller: Caller, request: Members) -> Members:
    """Read a run: one read, where its arguments are few; one more for the ids of its predecessors, if it has any."""
    run = find_job_run(caller.ports, caller.principal, request["JobName"], request["RunId"])
    before = run.predecessors if request.get("PredecessorsIncluded", False) else ()
    spelled = spell_ids(caller, [(one.job, one.run_id) for one in before])
    predecessors = [{"JobName": one.job, "RunId": spelled[one.run_id]} for one in before]
    return {"JobRun": _write(caller, run, predecessors)}


def get_job_runs(caller: Caller, request: Members) -> Members:
    """Read a job's runs, newest first: one query a page."""
    job, token = request["JobName"], request.get("NextToken") or None
    limit = request.get("MaxResults", DEFAULT_PAGE)
    page = list_job_runs(caller.ports, caller.principal, job, limit=limit, token=token)
    if not page.runs and token is None:
        find_job(caller.ports, caller.principal, job)
    documents = [_write(caller, run) for run in page.runs]
    while (fitting := count_fitting(documents)) < len(documents):
        # Only runs with large arguments get here. The shorter page has its own token, and may begin with a newer run.
        page = list_job_runs(caller.ports, caller.principal, job, limit=fitting, token=token)
        documents = [_write(caller, run) for run in page.runs]
    return {"JobRuns": documents, "NextToken": page.next_token}


def batch_stop_job_run(caller: Caller, request: Members) -> Members:
    """Stop runs. Which could be asked to stop, and which not and why, is told run by run."""
    caller.principal.require(Permission.STOP)
    job, stopped, errors = request["JobName"], [], []
    for run_id in dict.fromkeys(request["JobRunIds"]):
        entry = {"JobName": job, "JobRunId": run_id}
        try:
            stop_run(caller.ports, caller.principal, find_job_run(caller.ports, caller.principal, job, run_id))
        except JobrunsError as error:
            detail = {
                "ErrorCode": _name_refusal(caller, job, run_id, error),
                "ErrorMessage": write_sentence(error.message),
            }
            errors.append({**entry, "ErrorDetail": detail})
        else:
            stopped.append(entry)
    return {"SuccessfulSubmissions": stopped, "Errors": errors}


def spell_ids(caller: Caller, refs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Spell the ids of runs given by their job and their id in the core: one batch read, as retries have the first's.

    What is not on record any more is spelled as a first run.
    """
    wanted = list(dict.fromkeys(refs))
    found = find_runs(caller.ports, caller.principal, wanted)
    return {run_id: job_run_id(found[run_id]) if run_id in found else plain_job_run_id(run_id) for _, run_id in wanted}


def _find_previous(caller: Caller, job: str, job_run: str) -> Run:
    try:
        return find_job_run(caller.ports, caller.principal, job, job_run)
    except NotFoundError:
        other = find_run(caller.ports, caller.principal, read_job_run_id(job_run)[0])
        if other.job == job:
            raise  # that is the first run; it has no such retry
        raise InvalidInputError(f"JobRunId: {job_run} is a run of the job {other.job!r}, not of {job!r}") from None


def _name_refusal(caller: Caller, job: str, run_id: str, error: JobrunsError) -> str:
    if not isinstance(error, IllegalTransitionError):
        return name_error(error)
    # The names are AWS's, documented though not in its model of the API.
    ended = find_job_run(caller.ports, caller.principal, job, run_id).state.terminal
    return "JobRunInTerminalStateException" if ended else "JobRunInvalidStateTransitionException"


def _write(caller: Caller, run: Run, predecessors: Sequence[Mapping[str, str]] = ()) -> Members:
    return write_run(
        run,
        _arguments(caller, run),
        caller.ports.clock(),
        log_group=caller.settings.run_log_group,
        predecessors=predecessors,
    )


def _arguments(caller: Caller, run: Run) -> dict[str, Any]:
    try:
        return load_arguments(caller.ports, run)
    except NotFoundError:
        # Large ones are kept in the work bucket, which forgets them earlier than the ledger forgets runs.
        return {}


OPERATIONS = {
    "BatchStopJobRun": batch_stop_job_run,
    "GetJobRun": get_job_run,
    "GetJobRuns": get_job_runs,
    "StartJobRun": start_job_run,
}
