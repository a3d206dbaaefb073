"""The function that runs syncs, over an emulated S3 and Secrets Manager, with a tap and a target of the tests' own."""

import json
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from jobruns.aws import clients
from jobruns.aws.objects import WorkObjects
from jobruns.aws.secret_store import SecretStore
from jobruns.aws.singer import SingerExecutor
from jobruns.run import Executor, Run, RunRoot, RunState
from jobruns.settings import Settings
from scripts import stops
from singer.endings import Ending
from singer.order import SyncOrder
from singer.run import run_sync
from tests.integration.singer.programs import BY_NAME, install
from tests.unit.core.runs import make_run

RUNS, WORK, LANDING, PREFIX = "runs", "work", "landing", "stack/flows/"
ROOT = RunRoot(scope="e.x/f1/t", name="q7Zt_9", path="e.x/t/flows/f1/jobs/2026/11/3/21/15/q7Zt_9")
ABOUT = {"TENANT": "t", "FLOW": "f1", "ENV_ID": "e.x", "JOB_ID": "q7Zt_9", "JOB_ROOT": ROOT.path.partition("/")[2]}


@dataclass
class Site:
    """Runs syncs and looks at what they leave."""

    home: Path
    scratch: Path
    began: list[Run] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return Settings(
            ledger_table="-",
            runs_bucket=RUNS,
            work_bucket=WORK,
            landing_bucket=LANDING,
            flow_secret_prefix=PREFIX,
            singer_home=str(self.home),
        )

    def order(self, tap: Any = None, target: Any = None, /, *, timeout_seconds: int = 60, **work: Any) -> SyncOrder:
        """Make an order as it comes out of the state machine; a configuration of ``None`` is an end that is not."""
        kept = {name: told for name, told in (("tap", tap), ("target", target)) if told is not None}
        SecretStore(PREFIX).put("acme/e.x/f1", json.dumps(kept))
        said: dict[str, Any] = {name: {"name": f"{name}-rows"} for name in kept}
        arguments = {**said, "config_secret": "acme/e.x/f1", "about": ABOUT, **work}
        run = make_run(
            RunState.RUNNING,
            org="acme",
            executor=Executor.SINGER,
            root=ROOT,
            timeout_seconds=timeout_seconds,
            deadline_at=datetime.now(UTC) + timedelta(seconds=timeout_seconds),
        )
        self.began.append(run)
        begun = SingerExecutor("arn:singer", WorkObjects(WORK)).begin(run, arguments)
        assert begun["function_arn"] == "arn:singer"
        return SyncOrder.model_validate(json.loads(json.dumps(begun["payload"])))

    def run(self, tap: Any = None, target: Any = None, /, *, seconds_here: float = 800, **work: Any) -> Ending:
        return run_sync(self.order(tap, target, **work), self.settings, seconds_here=seconds_here)

    def stop(self) -> None:
        SingerExecutor("arn:singer", WorkObjects(WORK)).stop(self.began[-1])

    @contextmanager
    def stopping(self, sign: str, after_seconds: float = 0) -> Iterator[None]:
        """Stop the run that is ordered last once a file of its folder is there, and not before."""

        def look() -> None:
            while not over.wait(0.05):
                if any(self.scratch.glob(f"sync-*/{sign}")):
                    over.wait(after_seconds)
                    self.stop()
                    return

        over = threading.Event()
        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def client(self) -> Any:
        return boto3.client("s3")

    def put(self, path: str, content: str | bytes) -> None:
        boto3.client("s3").put_object(Bucket=RUNS, Key=f"acme/{ROOT.path}/{path}", Body=content)

    def paths(self) -> set[str]:
        prefix = f"acme/{ROOT.path}/"
        listed = boto3.client("s3").list_objects_v2(Bucket=RUNS, Prefix=prefix).get("Contents", [])
        return {entry["Key"].removeprefix(prefix) for entry in listed}

    def text(self, path: str) -> str:
        answer = boto3.client("s3").get_object(Bucket=RUNS, Key=f"acme/{ROOT.path}/{path}")
        return str(answer["Body"].read().decode())

    def document(self, path: str) -> Any:
        return json.loads(self.text(path))

    def lines(self, path: str) -> list[Any]:
        return [json.loads(line) for line in self.text(path).splitlines()]


def phases_of(ending: Ending) -> list[str]:
    return [phase.phase for phase in ending.phases]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("singer")
    for name in BY_NAME:
        install(place, name)
    return place


@pytest.fixture
def site(aws: None, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    clients.forget_clients()
    for bucket in (RUNS, WORK, LANDING):
        boto3.client("s3").create_bucket(Bucket=bucket)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(stops.StopWatch.__init__, "__defaults__", (0.2,))
    yield Site(home, tmp_path)
    clients.forget_clients()
