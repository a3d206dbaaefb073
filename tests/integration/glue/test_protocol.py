"""The protocol, as boto3 and as anybody else speaks it."""

import io
import logging
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_glue import GlueClient

from glue import app
from glue.admission import Caller
from glue.operations import OPERATIONS
from jobruns.errors import NotFoundError, UnavailableError
from tests.integration.glue.client import Answer, Key, Wire, connect, http_event, play


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """Have an operation answer, or raise, what is said; it gives what is asked of it."""

    def put(operation: str, *outcomes: dict[str, Any] | Exception) -> list[dict[str, Any]]:
        asked: list[dict[str, Any]] = []
        left = iter(outcomes)

        def serve_one(caller: Caller, request: dict[str, Any]) -> dict[str, Any]:
            asked.append({"token": caller.token, **request})
            outcome = next(left)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setitem(OPERATIONS, operation, serve_one)
        return asked

    return put


@pytest.fixture
def post(key: Callable[..., Key]) -> Callable[..., Answer]:
    token = key().token

    def send(operation: str, body: bytes, *, method: str = "POST", path: str = "/glue", **headers: str) -> Answer:
        sent = {"X-Api-Key": token, "X-Amz-Target": f"AWSGlue.{operation}", **headers}
        return play(http_event(method, path, body, sent))

    return send


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that the door logs, as it logs it."""
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(app.logger.registered_formatter)
    app.logger.addHandler(handler)
    yield lines
    app.logger.removeHandler(handler)


def test_boto3_reads_an_answer(key: Callable[..., Key], serve: Callable[..., Any]) -> None:
    at = datetime(2026, 11, 21, 12, 0, 0, 255_000, tzinfo=UTC)
    run = {
        "Id": "jr_1",
        "Attempt": Decimal(0),
        "StartedOn": at,
        "MaxCapacity": 10,
        "ExecutionTime": 57,
        "Timeout": None,
    }
    asked = serve("GetJobRun", {"JobRun": run})
    wire = Wire()
    answer = connect(key(), wire=wire).get_job_run(JobName="nächtlich", RunId="jr_1")
    assert answer["JobRun"] == {"Id": "jr_1", "Attempt": 0, "StartedOn": at, "MaxCapacity": 10.0, "ExecutionTime": 57}
    assert isinstance(answer["JobRun"]["MaxCapacity"], float)
    assert asked[0]["JobName"] == "nächtlich"
    assert wire.answers[0].body["JobRun"]["StartedOn"] == 1795262400.255
    assert wire.answers[0].headers["Content-Type"] == "application/x-amz-json-1.1"
    assert uuid.UUID(answer["ResponseMetadata"]["RequestId"])


def test_boto3_raises_what_glue_would(glue: GlueClient, serve: Callable[..., Any]) -> None:
    serve("GetJob", NotFoundError("no job is named 'x'"))
    with pytest.raises(glue.exceptions.EntityNotFoundException) as raised:
        glue.get_job(JobName="x")
    response: Any = raised.value.response
    assert response["Error"] == {"Code": "EntityNotFoundException", "Message": "No job is named 'x'."}
    assert response["Message"] == "No job is named 'x'."
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert uuid.UUID(response["ResponseMetadata"]["RequestId"])


def test_boto3_repeats_what_may_pass_under_the_same_token(
    key: Callable[..., Key], serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    asked = serve(
        "StartJobRun", UnavailableError("x"), UnavailableError("x"), {"JobRunId": "jr_1"}, {"JobRunId": "jr_2"}
    )
    client = connect(key(), tries=3)
    assert client.start_job_run(JobName="x")["JobRunId"] == "jr_1"
    assert client.start_job_run(JobName="x")["JobRunId"] == "jr_2"
    tokens = [request["token"] for request in asked]
    assert tokens[0] == tokens[1] == tokens[2] != tokens[3]


def test_a_bug_is_ours_and_keeps_its_details_in_the_log(
    glue: GlueClient, serve: Callable[..., Any], log: io.StringIO
) -> None:
    serve("GetJob", ZeroDivisionError("hunter2"))
    with pytest.raises(glue.exceptions.InternalServiceException) as raised:
        glue.get_job(JobName="x")
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert "hunter2" not in str(raised.value.response)
    logged = log.getvalue()
    assert "ZeroDivisionError: hunter2" in logged
    assert raised.value.response["ResponseMetadata"]["RequestId"] in logged


def test_an_answer_of_ours_that_is_no_json_is_a_bug(glue: GlueClient, serve: Callable[..., Any]) -> None:
    serve("GetJob", {"Job": {"Name": object()}})
    with pytest.raises(glue.exceptions.InternalServiceException):
        glue.get_job(JobName="x")


def test_an_operation_of_glues_that_is_not_served(glue: GlueClient, serve: Callable[..., Any]) -> None:
    serve("GetJob")
    with pytest.raises(ClientError, match=r"GetDatabases.*it has.*GetJob") as raised:
        glue.get_databases()
    assert raised.value.response["Error"]["Code"] == "UnknownOperationException"


@pytest.mark.parametrize(
    "how",
    [
        {"operation": "NoSuchThing"},
        {"operation": ""},
        {"X-Amz-Target": ""},
        {"X-Amz-Target": "DynamoDB_20120810.ListTables"},
        {"method": "GET"},
        {"path": "/glue/jobs"},
    ],
)
def test_what_asks_for_no_operation(
    post: Callable[..., Answer], serve: Callable[..., Any], how: dict[str, str]
) -> None:
    serve("GetJob", {})
    answer = post(**{"operation": "GetJob", **how}, body=b'{"JobName": "x"}')
    assert (answer.status, answer.error) == (400, "UnknownOperationException")


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"\xff", b'{"JobName": 5}', b'{"JobName": ["x"]}', b'{"JobName": "\\ud800"}']
)
def test_a_body_that_cannot_be_read(post: Callable[..., Answer], serve: Callable[..., Any], body: bytes) -> None:
    asked = serve("GetJob", {})
    answer = post("GetJob", body)
    assert (answer.status, answer.error) == (400, "SerializationException")
    assert asked == []


@pytest.mark.parametrize("body", [b"", b"{}", b" ", b'{"NextToken": null}', b'{"NewMember": 1}'])
def test_a_body_that_asks_for_nothing_in_particular(
    post: Callable[..., Answer], serve: Callable[..., Any], body: bytes
) -> None:
    asked = serve("GetJobs", {"Jobs": []})
    answer = post("GetJobs", body)
    assert (answer.status, answer.body) == (200, {"Jobs": []})
    assert asked == [{"token": None}]


@pytest.mark.parametrize(
    ("operation", "request_", "says"),
    [
        ("get_job", {"JobName": "x" * 256}, "'jobName' .* length less than or equal to 255"),
        ("get_job", {"JobName": "a\x00b"}, "'jobName' .* regular expression pattern"),
        ("get_job_runs", {"JobName": "x", "MaxResults": 201}, "'maxResults' .* value less than or equal to 200"),
        ("batch_stop_job_run", {"JobName": "x", "JobRunIds": ["r"] * 26}, "'jobRunIds' .* less than or equal to 25"),
        ("create_trigger", {"Name": "t", "Type": "x", "Actions": []}, "'type' .* enum value set"),
    ],
)
def test_what_boto3_lets_pass(
    glue: GlueClient, serve: Callable[..., Any], operation: str, request_: dict[str, Any], says: str
) -> None:
    asked = serve(glue.meta.method_to_api_mapping[operation], {})
    with pytest.raises(ClientError, match=f"1 validation error detected: .*{says}") as raised:
        getattr(glue, operation)(**request_)
    assert raised.value.response["Error"]["Code"] == "ValidationException"
    assert asked == []


def test_a_request_that_is_too_large(glue: GlueClient, post: Callable[..., Answer], serve: Callable[..., Any]) -> None:
    asked = serve("StartJobRun", {})
    with pytest.raises(glue.exceptions.InvalidInputException, match="184320"):
        glue.start_job_run(JobName="x", Arguments={"--text": "x" * 184_320})
    serve("GetJobs", {})
    assert post("GetJobs", b" " * (1024 * 1024 + 1)).error == "InvalidInputException"
    assert asked == []


def test_secrets_are_neither_logged_nor_told(glue: GlueClient, serve: Callable[..., Any], log: io.StringIO) -> None:
    job: Any = {
        "Name": "x",
        "Role": "r",
        "Command": {},
        "SourceControlDetails": {"AuthToken": "hunter2" * 100},
        "CodeGenConfigurationNodes": {
            "n": {"CustomCode": {"Name": "hunter2", "Inputs": ["i"], "Code": "c", "ClassName": "k"}}
        },
    }
    serve("CreateJob", ZeroDivisionError(), UnavailableError("x"))
    with pytest.raises(ClientError, match=r"sourceControlDetails\.authToken") as raised:
        glue.create_job(**job)
    assert "hunter2" not in str(raised.value)
    job["SourceControlDetails"]["AuthToken"] = "hunter2"
    for _ in range(2):
        with pytest.raises(glue.exceptions.InternalServiceException):
            glue.create_job(**job)
    logged = log.getvalue()
    assert "ZeroDivisionError" in logged
    assert "hunter2" not in logged
