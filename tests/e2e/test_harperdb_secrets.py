"""What callers of the HarperDB door tell as a secret is found nowhere afterwards, whatever became of the request."""

import base64
import json
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from local.runner import Runner
from tests.e2e.harper import Harper
from tests.e2e.kept import find_kept
from tests.e2e.ledger import wait_for

ROWS = b"id,name\n1,Penny\n2,Kato\n"
BUCKET = "callers-secrets"


class _Site(BaseHTTPRequestHandler):
    asked: ClassVar[list[tuple[str, str | None, str | None]]] = []

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("X-Token"), self.headers.get("Authorization")))
        self.send_response(404 if self.path.startswith("/gone") else 200)
        self.send_header("Content-Type", "text/html" if self.path.startswith("/page") else "text/csv")
        self.end_headers()
        self.wfile.write(ROWS)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    """A site of the caller's; gives its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


class Secrets:
    """Makes secrets that can be in no other place than those to which they are told."""

    def __init__(self) -> None:
        self.since = time.time()
        self.made: dict[str, str] = {}

    def new(self, name: str) -> str:
        """Make one; by its name a test tells which one was kept."""
        self.made[uuid.uuid4().hex] = name
        return list(self.made)[-1]

    def kept(self, runner: Runner) -> list[tuple[str, str]]:
        """Give the names of those that are kept, and where."""
        return [(self.made[secret], place) for secret, place in find_kept(runner, self.made, self.since)]


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


def test_a_secret_is_found_wherever_it_is_kept(runner: Runner, secrets: Secrets, tmp_path: Path) -> None:
    """Without this, the tests below would be content with a look at nothing."""
    state, work = runner.client, runner.env["WORK_BUCKET"]
    key = {"pk": {"S": "a-test"}, "sk": {"S": secrets.new("a key of the ledger")}}
    hidden = f"user:{secrets.new('base64 in the ledger')}".encode()
    item = {"a": {"S": base64.b64encode(hidden).decode()}, "b": {"B": secrets.new("bytes of the ledger").encode()}}
    state("dynamodb").put_item(TableName=runner.env["LEDGER_TABLE"], Item=key | item)
    content = bytes(9 << 20) + secrets.new("the end of an object").encode()
    state("s3").put_object(Bucket=work, Key="a-test", Body=content, Metadata={"a": secrets.new("metadata")})
    upload = {"Bucket": work, "Key": "a-test"} | {
        "UploadId": state("s3").create_multipart_upload(Bucket=work, Key="a-test")["UploadId"]
    }
    state("s3").upload_part(**upload, PartNumber=1, Body=secrets.new("a part").encode())
    queue = state("sqs").create_queue(QueueName="a-test")["QueueUrl"]
    for name in ("a message", "a message in flight"):
        state("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps({"a": secrets.new(name)}))
    state("sqs").receive_message(QueueUrl=queue)
    machine = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": {"b.$": "$.a"}, "End": True}}}
    role = "arn:aws:iam::123456789012:role/a-test"
    made = state("stepfunctions").create_state_machine(name="a-test", roleArn=role, definition=json.dumps(machine))
    told = json.dumps({"a": secrets.new("an execution")})
    state("stepfunctions").start_execution(stateMachineArn=made["stateMachineArn"], input=told)
    state("secretsmanager").create_secret(Name="a-test", SecretString=secrets.new("a secret"))
    (runner.logs / "a-test.log").write_text(secrets.new("a log"))
    left = Path(tempfile.gettempdir()) / f"a-test-{uuid.uuid4()}"
    left.write_text(secrets.new("a temporary file"))
    try:
        found = {name for name, _ in secrets.kept(runner)}
    finally:
        left.unlink()
        (runner.logs / "a-test.log").unlink()
        state("dynamodb").delete_item(TableName=runner.env["LEDGER_TABLE"], Key=key)
        state("s3").delete_object(Bucket=work, Key="a-test")
        state("s3").abort_multipart_upload(**upload)
        state("sqs").delete_queue(QueueUrl=queue)
        state("stepfunctions").delete_state_machine(stateMachineArn=made["stateMachineArn"])
        state("secretsmanager").delete_secret(SecretId="a-test", ForceDeleteWithoutRecovery=True)
    assert found == set(secrets.made.values())


def test_the_callers_s3_credentials_are_kept_nowhere(
    runner: Runner, harper: Harper, dogs: dict[str, str], secrets: Secrets
) -> None:
    runner.client("s3").create_bucket(Bucket=BUCKET)
    runner.client("s3").put_object(Bucket=BUCKET, Key="in.csv", Body=ROWS)

    def place(name: str, key: str, **more: Any) -> dict[str, Any]:
        pair = {"aws_access_key_id": secrets.new(f"{name} id"), "aws_secret_access_key": secrets.new(name)}
        return {**pair, "bucket": BUCKET, "key": key, "region": "us-east-1", **more}

    search = {"operation": "search_by_value", **dogs, "search_attribute": "id", "search_value": "*"}
    jobs = {
        "load": ("import_from_s3", {**dogs, "s3": place("load", "in.csv")}),
        "load of nothing": ("import_from_s3", {**dogs, "s3": place("load of nothing", "gone.csv")}),
        "load from no bucket": ("import_from_s3", {**dogs, "s3": place("no bucket", "in.csv", bucket="callers-none")}),
        "export": ("export_to_s3", {"format": "csv", "s3": place("export", "o"), "search_operation": search}),
        "export of nothing": ("export_to_s3", {"format": "csv", "s3": place("of nothing", "o")}),
        "export in no form": ("export_to_s3", {"s3": place("formless", "o"), "search_operation": search}),
    }
    started = {name: harper.do(operation, **members)["job_id"] for name, (operation, members) in jobs.items()}
    ended = {name: harper.end(job_id) for name, job_id in started.items()}
    assert {name: job["status"] for name, job in ended.items()} == {
        "load": "COMPLETE",
        "load of nothing": "ERROR",
        "load from no bucket": "ERROR",
        "export": "COMPLETE",
        "export of nothing": "ERROR",
        "export in no form": "ERROR",
    }
    assert ended["load of nothing"]["message"] == "The specified key does not exist."
    # And what becomes no job.
    for members in (
        {**dogs, "table": "none", "s3": place("no table", "in.csv")},
        {**dogs, "s3": place("wrong kind of file", "in.exe")},
        {**dogs, "s3": {**place("no region", "in.csv"), "region": 1}},
        {**dogs, "s3": place("one text", "in.csv") | {"aws_secret_access_key": [secrets.new("a list")]}},
    ):
        assert harper.ask("import_from_s3", **members)[0] == 400
    assert harper.ask("import_from_nowhere", **dogs, s3=place("unknown operation", "in.csv"))[0] == 400
    broken = json.dumps({"operation": "import_from_s3", "s3": place("broken", "in.csv")})[:-1]
    assert send(harper, broken) == 400
    assert secrets.kept(runner) == []


def test_headers_that_are_passed_through_and_secrets_in_a_url_are_kept_nowhere(
    runner: Runner, harper: Harper, dogs: dict[str, str], secrets: Secrets, site: int
) -> None:
    def load(path: str, name: str, host: str = f"127.0.0.1:{site}", **members: Any) -> str:
        url = f"http://{host}{path}?X-Amz-Signature={secrets.new(f'signature of {name}')}&x=1"
        started: str = harper.do("csv_url_load", **dogs, csv_url=url, **members)["job_id"]
        return started

    header = secrets.new("a header")
    started = {
        "headers": harper.do(
            "csv_url_load", **dogs, csv_url=f"http://127.0.0.1:{site}/rows", passthrough_headers={"X-Token": header}
        )["job_id"],
        "signed": load("/signed", "what is there"),
        "user": load("/user", "user", f"me:{secrets.new('a password')}@127.0.0.1:{site}"),
        "gone": load("/gone", "gone", passthrough_headers={"X-Token": secrets.new("a header of what is gone")}),
        "page": load("/page", "page"),
        "closed": load("/closed", "closed", "127.0.0.1:1"),
        "forbidden": load("/meta", "forbidden", "169.254.169.254"),
        "unknown": load("/", "unknown", "no-such-host.invalid"),
    }
    ended = {name: harper.end(job_id) for name, job_id in started.items()}
    told = {name: (job["status"], job["message"]) for name, job in ended.items()}
    at = f"CSV Load failed from URL: http://127.0.0.1:{site}"
    assert {status for status, _ in (told.pop("headers"), told.pop("signed"))} == {"COMPLETE"}
    assert {status for status, _ in told.values()} == {"ERROR"}
    assert {name: message for name, (_, message) in told.items()} == {
        "user": f"{at}/user, only URLs of http and https, without a user and of visible characters, are called",
        "gone": f"{at}/gone, status code: 404, message: Not Found",
        "page": f"{at}/page, unsupported content type: text/html",
        "closed": "connect ECONNREFUSED 127.0.0.1:1",
        "forbidden": "CSV Load failed from URL: http://169.254.169.254/meta, "
        "the host 169.254.169.254 has an address that is not public",
        "unknown": "getaddrinfo ENOTFOUND no-such-host.invalid",
    }
    # They were of use.
    asked = {path.partition("?")[0]: (path, token) for path, token, _ in _Site.asked}
    assert asked["/rows"][1] == header
    assert "X-Amz-Signature=" in asked["/signed"][0]
    jobs = harper.do("search_jobs_by_start_date", from_date="2000-01-01", to_date="2100-01-01")
    shown = json.dumps([jobs, ended, harper.do("read_log", limit=1000)])
    assert [name for secret, name in secrets.made.items() if secret in shown] == []
    assert secrets.kept(runner) == []


def test_passwords_and_tokens_of_users_are_kept_nowhere(runner: Runner, harper: Harper, secrets: Secrets) -> None:
    first, second = secrets.new("a password"), secrets.new("a changed password")
    harper.do("add_role", role="keeper", permission={"super_user": False})
    harper.do("add_user", role="keeper", username="keeper", password=first, active=True)
    tokens = harper.do("create_authentication_tokens", username="keeper", password=first)
    for name, token in tokens.items():
        secrets.made[token.rpartition(".")[2]] = name
    user = Harper(runner, f"Bearer {tokens['operation_token']}")
    assert user.do("user_info")["username"] == "keeper"
    refreshed = Harper(runner, f"Bearer {tokens['refresh_token']}").do("refresh_operation_token")
    secrets.made[refreshed["operation_token"].rpartition(".")[2]] = "a refreshed token"
    harper.do("alter_user", username="keeper", password=second)
    pair = base64.b64encode(f"keeper:{second}".encode()).decode()
    assert Harper(runner, f"Basic {pair}").do("user_info")["username"] == "keeper"
    former = Harper(runner, f"Basic {base64.b64encode(f'keeper:{first}'.encode()).decode()}")
    # Another process that had read the user takes the old password until it reads him again, as README has it.
    wait_for(lambda: former.ask("user_info")[0] == 401, 35, every_seconds=1)
    assert harper.ask("create_authentication_tokens", username="keeper", password=secrets.new("a guess"))[0] == 401
    assert harper.ask("add_user", role="none", username="x", password=secrets.new("of no role"), active=True)[0] == 404
    harper.do("drop_user", username="keeper")
    harper.do("drop_role", id="keeper")
    assert secrets.kept(runner) == []


def send(harper: Harper, body: str) -> int:
    """Send a body as it is; gives the status."""
    headers = {"Content-Type": "application/json", "Authorization": harper.authorization}
    request = urllib.request.Request(harper.url, body.encode(), headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            status: int = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    return status
