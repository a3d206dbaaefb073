"""Says how far a sync has come, in a file of the run, from which the ledger takes it.

What runs here may write nothing in the ledger. The whole list is written each time, so that whoever is told of the last
change alone still finds the phases before it.
"""

import json
from datetime import UTC, datetime

from aws_lambda_powertools import Logger

from jobruns_events.run_metrics import PHASES_FILE
from jobruns_events.statuses import PHASES
from scripts.errors import RunFailedError
from singer.endings import Phase
from singer.storage import Storage

logger = Logger(child=True)


class Progress:
    """The phases of one run.

    Parameters
    ----------
    storage : Storage
        The bucket of the runs' files.
    prefix : str
        Of the run's files.

    Attributes
    ----------
    phases : list of Phase
        In order.
    """

    def __init__(self, storage: Storage, prefix: str) -> None:
        self.phases: list[Phase] = []
        self._storage = storage
        self._key = prefix + PHASES_FILE

    def reach(self, phase: str) -> None:
        """Say that the sync has come to a phase."""
        self.phases.append(Phase(phase=phase, rank=PHASES[phase], at=datetime.now(UTC)))
        try:
            self._storage.put_text(self._key, json.dumps([phase.model_dump(mode="json") for phase in self.phases]))
        except RunFailedError:
            # It is said again with the next one, and with the end.
            logger.warning("the phase is not told now", exc_info=True)
