"""What this door answers when something is wrong: the one place that turns errors into statuses and bodies.

A body has the message twice, for those who read ``message`` and for those who read ``error``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_lambda_powertools import Logger

from hotglue.wire import Answer
from jobruns.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    CommitInProgressError,
    ConcurrentRunsExceededError,
    ConflictError,
    InvalidInputError,
    JobrunsError,
    MissingCredentialError,
    NotAuthenticatedError,
    NotFoundError,
    StaleWriteError,
    UnavailableError,
)
from jobruns.outages import find_outage

RETRY_SECONDS = 2

logger = Logger(child=True)


class AmbiguousJobError(ConflictError):
    """Several jobs have the short id.

    Parameters
    ----------
    job_roots : sequence of str
        Their roots.
    """

    def __init__(self, job_id: str, job_roots: Sequence[str]) -> None:
        super().__init__(f"several jobs have the id {job_id!r}; ask for one by its root", field="job_id")
        self.job_roots = tuple(job_roots)


# The first that fits counts. The client of the reference calls again on 423, 429 and 5xx, and on nothing else.
_KINDS: Mapping[type[JobrunsError], tuple[int, str]] = {
    MissingCredentialError: (401, "missing_credential"),
    NotAuthenticatedError: (401, "not_authenticated"),
    AccessDeniedError: (403, "access_denied"),
    NotFoundError: (404, "not_found"),
    InvalidInputError: (400, "invalid_request"),
    StaleWriteError: (503, "busy"),
    UnavailableError: (503, "unavailable"),
    ConcurrentRunsExceededError: (409, "job_active"),
    AlreadyExistsError: (409, "already_exists"),
    ConflictError: (409, "conflict"),
    CommitInProgressError: (409, "conflict"),
}


def answer_error(error: JobrunsError) -> Answer:
    """Make the answer to a request that could not be served."""
    status, kind = next((told for known, told in _KINDS.items() if isinstance(error, known)), (500, "bug"))
    if status >= 500:
        logger.warning("could not serve the request", exc_info=error)
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": str(RETRY_SECONDS)}}.get(status, {})
    body = _body(kind, error.message)
    if error.field is not None:
        body["error"]["field"] = error.field
    if isinstance(error, AmbiguousJobError):
        body["job_roots"] = list(error.job_roots)
    return Answer(body, status, headers)


def answer_surprise(error: Exception) -> Answer:
    """Make the answer where nobody of ours raised the error: AWS is out of reach, or it is a bug."""
    if (outage := find_outage(error)) is not None:
        return answer_error(outage)
    logger.error("a bug", exc_info=error)
    return Answer(_body("bug", "internal error; the service's log has the details"), 500)


def answer_unrouted(verb: str, allowed: Sequence[str]) -> Answer:
    """Make the answer to a request for a path we do not have, or one that has other methods."""
    if not allowed:
        return Answer(_body("not_found", "there is nothing here"), 404)
    return Answer(_body("method_not_allowed", f"{verb} is not allowed here"), 405, {"Allow": ", ".join(allowed)})


def _body(kind: str, message: str) -> dict[str, Any]:
    return {"message": message, "error": {"type": kind, "message": message}}
