"""Finds who is told what the bus says, and has it delivered."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import SQSEvent, event_source
from aws_lambda_powertools.utilities.typing import LambdaContext

from events.announcements import read_announcement
from jobruns.announcement import Announcement
from jobruns.bootstrap import load_event_ports
from jobruns.errors import InvalidInputError
from jobruns.service.routing import route

logger = Logger()
tracer = Tracer()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
@event_source(data_class=SQSEvent)
def handler(event: SQSEvent, context: LambdaContext) -> dict[str, Any]:
    """Route a batch of events; those that must come again are named in the answer."""
    failed: list[str] = []
    told: list[tuple[str, Announcement]] = []
    for record in event.records:
        try:
            told.append((record.message_id, read_announcement(record.body)))
        except InvalidInputError:
            # It comes again until it is put aside, for somebody to look at.
            logger.exception("not an event of ours", extra={"message_id": record.message_id})
            failed.append(record.message_id)
    routed = route(load_event_ports(), [announcement for _, announcement in told])
    failed += [told[place][0] for place in routed.unsent]
    metrics.add_metric("DeliveriesAsked", MetricUnit.Count, routed.deliveries)
    metrics.add_metric("DeliveriesQuiet", MetricUnit.Count, routed.quiet)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
