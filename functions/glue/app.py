"""The glue door: the function behind ``/glue``."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from glue.admission import DOOR, admit
from glue.errors import UnknownOperationError, describe_bug, describe_error
from glue.operations import OPERATIONS, Operation
from glue.shapes import check_request, load_service, shape_answer
from glue.wire import Call, read_call, read_parameters, write_answer, write_fault
from jobruns.errors import JobrunsError

logger = Logger()
tracer = Tracer()
metrics = Metrics()

load_service()  # 60 ms, while Lambda still gives a starting function more of the processor


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Serve one request, an event of API Gateway in payload format 2.0."""
    logger.append_keys(door=DOOR)
    answer = answer_event(event, context.aws_request_id)
    metrics.add_dimension("door", DOOR)
    metrics.add_metric(f"Answers{answer['statusCode'] // 100}xx", MetricUnit.Count, 1)
    return answer


def answer_event(event: dict[str, Any], request_id: str) -> dict[str, Any]:
    """Serve one request; whatever goes wrong is answered as one of Glue's exceptions.

    `request_id` is Lambda's, a UUID: what a client shows of an answer is then what the log is searched for.
    """
    try:
        call = read_call(event)
        name, operation = find_operation(call)
        logger.append_keys(operation=name)
        caller = admit(call.request)
        answer = operation(caller, check_request(name, read_parameters(call)))
        return write_answer(shape_answer(name, answer), request_id)
    except JobrunsError as error:
        return write_fault(describe_error(error), request_id)
    except Exception as error:  # noqa: BLE001 - logged; a client understands nothing but Glue's exceptions
        return write_fault(describe_bug(error), request_id)


def find_operation(call: Call) -> tuple[str, Operation]:
    """Find what a request asks for.

    Raises
    ------
    UnknownOperationError
        It asks for no operation of Glue's, or for one that this service does not have.
    """
    if call.operation is None:
        raise UnknownOperationError("send a POST with the header X-Amz-Target: AWSGlue.<operation>")
    if call.operation not in OPERATIONS:
        served = ", ".join(sorted(OPERATIONS))
        raise UnknownOperationError(f"this service has no operation {call.operation[:128]!r}; it has {served}")
    return call.operation, OPERATIONS[call.operation]
