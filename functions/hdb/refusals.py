"""Jobs of requests that are taken and cannot be done: they are there, and have ended with what is wrong."""

from hdb.admission import DOOR, Caller
from hdb.job_records import keep_facts, write_answer_to_start
from jobruns.access import Role
from jobruns.service.starts import StartRequest, record_refused

REFUSED = "Refused"
"""Error code of such a run."""


def refuse_job(caller: Caller, name: str, message: str, *, job: str) -> dict[str, str]:
    """Record a job that ends with a message before it begins.

    Parameters
    ----------
    caller : Caller
        Who wanted it.
    name : str
        The operation as it was named.
    message : str
        What is wrong.
    job : str
        Name of the job that it would be a run of.
    """
    request = StartRequest(job=job, door=DOOR, arguments={}, extra=keep_facts(name, caller.principal.name))
    # Nothing is begun: whoever was let to ask for a job is told by one.
    principal = caller.principal.model_copy(update={"role": Role.OPERATOR})
    return write_answer_to_start(record_refused(caller.ports, principal, request, REFUSED, message).run_id)
