"""The AWS clients of the data layer, one of each per process, every call bounded in time and in attempts.

All traffic goes through botocore. pyarrow brings an S3 client of its own in C++, which was left out on purpose: it
cannot resume with ``If-Match``, uploads in parts that stay behind when a process is killed, and would be a second
place where timeouts, retries and credentials are decided.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotocoreConnectionError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from jobruns.places import Endpoint

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

__all__ = ["forget_clients", "glue_client", "is_transient", "retrying", "s3_client", "source_client"]

CONNECT_SECONDS = 5
READ_SECONDS = 60
ATTEMPTS = 5

_TRANSIENT_CODES = frozenset(
    {
        "InternalError", "InternalServiceException", "OperationTimeoutException", "RequestLimitExceeded",
        "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling", "ThrottlingException",
    }
)  # fmt: skip


@cache
def s3_client() -> S3Client:
    """Return the S3 client of the service's own region; safe to share between threads."""
    return _make_s3_client(Endpoint())


def source_client(endpoint: Endpoint) -> S3Client:
    """Return the S3 client that sources are read with which say at which endpoint they are."""
    return s3_client() if endpoint == Endpoint() else _endpoint_client(endpoint)


# One process reads from few regions, and a client takes some megabytes.
@lru_cache(maxsize=4)
def _endpoint_client(endpoint: Endpoint) -> S3Client:
    return _make_s3_client(endpoint)


def _make_s3_client(endpoint: Endpoint) -> S3Client:
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=16,
        # Bucket names with dots, and endpoints that are not AWS, only work with the bucket in the path.
        s3={"addressing_style": "path"},
        use_dualstack_endpoint=endpoint.dualstack or None,
        use_fips_endpoint=endpoint.fips or None,
    )
    return boto3.client("s3", region_name=endpoint.region, config=config)


@cache
def glue_client() -> GlueClient:
    """Return the Glue client, which sends every request exactly once.

    A table is changed by a conditional write. Were it sent again after a lost answer, the second try would meet the
    first one's version and report a conflict for a change that happened, and PyIceberg would delete the files of a
    snapshot that is live. Whoever uses this client repeats whole operations instead, see `retrying`.
    """
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 1},
    )
    return boto3.client("glue", config=config)


def forget_clients() -> None:
    """Make new clients at the next use; for tests, which change endpoint and credentials."""
    s3_client.cache_clear()
    _endpoint_client.cache_clear()
    glue_client.cache_clear()


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed a moment later."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or error.response.get("Error", {}).get("Code") in _TRANSIENT_CODES
    return isinstance(error, (BotocoreConnectionError, HTTPClientError))


def retrying() -> Retrying:
    """Return a fresh bounded retry for an operation that may be repeated as a whole."""
    return Retrying(
        retry=retry_if_exception(is_transient),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        reraise=True,
    )
