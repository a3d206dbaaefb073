"""Notes what S3 tells of the files of runs, and follows the runs whose own runner says there how far it has come."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes import SQSEvent, event_source
from aws_lambda_powertools.utilities.typing import LambdaContext

from events.run_files import FileMessage, receive_files
from jobruns.bootstrap import load_ports

logger = Logger()
tracer = Tracer()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
@event_source(data_class=SQSEvent)
def handler(event: SQSEvent, context: LambdaContext) -> dict[str, Any]:
    """Note the files of a batch of messages; those that must be delivered again are named in the answer."""
    messages = [FileMessage(record.message_id, record.body) for record in event.records]
    receipt = receive_files(load_ports(), messages)
    metrics.add_metric("RunFilesNoted", MetricUnit.Count, receipt.noted)
    logger.info("received", extra={"messages": len(messages), "noted": receipt.noted, "failed": len(receipt.failed)})
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in sorted(receipt.failed)]}
