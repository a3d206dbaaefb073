"""The executor of Singer taps and targets."""

from collections.abc import Mapping
from typing import Any

from jobruns.aws.executors import ProgramExecutor
from jobruns.run import Run
from jobruns.run_file import files_prefix
from jobruns.singer import FULL_SYNC, INCREMENTAL_SYNC, read_work


class SingerExecutor(ProgramExecutor):
    """A sync, run by our own function for syncs."""

    def begin(self, run: Run, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Tell the state machine which function, and the function what is to be done.

        Raises
        ------
        InvalidInputError
            The arguments say nothing that can be done.
        """
        work = read_work(_tell_start(run) | dict(arguments)).model_dump(mode="json", exclude_none=True)
        return self._tell(run, {"prefix": files_prefix(run), "work": work})


def _tell_start(run: Run) -> dict[str, str]:
    """Say how the run begins, where who started it did not."""
    given = run.sync_state is not None and run.sync_state.given
    return {"sync_type": INCREMENTAL_SYNC if given else FULL_SYNC}
