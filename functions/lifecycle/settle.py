"""Ends a run and does what follows from its end: the last task of RunLifecycle."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from jobruns.bootstrap import load_ports
from jobruns.service.settlement import settle_run
from lifecycle.outcomes import read_outcome, read_phases

logger = Logger()
tracer = Tracer()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """End the run; see `jobruns.service.settlement.settle_run`."""
    logger.append_keys(run_id=event["run_id"], job_name=event["job"])
    told = read_outcome(event), read_phases(event)
    run = settle_run(load_ports(), event["org"], event["job"], event["run_id"], *told)
    if run is None:
        return {"state": None}
    metrics.add_dimension("executor", str(run.executor))
    metrics.add_metric(f"Runs{run.state.capitalize()}", MetricUnit.Count, 1)
    return {"state": str(run.state)}
