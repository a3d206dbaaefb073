"""Runs one sync: its configuration fetched, its programs run and watched to their end, and how it ended told."""

import ctypes
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

from jobruns.aws.objects import WorkObjects
from jobruns.settings import Settings, load_settings
from scripts.descendants import LeftoverProcessError
from scripts.errors import RunFailedError
from scripts.stops import StopWatch
from singer.configuration import load_configuration
from singer.endings import Ending, failed, late, stopped
from singer.order import SyncOrder
from singer.programs import Cut
from singer.progress import Progress
from singer.storage import Buckets, Storage
from singer.sync import CutError, Sync
from singer.usage import Usage
from singer.workspace import Workspace

RESERVE_SECONDS = 60.0
"""What is kept of the function's own time for ending programs, keeping what they left and answering."""

PR_SET_DUMPABLE = 4

logger = Logger()
tracer = Tracer()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Run the sync; how it ended is returned, as `singer.endings.Ending`."""
    order = SyncOrder.model_validate(event)
    logger.append_keys(run_id=order.run.run_id, job_name=order.run.job)
    hide_from_programs()
    try:
        ending = run_sync(
            order, load_settings(), seconds_here=context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
        )
    except LeftoverProcessError:
        logger.exception("the sandbox is given up")
        # Lambda replaces what exits: no other run is ever beside the rest of this one.
        sys.exit(1)
    logger.info("the sync ended", extra={"state": str(ending.state), "error_code": ending.error_code})
    return ending.model_dump(mode="json")


def run_sync(order: SyncOrder, settings: Settings, *, seconds_here: float) -> Ending:
    """Run a sync.

    Parameters
    ----------
    order : SyncOrder
        Which, for which run.
    settings : Settings
        Where everything is.
    seconds_here : float
        How long it may take in this invocation, whatever its run's deadline.

    Raises
    ------
    LeftoverProcessError
        Something a program started cannot be ended.
    """
    began = time.monotonic()
    seconds_left = (order.run.deadline_at - datetime.now(UTC)).total_seconds()
    buckets = Buckets(
        runs=Storage(settings.runs_bucket), kept=Storage(settings.work_bucket), landing=Storage(settings.landing_bucket)
    )
    progress = Progress(buckets.runs, order.prefix)
    with (
        tempfile.TemporaryDirectory(prefix="sync-", ignore_cleanup_errors=True) as home,
        StopWatch(WorkObjects(settings.work_bucket), order.run.run_id) as watch,
        Usage() as usage,
    ):
        if watch.stopped.is_set():
            return stopped()
        root = Path(home)
        try:
            configuration = load_configuration(
                order.work, order.run.org, secret_prefix=settings.flow_secret_prefix, storage=buckets.runs, folder=root
            )
            ending = Sync(
                order,
                Workspace(root, buckets, order, configuration),
                configuration,
                buckets=buckets,
                progress=progress,
                home=Path(settings.singer_home),
                until=began + min(seconds_left, seconds_here),
                stopped=watch.stopped,
                groups=usage.groups,
            ).run()
        except RunFailedError as error:
            ending = failed(error)
        except CutError as error:
            longest = seconds_here < seconds_left
            seconds = seconds_here if longest else order.run.timeout_seconds
            ending = stopped() if error.cut is Cut.STOPPED else late(seconds, longest=longest)
        if watch.stopped.is_set():
            # Whatever a program made of it.
            ending = stopped()
    figures = usage.figures()
    metrics = {"resources_usage": figures} if figures else {}
    return ending.model_copy(update={"metrics": metrics, "phases": tuple(progress.phases)})


def hide_from_programs() -> None:
    """Keep what is in this process, its credentials above all, from the programs: they run as the same user.

    Linux then lets nobody but root look into it (https://man7.org/linux/man-pages/man2/pr_set_dumpable.2const.html).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)


__all__ = ["handler", "hide_from_programs", "run_sync"]
