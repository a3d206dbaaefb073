"""Requests: types of bodies, JSON, and the operation named; what comes before anybody asks who calls."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdb.bodies import MAX_BODY_BYTES, Call, check_size, read_bytes, read_call
from hdb.errors import (
    BodyTooLargeError,
    NoOperationError,
    UnreadableBodyError,
    UnsupportedTypeError,
    describe_error,
)
from jobruns.errors import JobrunsError

JSON = "application/json"


def test_a_request_names_its_operation_and_keeps_members_nobody_knows() -> None:
    body = b'{"operation": "get_job", "id": "x", "foo": 1, "transact_to_cluster": false}'
    assert read_call(JSON, body) == Call("get_job", json.loads(body))


@pytest.mark.parametrize("content_type", [JSON, "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"])
def test_json_is_read_with_a_charset_and_without(content_type: str) -> None:
    assert read_call(content_type, b'{"operation": "x"}').name == "x"


@pytest.mark.parametrize(
    ("content_type", "told"),
    [
        (None, "Unsupported Media Type: undefined"),
        ("", "Unsupported Media Type: undefined"),
        ("application/xml", "Unsupported Media Type: application/xml"),
        ("application/x-www-form-urlencoded", "Unsupported Media Type: application/x-www-form-urlencoded"),
        ("application/cbor", "Unsupported Media Type: application/cbor"),
    ],
)
def test_another_type_is_415(content_type: str | None, told: str) -> None:
    with pytest.raises(UnsupportedTypeError) as refusal:
        read_call(content_type, b'{"operation": "x"}')
    fault = describe_error(refusal.value)
    assert (fault.status, fault.document) == (415, {"error": told})


@pytest.mark.parametrize(
    ("content_type", "body"), [("text/plain", b"{}"), (JSON, b"{}"), (JSON, b"[]"), (JSON, b'"x"')]
)
def test_a_body_with_nothing_in_it_is_answered_in_the_other_shape(content_type: str, body: bytes) -> None:
    with pytest.raises(NoOperationError) as refusal:
        read_call(content_type, body)
    fault = describe_error(refusal.value)
    message = "Request body must include an 'operation' property."
    assert fault.document == {"statusCode": 400, "error": "Bad Request", "message": message}
    assert fault.status == 400


@pytest.mark.parametrize("body", [b'{"a": 1}', b'{"operation": null}', b'{"operation": 5}', b'{"operation": ["sql"]}'])
def test_no_operation_or_one_that_is_no_text_is_400(body: bytes) -> None:
    with pytest.raises(NoOperationError) as refusal:
        read_call(JSON, body)
    fault = describe_error(refusal.value)
    assert (fault.status, fault.document) == (400, {"error": "Request body must include an 'operation' property."})


@pytest.mark.parametrize("name", ["", " get_job", "GET_JOB", "get_job "])
def test_the_name_is_taken_as_it_is(name: str) -> None:
    assert read_call(JSON, json.dumps({"operation": name}).encode()).name == name


def test_an_empty_body_is_400() -> None:
    with pytest.raises(UnreadableBodyError) as refusal:
        read_call(JSON, b"")
    assert refusal.value.message == "Body cannot be empty when content-type is set to 'application/json'"
    assert describe_error(refusal.value).status == 400


@pytest.mark.parametrize(
    "body",
    [
        b" ",
        b"{",
        b"{operation: 1}",
        b"nope",
        b'{"operation": "x"} x',
        b'{"operation": NaN}',
        b'{"operation": "x", "a": 1e999}',
        b'{"operation": "\\ud800"}',
        b'{"operation": "\xff"}',
        b"[" * 100_000,
    ],
)
def test_malformed_json_is_400_and_not_repeated(body: bytes) -> None:
    with pytest.raises(UnreadableBodyError) as refusal:
        read_call(JSON, body)
    fault = describe_error(refusal.value)
    assert fault.status == 400
    assert "nope" not in str(fault.document)


def test_a_body_that_is_too_large_is_413_and_told_what_to_use() -> None:
    check_size(MAX_BODY_BYTES)
    with pytest.raises(BodyTooLargeError, match="csv_url_load or import_from_s3") as refusal:
        check_size(MAX_BODY_BYTES + 1)
    fault = describe_error(refusal.value)
    assert (fault.status, list(fault.document)) == (413, ["error"])


def test_a_body_comes_as_text_or_as_base64() -> None:
    assert read_bytes('{"é": 1}', encoded=False) == '{"é": 1}'.encode()
    assert read_bytes(base64.b64encode(b"\xff").decode(), encoded=True) == b"\xff"
    assert read_bytes(None, encoded=False) == b""
    with pytest.raises(UnreadableBodyError):
        read_bytes("?", encoded=True)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=4,
)


def assert_read(body: bytes, document: Any = None) -> None:
    status = 0
    try:
        fields = read_call(JSON, body).fields
    except JobrunsError as error:
        status = describe_error(error).status
    assert status == 400 or (status == 0 and document in (None, fields))


@settings(max_examples=60)
@given(_json | st.dictionaries(st.sampled_from(["operation", "a"]), _json))
def test_any_json_is_a_call_or_an_error_of_this_door(document: Any) -> None:
    body = json.dumps(document, ensure_ascii=False).encode(errors="surrogatepass")
    assert_read(body, document)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_call_or_an_error_of_this_door(body: bytes) -> None:
    assert_read(body)
