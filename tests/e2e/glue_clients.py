"""Glue's own clients, unmodified, with a runner's door as their endpoint: boto3, and the AWS CLI as a process."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.model import OperationModel
from mypy_boto3_glue import GlueClient
from mypy_boto3_glue.type_defs import JobRunTypeDef

from jobruns.access import Role
from jobruns.bootstrap import utc_now
from jobruns.service.keys import create_key
from jobruns.store import Store
from local.intrinsics import REGION
from local.runner import Runner
from tests.contract.glue.answers import check_answer
from tests.e2e.ledger import wait_for

LIVE = frozenset({"STARTING", "RUNNING", "STOPPING"})
ENDED = frozenset({"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED"})

CLI = Path(sys.executable).with_name("aws")
CLI_SECONDS = 60

# One session, because each loads the description of Glue anew.
_session = boto3.Session()


@dataclass(frozen=True)
class Key:
    """What a client signs with."""

    key_id: str
    secret: str


def runner_key(runner: Runner) -> Key:
    """Give the key of the runner's admin."""
    return Key(runner.env["JOBRUNS_KEY_ID"], runner.env["JOBRUNS_SECRET"])


def new_org(runner: Runner) -> Key:
    """Make an admin's key of an org of its own, whose lists have nothing of the other tests' in them.

    The `ports` of `tests.e2e.ledger` must be open: they say where the table is.
    """
    secrets = runner.client("secretsmanager")
    master = secrets.get_secret_value(SecretId=runner.env["KEYS_SECRET_ID"])["SecretString"]
    keys = Store(runner.env["LEDGER_TABLE"]).access_keys
    key, secret = create_key(keys, master, utc_now, org=str(uuid.uuid4()), role=Role.ADMIN)
    return Key(key.key_id, secret)


def connect(runner: Runner, key: Key | None = None, *, seen: set[str] | None = None, **config: Any) -> GlueClient:
    """Make a client. Each answer it gets is checked against Glue's description, as it is on the wire.

    Parameters
    ----------
    runner : Runner
        Whose door.
    key : Key, optional
        By default the runner's admin's.
    seen : set of str, optional
        Gets the names of the operations that were answered with success.
    config : any
        Of botocore; by default a call is tried once.
    """
    key = key or runner_key(runner)

    def check(operation_model: OperationModel, response_dict: dict[str, Any], **_: Any) -> None:
        if response_dict["status_code"] == 200:
            check_answer(operation_model.name, json.loads(response_dict["body"]))
            if seen is not None:
                seen.add(operation_model.name)

    client: GlueClient = _session.client(
        "glue",
        endpoint_url=runner.env["JOBRUNS_GLUE_URL"],
        region_name=REGION,
        aws_access_key_id=key.key_id,
        aws_secret_access_key=key.secret,
        config=Config(**{"retries": {"total_max_attempts": 1, "mode": "standard"}} | config),
    )
    client.meta.events.register("before-parse.glue", check)
    return client


def wait_for_run(
    glue: GlueClient, job: str, run_id: str, seconds: float = 30, *, states: frozenset[str] = ENDED
) -> JobRunTypeDef:
    """Ask for a run until it is in one of some states, by default ended."""

    def look() -> JobRunTypeDef | None:
        run = glue.get_job_run(JobName=job, RunId=run_id, PredecessorsIncluded=True)["JobRun"]
        return run if run["JobRunState"] in states else None

    seen: JobRunTypeDef = wait_for(look, seconds, every_seconds=0.05)
    return seen


@dataclass(frozen=True)
class Ended:
    """How a process of the CLI ended."""

    status: int
    out: str
    err: str

    @property
    def answer(self) -> Any:
        """What it printed as JSON."""
        assert self.status == 0, self.err
        return json.loads(self.out) if self.out.strip() else None


@dataclass
class Cli:
    """``aws glue``, with nothing of the machine's own configuration.

    Parameters
    ----------
    url : str
        The door's.
    key : Key
        With which it signs.
    seen : set of str
        The commands that ended with success.
    """

    url: str
    key: Key
    seen: set[str] = field(default_factory=set)

    def run(self, command: str, *options: str) -> Ended:
        """Run one command; an option may be Python's JSON."""
        process = subprocess.run(
            [CLI, "glue", command, *options, "--endpoint-url", self.url, "--region", REGION, "--output", "json"],
            env={
                "PATH": os.environ["PATH"],
                "AWS_ACCESS_KEY_ID": self.key.key_id,
                "AWS_SECRET_ACCESS_KEY": self.key.secret,
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "AWS_EC2_METADATA_DISABLED": "true",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CLI_SECONDS,
            check=False,
        )
        if process.returncode == 0:
            self.seen.add(command)
        return Ended(process.returncode, process.stdout, process.stderr)

    def __call__(self, command: str, *options: str) -> Any:
        """Run one command and give what it prints."""
        return self.run(command, *options).answer

    def together(self, *commands: Sequence[str]) -> list[Any]:
        """Run commands that do not depend on each other, two at a time: most of one is Python's start."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda words: self(*words), commands))
