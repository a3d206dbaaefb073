"""What this door answers when something is wrong: one tree of errors, and one table of statuses.

::

    InvalidInputError
    ├── UnreadableBodyError      the body is empty, no JSON, or not what the gateway says it is
    ├── NoOperationError         the body names no operation
    ├── UnknownOperationError    it names one that is not served
    ├── UnsupportedTypeError     the body's type is not served
    ├── NotAcceptableError       no type that the caller accepts is served
    ├── BodyTooLargeError        the body is larger than the API takes
    ├── InvalidRequestError      members of the request are wrong
    ├── FailedRequestError       the same, where the reference answers that it has failed
    └── JobRefusedError          the request is taken, and the job that it becomes ends with this message
    AccessDeniedError
    └── RestrictedError          the role does not allow it; what is missing is listed
    NotAuthenticatedError
    └── WrongPasswordError       user and password in the body do not belong together
    NotFoundError
    ├── NoDatabaseError          there is no such database
    ├── NoTableError             there is no such table
    ├── MissingAttributeError    the table has no such attribute, which was to be dropped
    └── NoRoleError              there is no such role
    AlreadyExistsError
    ├── DatabaseExistsError      there is such a database
    ├── TableExistsError         there is such a table
    └── UserExistsError          there is such a user

Clients read nothing but the member ``error`` of an answer, so every answer is a JSON object that has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobruns.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    CommitInProgressError,
    ConcurrentRunsExceededError,
    ConflictError,
    InactiveUserError,
    InvalidInputError,
    JobrunsError,
    MalformedCredentialError,
    MissingCredentialError,
    NotAuthenticatedError,
    NotFoundError,
    SourceError,
    UnavailableError,
)

_NO_OPERATION = "Request body must include an 'operation' property."
_RESTRICTED = "This operation is not authorized due to role restrictions and/or invalid database items"


class UnreadableBodyError(InvalidInputError):
    """The body is empty, no JSON, or not what the gateway says it is."""


class NoOperationError(InvalidInputError):
    """The body names no operation.

    Parameters
    ----------
    empty : bool
        Whether there is nothing in the body at all, or it is no object; the answer then has another shape.
    """

    def __init__(self, *, empty: bool = False) -> None:
        super().__init__(_NO_OPERATION)
        self.empty = empty


class UnknownOperationError(InvalidInputError):
    """The body names an operation that is not served."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Operation '{name}' not found")


class UnsupportedTypeError(InvalidInputError):
    """The body's type is not served."""

    def __init__(self, content_type: str | None) -> None:
        super().__init__(f"Unsupported Media Type: {content_type or 'undefined'}")


class NotAcceptableError(InvalidInputError):
    """No type that the caller accepts is served."""


class BodyTooLargeError(InvalidInputError):
    """The body is larger than the API takes."""


class InvalidRequestError(InvalidInputError):
    """Members of the request are wrong."""


class FailedRequestError(InvalidInputError):
    """The request is wrong, and the reference answers that it has failed: with 500."""


class JobRefusedError(InvalidInputError):
    """The request is taken, and the job that it becomes ends with this message."""


@dataclass(frozen=True, slots=True)
class MissingRights:
    """What a role lacks on a table."""

    schema: str
    table: str
    rights: tuple[str, ...]
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """As the answer shows it."""
        return {
            "schema": self.schema,
            "table": self.table,
            "required_table_permissions": list(self.rights),
            "required_attribute_permissions": [
                {"attribute_name": name, "required_permissions": list(rights)} for name, rights in self.attributes
            ],
        }


class RestrictedError(AccessDeniedError):
    """The role does not allow it.

    Parameters
    ----------
    unauthorized : sequence
        What it does not allow: texts, or rights that are missing on tables.
    invalid : sequence of str
        What the request names and the role does not see, as if it did not exist.
    """

    def __init__(self, unauthorized: Sequence[str | MissingRights] = (), invalid: Sequence[str] = ()) -> None:
        super().__init__(_RESTRICTED)
        self.unauthorized = tuple(unauthorized)
        self.invalid = tuple(invalid)


class WrongPasswordError(NotAuthenticatedError):
    """User and password in the body do not belong together, or one of them is not there."""

    def __init__(self) -> None:
        super().__init__("invalid credentials")


class NoDatabaseError(NotFoundError):
    """There is no such database."""

    def __init__(self, schema: str) -> None:
        super().__init__(f"database '{schema}' does not exist")


class NoTableError(NotFoundError):
    """There is no such table."""

    def __init__(self, schema: str, table: str) -> None:
        super().__init__(f"Table '{schema}.{table}' does not exist")


class MissingAttributeError(NotFoundError):
    """The table has no such attribute, which was to be dropped."""

    def __init__(self, schema: str, table: str, attribute: str) -> None:
        super().__init__(f"Attribute '{attribute}' does not exist on '{schema}.{table}'")


class NoRoleError(NotFoundError):
    """There is no such role."""

    def __init__(self, role: str) -> None:
        super().__init__(f"{role} role not found")


class DatabaseExistsError(AlreadyExistsError):
    """There is such a database."""

    def __init__(self, schema: str) -> None:
        super().__init__(f"database '{schema}' already exists")


class TableExistsError(AlreadyExistsError):
    """There is such a table."""

    def __init__(self, schema: str, table: str) -> None:
        super().__init__(f"Table '{table}' already exists in '{schema}'")


class UserExistsError(AlreadyExistsError):
    """There is such a user."""

    def __init__(self, username: str) -> None:
        super().__init__(f"User {username} already exists")


# The first that fits counts.
_STATUSES: Mapping[type[JobrunsError], int] = {
    NotAuthenticatedError: 401,
    AccessDeniedError: 403,
    NotFoundError: 404,
    NotAcceptableError: 406,
    UserExistsError: 409,
    AlreadyExistsError: 400,
    BodyTooLargeError: 413,
    UnsupportedTypeError: 415,
    FailedRequestError: 500,
    InvalidInputError: 400,
    SourceError: 400,
    ConflictError: 409,
    CommitInProgressError: 409,
    ConcurrentRunsExceededError: 429,
    UnavailableError: 503,
}
_BUG = 500


@dataclass(frozen=True, slots=True)
class Fault:
    """An answer that tells what is wrong.

    Parameters
    ----------
    status : int
        Of the answer.
    document : dict
        Its body.
    headers : mapping
        Headers that belong to this very error.
    ours : bool
        Whether it is the service that failed, so that the log should tell.
    """

    status: int
    document: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    ours: bool = False


def describe_error(error: JobrunsError, authorization: str | None = None) -> Fault:
    """Tell what to answer to a request that could not be served.

    Parameters
    ----------
    error : JobrunsError
        Why it could not.
    authorization : str, optional
        The header of that name: a credential that is wrong is told otherwise for each scheme.
    """
    status = find_status(error)
    document: dict[str, Any] = {"error": error.message}
    known = any(isinstance(error, kind) for kind in _STATUSES)
    if isinstance(error, RestrictedError):
        shown = [item if isinstance(item, str) else item.document for item in error.unauthorized]
        document = {
            "error": error.message,
            "unauthorized_access": shown,
            "invalid_schema_items": list(error.invalid),
        }
    elif isinstance(error, AccessDeniedError):
        document = {"error": _RESTRICTED, "unauthorized_access": [error.message], "invalid_schema_items": []}
    elif isinstance(error, NoOperationError) and error.empty:
        document = {"statusCode": 400, "error": "Bad Request", "message": error.message}
    elif isinstance(error, NotAuthenticatedError):
        challenge = {"WWW-Authenticate": 'Basic realm="jobruns"'}
        return Fault(status, {"error": _tell_unauthenticated(error, authorization or "")}, challenge)
    return Fault(status, document, ours=not known or status == 503)


def describe_bug() -> Fault:
    """Tell what to answer to a request that met a bug of ours; only the log has the details."""
    return Fault(_BUG, {"error": "Internal server error"}, ours=True)


def find_status(error: JobrunsError) -> int:
    """Give the status of the answer to a request that could not be served."""
    return next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), _BUG)


def found_before_job(error: NotFoundError) -> InvalidRequestError:
    """Make of what a load does not find the error it is where loads are submitted: a wrong request."""
    return InvalidRequestError(error.message)


def _tell_unauthenticated(error: NotAuthenticatedError, authorization: str) -> str:
    match error:
        case InactiveUserError():
            return "Cannot complete request: User is inactive"
        case WrongPasswordError():
            return error.message
        case MissingCredentialError():
            return "Must login"
        case MalformedCredentialError():
            return "Invalid character"
    scheme = authorization.partition(" ")[0].lower()
    return "Login failed" if scheme == "basic" else "invalid token"
