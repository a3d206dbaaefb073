"""A threaded HTTP/1.1 server for WSGI applications that keeps connections alive.

Werkzeug's own server closes every connection after one response, because it cannot know how much of a request the
application left unread. Here the input is bounded by its length and drained, so that the many small calls of AWS
clients do not pay for a TCP connection each, and every response leaves as soon as it is written.
"""

import contextlib
import errno
import io
import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Generator, Iterable
from http.server import HTTPServer
from typing import Any

from werkzeug.serving import DechunkedInput, WSGIRequestHandler
from werkzeug.wsgi import LimitedStream

from local.errors import LocalError, PortTakenError

_LOG = logging.getLogger(__name__)

Environ = dict[str, Any]
WsgiApplication = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

_DRAIN_LIMIT_BYTES = 16 * 1024 * 1024
_ONE_WRITE_BYTES = 256 * 1024


class KeepAliveHandler(WSGIRequestHandler):
    """Serves one connection, request after request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rbufsize = 64 * 1024

    def handle_expect_100(self) -> bool:
        """Leave the answer to `run_wsgi`, or it would be given twice."""
        return True

    def setup(self) -> None:
        """Let the server know the connection, so that stopping can end it."""
        super().setup()
        if isinstance(self.server, Server):
            self.server.opened(self.connection)

    def finish(self) -> None:
        """Flush, ignoring a client that has gone."""
        with contextlib.suppress(OSError):
            super().finish()
        if isinstance(self.server, Server):
            self.server.closed(self.connection)

    def run_wsgi(self) -> None:
        """Answer one request with the application."""
        if self.headers.get("Expect", "").strip().lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        environ = self.make_environ()
        body = self._bounded_input(environ)
        environ["wsgi.input"], environ["wsgi.input_terminated"] = body, True
        head: list[Any] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _exc_info: Any = None
        ) -> Callable[[bytes], Any]:
            head[:] = [status, headers]
            return _no_write

        try:
            result = self.server.app(environ, start_response)
            if isinstance(result, Generator):
                self._drain(body)
                status, headers = head
                self._write_pieces(status, headers, result)
                return
            try:
                payload = b"".join(result)
            finally:
                close = getattr(result, "close", None)
                if close is not None:
                    close()
            status, headers = head
        except DropConnectionError:
            self.close_connection = True
            return
        except Exception:  # noqa: BLE001 - logged; the connection outlives a request that failed
            _LOG.exception("%s %s failed", self.command, self.path)
            status, headers, payload = "500 Internal Server Error", [("Content-Type", "text/plain")], b"Internal Error"
        self._drain(body)
        self._write(status, headers, payload)

    def _bounded_input(self, environ: Environ) -> Any:
        source: Any = self.rfile
        if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
            chunks: Any = DechunkedInput(source)
            return io.BufferedReader(chunks)
        try:
            length = int(environ.get("CONTENT_LENGTH") or 0)
        except ValueError:
            length = 0
            self.close_connection = True
        return LimitedStream(source, length) if length > 0 else io.BytesIO()

    def _drain(self, body: Any) -> None:
        left = _DRAIN_LIMIT_BYTES
        while left > 0:
            read = len(body.read(min(left, 1024 * 1024)))
            if not read:
                return
            left -= read
        self.close_connection = True

    def _write_pieces(self, status: str, headers: list[tuple[str, str]], pieces: Generator[bytes]) -> None:
        """Send an answer that says its length as it comes; who asked sees by that length where it breaks off."""
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
        with contextlib.closing(pieces):
            try:
                self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
                for piece in pieces:
                    self.wfile.write(piece)
            except OSError:
                self.close_connection = True

    def _write(self, status: str, headers: list[tuple[str, str]], payload: bytes) -> None:
        code = int(status.partition(" ")[0])
        bodiless = code in {204, 304} or code < 200
        lines = [f"HTTP/1.1 {status}"]
        length_given = False
        for name, value in headers:
            match name.lower():
                case "connection" | "transfer-encoding":
                    continue
                case "content-length" if self.command != "HEAD":
                    # Only a HEAD response tells the length of a body that it does not carry.
                    continue
                case "content-length":
                    length_given = True
            lines.append(f"{name}: {value}")
        if not bodiless and not length_given:
            lines.append(f"Content-Length: {len(payload)}")
        if self.close_connection:
            lines.append("Connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        if self.command == "HEAD" or bodiless:
            payload = b""
        if len(payload) <= _ONE_WRITE_BYTES:
            self.wfile.write(head + payload)
        else:
            self.wfile.write(head)
            self.wfile.write(payload)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Keep quiet: whoever wants an access log writes its own."""

    def log_error(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Keep quiet about clients that went away."""


def _no_write(_: bytes) -> None:
    raise NotImplementedError("the write() of WSGI's first edition is not served; yield the body")


class DropConnectionError(Exception):
    """Raised by an application to close the connection without an answer."""


class Server(socketserver.ThreadingMixIn, HTTPServer):
    """Accepts connections and serves each in a thread of its own.

    Parameters
    ----------
    port : int
        0 for any free one.
    app : WsgiApplication
        May be replaced later through the attribute of the same name.
    variable : str
        The environment variable that sets the port, for the message when it is taken.
    handler : type of KeepAliveHandler
        Turns bytes into requests.

    Raises
    ------
    PortTakenError
        Something else listens there.
    """

    daemon_threads = True
    request_queue_size = 512
    allow_reuse_address = True
    # Read by werkzeug's handler.
    ssl_context = None
    multithread = True
    multiprocess = False
    _server_version = "local"

    def __init__(
        self, port: int, app: WsgiApplication, variable: str, handler: type[KeepAliveHandler] = KeepAliveHandler
    ) -> None:
        self.app = app
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        try:
            super().__init__(("127.0.0.1", port), handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(port, variable) from error
            raise LocalError(f"cannot listen on port {port} ({variable}): {error.strerror}") from error
        self._thread = threading.Thread(target=self.serve_forever, name=f"serve-{variable}", daemon=True)
        self._thread.start()

    def server_bind(self) -> None:
        """Bind without the base class's look-up of the host's name, which may ask a slow DNS."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """Keep quiet about connections that broke."""

    def opened(self, connection: socket.socket) -> None:
        """Remember a connection until it is closed."""
        with self._connections_lock:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._connections_lock:
            self._connections.discard(connection)

    def stop(self) -> None:
        """Stop accepting and end every connection."""
        self.shutdown()
        self.server_close()
        with self._connections_lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def server_close(self) -> None:
        """Close the listening socket without waiting for the threads of open connections."""
        self.socket.close()
