"""Looks whether a run was stopped, or ended by others, while its script runs."""

import threading
from types import TracebackType
from typing import Self

from aws_lambda_powertools import Logger

from jobruns.aws.objects import WorkObjects
from jobruns.aws.scripts import stop_marker
from jobruns.errors import UnavailableError

LOOK_SECONDS = 3.0

logger = Logger(child=True)


class StopWatch:
    """Looks for a run's stop marker, as a context manager.

    Parameters
    ----------
    objects : WorkObjects
        The work bucket.
    run_id : str
        The run.
    every_seconds : float
        How often it looks.

    Attributes
    ----------
    stopped : threading.Event
        Set once the marker is there; already when the context is entered, if it is there then.
    """

    def __init__(self, objects: WorkObjects, run_id: str, every_seconds: float = LOOK_SECONDS) -> None:
        self.stopped = threading.Event()
        self._objects = objects
        self._key = stop_marker(run_id)
        self._every_seconds = every_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stop-watch", daemon=True)

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Not waited for, as `jobruns.repetition` would: a look lasts as long as the client tries again.
        self._over.set()

    def _watch(self) -> None:
        while not self.stopped.is_set() and not self._over.wait(self._every_seconds):
            self._look()

    def _look(self) -> None:
        try:
            if self._objects.exists(self._key):
                self.stopped.set()
        except UnavailableError:
            # The next look will tell.
            logger.warning("the work bucket does not say whether the run was stopped", exc_info=True)
