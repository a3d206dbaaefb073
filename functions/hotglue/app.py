"""The hotglue door: the function behind ``/hotglue``."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from hotglue.admission import DOOR, admit
from hotglue.errors import answer_error, answer_surprise, answer_unrouted
from hotglue.routes import Call, find_route
from hotglue.wire import Answer, Request, answer_options, read_request, write_answer
from jobruns.errors import JobrunsError

logger = Logger()
tracer = Tracer()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Serve one request, an event of API Gateway in payload format 2.0."""
    logger.append_keys(door=DOOR)
    answer = answer_event(event)
    metrics.add_dimension("door", DOOR)
    metrics.add_metric(f"Answers{answer['statusCode'] // 100}xx", MetricUnit.Count, 1)
    return answer


def answer_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Serve one request; whatever goes wrong is answered with an error's type and message."""
    try:
        answer = answer_request(read_request(event))
    except JobrunsError as error:
        answer = answer_error(error)
    except Exception as error:  # noqa: BLE001 - logged; a client understands nothing but this door's errors
        answer = answer_surprise(error)
    return write_answer(answer, event["requestContext"]["http"]["method"])


def answer_request(request: Request) -> Answer:
    """Serve one request.

    Raises
    ------
    JobrunsError
        It cannot be served.
    """
    found = find_route(request.verb, request.path)
    if request.verb == "OPTIONS" and found.allowed:  # browsers send it without a key
        return answer_options(list(found.allowed))
    if found.serve is None:
        return answer_unrouted(request.verb, found.allowed)
    caller = admit(request.headers)
    return found.serve(Call(caller, request, found.names, found.version))
