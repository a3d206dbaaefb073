"""Tells an outage of what this service stands on from a bug: PynamoDB raises one family of exceptions for both."""

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as UnreachableError
from pynamodb.exceptions import PynamoDBException

from jobruns.errors import UnavailableError

_PASSING = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionInProgressException",
    }
)
"""DynamoDB's codes for what may be gone at the next try; the client has made several by then."""


def find_outage(error: BaseException) -> UnavailableError | None:
    """Give the error of ours for an exception that says that AWS is busy, down or out of reach, if it says so."""
    cause = error.cause if isinstance(error, PynamoDBException) else error
    code = cause.response.get("Error", {}).get("Code") if isinstance(cause, ClientError) else None
    if not isinstance(cause, HTTPClientError | UnreachableError) and code not in _PASSING:
        return None
    outage = UnavailableError("the ledger does not answer in time; try again")
    outage.__cause__ = error
    return outage
