"""Turns the uploads that arrived together into one run per table."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import SQSEvent, event_source
from aws_lambda_powertools.utilities.typing import LambdaContext

from jobruns.bootstrap import load_ports, load_upload_ports
from jobruns.service.uploads import QueueMessage, receive_uploads

logger = Logger()
tracer = Tracer()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
@event_source(data_class=SQSEvent)
def handler(event: SQSEvent, context: LambdaContext) -> dict[str, Any]:
    """Start runs for a batch of messages; those that must be delivered again are named in the answer.

    The batch is handled as a whole, not message by message: ten thousand uploads are one run and one commit.
    """
    messages = [QueueMessage(record.message_id, record.body) for record in event.records]
    receipt = receive_uploads(load_ports(), load_upload_ports(), messages)
    for name in ("claimed", "duplicates", "unwatched"):
        metrics.add_metric(f"Uploads{name.capitalize()}", MetricUnit.Count, getattr(receipt, name))
    logger.info("received", extra={"messages": len(messages), "runs": receipt.runs, "failed": len(receipt.failed)})
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in sorted(receipt.failed)]}
