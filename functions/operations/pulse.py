"""Signs of life of an operation: its progress is kept up, and it learns when it is not to go on."""

import threading
from types import TracebackType
from typing import Self

from aws_lambda_powertools import Logger

from jobruns.errors import ConflictError, JobrunsError
from jobruns.operation import handed_over
from jobruns.outages import find_outage
from jobruns.run import Progress, Run
from jobruns.service.ports import Ports

INTERVAL_SECONDS = 3.0
"""Well below `jobruns.operation.BEAT_LIMIT_SECONDS`, and seldom enough to cost nothing."""

logger = Logger(child=True)


class RunOverError(ConflictError):
    """The run has been stopped or has ended; nothing more is to be done for it."""


class Pulse:
    """Tells the ledger every few seconds how far a run is, as a context manager. What ends sooner tells nothing.

    Parameters
    ----------
    ports : Ports
    run : Run
        RUNNING.
    """

    def __init__(self, ports: Ports, run: Run) -> None:
        self._ports = ports
        self._run = run
        self._beats = handed_over(run)
        self._end = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="pulse", daemon=True)
        self._bytes = self._rows = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def note(self, *, size: int = 0, rows: int = 0) -> None:
        """Note what was done since.

        Raises
        ------
        RunOverError
            The run is not to go on.
        """
        self._bytes += size
        self._rows += rows
        if self._over.is_set():
            raise RunOverError(f"the run {self._run.run_id} is not RUNNING any more")

    @property
    def bytes_noted(self) -> int:
        """All that was noted."""
        return self._bytes

    def _tell(self) -> None:
        while not self._end.wait(INTERVAL_SECONDS):
            try:
                self._tell_once()
            except JobrunsError:
                logger.warning("the progress could not be told", exc_info=True)
            except Exception as error:
                if find_outage(error) is None:
                    raise
                logger.warning("the progress could not be told", exc_info=True)

    def _tell_once(self) -> None:
        now = self._ports.clock()
        progress = Progress(units_total=1, units_running=1, rows_loaded=self._rows, bytes_read=self._bytes)
        if not self._ports.runs.set_progress(self._run, now, progress):
            self._over.set()
        elif self._beats and self._ports.runs.beat(self._run, now):
            self._ports.machine.beat(self._run)
