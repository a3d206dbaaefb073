"""What this door answers when something is wrong: one error, the table of codes, and that of the core's errors.

A code is PostgREST's (``PGRST...``) or PostgreSQL's (five characters); clients look at it, and at the status.
"""

from collections.abc import Mapping
from enum import StrEnum, unique

from aws_lambda_powertools import Logger

from jobruns.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    CommitInProgressError,
    ConcurrentRunsExceededError,
    ConflictError,
    ExpiredCredentialError,
    IllegalTransitionError,
    InvalidInputError,
    JobrunsError,
    MissingCredentialError,
    NotAuthenticatedError,
    NotFoundError,
    StaleWriteError,
    UnavailableError,
)
from jobruns.outages import find_outage

logger = Logger(child=True)


@unique
class Code(StrEnum):
    """What can be wrong."""

    STORE_DOWN = "PGRST001"
    SYNTAX = "PGRST100"
    BODY = "PGRST102"
    RANGE = "PGRST103"
    PUT_FILTER = "PGRST105"
    PROFILE = "PGRST106"
    MEDIA_TYPE = "PGRST107"
    NOT_EMBEDDED = "PGRST108"
    PUT_RANGE = "PGRST114"
    PUT_KEY = "PGRST115"
    NOT_ONE_ROW = "PGRST116"
    VERB = "PGRST117"
    PREFERENCES = "PGRST122"
    AGGREGATES = "PGRST123"
    MAX_AFFECTED = "PGRST124"
    PATH = "PGRST125"
    UNSUPPORTED = "PGRST127"
    EMBEDDING = "PGRST200"
    NO_FUNCTION = "PGRST202"
    BODY_COLUMN = "PGRST204"
    NO_TABLE = "PGRST205"
    NO_SECRET = "PGRST300"  # noqa: S105
    TOKEN = "PGRST301"  # noqa: S105
    NO_TOKEN = "PGRST302"  # noqa: S105
    CLAIMS = "PGRST303"
    CARDINALITY = "21000"
    TOO_LONG = "22001"
    OUT_OF_RANGE = "22003"
    BAD_TIMESTAMP = "22007"
    DATE_FIELD = "22008"
    ZONE_DISPLACEMENT = "22009"
    CHARACTER = "22021"
    PARAMETER = "22023"
    ESCAPE = "22025"
    REGULAR_EXPRESSION = "2201B"
    BAD_LITERAL = "22P02"
    UNTRANSLATABLE = "22P05"
    NOT_NULL = "23502"
    DUPLICATE = "23505"
    CHECK = "23514"
    EXCLUSION = "23P01"
    SERIALIZATION = "40001"
    GENERATED = "428C9"
    FORBIDDEN = "42501"
    DUPLICATE_COLUMN = "42701"
    NO_COLUMN = "42703"
    NO_TYPE = "42704"
    TYPE_MISMATCH = "42804"
    NO_CAST = "42846"
    NO_OPERATOR = "42883"
    NO_CONSTRAINT = "42P10"
    TOO_MANY = "54000"
    TOO_MUCH = "57014"
    RAISED = "P0001"
    BUG = "XX000"


STATUSES: Mapping[Code, int] = {
    Code.STORE_DOWN: 503,
    Code.RANGE: 416,
    Code.PUT_FILTER: 405,
    Code.PROFILE: 406,
    Code.MEDIA_TYPE: 406,
    Code.NOT_ONE_ROW: 406,
    Code.VERB: 405,
    Code.PATH: 404,
    Code.NO_FUNCTION: 404,
    Code.NO_TABLE: 404,
    Code.NO_SECRET: 500,
    Code.TOKEN: 401,
    Code.NO_TOKEN: 401,
    Code.CLAIMS: 401,
    Code.DUPLICATE: 409,
    Code.EXCLUSION: 409,
    Code.SERIALIZATION: 503,
    Code.FORBIDDEN: 403,
    Code.NO_OPERATOR: 404,
    Code.TOO_MANY: 413,
    Code.TOO_MUCH: 500,
    Code.BUG: 500,
}
"""Status of each code; 400 where it is not here."""


class RefusedError(JobrunsError):
    """The request cannot be served.

    Parameters
    ----------
    code : Code
        What is wrong; the status follows from it.
    message : str
        The same for a person.
    details : str, optional
        What in the request it is about.
    hint : str, optional
        What to do instead.
    headers : mapping, optional
        Headers of the answer that belong to this very error.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        details: str | None = None,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.details = details
        self.hint = hint
        self._headers = headers or {}

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer. The code is among them for those who see no body, as with HEAD."""
        challenge = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        return {"Proxy-Status": f"PostgREST; error={self.code}", **challenge, **self._headers}

    @property
    def status(self) -> int:
        """Status of the answer."""
        return STATUSES.get(self.code, 400)

    @property
    def document(self) -> dict[str, str | None]:
        """Body of the answer; all four keys, always."""
        return {"code": self.code.value, "message": self.message, "details": self.details, "hint": self.hint}


def refuse_feature(feature: str, hint: str | None = None) -> RefusedError:
    """Make the error for what the reference has and this door does not."""
    return RefusedError(Code.UNSUPPORTED, "Feature not implemented", details=f"{feature} is not supported.", hint=hint)


# The first that fits counts.
_CODES: Mapping[type[JobrunsError], Code] = {
    MissingCredentialError: Code.NO_TOKEN,
    ExpiredCredentialError: Code.CLAIMS,
    NotAuthenticatedError: Code.TOKEN,
    AccessDeniedError: Code.FORBIDDEN,
    InvalidInputError: Code.PARAMETER,
    # What a run's life does not allow is refused as a trigger of the table would do it.
    IllegalTransitionError: Code.RAISED,
    StaleWriteError: Code.SERIALIZATION,
    AlreadyExistsError: Code.DUPLICATE,
    ConcurrentRunsExceededError: Code.EXCLUSION,
    ConflictError: Code.EXCLUSION,
    CommitInProgressError: Code.EXCLUSION,
    # What a caller names here is a filter, which finds nothing; this is what a write stands on and has lost.
    NotFoundError: Code.EXCLUSION,
    UnavailableError: Code.STORE_DOWN,
}
_NAMES = frozenset({"name", "job"})
"""The core's words for a job's name."""


def describe_error(error: JobrunsError) -> RefusedError:
    """Tell what to answer to a request that could not be served."""
    if isinstance(error, RefusedError):
        refusal = error
    elif isinstance(error, InvalidInputError) and error.field in _NAMES:
        refusal = RefusedError(Code.CHECK, error.message)
    else:
        code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), Code.BUG)
        refusal = RefusedError(code, error.message)
    if refusal.status >= 500:
        logger.warning("could not serve the request", exc_info=error)
    return refusal


def describe_surprise(error: Exception) -> RefusedError:
    """Tell what to answer where nobody of ours raised the error: AWS is out of reach, or it is a bug."""
    if (outage := find_outage(error)) is not None:
        return describe_error(outage)
    logger.error("a bug", exc_info=error)
    return RefusedError(Code.BUG, "Internal error", hint="The service's log has the details.")
