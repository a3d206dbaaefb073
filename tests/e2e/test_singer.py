"""A tap and a target as PyPI has them, run through the hotglue door: only what is new is read the second time."""

import json
import time
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.runner import Runner
from tests.e2e.ledger import wait_for

pytestmark = pytest.mark.usefixtures("telling")

CLIENTS = Path(__file__).resolve().parents[2] / ".venv" / "clients"
TAP, TARGET = "pipelinewise-tap-s3-csv", "target-jsonl"
ENV, TENANT = "e2e.acorn.example", "cust-881"
ENDS = ("JOB_COMPLETED", "JOB_FAILED", "JOB_CANCELLED", "DISCOVER_FAILED", "SYNC_FAILED", "ETL_FAILED", "EXPORT_FAILED")
# The tap looks for its files at AWS itself first, wherever it is told they are. It shall find nothing there.
NOWHERE = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1", "AWS_MAX_ATTEMPTS": "1"}


@dataclass
class Flow:
    """A flow of the door, and the files its tap reads."""

    runner: Runner
    flow_id: str
    source: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.runner.url}/hotglue{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"x-api-key": self.runner.env["JOBRUNS_TOKEN"], "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def settle_in(self, *, tap_package: str = TAP, target_package: str = TARGET) -> None:
        aws = {"AWS_ACCESS_KEY_ID": "aws_access_key_id", "AWS_SECRET_ACCESS_KEY": "aws_secret_access_key"}
        table = {
            "table_name": "people",
            "search_prefix": "people/",
            "search_pattern": ".csv$",
            "key_properties": ["id"],
        }
        config = {
            "start_date": "2000-01-01T00:00:00Z",
            "bucket": self.source,
            "aws_endpoint_url": self.runner.aws_endpoint,
            "tables": [table],
            **{name: self.runner.env[variable] for variable, name in aws.items()},
        }
        tap = {"name": "s3-csv", "package": tap_package, "executable": "tap-s3-csv", "catalog_option": "--properties"}
        flow = {
            "runner": "singer",
            "discover": True,
            "tap": {**tap, "config": config},
            "target": {"name": "jsonl", "package": target_package, "config": {"do_timestamp_file": False}},
        }
        self.call("PUT", f"/{ENV}/settings", {})
        self.call("PUT", f"/{ENV}/settings/flows/{self.flow_id}", flow)

    def write(self, name: str, *rows: str) -> None:
        body = "\n".join(["id,name", *rows]) + "\n"
        self.runner.client("s3").put_object(Bucket=self.source, Key=f"people/{name}", Body=body)

    def start(self, **said: Any) -> dict[str, Any]:
        body = {"environment_variables": {**NOWHERE, "AWS_DEFAULT_REGION": "us-east-1"}, **said}
        job: dict[str, Any] = self.call("POST", f"/{ENV}/{self.flow_id}/{TENANT}/jobs", body)
        return job

    def poll(self, job: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.call(
            "GET", f"/{ENV}/{self.flow_id}/{TENANT}/jobs/status?job_root={job['s3_root']}"
        )
        return found

    def run(self, **said: Any) -> dict[str, Any]:
        """Run a job to its end, and give its document as it was written then."""
        job = self.start(**said)
        wait_for(lambda: self.poll(job)["status"] in ENDS, 90)

        def written() -> dict[str, Any] | None:
            document = json.loads(self.text(job, "job_details.json") or "{}")
            return document if document.get("status") in ENDS else None

        found: dict[str, Any] = wait_for(written, 30)
        return found

    def text(self, job: dict[str, Any], path: str) -> str | None:
        client: Any = self.runner.client("s3")
        bucket, org = self.runner.env["RUNS_BUCKET"], self.runner.env["JOBRUNS_ORG"]
        try:
            answer = client.get_object(Bucket=bucket, Key=f"{org}/{ENV}/{job['s3_root']}/{path}")
        except client.exceptions.NoSuchKey:
            return None
        return str(answer["Body"].read().decode())

    def written_rows(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.text(job, "export-output/people.jsonl") or "").splitlines()]


@pytest.fixture(scope="module")
def installed(runner: Runner) -> None:
    """The packages, where the local runner would install them itself."""
    home = runner.state_dir / "singer"
    home.mkdir(exist_ok=True)
    for name, client in ((TAP, "singer-tap"), (TARGET, "singer-target")):
        assert (CLIENTS / client / ".installed").exists(), "run make clients"
        (home / name).symlink_to(CLIENTS / client)


@pytest.fixture
def flow(runner: Runner, installed: None, request: pytest.FixtureRequest) -> Flow:
    name = f"f{zlib.crc32(request.node.name.encode())}"
    runner.client("s3").create_bucket(Bucket=f"source-{name}")
    return Flow(runner, name, f"source-{name}")


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


def test_the_first_job_reads_everything_and_the_second_what_is_new(flow: Flow) -> None:
    flow.settle_in()
    flow.write("a.csv", "1,ann", "2,bob")
    first = flow.run()
    assert (first["status"], first["sync_type"]) == ("JOB_COMPLETED", "full_sync")
    assert first["metrics"]["recordCount"] == {"people": 2}
    assert first["message"] == "2 records of 1 stream read"
    assert first["data_sizes"]["sync-output"] > 0
    assert first["resources_usage"]["memory"]["max_mb"] > 0
    assert names(flow.written_rows(first)) == ["ann", "bob"]
    # The tap takes what was modified after what it knows, and S3 tells the time in seconds.
    time.sleep(1.1)
    flow.write("b.csv", "3,cat")
    second = flow.run()
    assert (second["status"], second["sync_type"]) == ("JOB_COMPLETED", "incremental_sync")
    assert second["metrics"]["recordCount"] == {"people": 1}
    assert names(flow.written_rows(second)) == ["cat"]
    assert json.loads(flow.text(second, "state.json") or "") == json.loads(flow.text(first, "target-state.json") or "")
    statuses = [event["data"]["status"] for event in events_of(flow, second)]
    assert list(dict.fromkeys(statuses)) == [
        "JOB_CREATED",
        "DISCOVER_STARTED",
        "DISCOVER_SUCCESS",  # only those who follow discoveries are told this one
        "SYNC_STARTED",
        "SYNC_SUCCESS",
        "EXPORT_STARTED",
        "JOB_COMPLETED",
    ]
    secret = flow.runner.env["AWS_SECRET_ACCESS_KEY"]
    assert not [path for path in ("job_details.json", "logs/sync.log") if secret in (flow.text(second, path) or "")]


def test_a_job_that_is_cancelled_ends_its_programs_and_keeps_no_state(flow: Flow) -> None:
    flow.settle_in()
    flow.write("a.csv", *(f"{number},n{number}" for number in range(200_000)))
    job = flow.start()
    wait_for(lambda: flow.poll(job)["status"] == "SYNC_STARTED", 60)
    flow.call("DELETE", f"/{ENV}/{flow.flow_id}/{TENANT}/jobs?job_root={job['s3_root']}")
    wait_for(lambda: flow.poll(job)["status"] == "JOB_CANCELLED", 60)
    assert flow.poll(flow.start())["sync_type"] == "full_sync"


def events_of(flow: Flow, job: dict[str, Any]) -> list[dict[str, Any]]:
    bucket, org = flow.runner.env["RUNS_BUCKET"], flow.runner.env["JOBRUNS_ORG"]
    prefix = f"{org}/{ENV}/{job['s3_root']}/events/"
    client = flow.runner.client("s3")
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]]
    return [json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in sorted(keys)]


@pytest.mark.slow
def test_the_local_runner_installs_what_a_flow_names(flow: Flow) -> None:
    """From PyPI, each into a virtual environment of its own: the two pin one package to versions that differ."""
    tap, target = f"{TAP}==3.0.1", f"{TARGET}==0.1.4"
    flow.settle_in(tap_package=tap, target_package=target)
    flow.write("a.csv", "1,ann")
    assert flow.run()["status"] == "JOB_COMPLETED"
    home = flow.runner.state_dir / "singer"
    pinned = {name: next((home / name).glob("lib/*/site-packages/backoff-*.dist-info")).name for name in (tap, target)}
    assert pinned == {tap: "backoff-1.10.0.dist-info", target: "backoff-1.8.0.dist-info"}


@pytest.mark.slow
def test_what_cannot_be_installed_fails_the_job_with_its_name(flow: Flow) -> None:
    flow.settle_in(tap_package="tap-that-nobody-has-ever-published==1.0")
    job = flow.run()
    assert job["status"] == "DISCOVER_FAILED"
    assert job["message"].startswith("tap-that-nobody-has-ever-published==1.0 is not installed here")
