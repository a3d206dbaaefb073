"""Fetches the small files of a unit before their turn.

Asking S3 for an object takes some 30 ms however little there is in it; a thousand small files one after the other would
be half a minute of waiting. A large file is streamed in its turn: there the one wait is not worth the memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from jobruns_data.aws import s3_client
from jobruns_data.direct import DirectReader
from jobruns_data.source import ObjectStream
from jobruns_data.units import SourceFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["READ_AHEAD", "ReadAhead"]

READ_AHEAD: Final = 8
"""Files fetched at once: what hides S3's wait behind the reading of a hundred rows each."""

MAX_READ_AHEAD: Final = 15
"""The client keeps 16 connections; one is the writer's."""

SMALL_BYTES: Final = 1 << 20
HELD_BYTES: Final = 16 << 20
"""Bytes that are fetched and not read yet; one more file may begin below it."""

_HELD_FILES: Final = 4
"""Files held for each one that is fetched at a time, so that none of the threads waits for the reader."""


class ReadAhead:
    """Opens files in their order, of which the small ones are there already.

    Parameters
    ----------
    files : iterable of SourceFile
    at_once : int
        Files fetched at the same time; 0 streams each in its turn.
    client : S3Client, optional
        See `ObjectStream`.

    Use as a context manager; leaving it gives up what was fetched and not taken.
    """

    def __init__(self, files: Iterable[SourceFile], at_once: int, client: S3Client | None = None) -> None:
        self._files = iter(files)
        self._client = client if client is not None else s3_client()
        self._direct = DirectReader(self._client)
        self._window = 1 + _HELD_FILES * min(at_once, MAX_READ_AHEAD)
        self._threads = ThreadPoolExecutor(min(at_once, MAX_READ_AHEAD), "ahead") if at_once > 0 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[tuple[SourceFile, ObjectStream]]:
        """Give each file with its content. What is wrong with a file is told when it is read."""
        opened: deque[tuple[SourceFile, ObjectStream, int]] = deque()
        held = 0
        while True:
            while len(opened) < self._window and held < HELD_BYTES:
                file = next(self._files, None)
                if file is None:
                    break
                stream, cost = ObjectStream(file, self._client), 0
                if self._threads is not None and file.size <= SMALL_BYTES:
                    stream.fetch(self._threads, self._direct, SMALL_BYTES)
                    cost = file.size
                opened.append((file, stream, cost))
                held += cost
            if not opened:
                return
            file, stream, cost = opened.popleft()
            yield file, stream
            held -= cost
