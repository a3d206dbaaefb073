"""Downloads, from a real server on this machine."""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from operations.download import CHUNK_BYTES, DownloadError, Limits, open_download
from tests.unit.loopback import LoopbackServer, serving

BODY = b"id,name\n1,Penny\n"
LIMITS = Limits(5.0, silence_seconds=2.0)
LARGE = 3_000_000
_CHUNKED = {"Transfer-Encoding": "chunked"}
STREAMS: Mapping[str, Mapping[str, str]] = {
    "/chunked": _CHUNKED,
    "/chunked-cut": _CHUNKED,
    "/cut": {"Content-Length": "100"},
    "/endless": {},
    "/drip": {},
    "/silent": {},
}


class Handler(BaseHTTPRequestHandler):
    """Answers as the path says, and remembers what it was asked with."""

    server: LoopbackServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        path, _, query = self.path.partition("?")
        plain = {
            "/redirect": (302, b"", {"Location": "/ok.csv"}),
            "/missing": (404, b"nothing", {"Content-Type": "text/csv"}),
            "/type": (200, BODY, {"Content-Type": query.replace("+", " ")}),
            "/untyped": (200, BODY, {}),
            "/zipped": (200, BODY, {"Content-Type": "text/csv", "Content-Encoding": "gzip"}),
            "/large": (200, b"x" * LARGE, {"Content-Type": "text/csv"}),
        }
        if path in STREAMS:
            self._stream(path)
        else:
            self._answer(*plain.get(path, (200, BODY, {"Content-Type": "text/csv"})))

    def _stream(self, path: str) -> None:
        self._begin({"Content-Type": "text/csv", **STREAMS[path]})
        self.close_connection = path != "/chunked"
        match path:
            case "/chunked":
                for piece in (BODY, BODY, b""):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            case "/chunked-cut":
                self.wfile.write(b"%x\r\n%s\r\n" % (len(BODY), BODY))
            case "/cut":
                self.wfile.write(BODY)
            case "/endless":
                self._drip(b"x" * 65536, 0.0)
            case "/drip":
                self._drip(b"x", 0.02)
            case "/silent":
                self.server.over.wait(10)

    def _begin(self, headers: Mapping[str, str], status: int = 200) -> None:
        self.send_response(status, "Found" if status == 302 else None)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self._begin({**headers, "Content-Length": str(len(body))}, status)
        self.wfile.write(body)

    def _drip(self, piece: bytes, seconds: float) -> None:
        try:
            while not self.server.over.wait(seconds):
                self.wfile.write(piece)
        except OSError:
            pass  # the other side has had enough, which is what is tested

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    with serving(Handler) as server:
        yield server


def download(
    server: LoopbackServer, path: str, limits: Limits = LIMITS, headers: Mapping[str, str] | None = None
) -> bytes:
    url = f"http://{server.host}{path}"
    with open_download(url, headers or {}, limits, allowed={server.host}) as pieces:
        return b"".join(pieces)


def refuse(server: LoopbackServer, path: str, limits: Limits = LIMITS) -> str:
    with pytest.raises(DownloadError) as refusal:
        download(server, path, limits)
    return refusal.value.message.replace(f"http://{server.host}{path.partition('?')[0]}", "<url>")


def test_a_file_comes_in_pieces(server: LoopbackServer) -> None:
    assert download(server, "/ok.csv?a=1") == BODY
    with open_download(f"http://{server.host}/large", {}, LIMITS, allowed={"127.0.0.1"}) as pieces:
        sizes = [len(piece) for piece in pieces]
    assert sum(sizes) == LARGE
    assert max(sizes) <= CHUNK_BYTES


def test_a_file_of_no_known_length_comes_too(server: LoopbackServer) -> None:
    assert download(server, "/chunked") == BODY + BODY


def test_headers_are_sent_along_and_ours_stay(server: LoopbackServer) -> None:
    download(server, "/with", headers={"Authorization": "Bearer x", "User-Agent": "me"})
    path, headers = server.asked[-1]
    assert path == "/with"
    assert (headers["Authorization"], headers["User-Agent"]) == ("Bearer x", "me")
    assert (headers["Host"], headers["Accept-Encoding"]) == (server.host, "identity")


def test_a_redirect_is_not_followed(server: LoopbackServer) -> None:
    asked = len(server.asked)
    assert refuse(server, "/redirect") == "CSV Load failed from URL: <url>, status code: 302, message: Found"
    assert len(server.asked) == asked + 1


def test_only_status_200_is_accepted(server: LoopbackServer) -> None:
    assert refuse(server, "/missing") == "CSV Load failed from URL: <url>, status code: 404, message: Not Found"


@pytest.mark.parametrize(
    "content_type",
    [
        *("text/csv", "application/octet-stream", "text/plain", "application/vnd.ms-excel"),
        *("text/csv;+charset=utf-8", 'text/plain;charset="UTF-8"'),
    ],
)
def test_types_that_are_accepted(server: LoopbackServer, content_type: str) -> None:
    assert download(server, f"/type?{content_type}") == BODY


@pytest.mark.parametrize(
    "content_type", ["text/html", "application/json", "text/csv;+charset=latin1", "text/csv;+header=x"]
)
def test_types_that_are_not(server: LoopbackServer, content_type: str) -> None:
    shown = content_type.replace("+", " ")
    told = refuse(server, f"/type?{content_type}")
    assert told == f"CSV Load failed from URL: <url>, unsupported content type: {shown}"


@pytest.mark.parametrize("path", ["/missing", "/redirect", "/untyped", "/cut"])
def test_no_message_shows_a_query(server: LoopbackServer, path: str) -> None:
    told = refuse(server, f"{path}?X-Amz-Signature=s3cret#s3cret")
    assert ("<url>" in told, "s3cret" in told) == (True, False)


@pytest.mark.parametrize(
    "url",
    [
        "https://me:s3cret@example.com/x.csv?s3cret",
        "https://me:s3/s3cret@example.com/x.csv",
        "https://s3cret@nowhere.example/x.csv",
        "https://10.0.0.1/x.csv?s3cret",
        "https://nowhere.example?s3cret",
        "ftp://me:s3cret@example.com/x.csv",
    ],
)
def test_no_message_shows_who_a_url_is_for(url: str) -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(DownloadError) as refusal, open_download(url, {}, LIMITS, resolve=resolve):
        pass
    assert "s3cret" not in refusal.value.message


def test_no_type_and_packed_content_are_refused(server: LoopbackServer) -> None:
    assert "unsupported content type: None" in refuse(server, "/untyped")
    assert "unsupported content encoding: gzip" in refuse(server, "/zipped")


@pytest.mark.parametrize("path", ["/large", "/endless"])
def test_a_file_that_is_too_large_is_given_up(server: LoopbackServer, path: str) -> None:
    assert "larger than 100000 bytes" in refuse(server, path, Limits(5.0, max_bytes=100_000))


@pytest.mark.parametrize("path", ["/cut", "/chunked-cut"])
def test_a_file_that_breaks_off_is_no_file(server: LoopbackServer, path: str) -> None:
    assert "broke off" in refuse(server, path)


@pytest.mark.parametrize("path", ["/drip", "/silent"])
def test_a_file_that_takes_too_long_is_given_up(server: LoopbackServer, path: str) -> None:
    began = monotonic()
    assert "took too long" in refuse(server, path, Limits(0.15))
    assert monotonic() - began < 2


def test_a_server_that_says_nothing_is_given_up(server: LoopbackServer) -> None:
    assert "ETIMEDOUT" in refuse(server, "/silent", Limits(5.0, silence_seconds=0.1))


def test_a_server_that_never_ends_its_headers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        over = threading.Event()

        def drip() -> None:
            connection, _ = listening.accept()
            with connection:
                try:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                    while not over.wait(0.02):
                        connection.sendall(b"x")
                except OSError:
                    pass  # as above

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            url = f"http://127.0.0.1:{port}/"
            with (
                pytest.raises(DownloadError, match="took too long"),
                open_download(url, {}, Limits(0.15), allowed={"127.0.0.1"}),
            ):
                pass
        finally:
            over.set()
            thread.join()


def test_what_does_not_speak_http_or_tls_is_told_so(server: LoopbackServer) -> None:
    url = f"https://{server.host}/ok.csv"
    with (
        pytest.raises(DownloadError, match="the answer is not HTTP"),
        open_download(url, {}, LIMITS, allowed={server.host}),
    ):
        pass


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[LoopbackServer, Path]]:
    """A server whose certificate, in the file beside it, is for localhost and signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with serving(Handler, context) as server:
        yield server, file


def test_over_tls_the_host_has_to_prove_itself(
    secure: tuple[LoopbackServer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, file = secure
    port = server.server_address[1]
    allowed = {"localhost", "other.example"}

    def fetch(host: str) -> bytes:
        url = f"https://{host}:{port}/ok.csv"
        with open_download(url, {}, LIMITS, allowed=allowed, resolve=lambda host, port: ["127.0.0.1"]) as pieces:
            return b"".join(pieces)

    with pytest.raises(DownloadError, match="the certificate is not valid"):
        fetch("localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert fetch("localhost") == BODY
    with pytest.raises(DownloadError, match="the certificate is not valid"):
        fetch("other.example")


def test_nobody_there_is_told_as_the_reference_does() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    with pytest.raises(DownloadError) as refusal, open_download(url, {}, LIMITS, allowed={"127.0.0.1"}):
        pass
    assert refusal.value.message == f"connect ECONNREFUSED 127.0.0.1:{port}"


def test_a_name_that_leads_nowhere_is_told_as_the_reference_does() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(DownloadError) as refusal, open_download("http://a.example/x", {}, LIMITS, resolve=resolve):
        pass
    assert refusal.value.message == "getaddrinfo ENOTFOUND a.example"


@pytest.mark.parametrize("url", ["ftp://example.com/x.csv", "file:///etc/passwd"])
def test_other_schemes_fail_in_the_job(url: str) -> None:
    with pytest.raises(DownloadError, match="only URLs of http and https"), open_download(url, {}, LIMITS):
        pass


def test_this_machine_is_not_called_unless_it_is_named(server: LoopbackServer) -> None:
    asked = len(server.asked)
    port = server.server_address[1]
    for host in ("127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "0"):
        with pytest.raises(DownloadError, match="not public"), open_download(f"http://{host}:{port}/", {}, LIMITS):
            pass
    assert len(server.asked) == asked


def test_the_address_that_was_checked_is_the_one_that_is_called(server: LoopbackServer) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    host = f"rebound.example:{server.server_address[1]}"
    with open_download(
        f"http://{host}/ok.csv", {}, LIMITS, allowed={host}, resolve=lambda host, port: next(answers)
    ) as pieces:
        assert b"".join(pieces) == BODY
    assert server.asked[-1][1]["Host"] == host
    assert next(answers) == ["10.0.0.1"]
