"""Reading objects of S3: without most of what moto does for a request, and without holding a large one in memory.

Only what can be given is given here, and with the headers that moto gives. Whatever S3 would refuse, redirect or leave
unsaid, and every condition but If-Match, is moto's to answer.
"""

import io
import itertools
import os
import re
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.s3.models import FakeKey, s3_backends
from moto.s3.utils import ARCHIVE_STORAGE_CLASSES

from local.serving import Environ

_PIECE_BYTES = 1 << 20
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_QUERY = frozenset({"versionId", "x-id"})
_NOT_HERE = (
    "HTTP_IF_NONE_MATCH",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_UNMODIFIED_SINCE",
    "HTTP_ORIGIN",
    "HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION_CUSTOMER_ALGORITHM",
)
_requests = itertools.count(1)


def give_object(account: str, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes] | None:
    """Answer a GetObject request by path, or leave it to moto.

    Parameters
    ----------
    account : str
        Whose bucket it is.
    environ : dict
        The request.
    start_response : callable
        As WSGI has it.

    Returns
    -------
    iterable of bytes or None
        None: nothing was begun, moto is to answer. A large object comes as an iterator, and as it was when it was
        asked for, whatever becomes of it meanwhile.
    """
    path, _, query_string = environ["RAW_URI"].partition("?")
    bucket_name, _, key_name = unquote(path).removeprefix("/").partition("/")
    query = parse_qs(query_string, keep_blank_values=True) if query_string else {}
    if "HTTP_AUTHORIZATION" not in environ or query.keys() - _QUERY or any(name in environ for name in _NOT_HERE):
        return None
    key = _find(account, bucket_name, key_name, query.get("versionId", [None])[0])
    if key is None or environ.get("HTTP_IF_MATCH", key.etag) not in (key.etag, key.etag.strip('"')):
        return None
    begin, end, status = 0, key.size, "200 OK"
    headers = dict(key.response_dict)
    if wanted := environ.get("HTTP_RANGE"):
        found = _RANGE.fullmatch(wanted)
        if found is None or int(found[1]) >= key.size or (found[2] and int(found[2]) < int(found[1])):
            return None
        begin = int(found[1])
        end = min(int(found[2]) + 1, key.size) if found[2] else key.size
        headers["content-range"] = f"bytes {begin}-{end - 1}/{key.size}"
        status = "206 Partial Content"
    if (begin, end) == (0, key.size) and environ.get("HTTP_X_AMZ_CHECKSUM_MODE") == "ENABLED":
        headers |= _checksum(key)
    headers |= dict(key.metadata) | {
        "content-length": str(end - begin),
        "Accept-Ranges": "bytes",
        "x-amz-request-id": f"{next(_requests):016X}",
    }
    if key.version_id != "null":
        headers["x-amz-version-id"] = key.version_id
    content = _content(key, begin, end)
    start_response(status, list(headers.items()))
    return content


def place_file(account: str, bucket: str, key: str, path: Path) -> None:
    """Let an object that is there have the content of a file, which is not copied: for gigabytes."""
    placed = s3_backends[account]["aws"].get_object(bucket, key)
    assert placed is not None  # noqa: S101 - the caller has just put it
    placed._value_buffer.close()  # noqa: SLF001 - moto offers no other way in
    placed._value_buffer = path.open("rb")  # noqa: SLF001 - as above
    placed.contentsize = path.stat().st_size
    placed.checksum_algorithm = None


def _find(account: str, bucket_name: str, key_name: str, version_id: str | None) -> FakeKey | None:
    backend = s3_backends[account]["aws"]
    bucket = backend.buckets.get(bucket_name)
    if bucket is None or not key_name or bucket.policy is not None or bucket.logging:
        return None
    key = backend.get_object(bucket_name, key_name, version_id=version_id)
    return None if key is None or key.storage_class in ARCHIVE_STORAGE_CLASSES else key


def _checksum(key: FakeKey) -> dict[str, str]:
    if not key.checksum_algorithm:
        return {}
    parts = f"-{key.checksum_parts}" if key.checksum_type == "COMPOSITE" else ""
    named = {f"x-amz-checksum-{key.checksum_algorithm.lower()}": f"{key.checksum_value}{parts}"}
    return named | ({"x-amz-checksum-type": key.checksum_type} if key.checksum_type else {})


def _content(key: FakeKey, begin: int, end: int) -> Iterable[bytes]:
    if key.size <= _PIECE_BYTES:
        return [key.value[begin:end]]
    with key.lock:
        # Asked for its descriptor, what is still in memory moves to a file.
        held = key._value_buffer.fileno()  # noqa: SLF001 - moto keeps it nowhere else
        key._value_buffer.flush()  # noqa: SLF001 - as above
        return _pieces(io.FileIO(os.dup(held)), begin, end)


def _pieces(content: io.FileIO, begin: int, end: int) -> Generator[bytes]:
    with content:
        while begin < end:
            piece = os.pread(content.fileno(), min(_PIECE_BYTES, end - begin), begin)
            if not piece:
                raise OSError(f"the object ends at byte {begin} instead of {end}")
            yield piece
            begin += len(piece)
