"""A whole stack over an emulated AWS, with the wiring the functions use and nothing of it replaced."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any
from urllib.parse import SplitResult, urlsplit

import boto3
import pytest
from moto.core.botocore_stubber import BotocoreStubber

from jobruns.access import Principal, Role
from jobruns.bootstrap import forget_wiring, load_ports, load_upload_ports
from jobruns.formats import Compression, CsvFormat, JsonFormat
from jobruns.run import Run, RunState, TriggerKind
from jobruns.service.loads import load_table
from jobruns.service.ports import Ports
from jobruns.service.settlement import dispatch_run, settle_run
from jobruns.service.tables import define_project, define_table, define_transform, find_table
from jobruns.service.uploads import UploadPorts
from jobruns.service.watches import watch_table
from jobruns.settings import Settings, load_settings
from jobruns.table import LoadSource, LoadSpec, Project, Table, Watch
from jobruns.transform import Column, ColumnType, Transform
from jobruns_data.catalog import TableTarget, open_catalog
from jobruns_data.catalog import load_table as load_lake_table
from lifecycle.outcomes import read_outcome
from tests.integration.doubles import LambdaTime
from tests.integration.kills import Kill, KilledError
from tests.integration.ledger_table import TABLE, make_ledger_table

ORG = "0192f0c1-2222-7aaa-8aaa-000000000001"
LANDING, LAKE, WORK = "stack-landing", "stack-lake", "stack-work"
MACHINE = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})


@cache
def client(service: str) -> Any:
    """One client for all tests: moto minds calls, not clients, and a client takes long to make."""
    make: Any = boto3.client
    return make(service)


@pytest.fixture
def settings(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    make_ledger_table()
    for bucket in (LANDING, LAKE, WORK):
        client("s3").create_bucket(Bucket=bucket)
    client("s3").put_bucket_versioning(Bucket=LANDING, VersioningConfiguration={"Status": "Enabled"})
    states = client("stepfunctions")
    role = "arn:aws:iam::123456789012:role/states"
    machines = {
        name: states.create_state_machine(name=name, definition=MACHINE, roleArn=role)["stateMachineArn"]
        for name in ("run-lifecycle", "ingest")
    }
    sqs = client("sqs")
    environment = {
        "LEDGER_TABLE": TABLE,
        "LANDING_BUCKET": LANDING,
        "LAKE_BUCKET": LAKE,
        "WORK_BUCKET": WORK,
        "LIFECYCLE_ARN": machines["run-lifecycle"],
        "INGEST_ARN": machines["ingest"],
        "COMMIT_FUNCTION": "commit",
        "TABLES_FUNCTION": "tables",
        "UPLOAD_QUEUE_URL": sqs.create_queue(QueueName="uploads")["QueueUrl"],
        "UPLOAD_DLQ_URL": sqs.create_queue(QueueName="dead-uploads")["QueueUrl"],
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forget_wiring()
    yield load_settings()
    forget_wiring()


@dataclass
class TablesFunction:
    """Stands for Lambda, which moto runs in Docker: the function that changes tables is called at once."""

    waiting: list[dict[str, Any]] = field(default_factory=list)
    deaf: bool = False

    def invoke(self, *, FunctionName: str, Payload: bytes, InvocationType: str = "RequestResponse") -> dict[str, Any]:  # noqa: N803 - boto3's
        assert FunctionName == "tables"
        if InvocationType == "Event" and self.deaf:
            self.waiting.append(json.loads(Payload))
            return {"StatusCode": 202}
        return self.call(json.loads(Payload))

    def call(self, event: dict[str, Any]) -> dict[str, Any]:
        from ingest import tables

        context: Any = LambdaTime()
        try:
            answer = tables.handler(event, context)
        except Exception as error:  # noqa: BLE001 - as Lambda's runtime
            told = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(json.dumps(told).encode())}
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


@dataclass
class Stack:
    """Makes tables, starts loads, and plays the two state machines."""

    ports: Ports
    uploads: UploadPorts
    settings: Settings
    admin: Principal
    discards: list[str] = field(default_factory=list)
    functions: TablesFunction = field(default_factory=TablesFunction)

    def table(self, name: str = "trips", *, kind: str = "csv", gzip: bool = False, watch: str | None = None) -> Table:
        project = define_project(self.ports, self.admin, f"project-{name}")
        return self.table_in(project, name, kind=kind, gzip=gzip, watch=watch)

    def table_in(
        self,
        project: Project,
        name: str,
        *,
        kind: str = "csv",
        gzip: bool = False,
        watch: str | None = None,
        table_id: str | None = None,
    ) -> Table:
        table = define_table(self.ports, self.admin, project, name, door="tests", table_id=table_id)
        columns = (
            Column(name="at", type=ColumnType.TIMESTAMP, primary=True),
            Column(name="name", type=ColumnType.STRING),
            Column(name="value", type=ColumnType.INT64),
        )
        transform = Transform(
            name=f"{name}-transform",
            format=CsvFormat() if kind == "csv" else JsonFormat(),
            compression=Compression.GZIP if gzip else Compression.NONE,
            columns=columns,
        )
        define_transform(self.ports, self.admin, table, transform, default=True)
        if watch is not None:
            wish = Watch(org=self.admin.org, table_id=table.table_id, pattern=watch)
            watch_table(self.ports, self.admin, table, [wish])
        return find_table(self.ports, self.admin, project.project_id, table.table_id)

    def put(self, key: str, body: bytes, bucket: str = LANDING) -> dict[str, Any]:
        """Upload an object; gives what S3 notifies of it."""
        answer = client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        told = {"key": key, "size": len(body), "eTag": answer["ETag"].strip('"')}
        if "VersionId" in answer:
            told["versionId"] = answer["VersionId"]
        record = {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": bucket}, "object": told},
        }
        return {"Records": [record]}

    def start(self, table: Table, path: str = "", *, bucket: str = LANDING, **spec: Any) -> Run:
        """Start a run and hand it to its executor."""
        assert table.default_transform_id is not None
        wanted = LoadSpec(
            table_id=table.table_id,
            transform_id=table.default_transform_id,
            source=LoadSource(bucket=bucket, path=path),
            **spec,
        )
        return self.dispatch(load_table(self.ports, self.admin, table, wanted, door="tests"))

    def dispatch(self, run: Run) -> Run:
        dispatch_run(self.ports, run.org, run.job, run.run_id, "token")
        return self.read(run)

    def read(self, run: Run) -> Run:
        found = self.ports.runs.get(run.org, run.job, run.run_id)
        assert found is not None
        return found

    def uploaded_runs(self) -> list[Run]:
        page = self.ports.runs.of_org(self.admin.org, limit=1000)
        return [run for run in page.runs if run.trigger is TriggerKind.UPLOAD]

    def event(self, run: Run, **more: Any) -> dict[str, Any]:
        return {"org": run.org, "job": run.job, "run_id": run.run_id, **more}

    def ingest(self, run: Run, attempt: Callable[[Callable[[], Any]], Any] | None = None) -> Run:
        """Walk through the state machine Ingest, each task called by `attempt`, which may call it again."""
        from ingest import commit, index
        from ingest import list as list_files

        call = attempt or (lambda task: task())
        context: Any = LambdaTime()
        try:
            listed = call(lambda: list_files.handler(self.event(run), context))
            units = self._json(listed["units_key"]) if listed["units"] else []
            for unit in units:
                call(partial(index.handler, self.event(run, unit=unit), context))
            call(lambda: commit.handler(self.event(run, action="commit"), context))
        except Exception as error:  # noqa: BLE001 - as Step Functions' States.ALL
            cause = json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})
            failure = {"Error": type(error).__name__, "Cause": cause}
            call(lambda: commit.handler(self.event(run, action="fail", failure=failure), context))
        return self.read(run)

    def load(self, table: Table, path: str = "", **spec: Any) -> Run:
        """Start a run and let it go to its end."""
        return self.settle(self.ingest(self.start(table, path, **spec)))

    def settle(self, run: Run) -> Run:
        """Play the last step of RunLifecycle."""
        return settle_run(self.ports, run.org, run.job, run.run_id, read_outcome({"result": {}, **self.event(run)}))

    def receive(self, bodies: list[dict[str, Any]] | list[str]) -> dict[str, Any]:
        """Deliver messages to the upload function in one batch; ids are their positions."""
        from ingest import on_upload

        texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
        records = [
            {"messageId": str(number), "body": text, "eventSource": "aws:sqs", "messageAttributes": {}}
            for number, text in enumerate(texts)
        ]
        context: Any = LambdaTime()
        answer: dict[str, Any] = on_upload.handler({"Records": records}, context)
        return answer

    def take(self, url: str) -> list[dict[str, Any]]:
        """Take all messages from a queue."""
        sqs = client("sqs")
        taken: list[dict[str, Any]] = []
        while True:
            answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
            if not answer.get("Messages"):
                return taken
            for message in answer["Messages"]:
                taken.append(message)
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """Read the table back from its catalog, through PyIceberg and not through our own code."""
        target = TableTarget(table.database, table.lake_table, f"s3://{LAKE}/{table.location}")
        found: list[dict[str, Any]] = load_lake_table(open_catalog(LAKE), target).scan().to_arrow().to_pylist()
        return sorted(found, key=lambda row: (row["value"] is None, row["value"]))

    def lake_files(self, table: Table) -> list[str]:
        """Keys of all data files of the table in the lake, referenced or not."""
        pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=LAKE, Prefix=f"{table.location}/data/")
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def all_files(self, table: Table) -> list[str]:
        """Keys of everything below the table's location, metadata too."""
        pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=LAKE, Prefix=f"{table.location}/")
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def in_catalog(self, table: Table) -> bool:
        names = client("glue").get_tables(DatabaseName=table.database)["TableList"]
        return table.lake_table in {entry["Name"] for entry in names}

    def _json(self, key: str) -> Any:
        return json.loads(client("s3").get_object(Bucket=WORK, Key=key)["Body"].read())


@pytest.fixture
def gets(aws: None, monkeypatch: pytest.MonkeyPatch) -> list[SplitResult]:
    """The URLs of GET requests for objects, as they are sent, whoever sends them."""
    sent: list[SplitResult] = []
    answer = BotocoreStubber.__call__

    def note(self: Any, event_name: str, request: Any, **more: Any) -> Any:
        url = urlsplit(request.url)
        if request.method == "GET" and ".s3." in event_name and url.path.count("/") > 1:
            sent.append(url)
        return answer(self, event_name, request, **more)

    monkeypatch.setattr(BotocoreStubber, "__call__", note)
    return sent


@pytest.fixture
def stack(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Stack:
    from jobruns.aws.executors import IngestExecutor

    built = Stack(load_ports(), load_upload_ports(), settings, Principal(org=ORG, name="key", role=Role.ADMIN))

    def invoke(self: IngestExecutor, run: Run, action: str) -> None:
        """Stands for Lambda, which moto runs in Docker: the commit function is called at once."""
        from ingest import commit

        built.discards.append(f"{action} {run.run_id}")
        context: Any = LambdaTime()
        commit.handler(built.event(run, action=action), context)

    monkeypatch.setattr(IngestExecutor, "_invoke_commit", invoke)
    for name in ("waiting_functions", "functions"):
        monkeypatch.setattr(f"jobruns.aws.clients.{name}", cache(lambda: built.functions))
    monkeypatch.setattr("jobruns.service.uploads.RETRY_DELAY_SECONDS", 0)
    return built


def csv(count: int, start: int = 0) -> bytes:
    """Make a CSV file of so many good rows."""
    lines = [f"2026-01-0{number % 9 + 1}T00:00:00Z,name {number},{number}" for number in range(start, start + count)]
    return "\n".join(["at,name,value", *lines, ""]).encode()


__all__ = ["LANDING", "ORG", "LambdaTime", "RunState", "Stack", "client", "csv"]


def again_if_killed(kill: Kill) -> Callable[[Callable[[], Any]], Any]:
    """Call a task, and once more when its process was killed, as Step Functions does. Only tasks are killed."""

    def attempt(task: Callable[[], Any]) -> Any:
        kill.paused = False
        try:
            return task()
        except KilledError:
            return task()
        finally:
            kill.paused = True

    kill.paused = True
    return attempt
