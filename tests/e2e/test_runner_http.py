"""The HTTP front: routes, events, answers."""

import base64
import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from local.runner import Runner


@pytest.fixture(scope="module")
def connection(tiny: Runner) -> Iterator[http.client.HTTPConnection]:
    """One connection for every test: each also shows that the one before left it usable."""
    connection = http.client.HTTPConnection(urlsplit(tiny.url).netloc, timeout=20)
    connection.connect()
    local_port = connection.sock.getsockname()[1]
    yield connection
    assert connection.sock is not None
    assert connection.sock.getsockname()[1] == local_port
    connection.close()


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def send(connection: http.client.HTTPConnection, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, names, encode_chunked=False)
    return Answer(connection.getresponse())


def test_event_has_payload_format_2(connection: http.client.HTTPConnection) -> None:
    path = "/config/v1/a%20b/c%2Fd?x=1&x=2&y=%C3%A4&z="
    answer = send(connection, "GET", path, Cookie="a=1; b=2", X_Trace="t")
    assert answer.status == 200
    event = answer.json["event"]
    assert event["version"] == "2.0"
    assert event["routeKey"] == "ANY /config/v1/{proxy+}"
    assert event["rawPath"] == "/config/v1/a%20b/c%2Fd"
    assert event["rawQueryString"] == "x=1&x=2&y=%C3%A4&z="
    assert event["pathParameters"] == {"proxy": "a b/c/d"}
    assert event["queryStringParameters"] == {"x": "1,2", "y": "ä", "z": ""}
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["x-trace"] == "t"
    assert "cookie" not in event["headers"]
    assert event["requestContext"]["http"]["method"] == "GET"
    assert event["requestContext"]["stage"] == "$default"
    assert event["requestContext"]["http"]["path"] == event["rawPath"]
    assert "body" not in event


def test_a_named_stage_has_the_same_routes_and_its_name_first_in_paths(connection: http.client.HTTPConnection) -> None:
    event = send(connection, "GET", "/staged/config/v1/a/b?x=1").json["event"]
    assert event["requestContext"]["stage"] == "staged"
    assert event["rawPath"] == event["requestContext"]["http"]["path"] == "/staged/config/v1/a/b"
    assert (event["routeKey"], event["pathParameters"]) == ("ANY /config/v1/{proxy+}", {"proxy": "a/b"})
    for nowhere in ("/staged", "/staged/", "/staged/staged/config/v1/a", "/stage/config/v1/a"):
        assert send(connection, "GET", nowhere).status == 404, nowhere


@pytest.mark.parametrize(
    ("content_type", "body", "encoded"),
    [
        ("application/json; charset=utf-8", '{"ä": 1}'.encode(), False),
        ("text/csv", b"a,b\n1,2\n", False),
        ("application/problem+json", b"{}", False),
        ("application/octet-stream", b"\x00\xff", True),
        ("application/x-www-form-urlencoded", b"a=1", True),
        ("text/plain", b"\xff\xfe", True),
    ],
)
def test_body_is_text_or_base64(
    connection: http.client.HTTPConnection, content_type: str, body: bytes, encoded: bool
) -> None:
    event = send(connection, "POST", "/config/v1/x", body, Content_Type=content_type).json["event"]
    assert event["isBase64Encoded"] is encoded
    assert (base64.b64decode(event["body"]) if encoded else event["body"].encode()) == body


def test_glue_client_reaches_its_door_as_it_sends(tiny: Runner) -> None:
    assert tiny.env["JOBRUNS_GLUE_URL"] == f"{tiny.url}/glue"
    key = {"aws_access_key_id": "AK", "aws_secret_access_key": "secret", "region_name": "eu-west-1"}
    client: Any = boto3.session.Session().client("glue", endpoint_url=tiny.env["JOBRUNS_GLUE_URL"], **key)
    sent: list[Any] = []
    client.meta.events.register("before-send.glue.GetJob", lambda request, **_: sent.append(request))
    answers: list[Any] = []
    client.meta.events.register("after-call.glue.GetJob", lambda http_response, **_: answers.append(http_response))
    client.get_job(JobName="ä")
    event, request = json.loads(answers[0].content)["event"], sent[0]
    assert event["rawPath"] == "/glue"
    assert (event["isBase64Encoded"], base64.b64decode(event["body"])) == (True, request.body)
    # What is signed arrives as it was: names in lower case, values untouched.
    names = {name.lower(): value for name, value in request.headers.items()}
    signed = event["headers"]["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"content-type", "host", "x-amz-date", "x-amz-target"} <= set(signed)
    for name in {*signed, "authorization", "amz-sdk-invocation-id"} - {"host"}:
        sent_value = names[name].decode() if isinstance(names[name], bytes) else names[name]
        assert event["headers"][name] == sent_value
    assert event["headers"]["host"] == urlsplit(tiny.url).netloc


def test_chunked_body_is_read(connection: http.client.HTTPConnection) -> None:
    chunks = iter([b'{"a":', b" 1}"])
    connection.request("POST", "/config/v1/x", chunks, {"Content-Type": "application/json"}, encode_chunked=True)
    assert Answer(connection.getresponse()).json["event"]["body"] == '{"a": 1}'


def test_more_exact_route_wins(connection: http.client.HTTPConnection) -> None:
    one = send(connection, "GET", "/config/v1/things/7").json["event"]
    assert (one["routeKey"], one["pathParameters"]) == ("GET /config/v1/things/{id}", {"id": "7"})
    other = send(connection, "PUT", "/config/v1/things/7").json["event"]
    assert other["routeKey"] == "ANY /config/v1/{proxy+}"


@pytest.mark.parametrize("path", ["/", "/nowhere", "/config/v1", "/answer/more"])
def test_unknown_route_is_404(connection: http.client.HTTPConnection, path: str) -> None:
    answer = send(connection, "POST", path, b"left unread")
    assert (answer.status, answer.json) == (404, {"message": "Not Found"})


def answer_with(connection: http.client.HTTPConnection, returned: Any) -> Answer:
    return send(connection, "POST", "/answer", json.dumps(returned), Content_Type="application/json")


def test_structured_answer(connection: http.client.HTTPConnection) -> None:
    answer = answer_with(
        connection,
        {
            "statusCode": 201,
            "headers": {"X-One": "1", "X-Flag": True},
            "cookies": ["a=1; Path=/", "b=2"],
            "body": base64.b64encode(b"\x00\x01").decode(),
            "isBase64Encoded": True,
        },
    )
    assert (answer.status, answer.body) == (201, b"\x00\x01")
    assert (answer.headers["X-One"], answer.headers["X-Flag"]) == ("1", "true")
    assert answer.headers.get_all("Set-Cookie") == ["a=1; Path=/", "b=2"]


def test_other_answers(connection: http.client.HTTPConnection) -> None:
    plain = answer_with(connection, {"hello": "you"})
    assert (plain.status, plain.json, plain.headers["Content-Type"]) == (200, {"hello": "you"}, "application/json")
    assert answer_with(connection, {"statusCode": 204}).body == b""
    broken = answer_with(connection, {"statusCode": "many"})
    assert (broken.status, broken.json) == (500, {"message": "Internal Server Error"})


def test_function_that_raises_is_500(connection: http.client.HTTPConnection) -> None:
    answer = send(connection, "POST", "/answer", "no json", Content_Type="application/json")
    assert (answer.status, answer.json) == (500, {"message": "Internal Server Error"})


def test_head_has_no_body(connection: http.client.HTTPConnection) -> None:
    answer = send(connection, "HEAD", "/config/v1/x")
    assert (answer.status, answer.body) == (200, b"")


def test_body_over_six_megabytes_is_413(connection: http.client.HTTPConnection) -> None:
    answer = send(connection, "POST", "/config/v1/x", b"x" * (6 * 1024 * 1024 + 1))
    assert (answer.status, answer.json) == (413, {"message": "Request Entity Too Large"})


def test_access_log_has_a_line_per_request(connection: http.client.HTTPConnection, tiny: Runner) -> None:
    request_id = send(connection, "GET", "/config/v1/logged").headers["Apigw-Requestid"]
    lines = [json.loads(line) for line in (tiny.logs / "access.log").read_text().splitlines()]
    (line,) = [line for line in lines if line["requestId"] == request_id]
    assert (line["path"], line["status"]) == ("/config/v1/logged", 200)


def test_two_hundred_requests_at_once_are_all_served(tiny: Runner) -> None:
    together = threading.Barrier(200)

    def ask(number: int) -> tuple[int, str]:
        connection = http.client.HTTPConnection(urlsplit(tiny.url).netloc, timeout=60)
        together.wait(30)
        answer = send(connection, "GET", f"/config/v1/{number}")
        connection.close()
        return answer.status, answer.json["event"]["rawPath"]

    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(ask, range(200)))
    assert answers == [(200, f"/config/v1/{number}") for number in range(200)]
