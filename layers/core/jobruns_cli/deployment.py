"""Finds the deployment that is meant, and hands out what use cases need of it."""

import os
from typing import Any

import boto3
import click
from botocore.config import Config
from botocore.exceptions import ClientError
from pydantic import ValidationError

from jobruns import bootstrap
from jobruns.access import Principal, system_principal
from jobruns.service.ports import Ports
from jobruns.settings import Settings, load_settings
from jobruns.store import Store

OUTPUTS = {
    "LedgerTableName": "LEDGER_TABLE",
    "WorkBucketName": "WORK_BUCKET",
    "RunLifecycleArn": "LIFECYCLE_ARN",
    "IngestMachineArn": "INGEST_ARN",
    "CommitFunctionName": "COMMIT_FUNCTION",
    "UploadQueueUrl": "UPLOAD_QUEUE_URL",
    "UploadDeadLetterQueueUrl": "UPLOAD_DLQ_URL",
    "KeysSecretArn": "KEYS_SECRET_ID",
    "RunRetentionDays": "RUN_RETENTION_DAYS",
    "RunsBucketName": "RUNS_BUCKET",
    "DeliveriesQueueUrl": "DELIVERIES_QUEUE_URL",
    "DeliveriesDeadLetterQueueUrl": "DELIVERIES_DLQ_URL",
    "WebhooksSecretArn": "WEBHOOKS_SECRET_ID",
    "EndpointSecretPrefix": "ENDPOINT_SECRET_PREFIX",
    "AllowedWebhookHosts": "WEBHOOK_HOSTS",
}
"""Outputs of the stack, and the variables that functions are told the same by."""

_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 4})


class Deployment:
    """One deployment, by the name of its stack, or by the environment where no stack is named.

    Parameters
    ----------
    stack : str or None
        Name or ARN of the CloudFormation stack.
    needs : str
        Fields of `Settings` without which the command cannot work.

    Raises
    ------
    click.UsageError
        The deployment is not said, or there is no such stack, or it is another kind of stack.
    """

    def __init__(self, stack: str | None, *needs: str) -> None:
        if stack is not None:
            # What functions find in their environment is put there, so that all of the wiring is theirs.
            os.environ.update(_read_stack(stack))
        bootstrap.forget_wiring()
        try:
            self.settings: Settings = load_settings()
        except ValidationError:
            raise click.UsageError(
                "say which deployment: --stack NAME, or source the local runner's jobruns.env"
            ) from None
        missing = [name.upper() for name in needs if not getattr(self.settings, name)]
        if missing:
            raise click.UsageError(f"{', '.join(missing)} must be in the environment too; or say --stack NAME")

    @property
    def store(self) -> Store:
        """The ledger table."""
        return bootstrap.load_store()

    @property
    def ports(self) -> Ports:
        """What the use cases stand on."""
        return bootstrap.load_ports()

    def master(self) -> str:
        """Read the stack's master secret."""
        return bootstrap.load_master()()


def cli_principal(org: str) -> Principal:
    """Name the caller: whoever may use the deployment's table may do anything, on behalf of any org."""
    return system_principal(org, "cli")


def _read_stack(stack: str) -> dict[str, str]:
    client: Any = boto3.client("cloudformation", config=_CONFIG)
    try:
        described = client.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ValidationError":
            raise click.UsageError(f"there is no stack {stack!r} in {client.meta.region_name}") from None
        raise
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
    missing = sorted(OUTPUTS.keys() - outputs.keys())
    if missing:
        raise click.UsageError(f"the stack {stack!r} has no output {missing[0]}; is it a jobruns stack, and deployed?")
    return {variable: outputs[output] for output, variable in OUTPUTS.items()}
