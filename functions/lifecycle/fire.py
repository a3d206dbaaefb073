"""Fires a trigger whose time has come: what the schedules of triggers call. Being called again starts nothing twice."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from jobruns.bootstrap import load_ports
from jobruns.service.firing import fire_scheduled

logger = Logger()
tracer = Tracer()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Start what the trigger starts; see `jobruns.service.firing.fire_scheduled`."""
    logger.append_keys(trigger=event["trigger"], scheduled_at=event["scheduled_at"])
    # EventBridge Scheduler writes UTC, with a Z behind it or with nothing.
    scheduled_at = datetime.fromisoformat(event["scheduled_at"])
    if scheduled_at.tzinfo is None:
        scheduled_at = scheduled_at.replace(tzinfo=UTC)
    runs = fire_scheduled(load_ports(), event["org"], event["trigger"], event["activation_id"], scheduled_at)
    metrics.add_metric("TriggersFired", MetricUnit.Count, 1 if runs else 0)
    logger.info("fired", extra={"runs": [run.run_id for run in runs]})
    return {"runs": [run.run_id for run in runs]}
