"""The HTTP API: routes and stages of the template, payload format 2.0 in and out.

Follows "Working with AWS Lambda proxy integrations for HTTP APIs" in the API Gateway developer guide. A path that
begins with the name of a stage is that stage's; routes do not see the name, but functions do, in ``rawPath``.
"""

import base64
import binascii
import contextlib
import json
import re
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import IO, Any
from urllib.parse import parse_qsl, unquote

from local.intrinsics import Resolver
from local.invoke import MAX_PAYLOAD_BYTES, Invoker, PayloadTooLargeError, UnknownFunctionError
from local.pool import NoWorkerError
from local.serving import Environ
from local.template import Template

_MAX_WAIT_SECONDS = 55.0
"""For a worker: where AWS would start another, requests queue here, as long as clients wait (60 s in boto3)."""

_METHODS = {"get", "put", "post", "delete", "options", "head", "patch"}
_DEFAULT_STAGE = "$default"
_ANY = "x-amazon-apigateway-any-method"
_INTEGRATION = "x-amazon-apigateway-integration"
_TEXT = re.compile(r"text/|application/(?:[\w.+-]+\+)?(?:json|xml)\b|application/javascript\b", re.IGNORECASE)
_VARIABLE = re.compile(r"\{([^}+]+)(\+?)\}")
_FUNCTION_ARN = re.compile(r"functions/(.+)/invocations")


@dataclass(frozen=True)
class Route:
    """One route.

    Parameters
    ----------
    method : str
        Upper case, or ``ANY``.
    path : str
        As in the template, such as ``/config/v1/{proxy+}`` or ``$default``.
    pattern : re.Pattern
        Matches a path as it was sent.
    function : str
        ARN.
    """

    method: str
    path: str
    pattern: re.Pattern[str]
    function: str

    @property
    def key(self) -> str:
        """The route key."""
        return "$default" if self.path == "$default" else f"{self.method} {self.path}"

    @property
    def rank(self) -> tuple[bool, bool, int, int, bool]:
        """Sorts the route that API Gateway prefers first: exact, then long, then greedy, then ``$default``."""
        variables = len(_VARIABLE.findall(self.path))
        return self.path == "$default", "+}" in self.path, variables, -len(self.path), self.method == "ANY"


def read_routes(template: Template, resolver: Resolver) -> list[Route]:
    """Read the routes of every HTTP API of the template, the preferred first."""
    routes = []
    for properties in template.resources("AWS::ApiGatewayV2::Api", resolver).values():
        for path, methods in properties.get("Body", {}).get("paths", {}).items():
            for method, operation in methods.items():
                if method not in _METHODS and method != _ANY:
                    continue
                found = _FUNCTION_ARN.search(operation.get(_INTEGRATION, {}).get("uri", ""))
                if found:
                    name = "ANY" if method == _ANY else method.upper()
                    routes.append(Route(name, path, _pattern(path), found[1]))
    return sorted(routes, key=lambda route: route.rank)


def read_stages(template: Template, resolver: Resolver) -> frozenset[str]:
    """Read the names of the stages beside the default one."""
    stages = template.resources("AWS::ApiGatewayV2::Stage", resolver).values()
    return frozenset(str(properties["StageName"]) for properties in stages) - {_DEFAULT_STAGE}


def _pattern(path: str) -> re.Pattern[str]:
    if path == "$default":
        return re.compile("")
    position, parts = 0, []
    for number, found in enumerate(_VARIABLE.finditer(path)):
        parts += [re.escape(path[position : found.start()]), f"(?P<v{number}>{'.+' if found[2] else '[^/]+'})"]
        position = found.end()
    return re.compile("".join([*parts, re.escape(path[position:]), "/?$"]))


class Gateway:
    """Answers requests by invoking functions.

    Parameters
    ----------
    routes : list of Route
        The preferred first.
    invoker : Invoker
        Runs functions.
    access_log : binary file
        Gets a line of JSON for each request.
    stages : frozenset of str
        Names of the stages beside the default one.
    """

    def __init__(
        self, routes: list[Route], invoker: Invoker, access_log: IO[bytes], stages: frozenset[str] = frozenset()
    ) -> None:
        self._routes = routes
        self._stages = stages
        self._invoker = invoker
        self._access_log = access_log

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        began = time.perf_counter()
        request_id = str(uuid.uuid4())
        method, path = environ["REQUEST_METHOD"], environ["RAW_URI"].partition("?")[0] or "/"
        status, headers, body, key = self._answer(environ, method, path, request_id)
        start_response(f"{status} {_phrase(status)}", [*headers, ("Apigw-Requestid", request_id)])
        line = {
            "requestId": request_id,
            "requestTime": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "httpMethod": method,
            "path": path,
            "routeKey": key,
            "status": status,
            "responseLength": len(body),
            "responseLatency": round((time.perf_counter() - began) * 1000, 2),
        }
        # The log is closed when the runner stops; a request that is still in work then is answered all the same.
        with contextlib.suppress(ValueError):
            self._access_log.write(json.dumps(line).encode() + b"\n")
        return [body]

    def _answer(
        self, environ: Environ, method: str, path: str, request_id: str
    ) -> tuple[int, list[tuple[str, str]], bytes, str | None]:
        stage, inner = self._stage(path)
        route, variables = self._match(method, inner)
        if route is None:
            return *_message(404, "Not Found"), None
        try:
            body = _read_body(environ)
            event = json.dumps(_event(environ, route, variables, body, request_id, path, stage))
            outcome = self._invoker.invoke(route.function, event.encode(), _MAX_WAIT_SECONDS)
        except PayloadTooLargeError:
            return *_message(413, "Request Entity Too Large"), route.key
        except NoWorkerError:
            return *_message(503, "Service Unavailable"), route.key
        except UnknownFunctionError:
            return *_message(500, "Internal Server Error"), route.key
        answer = _message(500, "Internal Server Error") if outcome.error else _response(outcome.payload)
        return *answer, route.key

    def _stage(self, path: str) -> tuple[str, str]:
        name, slash, rest = path.removeprefix("/").partition("/")
        return (name, f"{slash}{rest}" or "/") if name in self._stages else (_DEFAULT_STAGE, path)

    def _match(self, method: str, path: str) -> tuple[Route | None, dict[str, str]]:
        for route in self._routes:
            if route.method not in {"ANY", method}:
                continue
            found = route.pattern.match(path)
            if found:
                names = [name for name, _ in _VARIABLE.findall(route.path)]
                return route, {name: unquote(value) for name, value in zip(names, found.groups(), strict=False)}
        return None, {}


def _read_body(environ: Environ) -> bytes:
    if int(environ.get("CONTENT_LENGTH") or 0) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError
    body: bytes = environ["wsgi.input"].read(MAX_PAYLOAD_BYTES + 1)
    if len(body) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError
    return body


def _event(
    environ: Environ, route: Route, variables: dict[str, str], body: bytes, request_id: str, path: str, stage: str
) -> dict[str, Any]:
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") and name != "HTTP_COOKIE"
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    headers |= {"x-forwarded-for": environ["REMOTE_ADDR"], "x-forwarded-proto": "http"}
    query = environ["RAW_URI"].partition("?")[2]
    now = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": route.function.split(":")[4],
            "apiId": "local",
            "domainName": headers.get("host", "localhost"),
            "domainPrefix": "local",
            "http": {
                "method": environ["REQUEST_METHOD"],
                "path": path,
                "protocol": environ["SERVER_PROTOCOL"],
                "sourceIp": environ["REMOTE_ADDR"],
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": route.key,
            "stage": stage,
            "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookie := environ.get("HTTP_COOKIE"):
        event["cookies"] = [part.strip() for part in cookie.split(";")]
    if query:
        event["queryStringParameters"] = _joined(parse_qsl(query, keep_blank_values=True))
    if variables:
        event["pathParameters"] = variables
    if body:
        event["body"], event["isBase64Encoded"] = _encode(body, headers.get("content-type", "text/plain"))
    return event


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in pairs:
        values[name] = f"{values[name]},{value}" if name in values else value
    return values


def _encode(body: bytes, content_type: str) -> tuple[str, bool]:
    if _TEXT.match(content_type.strip()):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def _response(payload: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    try:
        answer = json.loads(payload)
    except ValueError:
        return _message(500, "Internal Server Error")
    if not isinstance(answer, dict) or "statusCode" not in answer:
        # Whatever else a function returns is the body of a success.
        body = answer if isinstance(answer, str) else json.dumps(answer)
        return 200, [("Content-Type", "application/json")], body.encode()
    try:
        status = int(answer["statusCode"])
        headers = [(name, _header(value)) for name, value in (answer.get("headers") or {}).items()]
        headers += [("Set-Cookie", str(cookie)) for cookie in answer.get("cookies") or []]
        body = answer.get("body") or ""
        if not isinstance(body, str):
            body = json.dumps(body)
        content = base64.b64decode(body, validate=True) if answer.get("isBase64Encoded") else body.encode()
    except (TypeError, ValueError, AttributeError, binascii.Error):
        return _message(500, "Internal Server Error")
    if content and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    return status, headers, content


def _header(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if "\r" in text or "\n" in text:
        raise ValueError("a header's value has one line")
    return text


def _message(status: int, text: str) -> tuple[int, list[tuple[str, str]], bytes]:
    return status, [("Content-Type", "application/json")], json.dumps({"message": text}).encode()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
