"""The command line against an emulated deployment, found by the environment as after `. .local/jobruns.env`."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result

from jobruns import bootstrap
from jobruns.store import Store
from jobruns_cli.main import main

ACCOUNT = "123456789012"
MACHINE = f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:jobruns-test-run-lifecycle"
Command = Callable[..., Result]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the environment and the wiring back afterwards: --stack writes to both."""
    before = dict(os.environ)
    for name in (*bootstrap.Settings.model_fields, "jobruns_org", "jobruns_stack", "jobruns_debug"):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    yield
    os.environ.clear()
    os.environ.update(before)
    bootstrap.forget_wiring()


@pytest.fixture
def command(environment: None) -> Command:
    """Run the command, as a shell would; a failure that is not told in one line fails the test."""

    def run(*arguments: str) -> Result:
        result = CliRunner(mix_stderr=False).invoke(main, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "Traceback" not in result.stdout + result.stderr
        return result

    return run


@pytest.fixture
def deployed(store: Store, environment: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give the variables of a deployment, which are set."""
    secret: Any = boto3.client("secretsmanager").create_secret(Name="master", SecretString="m" * 64)
    variables = {
        "LEDGER_TABLE": "ledger",
        "WORK_BUCKET": "work",
        "LIFECYCLE_ARN": MACHINE,
        "INGEST_ARN": MACHINE.replace("run-lifecycle", "ingest"),
        "COMMIT_FUNCTION": "jobruns-test-commit",
        "UPLOAD_QUEUE_URL": f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/uploads",
        "UPLOAD_DLQ_URL": f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/uploads-dead",
        "KEYS_SECRET_ID": secret["ARN"],
        "RUN_RETENTION_DAYS": "0",
        "RUNS_BUCKET": "runs",
        "DELIVERIES_QUEUE_URL": f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/deliveries",
        "DELIVERIES_DLQ_URL": f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/deliveries-dead",
        "WEBHOOKS_SECRET_ID": secret["ARN"],
        "ENDPOINT_SECRET_PREFIX": "jobruns-test/endpoints/",
        "WEBHOOK_HOSTS": ",",
        "JOBRUNS_ORG": "acme",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    bootstrap.forget_wiring()
    return variables
