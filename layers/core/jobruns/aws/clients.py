"""boto3 clients: made once per process and when first used, with bounded times and retries."""

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient

_CONFIG = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})


@cache
def _client(service: str) -> Any:
    make: Any = boto3.client  # typed by service name, which is a variable here
    return make(service, config=_CONFIG)


def step_functions() -> "SFNClient":
    """Step Functions."""
    client: SFNClient = _client("stepfunctions")
    return client


def s3() -> "S3Client":
    """S3."""
    client: S3Client = _client("s3")
    return client


def sqs() -> "SQSClient":
    """SQS."""
    client: SQSClient = _client("sqs")
    return client


def functions() -> "LambdaClient":
    """Lambda."""
    client: LambdaClient = _client("lambda")
    return client


@cache
def waiting_functions() -> "LambdaClient":
    """Lambda, for whoever waits for the answer of a function while an HTTP client waits for his; sends each call once.

    The longest wait, and what `jobruns.aws.lake` may spend before it, stay below the 29 s of a door.
    """
    config = Config(connect_timeout=2, read_timeout=18, retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.client("lambda", config=config)


def logs() -> "CloudWatchLogsClient":
    """CloudWatch Logs."""
    client: CloudWatchLogsClient = _client("logs")
    return client


def secrets() -> "SecretsManagerClient":
    """Secrets Manager."""
    client: SecretsManagerClient = _client("secretsmanager")
    return client


def events() -> "EventBridgeClient":
    """EventBridge."""
    client: EventBridgeClient = _client("events")
    return client


def scheduler() -> "EventBridgeSchedulerClient":
    """EventBridge Scheduler."""
    client: EventBridgeSchedulerClient = _client("scheduler")
    return client


def forget_clients() -> None:
    """Make new clients when next asked: for tests, which change the environment they were made for."""
    _client.cache_clear()
    waiting_functions.cache_clear()
