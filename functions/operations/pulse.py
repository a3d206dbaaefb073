"""Signs of life of an operation: its progress is kept up, and it learns when it is not to go on."""

import threading

from aws_lambda_powertools import Logger

from jobruns.errors import ConflictError, JobrunsError
from jobruns.operation import handed_over
from jobruns.outages import find_outage
from jobruns.repetition import Repeating
from jobruns.run import Progress, Run
from jobruns.service.ports import Ports

INTERVAL_SECONDS = 3.0
"""Well below `jobruns.operation.BEAT_LIMIT_SECONDS`, and seldom enough to cost nothing."""

logger = Logger(child=True)


class RunOverError(ConflictError):
    """The run has been stopped or has ended; nothing more is to be done for it."""


class Pulse(Repeating):
    """Tells the ledger every few seconds how far a run is, as a context manager. What ends sooner tells nothing.

    Parameters
    ----------
    ports : Ports
    run : Run
        RUNNING.
    """

    def __init__(self, ports: Ports, run: Run) -> None:
        super().__init__("pulse", INTERVAL_SECONDS)
        self._ports = ports
        self._run = run
        self._beats = handed_over(run)
        self._over = threading.Event()
        self._bytes = self._rows = 0

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

    def _do(self) -> None:
        try:
            self._tell()
        except JobrunsError:
            logger.warning("the progress could not be told", exc_info=True)
        except Exception as error:
            if find_outage(error) is None:
                raise
            logger.warning("the progress could not be told", exc_info=True)

    def _tell(self) -> None:
        now = self._ports.clock()
        progress = Progress(units_total=1, units_running=1, rows_loaded=self._rows, bytes_read=self._bytes)
        if not self._ports.runs.set_progress(self._run, now, progress):
            self._over.set()
        elif self._beats and self._ports.runs.beat(self._run, now):
            self._ports.machine.beat(self._run)
