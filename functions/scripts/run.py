"""Runs one script: downloaded, started in a process of its own, watched to its end, and how it ended told."""

import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from jobruns.aws.objects import WorkObjects
from jobruns.settings import load_settings
from scripts.descendants import LeftoverProcessError
from scripts.download import fetch_libraries, fetch_script
from scripts.endings import STOPPED, Ending, failed, late, read_end
from scripts.errors import RunFailedError
from scripts.order import RunOrder
from scripts.output import OutputStream
from scripts.process import Cut, run_process
from scripts.stops import StopWatch
from scripts.surroundings import script_command, script_environment

RESERVE_SECONDS = 40.0
"""What is kept of the function's own time for ending a script, sending the rest of its output and answering."""

logger = Logger()
tracer = Tracer()


class ScriptOrder(BaseModel):
    """What the state machine passes on from `jobruns.aws.executors.ScriptExecutor`."""

    run: RunOrder
    job_run_id: str
    script: str
    command_line: list[str]
    libraries: str | None = None


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Run the script; how it ended is returned, as `scripts.endings.Ending`."""
    order = ScriptOrder.model_validate(event)
    logger.append_keys(run_id=order.run.run_id, job_name=order.run.job)
    settings = load_settings()
    try:
        ending = run_script(
            order,
            WorkObjects(settings.work_bucket),
            log_group=settings.run_log_group,
            seconds_here=context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS,
            memory_megabytes=int(context.memory_limit_in_mb),
        )
    except LeftoverProcessError:
        logger.exception("the sandbox is given up")
        # Lambda replaces what exits: no other run is ever beside the rest of this one.
        sys.exit(1)
    logger.info("the script ended", extra={"state": str(ending.state), "error_code": ending.error_code})
    return ending.model_dump(mode="json")


def run_script(
    order: ScriptOrder, objects: WorkObjects, *, log_group: str, seconds_here: float, memory_megabytes: int
) -> Ending:
    """Run a script.

    Parameters
    ----------
    order : ScriptOrder
        Which script, for which run.
    objects : WorkObjects
        The work bucket, where the run's stop is told.
    log_group : str
        What the names of both log groups begin with.
    seconds_here : float
        How long a script may run in this invocation, whatever its run's deadline.
    memory_megabytes : int
        What the function has, for messages.

    Raises
    ------
    LeftoverProcessError
        Something the script started cannot be ended.
    """
    began = time.monotonic()
    seconds_left = (order.run.deadline_at - datetime.now(UTC)).total_seconds()
    with (
        tempfile.TemporaryDirectory(prefix="script-", ignore_cleanup_errors=True) as home,
        StopWatch(objects, order.run.run_id) as watch,
        OutputStream(f"{log_group}/output", order.job_run_id) as output,
        OutputStream(f"{log_group}/error", order.job_run_id) as error,
    ):
        if watch.stopped.is_set():
            return STOPPED
        own, folder, libraries = (Path(home, name) for name in ("own", "work", "libraries"))
        for place in (own, folder, libraries):
            place.mkdir()
        report = own / "report.json"
        try:
            script = fetch_script(order.script, folder)
            paths = fetch_libraries(order.libraries, libraries) if order.libraries else []
            ended = run_process(
                script_command(report, script, order.command_line),
                folder=folder,
                environment=script_environment(folder, job=order.run.job, job_run_id=order.job_run_id, libraries=paths),
                on_output=output.write,
                on_error=error.write,
                seconds=min(seconds_left, seconds_here) - (time.monotonic() - began),
                stopped=watch.stopped,
            )
        except RunFailedError as refusal:
            return failed(refusal)
        if ended.cut is Cut.LATE:
            longest = seconds_here < seconds_left
            return late(seconds_here if longest else order.run.timeout_seconds, longest=longest)
        return read_end(ended, report, memory_megabytes)


__all__ = ["ScriptOrder", "handler", "run_script"]
