"""The postgrest door: the function behind ``/postgrest``."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from jobruns.errors import JobrunsError
from pgrest.admission import DOOR, admit
from pgrest.asking import read_asked
from pgrest.deletions import delete_rows
from pgrest.errors import describe_error, describe_surprise
from pgrest.inserts import insert_rows, put_row
from pgrest.paths import find_relation
from pgrest.reading import show_rows
from pgrest.root import ROOT_VERBS, show_root
from pgrest.sources import SOURCES
from pgrest.updates import update_rows
from pgrest.verbs import check_verb, list_verbs
from pgrest.wire import Answer, Request, answer_options, answer_refusal, read_request, write_answer

RELATIONS = {name: source.relation for name, source in SOURCES.items()}

_VERBS = {
    "GET": show_rows,
    "HEAD": show_rows,
    "POST": insert_rows,
    "PATCH": update_rows,
    "PUT": put_row,
    "DELETE": delete_rows,
}

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


def answer_event(event: dict[str, Any]) -> dict[str, Any]:
    """Serve one request; whatever goes wrong is answered with a code of PostgREST's or PostgreSQL's."""
    try:
        answer = answer_request(read_request(event))
    except JobrunsError as error:
        answer = answer_refusal(describe_error(error))
    except Exception as error:  # noqa: BLE001 - logged; a client understands nothing but this door's errors
        answer = answer_refusal(describe_surprise(error))
    return write_answer(answer, event["requestContext"]["http"]["method"])


def answer_request(request: Request) -> Answer:
    """Serve one request.

    Raises
    ------
    JobrunsError
        It cannot be served.
    """
    if request.verb == "OPTIONS":  # browsers send it without a key
        relation = find_relation(request.path, RELATIONS)
        return answer_options(ROOT_VERBS if relation is None else list_verbs(relation), request.headers)
    caller = admit(request.headers)
    relation = find_relation(request.path, RELATIONS)
    if relation is None:
        return show_root(request, RELATIONS)
    check_verb(request.verb, relation)
    return _VERBS[request.verb](read_asked(caller, request, relation))
