"""Events of API Gateway in, answers in JSON 1.1 out."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glue.errors import BrokenConstraintError, describe_bug, describe_error, name_error
from glue.wire import MAX_BODY_BYTES, MAX_OPERATION_BYTES, Call, read_call, read_parameters, write_answer, write_fault
from jobruns import errors
from jobruns.errors import InvalidInputError, JobrunsError
from tests.unit.glue.operations import ANYTHING

REQUEST_ID = "6f0c1e5a-52f4-4c8e-9d3c-6c1f7b6f6d10"


def event(body: bytes = b"{}", *, encoded: bool = True, path: str = "/glue", **headers: str) -> dict[str, Any]:
    return {
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"X-Amz-Target": "AWSGlue.GetJobs"} | {k.replace("_", "-"): v for k, v in headers.items()},
        "requestContext": {"http": {"method": "POST"}},
        "isBase64Encoded": encoded,
        "body": base64.b64encode(body).decode() if encoded else body.decode(),
    }


def parameters(body: bytes, operation: str = "GetJobs", *, encoded: bool = True) -> dict[str, Any]:
    call = read_call(event(body, encoded=encoded))
    return read_parameters(Call(operation, call.request))


@pytest.mark.parametrize("encoded", [True, False])
def test_a_body_in_either_form(encoded: bool) -> None:
    text = '{"JobName": "nächtlich 🌙"}'
    assert parameters(text.encode(), encoded=encoded) == {"JobName": "nächtlich 🌙"}
    assert read_call(event(text.encode(), encoded=encoded)).request.body == text.encode()


@pytest.mark.parametrize("missing", ["body", "isBase64Encoded", "rawQueryString"])
def test_what_an_event_may_leave_out(missing: str) -> None:
    sent = event(b"", encoded=False)
    del sent[missing]
    assert read_parameters(read_call(sent)) == {}


@pytest.mark.parametrize("path", ["/glue", "/glue/", "/prod/glue", "/prod/glue/"])
def test_the_operation_is_found_wherever_the_api_is(path: str) -> None:
    assert read_call(event(path=path)).operation == "GetJobs"


@pytest.mark.parametrize("path", ["/", "/glue/x", "/glued", "/config/v1"])
def test_no_operation_is_found_elsewhere(path: str) -> None:
    assert read_call(event(path=path)).operation is None


@pytest.mark.parametrize("target", ["", "GetJobs", "awsglue.GetJobs", "DynamoDB_20120810.ListTables"])
def test_a_target_that_is_not_glues(target: str) -> None:
    assert read_call(event(X_Amz_Target=target)).operation is None


def test_only_post_has_operations() -> None:
    sent = event()
    sent["requestContext"]["http"]["method"] = "GET"
    assert read_call(sent).operation is None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not JSON"),
        (b"[]", "not an object"),
        (b"null", "not an object"),
        (b'"text"', "not an object"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": Infinity}', "not JSON"),
        (b'{"a": 1e999}', "not JSON"),
        (b'{"a": "\\ud800"}', "not JSON"),
        (b'{"\\udfff": 1}', "not JSON"),
        (b'{"a": "\xff"}', "not JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ],
)
def test_a_body_that_cannot_be_read(body: bytes, says: str) -> None:
    with pytest.raises(JobrunsError, match=says) as refused:
        parameters(body)
    assert name_error(refused.value) == "SerializationException"


def test_a_message_quotes_nothing_of_a_body_that_cannot_be_read() -> None:
    with pytest.raises(JobrunsError) as refused:
        parameters(b'{"SourceControlDetails": {"AuthToken": "hunter2"')
    assert "hunter2" not in refused.value.message


def test_a_body_that_is_not_base64_as_the_event_says() -> None:
    with pytest.raises(JobrunsError, match="base64") as refused:
        read_call(event() | {"body": "{}"})
    assert name_error(refused.value) == "SerializationException"


@pytest.mark.parametrize(
    ("operation", "limit"), [("GetJobs", MAX_BODY_BYTES), ("StartJobRun", MAX_OPERATION_BYTES["StartJobRun"])]
)
def test_a_body_that_is_too_large(operation: str, limit: int) -> None:
    def filled(size: int) -> bytes:
        return b'{"a":"' + b"x" * (size - 8) + b'"}'

    assert parameters(filled(limit), operation)
    with pytest.raises(InvalidInputError, match=str(limit)) as refused:
        parameters(filled(limit + 1), operation)
    assert name_error(refused.value) == "InvalidInputException"


@given(st.text() | st.none(), st.booleans())
def test_whatever_a_body_is_meets_our_errors_only(body: str | None, encoded: bool) -> None:
    try:
        read = read_parameters(read_call(event() | {"body": body, "isBase64Encoded": encoded}))
    except InvalidInputError as error:
        assert name_error(error) == "SerializationException"  # noqa: PT017 - either outcome is right
    else:
        assert isinstance(read, dict)


@given(st.dictionaries(st.text(max_size=8), ANYTHING, max_size=4))
def test_an_answer_is_one_that_gateway_and_client_can_read(document: dict[str, Any]) -> None:
    answer = write_answer(document, REQUEST_ID)
    assert json.loads(json.loads(json.dumps(answer))["body"]) == document
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, False)
    assert answer["headers"] == {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": REQUEST_ID}


def test_a_fault_is_named_where_every_sdk_looks() -> None:
    answer = write_fault((400, "EntityNotFoundException", "No job is named 'x'."), REQUEST_ID)
    assert answer["statusCode"] == 400
    assert answer["headers"] == {
        "Content-Type": "application/x-amz-json-1.1",
        "x-amzn-RequestId": REQUEST_ID,
        "x-amzn-ErrorType": "EntityNotFoundException",
    }
    text = "No job is named 'x'."
    assert json.loads(answer["body"]) == {"__type": "EntityNotFoundException", "Message": text, "message": text}


def test_every_error_of_the_core_has_a_name_of_its_own_choosing() -> None:
    """An error that is new in the core must be put into the table, or be seen here to be our own fault."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, JobrunsError)]
    ours = {kind.__name__ for kind in kinds if name_error(kind("x")) == "InternalServiceException"}
    assert ours == {"JobrunsError", "UnavailableError"}


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (errors.NotFoundError("no job is named 'x'"), (400, "EntityNotFoundException", "No job is named 'x'.")),
        (errors.AlreadyExistsError("taken!"), (400, "AlreadyExistsException", "Taken!")),
        (errors.StaleWriteError("x"), (400, "ConcurrentModificationException", "X.")),
        (errors.ConcurrentRunsExceededError("x"), (400, "ConcurrentRunsExceededException", "X.")),
        (errors.AccessDeniedError("x"), (400, "AccessDeniedException", "X.")),
        (errors.UnavailableError("x"), (500, "InternalServiceException", "X.")),
        (errors.MissingCredentialError("x"), (400, "MissingAuthenticationTokenException", "X.")),
        (errors.MalformedCredentialError("x"), (400, "IncompleteSignatureException", "X.")),
        (errors.UnknownKeyError("x"), (400, "UnrecognizedClientException", "X.")),
        (errors.UntimelySignatureError("x"), (400, "InvalidSignatureException", "X.")),
        (BrokenConstraintError(["[a]*"]), (400, "ValidationException", "1 validation error detected: [a]*")),
    ],
)
def test_what_is_answered_to_an_error(error: JobrunsError, fault: tuple[int, str, str]) -> None:
    assert describe_error(error) == fault


def test_a_bug_is_told_without_its_details() -> None:
    assert describe_bug(KeyError("hunter2")) == (500, "InternalServiceException", "Internal service error.")
