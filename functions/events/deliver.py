"""Tells endpoints outside what becomes of runs: tries a batch of deliveries."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import SQSEvent, event_source
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import ValidationError

from events.letters import LetterWriter
from jobruns.bootstrap import load_event_ports
from jobruns.service.deliveries import deliver
from jobruns.service.event_ports import DeliveryMessage

logger = Logger()
tracer = Tracer()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
@event_source(data_class=SQSEvent)
def handler(event: SQSEvent, context: LambdaContext) -> dict[str, Any]:
    """Try a batch of deliveries; messages that must come again are named in the answer."""
    failed: list[str] = []
    messages: list[tuple[str, DeliveryMessage]] = []
    for record in event.records:
        try:
            messages.append((record.message_id, DeliveryMessage.model_validate_json(record.body)))
        except ValidationError:
            # It comes again until it is put aside, for somebody to look at.
            logger.exception("not a message of ours", extra={"message_id": record.message_id})
            failed.append(record.message_id)
    tried = deliver(load_event_ports(), LetterWriter(), [message for _, message in messages])
    failed += [messages[place][0] for place in sorted(tried.again)]
    for name in ("delivered", "failed", "dead", "dropped"):
        metrics.add_metric(f"Deliveries{name.capitalize()}", MetricUnit.Count, getattr(tried, name))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
