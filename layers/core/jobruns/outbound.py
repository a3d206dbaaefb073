"""Requests to addresses that somebody else chose: pinned to one that was checked, bounded in time, without redirects.

Which addresses may be called is decided by `jobruns.addresses`; everything here connects to the address that was looked
at, and over TLS has it prove to be the host.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from time import monotonic

from jobruns.addresses import Destination, ForbiddenAddressError, Resolver, find_destination, is_named
from jobruns.errors import UnavailableError

POST_SECONDS = 20.0
"""Standard Webhooks asks senders to wait 15 to 30 s for an answer."""

SILENCE_SECONDS = 10.0
_EXCERPT_BYTES = 512
_AGENT = "jobruns"


class UnreachableError(UnavailableError):
    """Nobody answers there, or what answers speaks no HTTP."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered: the status, the header ``Retry-After``, and how the body begins."""

    status: int
    retry_after: str | None = None
    excerpt: str = ""


class PinnedConnection(http.client.HTTPConnection):
    """Connects to the address that was checked, and over TLS has it prove to be the host.

    Parameters
    ----------
    destination : Destination
        Where to.
    timeout : float
        Seconds that it may be silent.
    context : ssl.SSLContext, optional
        Whom to trust; by default whom the system trusts now.
    """

    def __init__(self, destination: Destination, timeout: float, context: ssl.SSLContext | None = None) -> None:
        super().__init__(destination.address, destination.port, timeout=timeout)
        self._destination = destination
        self._context = context
        self._line: socket.socket | None = None

    def connect(self) -> None:
        """Open the line."""
        where = (self._destination.address, self._destination.port)
        self._line = socket.create_connection(where, self.timeout)
        if self._destination.scheme == "https":
            context = self._context or ssl.create_default_context()
            self._line = line = context.wrap_socket(
                self._line, server_hostname=self._destination.host, do_handshake_on_connect=False
            )
            line.do_handshake()
        self.sock = self._line

    def give_up(self) -> None:
        """End what is being sent and received, from another thread."""
        if self._line is not None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)

    def hang_up(self) -> None:
        """Close everything, also what was never connected."""
        self.close()
        if self._line is not None:
            self._line.close()


@contextmanager
def time_limit(connection: PinnedConnection, seconds: float) -> Iterator[threading.Event]:
    """Give up a connection after so many seconds, and hang up at the end; the event tells that it was given up.

    A peer that sends a byte now and then is never silent; ending the connection ends whatever waits for it.
    """
    overdue = threading.Event()

    def give_up() -> None:
        overdue.set()
        connection.give_up()

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield overdue
    finally:
        timer.cancel()
        connection.hang_up()


def resolve_host(host: str, port: int) -> Sequence[str]:
    """Resolve a name as the system does."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def check_url(url: str, allowed: Collection[str] = (), resolve: Resolver = resolve_host) -> Destination:
    """Decide where a URL leads that things are told to: over TLS, unless its host is one that the deployer named.

    Raises
    ------
    ForbiddenAddressError
        It may not be called.
    UnreachableError
        Its host has no address.
    """
    plain = not url[:6].lower().startswith("https:")

    def resolve_secure(host: str, port: int) -> Sequence[str]:
        _require_tls(host, port, allowed, plain=plain)
        return resolve(host, port)

    try:
        destination = find_destination(url, resolve_secure, allowed)
    except (OSError, UnicodeError) as error:
        raise UnreachableError("the host has no address") from error
    # Nobody resolves a host that is an address.
    _require_tls(destination.host, destination.port, allowed, plain=plain)
    return destination


def _require_tls(host: str, port: int, allowed: Collection[str], *, plain: bool) -> None:
    if plain and not is_named(host, port, allowed):
        raise ForbiddenAddressError("only URLs of https are called")


def post(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    allowed: Collection[str] = (),
    seconds: float = POST_SECONDS,
    resolve: Resolver = resolve_host,
) -> Reply:
    """Send a body, and give what is answered, whatever it is. Nothing is followed.

    Parameters
    ----------
    url : str
        Where to.
    headers : mapping
        Headers beside those of the connection.
    body : bytes
        What is sent.
    allowed : collection of str
        Hosts whose address need not be public, and that need no TLS.
    seconds : float
        How long all of it may take.
    resolve : callable
        Resolves names.

    Raises
    ------
    ForbiddenAddressError
        The URL may not be called.
    UnreachableError
        There is no answer; the message says why, and names neither addresses nor what was sent.
    """
    began = monotonic()
    destination = check_url(url, allowed, resolve)
    left = max(seconds - (monotonic() - began), 0.001)
    connection = PinnedConnection(destination, min(SILENCE_SECONDS, left), _trust())
    with time_limit(connection, left) as overdue:
        try:
            response = _request(connection, destination, headers, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UnreachableError(_explain(error, overdue=overdue.is_set())) from error
        # A connection that was ended meanwhile looks like an answer that ends there; the status came whole.
        return Reply(response.status, response.headers.get("Retry-After"), _begin(response))


def _request(
    connection: PinnedConnection, destination: Destination, headers: Mapping[str, str], body: bytes
) -> http.client.HTTPResponse:
    connection.putrequest("POST", destination.target, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", destination.authority)
    connection.putheader("Accept-Encoding", "identity")
    connection.putheader("Connection", "close")
    connection.putheader("User-Agent", _AGENT)
    connection.putheader("Content-Length", str(len(body)))
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    return connection.getresponse()


def _begin(response: http.client.HTTPResponse) -> str:
    """Read how the body begins; that it breaks off is no matter of ours."""
    try:
        content = response.read1(_EXCERPT_BYTES)
    except (OSError, http.client.HTTPException, ValueError):
        return ""
    text = content.decode(errors="replace")
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def _explain(error: Exception, *, overdue: bool) -> str:
    if overdue or isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not valid: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return "the host does not speak TLS as it should"
    if isinstance(error, ConnectionRefusedError):
        return "the connection is refused"
    return "the connection broke off, or the answer is not HTTP"


@cache
def _trust() -> ssl.SSLContext:
    """Make it once: it takes 10 ms to read whom the system trusts."""
    return ssl.create_default_context()
