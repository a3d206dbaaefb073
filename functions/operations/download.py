"""Downloads of CSV files: one request to an address that was checked, no redirects, bounded in time and in size."""

import errno
import http.client
import re
import ssl
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import NoReturn

from jobruns.addresses import Destination, ForbiddenAddressError, Resolver, find_destination, show_url
from jobruns.errors import SourceError
from jobruns.outbound import PinnedConnection, resolve_host, time_limit

ACCEPTED = frozenset({"text/csv", "application/octet-stream", "text/plain", "application/vnd.ms-excel"})
"""Types of content."""

CHUNK_BYTES = 256 * 1024
_CHARSET = re.compile(r"charset=\"?(?:utf-8|us-ascii)\"?", re.IGNORECASE)
_REFUSED = "CSV Load failed from URL: {url}, {reason}"


class DownloadError(SourceError):
    """A file cannot be downloaded; the message is the job's."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a download may take in all, how long it may be silent, and how large it may be."""

    total_seconds: float
    silence_seconds: float = 30.0
    max_bytes: int = 5 * 1024**3


@contextmanager
def open_download(
    url: str,
    headers: Mapping[str, str],
    limits: Limits,
    *,
    allowed: Collection[str] = (),
    resolve: Resolver = resolve_host,
) -> Iterator[Iterator[bytes]]:
    """Open a URL and give what is there, piece by piece, while the context lasts.

    Parameters
    ----------
    url : str
        What to download. No message shows more of it than `show_url` does.
    headers : mapping
        Headers that are sent with the request.
    limits : Limits
        How long it may take and how large it may be.
    allowed : collection of str
        Hosts whose address need not be public.
    resolve : callable
        Resolves names.

    Raises
    ------
    DownloadError
        The URL may not be called, nobody answers, the answer is no file, or it breaks off or off limits.
    """
    began = monotonic()
    destination = _find(url, resolve, allowed)
    url = show_url(url)
    left = max(limits.total_seconds - (monotonic() - began), 0.001)
    connection = PinnedConnection(destination, min(limits.silence_seconds, left))
    with time_limit(connection, left) as overdue:
        with _told(url, destination, overdue):
            connection.connect()
            response = _request(connection, destination, headers)
            _check_time(overdue)
            _check(url, response, limits.max_bytes)
        yield _read(url, destination, response, limits.max_bytes, overdue)


def _find(url: str, resolve: Resolver, allowed: Collection[str]) -> Destination:
    try:
        return find_destination(url, resolve, allowed)
    except ForbiddenAddressError as error:
        raise DownloadError(_REFUSED.format(url=show_url(url), reason=error.message)) from None
    except OSError:
        raise DownloadError(f"getaddrinfo ENOTFOUND {_host_of(url)}") from None


def _host_of(url: str) -> str:
    return show_url(url).partition("://")[2].partition("/")[0][:300]


def _request(
    connection: http.client.HTTPConnection, destination: Destination, headers: Mapping[str, str]
) -> http.client.HTTPResponse:
    connection.putrequest("GET", destination.target, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", destination.authority)
    connection.putheader("Accept-Encoding", "identity")
    connection.putheader("Connection", "close")
    names = {name.lower() for name in headers}
    if "user-agent" not in names:
        connection.putheader("User-Agent", "jobruns")
    if "accept" not in names:
        connection.putheader("Accept", ", ".join(sorted(ACCEPTED)))
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    return connection.getresponse()


def _check_time(overdue: threading.Event) -> None:
    # A connection that was ended meanwhile looks like an answer that ends there.
    if overdue.is_set():
        raise TimeoutError


def _check(url: str, response: http.client.HTTPResponse, max_bytes: int) -> None:
    if response.status != 200:
        _refuse(url, f"status code: {response.status}, message: {response.reason}")
    content_type = response.headers.get("Content-Type")
    if not _is_accepted(content_type):
        _refuse(url, f"unsupported content type: {content_type}")
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() not in {"", "identity"}:
        _refuse(url, f"unsupported content encoding: {encoding}")
    if response.length is not None and response.length > max_bytes:
        _refuse(url, f"the file is larger than {max_bytes} bytes")


def _is_accepted(content_type: str | None) -> bool:
    name, _, parameters = (content_type or "").partition(";")
    # The reference takes a type with no parameter at all. Most servers name a character set, and UTF-8 is what is read.
    return name.strip().lower() in ACCEPTED and (not parameters.strip() or bool(_CHARSET.fullmatch(parameters.strip())))


def _read(
    url: str, destination: Destination, response: http.client.HTTPResponse, max_bytes: int, overdue: threading.Event
) -> Iterator[bytes]:
    size, length = 0, response.length
    while True:
        with _told(url, destination, overdue):
            chunk = response.read1(CHUNK_BYTES)
        if not chunk:
            break
        size += len(chunk)
        if size > max_bytes:
            _refuse(url, f"the file is larger than {max_bytes} bytes")
        yield chunk
    if overdue.is_set():
        _refuse(url, "the download took too long")
    if length is not None and size < length:
        _refuse(url, f"the connection broke off after {size} of {length} bytes")


@contextmanager
def _told(url: str, destination: Destination, overdue: threading.Event) -> Iterator[None]:
    """Turn what goes wrong on the way into what a job says of it."""
    where = f"{destination.address}:{destination.port}"
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        if overdue.is_set():
            _refuse(url, "the download took too long")
        match error:
            case TimeoutError():
                raise DownloadError(f"connect ETIMEDOUT {where}") from None
            case ssl.SSLCertVerificationError():
                _refuse(url, f"the certificate is not valid: {error.verify_message}")
            case OSError(errno=int(number)) if number in errno.errorcode and not isinstance(error, ssl.SSLError):
                raise DownloadError(f"connect {errno.errorcode[number]} {where}") from None
        _refuse(url, "the answer is not HTTP, or broke off")


def _refuse(url: str, reason: str) -> NoReturn:
    raise DownloadError(_REFUSED.format(url=url, reason=reason)) from None
