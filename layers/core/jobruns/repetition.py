"""Work that is done every few seconds beside other work."""

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

__all__ = ["Repeating"]


class Repeating(ABC):
    """Does something every few seconds on a thread of its own, as a context manager.

    The first time comes when the first interval is over, so what ends sooner does nothing. Leaving waits until a time
    that has begun is done: nothing of it comes after.

    Parameters
    ----------
    name : str
        Of the thread.
    every_seconds : float
        Between two times.
    """

    def __init__(self, name: str, every_seconds: float) -> None:
        self._every_seconds = every_seconds
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        self._thread.join()

    @abstractmethod
    def _do(self) -> None:
        """Do it once. What this raises ends the repetition, and not the work beside it."""

    def _repeat(self) -> None:
        while not self._left.wait(self._every_seconds):
            self._do()
