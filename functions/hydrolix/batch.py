"""Routes of batch jobs."""

from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from hydrolix import batch_jobs
from hydrolix.admission import admit
from hydrolix.batch_documents import render_job
from hydrolix.bodies import read_object
from hydrolix.pagination import answer_list

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
    documents = batch_jobs.list_documents(caller.ports, caller.principal)
    return answer_list(
        caller,
        documents,
        lambda shown: [render_job(*job, brief=True) for job in batch_jobs.join_runs(caller.ports, shown)],
        bare=False,
    )


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
