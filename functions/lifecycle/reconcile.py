"""Ends what was lost: on a schedule, and when an execution ended in a way our own steps never end one."""

import json
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from jobruns.bootstrap import load_ports
from jobruns.service.activation import complete_triggers
from jobruns.service.ports import ExecutionStatus
from jobruns.service.reconciliation import reconcile_execution, reconcile_runs

logger = Logger()
tracer = Tracer()
metrics = Metrics()

STATUS_CHANGE = "Step Functions Execution Status Change"


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Look after one execution's run, or after all runs and triggers that are due."""
    if event.get("detail-type") == STATUS_CHANGE:
        return _reconcile_execution(event["detail"])
    sweep = reconcile_runs(load_ports())
    triggers = complete_triggers(load_ports())
    # A run that the sweep had to end was lost by something that should have ended it: the alarm counts these.
    metrics.add_metric("RunsOverdue", MetricUnit.Count, len(sweep.ended) + len(sweep.failed))
    swept = {name: getattr(sweep, name) for name in sweep.__slots__} | {"triggers": triggers}
    logger.info("swept", extra={"sweep": swept})
    return {name: len(done) for name, done in swept.items()}


def _reconcile_execution(detail: dict[str, Any]) -> dict[str, Any]:
    told = json.loads(detail.get("input") or "{}")
    if not {"org", "job", "run_id"} <= told.keys():
        logger.warning("an execution without a run", extra={"execution": detail.get("executionArn")})
        return {"state": None}
    logger.append_keys(run_id=told["run_id"], job_name=told["job"])
    status, cause = ExecutionStatus(detail["status"]), str(detail.get("cause") or detail.get("error") or "")
    run = reconcile_execution(load_ports(), told["org"], told["job"], told["run_id"], status, cause)
    return {"state": str(run.state) if run else None}
