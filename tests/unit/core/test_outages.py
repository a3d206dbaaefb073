"""Outages: what says that AWS is busy or out of reach is told from what says that we asked for nonsense."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from pynamodb.exceptions import GetError, PutError, QueryError, UpdateError

from jobruns.errors import UnavailableError
from jobruns.outages import find_outage

URL = "https://dynamodb.us-east-1.amazonaws.com"


def refused(code: str) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": "no"}}
    return ClientError(response, "Query")


@pytest.mark.parametrize(
    "error",
    [
        QueryError(cause=refused("ProvisionedThroughputExceededException")),
        PutError(cause=refused("ThrottlingException")),
        UpdateError(cause=refused("InternalServerError")),
        GetError(cause=ReadTimeoutError(endpoint_url=URL)),
        GetError(cause=ConnectTimeoutError(endpoint_url=URL)),
        EndpointConnectionError(endpoint_url=URL),
        refused("RequestLimitExceeded"),
    ],
)
def test_an_outage_is_one_of_ours_and_keeps_its_cause(error: Exception) -> None:
    outage = find_outage(error)
    assert isinstance(outage, UnavailableError)
    assert outage.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        QueryError(cause=refused("ValidationException")),
        PutError(cause=refused("ResourceNotFoundException")),
        GetError(),
        KeyError("x"),
        TimeoutError(),
    ],
)
def test_what_is_our_fault_is_no_outage(error: Exception) -> None:
    assert find_outage(error) is None
