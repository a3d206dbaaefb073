"""Lambda's Runtime API, as one worker process sees it.

Every worker gets a socket of its own, so that who asks is known by where. The API is five calls, documented under
"Using the Lambda runtime API for custom runtimes" in the AWS Lambda developer guide; `awslambdaric` speaks the other
side of it.
"""

import contextlib
import json
import queue
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

_PREFIX = "/2018-06-01/runtime/"


@dataclass(frozen=True)
class Outcome:
    """How an invocation ended.

    Parameters
    ----------
    payload : bytes
        What the handler returned, or the error as JSON with ``errorType`` and ``errorMessage``.
    error : str or None
        ``"Unhandled"`` if the handler raised, crashed or ran out of time; the header ``X-Amz-Function-Error``.
    """

    payload: bytes
    error: str | None = None

    @classmethod
    def failed(cls, error_type: str, message: str) -> "Outcome":
        """Describe an error that the platform, not the handler, reports."""
        return cls(json.dumps({"errorType": error_type, "errorMessage": message}).encode(), "Unhandled")


@dataclass
class Invocation:
    """One event on its way through a worker."""

    payload: bytes
    function_arn: str
    timeout_seconds: float
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    deadline_ms: int = 0
    outcome: Outcome | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def finish(self, outcome: Outcome) -> None:
        """Take the first outcome; a later one (a response that lost the race with the time limit) is dropped."""
        if self.outcome is None:
            self.outcome = outcome
            self.done.set()

    def result(self) -> Outcome:
        """Give the outcome of an invocation that is done."""
        if self.outcome is None:
            raise RuntimeError("the invocation is not done")
        return self.outcome


class RuntimeApi:
    """The socket of one worker.

    Parameters
    ----------
    on_ready : callable
        Called each time the worker asks for its next event: it is idle from then on.
    on_init_error : callable
        Called with the error, as JSON, if the handler's module cannot be loaded.
    """

    def __init__(self, on_ready: Any, on_init_error: Any) -> None:
        self._on_ready = on_ready
        self._on_init_error = on_init_error
        self._mailbox: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._current: Invocation | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, name=f"runtime-api-{self.address}", daemon=True).start()

    def deliver(self, invocation: Invocation) -> None:
        """Hand an event to the worker, which must be idle."""
        self._mailbox.put(invocation)

    def close(self) -> None:
        """End the socket once the worker is gone."""
        self._mailbox.put(None)
        # close() alone would leave accept() waiting.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, address = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection, address), daemon=True).start()

    def _serve(self, connection: socket.socket, address: tuple[str, int]) -> None:
        with connection, contextlib.suppress(OSError):
            _Handler(connection, address, self)  # type: ignore[arg-type]  # the base class hands its server through

    def next(self) -> Invocation | None:
        """Wait for the next event; ``None`` when the worker is to go."""
        self._on_ready()
        self._current = self._mailbox.get()
        if self._current is not None:
            self._current.deadline_ms = int((time.time() + self._current.timeout_seconds) * 1000)
        return self._current

    def answer(self, request_id: str, outcome: Outcome) -> bool:
        """Take the outcome of the event in work; False if it is another's."""
        invocation = self._current
        if invocation is None or invocation.request_id != request_id:
            return False
        invocation.finish(outcome)
        return True

    def init_failed(self, error: bytes) -> None:
        """Take the error of a handler that cannot be loaded."""
        self._on_init_error(error)


class _Handler(BaseHTTPRequestHandler):
    """Reads the calls of one connection; each reply is one write, or Nagle and delayed acknowledgements cost 40 ms."""

    protocol_version = "HTTP/1.1"
    server: Any  # The RuntimeApi; the base class passes it through.

    def do_GET(self) -> None:
        if self.path != f"{_PREFIX}invocation/next":
            self._reply(404, b"{}")
            return
        invocation = self.server.next()
        if invocation is None:
            self.close_connection = True
            return
        self._reply(
            200,
            invocation.payload,
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
            },
        )

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        match self.path.removeprefix(_PREFIX).split("/"):
            case ["init", "error"]:
                self.server.init_failed(body)
                taken = True
            case ["invocation", request_id, "response"]:
                taken = self.server.answer(request_id, Outcome(body))
            case ["invocation", request_id, "error"]:
                taken = self.server.answer(request_id, Outcome(body, "Unhandled"))
            case _:
                taken = False
        if taken:
            self._reply(202, b'{"status":"OK"}')
        else:
            self._reply(400, b'{"errorType":"InvalidRequestID"}')

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Keep quiet."""
