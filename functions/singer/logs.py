"""What the programs of a step tell people: a file of the run, brought up to date while the step goes."""

import re
import threading
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from aws_lambda_powertools import Logger

from jobruns.repetition import Repeating
from scripts.errors import RunFailedError
from singer.configuration import mask
from singer.storage import Storage

MAX_LOG_BYTES = 32 * 1024 * 1024
"""Of one step; what it tells after that is dropped, but for its last lines."""

SHOW_SECONDS = 20.0
LAST_LINES = 40
MAX_REASON_CHARACTERS = 1000

_REASON = re.compile(r"\b(CRITICAL|FATAL|ERROR)\b|^[\w.]*(Error|Exception|Exit)\b", re.ASCII)
_LEVEL = re.compile(r"^.*?\b(?:CRITICAL|FATAL|ERROR)\b[\s:|\]-]*(?:message=)?")

logger = Logger(child=True)


class StepLog(Repeating):
    """The log of one step, as a context manager; leaving it puts the whole of it where it is kept.

    Parameters
    ----------
    storage : Storage
        The bucket of the runs' files.
    key : str
        Of the log there.
    path : Path
        A file for it.
    secrets : tuple of str
        What it does not show.
    """

    def __init__(self, storage: Storage, key: str, path: Path, secrets: tuple[str, ...]) -> None:
        super().__init__("step-log", SHOW_SECONDS)
        self._storage, self._key, self._path, self._secrets = storage, key, path, secrets
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._lock = threading.Lock()
        self._size = 0
        self._shown = -1

    def __enter__(self) -> Self:
        self._file = self._path.open("w", encoding="utf-8")
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        with self._lock:
            for line in self._last if self._size > MAX_LOG_BYTES else ():
                self._file.write(line)
            self._file.close()
        self._show()

    def write(self, line: str) -> None:
        """Take a line. Programs print them without the time: that is for whoever keeps them to add."""
        text = mask(line, self._secrets)
        stamped = f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {text}\n"
        with self._lock:
            self._last.append(stamped)
            if self._size <= MAX_LOG_BYTES and not self._file.closed:
                self._size += len(stamped.encode())
                self._file.write(stamped if self._size <= MAX_LOG_BYTES else "... there is more than is kept\n")

    def reason(self) -> str | None:
        """Give the line that is most likely to say why a program failed: the last one that speaks of an error."""
        with self._lock:
            lines = [line.split(" ", 1)[1].strip() for line in self._last]
        lines = [line for line in lines if line]
        for line in reversed(lines):
            if _REASON.search(line):
                return (_LEVEL.sub("", line) or line)[:MAX_REASON_CHARACTERS]
        return lines[-1][:MAX_REASON_CHARACTERS] if lines else None

    def _do(self) -> None:
        with self._lock:
            self._file.flush()
        if self._size != self._shown:
            self._show()

    def _show(self) -> None:
        self._shown = self._size
        try:
            self._storage.put(self._key, self._path)
        except RunFailedError:
            logger.warning("the log of a step is not kept now", exc_info=True)
