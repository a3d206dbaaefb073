"""The executor of Singer taps and targets: our own function, which the state machine waits for."""

from collections.abc import Mapping
from typing import Any

from jobruns.aws.scripts import stop_marker
from jobruns.ids import job_run_id
from jobruns.run import Run
from jobruns.run_file import files_prefix
from jobruns.service.ports import Objects
from jobruns.singer import read_work


class SingerExecutor:
    """A sync, run by our own function in processes of their own.

    Parameters
    ----------
    function_arn : str
        Of the function that runs syncs.
    objects : Objects
        The work bucket.
    """

    def __init__(self, function_arn: str, objects: Objects) -> None:
        self._function_arn = function_arn
        self._objects = objects

    def begin(self, run: Run, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Tell the state machine which function, and the function what is to be done.

        Raises
        ------
        InvalidInputError
            The arguments say nothing that can be done.
        """
        told = {
            "org": run.org,
            "job": run.job,
            "run_id": run.run_id,
            "timeout_seconds": run.timeout_seconds,
            "deadline_at": run.deadline_at.isoformat(),
        }
        payload = {
            "run": told,
            "job_run_id": job_run_id(run),
            "prefix": files_prefix(run),
            "work": read_work(arguments).model_dump(mode="json", exclude_none=True),
        }
        return {"function_arn": self._function_arn, "payload": payload}

    def stop(self, run: Run) -> None:
        """Have the programs ended: nobody but their function can, and the function looks for this document."""
        self._objects.put_json(stop_marker(run.run_id), {"state": str(run.state)})

    def resolve(self, run: Run) -> None:
        """Do nothing: a sync does not commit."""

    def settle(self, run: Run) -> None:
        """Nothing follows."""
