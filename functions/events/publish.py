"""Tells the outside what happened to runs, as the ledger table's stream has it."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from events.publication import publish
from jobruns.aws.event_bus import EventBus
from jobruns.bootstrap import load_ports
from jobruns.settings import load_settings

logger = Logger()
tracer = Tracer()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Tell what a batch has of runs; the first record that must be delivered again is named in the answer."""
    settings, records = load_settings(), event["Records"]
    receipt = publish(load_ports(), EventBus(settings.event_bus), records, region=settings.aws_region or None)
    metrics.add_metric("EventsPublished", MetricUnit.Count, receipt.told)
    metrics.add_metric("RecordsUnreadable", MetricUnit.Count, receipt.unreadable)
    logger.info("published", extra={"records": len(records), "told": receipt.told, "failed": len(receipt.failed)})
    numbers = (str(record["dynamodb"]["SequenceNumber"]) for record in records)
    # Lambda delivers everything from there on again, so that what happens to a run stays in order.
    first = next((number for number in numbers if number in receipt.failed), None)
    return {"batchItemFailures": [{"itemIdentifier": first}] if first is not None else []}
