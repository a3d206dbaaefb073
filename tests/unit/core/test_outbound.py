"""What is sent outside, to a real server on this machine."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from time import monotonic
from typing import Any

import pytest

from jobruns import outbound
from jobruns.addresses import ForbiddenAddressError
from jobruns.outbound import Reply, UnreachableError, check_url, post
from tests.unit.loopback import LoopbackServer, serving

BODY = '{"grüße": 1}'.encode()


class Handler(BaseHTTPRequestHandler):
    """Answers as the path says, and remembers what it was sent."""

    server: LoopbackServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, dict(self.headers), body))
        match self.path:
            case "/silent":
                self.server.over.wait(10)
            case "/drip":
                self._drip()
            case "/redirect":
                self._answer(302, b"", {"Location": "/ok"})
            case "/busy":
                self._answer(503, b"come \x07back\nlater \xff" + b"x" * 10_000, {"Retry-After": "120"})
            case "/headers-only":
                self._answer(200, b"", {"Content-Length": "100"})
            case "/nonsense":
                self.wfile.write(b"this is no HTTP\r\n\r\n")
            case _:
                self._answer(204, b"", {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        try:
            while not self.server.over.wait(0.02):
                self.wfile.write(b"H")
        except OSError:
            pass  # the other side has had enough, which is what is tested

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    with serving(Handler) as server:
        yield server


def send(server: LoopbackServer, path: str, **options: Any) -> Reply:
    return post(f"http://{server.host}{path}", {"webhook-id": "msg_1"}, BODY, allowed={server.host}, **options)


def test_exactly_the_bytes_that_were_given_are_sent(server: LoopbackServer) -> None:
    assert send(server, "/ok?a=b") == Reply(204)
    path, headers, body = server.asked.pop()
    assert (path, body, headers["webhook-id"], headers["Host"]) == ("/ok?a=b", BODY, "msg_1", server.host)
    assert headers["Content-Length"] == str(len(BODY))


def test_a_redirect_is_an_answer_and_is_not_followed(server: LoopbackServer) -> None:
    server.asked.clear()
    assert send(server, "/redirect").status == 302
    assert [path for path, _, _ in server.asked] == ["/redirect"]


def test_of_an_answer_the_beginning_is_kept_as_visible_text(server: LoopbackServer) -> None:
    reply = send(server, "/busy")
    assert (reply.status, reply.retry_after) == (503, "120")
    assert reply.excerpt.startswith("come  back later \ufffdxxx")
    assert len(reply.excerpt) <= 512


@pytest.mark.parametrize("path", ["/silent", "/drip"])
def test_nobody_is_waited_for_longer_than_allowed(server: LoopbackServer, path: str) -> None:
    began = monotonic()
    with pytest.raises(UnreachableError, match="no answer in time"):
        send(server, path, seconds=0.3)
    assert monotonic() - began < 3


def test_an_answer_counts_though_its_body_does_not_come(server: LoopbackServer) -> None:
    assert send(server, "/headers-only", seconds=0.3).status == 200


def test_what_is_no_http_is_no_answer(server: LoopbackServer) -> None:
    with pytest.raises(UnreachableError, match="not HTTP"):
        send(server, "/nonsense")


def test_who_is_not_there_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnreachableError, match="refused"):
        post("http://127.0.0.1:1/", {}, BODY, allowed={"127.0.0.1"})
    with pytest.raises(UnreachableError, match="has no address"):
        check_url("https://nowhere.example", resolve=lambda host, port: [])


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://93.184.216.34/", "only URLs of https"),
        ("HTTP://example.com/", "only URLs of https"),
        ("https://10.0.0.1/", "not public"),
        ("https://127.0.0.1:8080/", "not public"),
        ("https://169.254.169.254/latest", "not public"),
        ("https://[::1]/", "not public"),
        ("https://inside.example/", "not public"),
        ("ftp://93.184.216.34/", "without a user"),
        ("https://user@93.184.216.34/", "without a user"),
    ],
)
def test_only_public_addresses_over_tls_are_called(url: str, reason: str) -> None:
    with pytest.raises(ForbiddenAddressError, match=reason):
        post(url, {}, BODY, allowed={"other.example"}, resolve=lambda host, port: ["10.1.2.3"])


def test_what_is_called_is_the_address_that_was_checked(server: LoopbackServer) -> None:
    port = server.server_address[1]
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    url = f"http://receiver.example:{port}/named"
    assert post(url, {}, BODY, allowed={"receiver.example"}, resolve=resolve).status == 204
    assert asked == ["receiver.example"]
    assert server.asked.pop()[1]["Host"] == f"receiver.example:{port}"


def test_a_host_without_tls_is_told_apart(server: LoopbackServer) -> None:
    with pytest.raises(UnreachableError, match="TLS"):
        post(f"https://{server.host}/", {}, BODY, allowed={server.host}, seconds=2)


def test_a_header_that_would_be_two_is_not_sent(server: LoopbackServer) -> None:
    server.asked.clear()
    with pytest.raises(UnreachableError):
        post(f"http://{server.host}/", {"webhook-id": "a\r\nb: c"}, BODY, allowed={server.host})
    assert server.asked == []


def test_the_addresses_of_a_name_come_from_the_system() -> None:
    assert "127.0.0.1" in outbound.resolve_host("localhost", 80)
