"""The twin of the function for operations: does one by credentials of its caller, which only this event has."""

import time
from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

from jobruns.bootstrap import load_ports
from jobruns.operation import CallerCredentials
from jobruns.run import Run, RunState
from jobruns.service.ports import Ports
from jobruns.service.work import conclude_work, load_run
from operations.run import make_work

BEGIN_SECONDS = 30.0
"""The door calls this function as soon as the run is written; the state machine takes a moment to begin it."""

_LOOK_SECONDS = 0.05

logger = Logger()
tracer = Tracer()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False, capture_error=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Do the operation of a run. It is never called again, so it says how the run ended, whatever happens."""
    credentials = CallerCredentials.model_validate(event.pop("credentials"))
    logger.append_keys(run_id=event["run_id"], job_name=event["job"])
    run = await_begin(load_ports(), event["org"], event["job"], event["run_id"])
    run = make_work(run, credentials, context).do(run)
    logger.info("done", extra={"state": str(run.state), "reason": run.message})
    return {"state": str(run.state)}


def await_begin(ports: Ports, org: str, job: str, run_id: str) -> Run:
    """Wait until a run is RUNNING, or has ended; one that does not begin in time is ended."""
    until = time.monotonic() + BEGIN_SECONDS
    while (run := load_run(ports, org, job, run_id)).state is RunState.STARTING and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
    if run.state in (RunState.STARTING, RunState.WAITING):
        return conclude_work(ports, run, error="the run was not begun in time", error_code="NotBegun")
    return run
