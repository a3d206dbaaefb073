"""The hydrolix door: the function behind ``/config/v1``.

Collections and items are asked for with and without a slash at the end; both are served, neither is redirected.
"""

import re
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as NoRouteError
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from hydrolix import accounts, batch, history, identity, projects, tables, transforms
from hydrolix.admission import DOOR
from hydrolix.errors import answer_bug, answer_error, answer_unrouted
from jobruns.errors import JobrunsError

_SLASHES_AT_END = re.compile(r"/+$")

logger = Logger()
tracer = Tracer()
metrics = Metrics()


class Door(APIGatewayHttpResolver):
    """Routes requests, and knows which methods a path has."""

    def methods_of(self, path: str) -> list[str]:
        """Give the methods that `path` is served for; none for a path we do not have."""
        routes = [*self._static_routes, *self._dynamic_routes]
        return sorted({route.method for route in routes if route.rule.match(_SLASHES_AT_END.sub("", path))})


app = Door(strip_prefixes=[_SLASHES_AT_END])
for resource in (identity, accounts, projects, tables, transforms, history, batch):
    app.include_router(resource.router)


app.exception_handler(JobrunsError)(answer_error)
app.exception_handler(Exception)(answer_bug)


@app.not_found
def _unrouted(error: NoRouteError) -> Response[Mapping[str, Any]]:
    event = app.current_event
    return answer_unrouted(event.http_method, app.methods_of(event.path))


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP, clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Serve one request, an event of API Gateway in payload format 2.0."""
    logger.append_keys(door=DOOR)
    answer = app.resolve(event, context)
    metrics.add_dimension("door", DOOR)
    metrics.add_metric(f"Answers{answer['statusCode'] // 100}xx", MetricUnit.Count, 1)
    return answer
