"""Routes of batch jobs.

Where those who describe these routes differ or say nothing, this door has decided:

- Lists are newest first, by creation.
- ``next`` and ``previous`` of a page are URLs or null, never numbers.
- Settings that are not sent have the defaults in `hydrolix.batch_documents`, and are always shown.
- ``pending`` is a job that waits for others of its table to end, where the table's job in the ledger was given a limit
  of runs at a time. By itself it has none, and a new job is ``ready``.
- ``details.errors`` holds strings, each a sentence for people that names the object it is about.
- A job is immutable: there is no PUT and no PATCH.
- Canceling shows ``canceled`` at once. A job that has ended is not canceled (400), one that is being canceled may be,
  to no effect.
- Only ``failed`` and ``canceled`` jobs are retried; ``done`` is done (400).
- A job that is going is not deleted (400): cancel it first.
- A ``url`` without a slash at the end is an object if there is one, else everything below it; see
  `jobruns.table.LoadSource`.
- GET of ``status`` is an object, POST an array of one.
"""

from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from hydrolix import batch_jobs
from hydrolix.admission import admit
from hydrolix.batch_documents import job_fields, render_job
from hydrolix.batch_filters import read_filter
from hydrolix.bodies import read_object
from hydrolix.fields import describe_actions
from hydrolix.pagination import answer_list
from hydrolix.progress import status_of

router = Router()
_JOBS = "/config/v1/orgs/<org>/jobs/batch"
_JOB = f"{_JOBS}/<job_id>"


@router.post(_JOBS, status_code=201)
def create_job(org: str) -> dict[str, Any]:
    """Create a job and start it."""
    caller = admit(router, org)
    return render_job(*batch_jobs.create_job(caller.ports, caller.principal, read_object(caller.event)))


@router.get(_JOBS, compress=True)
def list_jobs(org: str) -> Any:
    """List the org's jobs, newest first."""
    caller = admit(router, org)
    wanted = read_filter(caller.event.query_string_parameters)
    documents = batch_jobs.list_documents(caller.ports, caller.principal, wanted)
    if wanted.status is None:
        joined = batch_jobs.join_runs
        return answer_list(caller, documents, lambda shown: _render(joined(caller.ports, shown)), bare=False)
    jobs = [job for job in batch_jobs.join_runs(caller.ports, documents) if status_of(job[1]) == wanted.status]
    return answer_list(caller, jobs, _render, bare=False)


@router.route(_JOBS, method="OPTIONS")
def describe_jobs(org: str) -> dict[str, Any]:
    """Tell what may be sent to create a job."""
    admit(router, org)
    return describe_actions("Batch Job List", "POST", job_fields())


@router.get(_JOB)
def show_job(org: str, job_id: str) -> dict[str, Any]:
    """Show a job."""
    caller = admit(router, org)
    return render_job(*batch_jobs.find_job(caller.ports, caller.principal, job_id))


@router.get(f"{_JOB}/status")
def show_status(org: str, job_id: str) -> dict[str, Any]:
    """Show a job and how far it is, as an object."""
    shown = show_job(org, job_id)
    return {"id": shown["uuid"], **shown}


@router.post(f"{_JOB}/status")
def list_status(org: str, job_id: str) -> list[dict[str, Any]]:
    """Show a job and how far it is, as the one entry of an array."""
    return [show_job(org, job_id)]


@router.post(f"{_JOB}/cancel")
def cancel_job(org: str, job_id: str) -> dict[str, Any]:
    """Cancel a job; the answer shows it canceled already."""
    caller = admit(router, org)
    return render_job(*batch_jobs.cancel_job(caller.ports, caller.principal, job_id))


@router.post(f"{_JOB}/retry")
def retry_job(org: str, job_id: str) -> dict[str, Any]:
    """Start a failed or canceled job again."""
    caller = admit(router, org)
    return render_job(*batch_jobs.retry_job(caller.ports, caller.principal, job_id))


@router.delete(_JOB)
def delete_job(org: str, job_id: str) -> Response[None]:
    """Forget a job."""
    caller = admit(router, org)
    batch_jobs.delete_job(caller.ports, caller.principal, job_id)
    return Response(204)


@router.post("/config/v1/orgs/<org>/purgejobs")
def purge_jobs(org: str) -> dict[str, Any]:
    """Forget the jobs that have ended; ``more`` says whether to ask again for the rest."""
    caller = admit(router, org)
    purged, more = batch_jobs.purge_jobs(caller.ports, caller.principal)
    return {"purged_jobs": purged, "more": more}


@router.get("/config/v1/orgs/<org>/jobs/alter")
def list_alter_jobs(org: str) -> Any:
    """List the jobs that alter rows: there are none, as rows in the lake are altered by the engines that query it."""
    return answer_list(admit(router, org), [], list, bare=False)


def _render(jobs: Sequence[batch_jobs.Job]) -> list[dict[str, Any]]:
    return [render_job(*job, brief=True) for job in jobs]
