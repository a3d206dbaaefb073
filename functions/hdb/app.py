"""The HarperDB door: the function behind ``/harperdb``."""

from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from hdb.accounts import create_tokens, refresh_operation_token
from hdb.admission import DOOR, Caller, admit
from hdb.answers import (
    Answer,
    Route,
    answer_document,
    answer_fault,
    answer_health,
    answer_nothing,
    answer_preflight,
    find_route,
)
from hdb.bodies import read_bytes, read_call
from hdb.errors import describe_bug, describe_error
from hdb.grants import explain_missing
from hdb.intake import take_request
from hdb.media import choose_media
from hdb.operations import Access
from hdb.service import serve
from jobruns.errors import JobrunsError, MissingRightsError, NotAuthenticatedError

_REFRESH = "refresh_operation_token"

logger = Logger()
tracer = Tracer()
metrics = Metrics()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Serve one request, an event of API Gateway in payload format 2.0."""
    logger.append_keys(door=DOOR)
    headers = {name.lower(): value for name, value in event.get("headers", {}).items()}
    answer = answer_event(event, headers)
    metrics.add_dimension("door", DOOR)
    metrics.add_metric(f"Answers{answer.status // 100}xx", MetricUnit.Count, 1)
    return answer.as_event(headers)


def answer_event(event: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
    """Serve one request; whatever goes wrong is answered with the member ``error`` that clients read."""
    try:
        match find_route(event["requestContext"]["http"]["method"], event["rawPath"]):
            case Route.PREFLIGHT:
                return answer_preflight()
            case Route.HEALTH:
                return answer_health()
            case Route.NOTHING:
                return answer_nothing()
        return answer_operation(event, headers)
    except JobrunsError as error:
        told = explain_missing(error) if isinstance(error, MissingRightsError) else error
        fault = describe_error(told, headers.get("authorization"))
        if fault.ours:
            logger.error("the request could not be served", extra={"reason": type(error).__name__}, exc_info=True)
        return answer_fault(fault)
    except Exception:
        logger.exception("the request met a bug")
        return answer_fault(describe_bug())


def answer_operation(event: Mapping[str, Any], headers: Mapping[str, str]) -> Answer:
    """Do what a request asks for.

    Raises
    ------
    JobrunsError
        It cannot be served.
    """
    content_type = headers.get("content-type")
    try:
        caller = admit(headers)
    except NotAuthenticatedError:
        # A refresh token opens nothing but this one operation, which looks at it itself.
        if not _asks_to_refresh(event, content_type):
            raise
        caller = None
    media = choose_media(headers.get("accept"))
    body = read_bytes(event.get("body"), encoded=event.get("isBase64Encoded", False))
    taken = take_request(content_type, body, None if caller is None else caller.grants)
    logger.append_keys(operation=taken.operation.name)
    if taken.operation.access is Access.OPEN:
        refreshes = taken.operation.name == _REFRESH
        return answer_document(refresh_operation_token(headers) if refreshes else create_tokens(headers, taken.request))
    return answer_document(serve(_known(caller), taken), media)


def _asks_to_refresh(event: Mapping[str, Any], content_type: str | None) -> bool:
    try:
        body = read_bytes(event.get("body"), encoded=event.get("isBase64Encoded", False))
        return read_call(content_type, body).name == _REFRESH
    except JobrunsError:
        return False


def _known(caller: Caller | None) -> Caller:
    if caller is None:
        raise AssertionError("a request of nobody has been refused when it was taken")
    return caller
