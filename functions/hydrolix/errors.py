"""What this door answers when something is wrong: the one place that turns errors into statuses and bodies.

::

    InvalidInputError
    └── InvalidDocumentError     members of a document are wrong; each is named
    NotFoundError
    └── UnknownReferenceError    the request names, in its body, something that does not exist
    JobrunsError
    └── PageNotFoundError        the list has no such page
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from jobruns.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    CommitInProgressError,
    ConcurrentRunsExceededError,
    ConflictError,
    InvalidInputError,
    JobrunsError,
    NotAuthenticatedError,
    NotFoundError,
    UnavailableError,
)

logger = Logger(child=True)

Path = tuple[int | str, ...]


class InvalidDocumentError(InvalidInputError):
    """Members of a document are wrong.

    Parameters
    ----------
    problems : iterable of (path, str)
        Where each wrong member is, and what is wrong with it, as the rest of a sentence that begins with its name.
    """

    def __init__(self, problems: Iterable[tuple[Path, str]]) -> None:
        self.problems = [(path, _sentence(path, reason)) for path, reason in problems]
        super().__init__(" ".join(text for _, text in self.problems))


class UnknownReferenceError(NotFoundError):
    """The request names something that does not exist; the message says what."""


class PageNotFoundError(JobrunsError):
    """The list has no such page."""

    def __init__(self) -> None:
        super().__init__("Invalid page.")


_STATUSES: Mapping[type[JobrunsError], int] = {
    PageNotFoundError: 404,
    NotAuthenticatedError: 401,
    AccessDeniedError: 403,
    NotFoundError: 404,
    UnavailableError: 503,
    InvalidInputError: 400,
    # The clients of this door know no 409 and no 429.
    AlreadyExistsError: 400,
    ConflictError: 400,
    ConcurrentRunsExceededError: 400,
    CommitInProgressError: 400,
}
_FIELDS = {"id": "uuid"}
"""The core's words for members that this door calls otherwise."""

_REASONS = {
    "missing": "is required",
    "string_type": "must be a string",
    "string_too_short": "may not be blank",
    "string_too_long": "has more than {max_length} characters",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
}


def describe_invalid(error: ValidationError, *prefix: int | str) -> InvalidDocumentError:
    """Turn a model's complaints into ours; `prefix` is where the model's document is in the request."""
    problems = error.errors(include_url=False, include_input=False)
    return InvalidDocumentError(((*prefix, *problem["loc"]), _reason(problem)) for problem in problems)


def answer_error(error: JobrunsError) -> Response[Mapping[str, Any]]:
    """Make the answer to a request that could not be served."""
    status = next((code for kind, code in _STATUSES.items() if isinstance(error, kind)), 500)
    if status >= 500:
        logger.warning("could not serve the request", exc_info=error)
    headers: dict[str, str | list[str]] = {"WWW-Authenticate": 'Bearer realm="api"'} if status == 401 else {}
    return Response(status, "application/json", _body(error), headers)


def answer_bug(error: Exception) -> Response[Mapping[str, Any]]:
    """Make the answer to a request that met a bug of ours; the log has the details."""
    logger.error("a bug", exc_info=error)
    return Response(500, "application/json", {"detail": "Internal server error."})


def answer_unrouted(method: str, allowed: Sequence[str]) -> Response[Mapping[str, Any]]:
    """Make the answer to a request for a path we do not have, or one that has other methods."""
    if not allowed:
        return Response(404, "application/json", {"detail": "Not found."})
    detail = f'Method "{method}" not allowed.'
    return Response(405, "application/json", {"detail": detail}, {"Allow": ", ".join(allowed)})


def _body(error: JobrunsError) -> dict[str, Any]:
    if isinstance(error, InvalidDocumentError):
        return _nest(error.problems)
    if isinstance(error, NotFoundError) and not isinstance(error, UnknownReferenceError):
        return {"detail": "Not found."}
    if isinstance(error, InvalidInputError | AlreadyExistsError) and error.field:
        return {_FIELDS.get(error.field, error.field): [_stop(error.message)]}
    return {"detail": _stop(error.message)}


def _nest(problems: Iterable[tuple[Path, str]]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for path, text in problems:
        node = body
        *parents, last = path or ("non_field_errors",)
        for parent in parents:
            below = node.setdefault(str(parent), {})
            if not isinstance(below, dict):
                break  # what is above is wrong as a whole, and said so
            node = below
        else:
            here = node.setdefault(str(last), [])
            if isinstance(here, list):
                here.append(text)
            else:
                here.setdefault("non_field_errors", []).append(text)
    return body


def _reason(problem: ErrorDetails) -> str:
    template = _REASONS.get(problem["type"])
    if template is None:
        return problem["msg"].removeprefix("Value error, ")
    return template.format(**problem.get("ctx", {}))


def _sentence(path: Path, reason: str) -> str:
    name = ".".join(str(part) for part in path)
    return _stop(f"{name} {reason}" if name else reason)


def _stop(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


__all__ = [
    "InvalidDocumentError",
    "PageNotFoundError",
    "UnknownReferenceError",
    "answer_bug",
    "answer_error",
    "answer_unrouted",
    "describe_invalid",
]
