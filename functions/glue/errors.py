"""What this door answers when something is wrong: the one place that turns errors into Glue's exceptions.

::

    JobrunsError
    └── UnknownOperationError         there is no such operation here
    InvalidInputError
    ├── UnreadableBodyError           the body is no JSON, or a member of it has the wrong JSON type
    └── BrokenConstraintError         members break rules of Glue's own description of them; each is named
"""

from collections.abc import Mapping, Sequence

from aws_lambda_powertools import Logger

from jobruns.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    CommitInProgressError,
    ConcurrentRunsExceededError,
    ConflictError,
    InvalidInputError,
    JobrunsError,
    MalformedCredentialError,
    MissingCredentialError,
    NotAuthenticatedError,
    NotFoundError,
    SourceError,
    TooManyAttemptsError,
    UnavailableError,
    WrongSignatureError,
)

logger = Logger(child=True)


class UnknownOperationError(JobrunsError):
    """There is no such operation here."""


class UnreadableBodyError(InvalidInputError):
    """The body is no JSON object, or a member of it has the wrong JSON type."""


class BrokenConstraintError(InvalidInputError):
    """Members break rules of Glue's own description of them.

    Parameters
    ----------
    problems : sequence of str
        What is wrong with each, in the words of AWS.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        count = len(problems)
        super().__init__(f"{count} validation error{'s' if count > 1 else ''} detected: {'; '.join(problems)}")


Fault = tuple[int, str, str]
"""Status, name of the exception and text of an answer."""

# The first that fits counts. boto3 looks at the name, never at the status, except that it repeats a 500.
_NAMES: Mapping[type[JobrunsError], str] = {
    UnknownOperationError: "UnknownOperationException",
    UnreadableBodyError: "SerializationException",
    BrokenConstraintError: "ValidationException",
    MissingCredentialError: "MissingAuthenticationTokenException",
    MalformedCredentialError: "IncompleteSignatureException",
    # Also when it is too old: that is AWS's name for it, and the one by which the JavaScript SDK sets its clock.
    WrongSignatureError: "InvalidSignatureException",
    NotAuthenticatedError: "UnrecognizedClientException",
    AccessDeniedError: "AccessDeniedException",
    NotFoundError: "EntityNotFoundException",
    AlreadyExistsError: "AlreadyExistsException",
    ConcurrentRunsExceededError: "ConcurrentRunsExceededException",
    ConflictError: "ConcurrentModificationException",
    CommitInProgressError: "ConcurrentModificationException",
    SourceError: "InvalidInputException",
    InvalidInputError: "InvalidInputException",
    TooManyAttemptsError: "ThrottlingException",
    UnavailableError: "InternalServiceException",
}
_OUR_FAULT = "InternalServiceException"

_MEMBERS = {
    "actions": "Actions",
    "arguments": "Arguments",
    "description": "Description",
    "max_concurrent_runs": "ExecutionProperty.MaxConcurrentRuns",
    "max_retries": "MaxRetries",
    "name": "Name",
    "notify_after_seconds": "NotificationProperty.NotifyDelayAfter",
    "predicate": "Predicate",
    "previous": "JobRunId",
    "schedule": "Schedule",
    "start_on_creation": "StartOnCreation",
    "tags": "Tags",
    "target": "Command.ScriptLocation",
    "timeout_seconds": "Timeout",
}
"""Glue's names for what the core calls otherwise."""


def name_error(error: JobrunsError) -> str:
    """Give Glue's name for an error; also where an answer lists errors instead of being one."""
    return next((name for kind, name in _NAMES.items() if isinstance(error, kind)), _OUR_FAULT)


def describe_error(error: JobrunsError) -> Fault:
    """Tell what to answer to a request that could not be served."""
    name = name_error(error)
    if name == _OUR_FAULT:
        logger.warning("could not serve the request", exc_info=error)
        return 500, name, write_sentence(error.message)
    # A broken constraint ends with a pattern or a set of words, where a full stop would seem to be part of it.
    return (
        400,
        name,
        error.message if isinstance(error, BrokenConstraintError) else write_sentence(_in_glues_words(error)),
    )


def describe_bug(error: Exception) -> Fault:
    """Tell what to answer to a request that met a bug of ours; the log has the details."""
    logger.error("a bug", exc_info=error)
    return 500, _OUR_FAULT, "Internal service error."


def _in_glues_words(error: JobrunsError) -> str:
    """Name the member that is wrong as Glue does; the core's messages begin with it, or do not name it."""
    member = _MEMBERS.get(error.field or "")
    if member is None or error.field is None:
        return error.message
    if error.message.startswith(error.field):
        return member + error.message.removeprefix(error.field)
    return f"{member}: {error.message}"


def write_sentence(text: str) -> str:
    """Write an error's message as people read it."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."
