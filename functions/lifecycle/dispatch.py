"""Hands a run to its executor: the task RunLifecycle waits in."""

from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

from jobruns.bootstrap import load_ports
from jobruns.service.settlement import dispatch_run

logger = Logger()
tracer = Tracer()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Mark the run RUNNING and begin its work; see `jobruns.service.settlement.dispatch_run`."""
    logger.append_keys(run_id=event["run_id"], job_name=event["job"])
    return dispatch_run(load_ports(), event["org"], event["job"], event["run_id"], event.get("task_token"))
