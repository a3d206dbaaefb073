"""What this process remembers of what it read, each thing for a short while."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

ThingT = TypeVar("ThingT")

MAX_REMEMBERED = 1000


class Memory(Generic[ThingT]):
    """Things by name. What is not there is read every time.

    Parameters
    ----------
    clock : callable
        Gives the time, aware.
    seconds : float
        How long a thing is remembered after it was read.
    """

    def __init__(self, clock: Callable[[], datetime], seconds: float) -> None:
        self._clock = clock
        self._lasts = timedelta(seconds=seconds)
        self._held: dict[str, tuple[datetime, ThingT]] = {}

    def get(self, name: str, read: Callable[[], ThingT | None]) -> ThingT | None:
        """Give what is remembered under a name, or else what `read` gives, which is remembered from now on."""
        now = self._clock()
        held = self._held.get(name)
        if held and now - held[0] < self._lasts:
            return held[1]
        thing = read()
        self.forget(name)
        if thing is not None:
            if len(self._held) >= MAX_REMEMBERED:
                self._held.clear()
            self._held[name] = (now, thing)
        return thing

    def has(self, name: str) -> bool:
        """Whether something is remembered under a name."""
        held = self._held.get(name)
        return held is not None and self._clock() - held[0] < self._lasts

    def forget(self, name: str) -> None:
        """Read it anew when it is asked for next."""
        self._held.pop(name, None)
