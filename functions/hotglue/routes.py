"""Which request is served by what.

Words in capitals stand for names in paths. Where several patterns fit a path, the first one counts, so literal words
come before names; the jobs of a flow may be asked for with ``v2`` before the path, whatever the flow's version.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hotglue import jobs, listing, logs, reports, settings, starting, states, webhooks
from hotglue.admission import Caller
from hotglue.names import VERSION_PREFIX, Lane, read_environment, read_flow, read_lane
from hotglue.wire import NEXT_TOKEN, Answer, Request
from jobruns.errors import InvalidInputError
from jobruns.job import NAME
from jobruns.run import Run
from jobruns.strict_json import read_object


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is served: who sent it, and the names in its path."""

    caller: Caller
    request: Request
    names: Mapping[str, str]
    version: int

    @property
    def lane(self) -> Lane:
        """The flow and the tenant."""
        if self.names["ENV"] == self.caller.principal.org and NAME.match(self.names["FLOW"]):
            return Lane(self.names["ENV"], self.names["FLOW"], self.names["TENANT"])
        return read_lane(self.names["ENV"], self.names["FLOW"], self.names["TENANT"])

    @property
    def env_id(self) -> str:
        """The environment."""
        env_id = self.names["ENV"]
        return env_id if env_id == self.caller.principal.org else read_environment(env_id)

    @property
    def flow_id(self) -> str:
        """The flow."""
        return read_flow(self.names["FLOW"])

    @property
    def body(self) -> dict[str, Any]:
        """The body."""
        return read_object(self.request.body)

    @property
    def job_root(self) -> str:
        """The root of the job that is meant, which has to be said."""
        root = self.request.query.get("job_root")
        if not root:
            raise InvalidInputError("job_root: say which job is meant, by its s3_root", field="job_root")
        return root.strip("/")


Serve = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """A method, a pattern of a path, and what serves it. Some may be asked for with the version before the path."""

    verb: str
    pattern: tuple[str, ...]
    serve: Serve
    versioned: bool = True

    def match(self, path: tuple[str, ...]) -> dict[str, str] | None:
        """Give the names in a path; ``None`` where it is another's."""
        if len(path) != len(self.pattern):
            return None
        pairs = list(zip(self.pattern, path, strict=True))
        if any(not part.isupper() and part != name for part, name in pairs):
            return None
        return {part: name for part, name in pairs if part.isupper()}


@dataclass(frozen=True, slots=True)
class Found:
    """The route of a request, the names in its path, and the version it is asked for by; or the methods there are."""

    serve: Serve | None
    names: Mapping[str, str] = field(default_factory=dict)
    version: int = 1
    allowed: tuple[str, ...] = ()


def find_route(verb: str, path: tuple[str, ...]) -> Found:
    """Find what serves a request."""
    versioned = path[:1] == (VERSION_PREFIX,)
    inner = path[1:] if versioned else path
    fitting = [
        (route, names)
        for route in ROUTES
        if (route.versioned or not versioned) and (names := route.match(inner)) is not None
    ]
    method = "GET" if verb == "HEAD" else verb
    # A path that is written out is not one that only looks like a name.
    exact = [(route, names) for route, names in fitting if len(names) == min(len(one) for _, one in fitting)]
    for route, names in exact:
        if route.verb == method:
            return Found(route.serve, names, 2 if versioned else 1)
    return Found(None, allowed=_allowed([route.verb for route, _ in exact]))


def _allowed(verbs: list[str]) -> tuple[str, ...]:
    more = {"HEAD"} if "GET" in verbs else set()
    return tuple(sorted({*verbs, *more, "OPTIONS"})) if verbs else ()


def _create(call: Call) -> Answer:
    token = call.request.headers.get("idempotency-key") or None
    body = call.body
    run = starting.create_job(call.caller, call.lane, call.version, body, token=token)
    return Answer(jobs.show_new_job(call.caller, run, body.get("state") or None))


def _poll(call: Call) -> Answer:
    run = jobs.find_job(call.caller, call.lane, call.job_root)
    shown = jobs.show_job(call.caller, run)
    # Of this one answer an example calls the flow otherwise.
    return Answer({**shown, "flow": shown["flow_id"]})


def _poll_any(call: Call) -> Answer:
    run = jobs.find_any_job(call.caller, call.names["ENV"], call.job_root)
    shown = jobs.show_job(call.caller, run)
    return Answer({**shown, "flow": shown["flow_id"]})


def _list(call: Call) -> Answer:
    wanted = listing.read_filter(call.request.query, since="start", until="end")
    return _page(call, *listing.list_lane(call.caller, call.lane, wanted, _token(call)))


def _search(call: Call) -> Answer:
    wanted = listing.read_filter(call.request.query, since="from", until="to")
    return _page(call, *listing.list_environment(call.caller, call.env_id, wanted, _token(call)))


def _find(call: Call) -> Answer:
    return _show(call, jobs.find_job_called(call.caller, call.lane, call.names["JOB"]))


def _stop(call: Call) -> Answer:
    return _show(call, jobs.stop_job(call.caller, call.lane, call.job_root))


def _kill(call: Call) -> Answer:
    root = call.body.get("job_root") or call.request.query.get("job_root")
    if not isinstance(root, str):
        raise InvalidInputError("job_root: say which job is meant, by its s3_root", field="job_root")
    return _show(call, jobs.stop_job(call.caller, call.lane, root.strip("/")))


def _report(call: Call) -> Answer:
    return _show(call, reports.report_job(call.caller, call.lane, call.body))


def _logs(call: Call) -> Answer:
    return Answer(logs.show_logs(call.caller, call.lane, call.job_root, call.request.query))


def _request(call: Call) -> Answer:
    return Answer(jobs.show_request(call.caller, call.lane, call.job_root))


def _show_state(call: Call) -> Answer:
    return Answer(states.show_state(call.caller, call.lane, call.request.query))


def _put_state(call: Call) -> Answer:
    return Answer(states.put_state(call.caller, call.lane, call.request.query, call.body))


def _clear_state(call: Call) -> Answer:
    return Answer(states.clear_state(call.caller, call.lane, call.request.query))


def _environments(call: Call) -> Answer:
    return Answer(settings.list_environments(call.caller))


def _show_environment(call: Call) -> Answer:
    return Answer(settings.show_environment(call.caller, call.env_id))


def _put_environment(call: Call) -> Answer:
    shown, new = settings.put_environment(call.caller, call.env_id, call.body)
    return Answer(shown, 201 if new else 200)


def _delete_environment(call: Call) -> Answer:
    settings.delete_environment(call.caller, call.env_id)
    return Answer({"message": f"the environment {call.env_id} has been deleted"})


def _flows(call: Call) -> Answer:
    return Answer(settings.list_flows(call.caller, call.env_id))


def _show_flow(call: Call) -> Answer:
    return Answer(settings.show_flow(call.caller, call.env_id, call.flow_id))


def _put_flow(call: Call) -> Answer:
    shown, new = settings.put_flow(call.caller, call.env_id, call.flow_id, call.body)
    return Answer(shown, 201 if new else 200)


def _delete_flow(call: Call) -> Answer:
    settings.delete_flow(call.caller, call.env_id, call.flow_id)
    return Answer({"message": f"the flow {call.flow_id} has been deleted"})


def _webhooks(call: Call) -> Answer:
    return Answer(webhooks.list_webhooks(call.caller, call.env_id))


def _show_webhook(call: Call) -> Answer:
    return Answer(webhooks.show_webhook(call.caller, call.env_id, call.names["KIND"]))


def _put_webhook(call: Call) -> Answer:
    return Answer(webhooks.put_webhook(call.caller, call.env_id, call.names["KIND"], call.body))


def _remove_webhook(call: Call) -> Answer:
    webhooks.remove_webhook(call.caller, call.env_id, call.names["KIND"])
    return Answer({"message": f"the webhook {call.names['KIND']} has been removed"})


def _ping_webhook(call: Call) -> Answer:
    return Answer(webhooks.ping_webhook(call.caller, call.env_id, call.names["KIND"]), 202)


def _deliveries(call: Call) -> Answer:
    sent, token = webhooks.list_sent(call.caller, call.env_id, call.names["KIND"], call.request.query)
    return Answer(sent, headers={NEXT_TOKEN: token} if token else {})


def _show_delivery(call: Call) -> Answer:
    return Answer(webhooks.show_sent(call.caller, call.env_id, call.names["KIND"], call.names["DELIVERY"]))


def _replay(call: Call) -> Answer:
    return Answer(webhooks.replay_sent(call.caller, call.env_id, call.names["KIND"], call.names["DELIVERY"]), 202)


def _show(call: Call, run: Run) -> Answer:
    return Answer(jobs.show_job(call.caller, run))


def _page(call: Call, runs: list[Run], token: str | None) -> Answer:
    return Answer([jobs.list_job(call.caller, run) for run in runs], headers={NEXT_TOKEN: token} if token else {})


def _token(call: Call) -> str | None:
    return call.request.query.get("next_token") or None


_JOBS = ("ENV", "FLOW", "TENANT", "jobs")
_STATE = ("ENV", "FLOW", "TENANT", "linkedConnectors", "state")
_SETTINGS = ("ENV", "settings")
_FLOW = (*_SETTINGS, "flows", "FLOW")
_WEBHOOK = (*_SETTINGS, "webhooks", "KIND")
_DELIVERIES = (*_WEBHOOK, "deliveries")

ROUTES = (
    Route("GET", ("settings",), _environments, versioned=False),
    Route("GET", ("ENV", "jobs"), _search),
    Route("GET", ("ENV", "jobs", "status"), _poll_any),
    Route("POST", _JOBS, _create),
    Route("GET", _JOBS, _list),
    Route("DELETE", _JOBS, _stop),
    Route("GET", (*_JOBS, "status"), _poll),
    Route("GET", (*_JOBS, "logs"), _logs),
    Route("GET", (*_JOBS, "request"), _request),
    Route("POST", (*_JOBS, "kill"), _kill),
    Route("POST", (*_JOBS, "events"), _report),
    Route("GET", (*_JOBS, "JOB"), _find),
    Route("GET", _STATE, _show_state),
    Route("PUT", _STATE, _put_state),
    Route("DELETE", _STATE, _clear_state),
    Route("GET", _SETTINGS, _show_environment, versioned=False),
    Route("PUT", _SETTINGS, _put_environment, versioned=False),
    Route("DELETE", _SETTINGS, _delete_environment, versioned=False),
    Route("GET", (*_SETTINGS, "flows"), _flows, versioned=False),
    Route("GET", _FLOW, _show_flow, versioned=False),
    Route("PUT", _FLOW, _put_flow, versioned=False),
    Route("DELETE", _FLOW, _delete_flow, versioned=False),
    Route("GET", (*_SETTINGS, "webhooks"), _webhooks, versioned=False),
    Route("GET", _WEBHOOK, _show_webhook, versioned=False),
    Route("PUT", _WEBHOOK, _put_webhook, versioned=False),
    Route("DELETE", _WEBHOOK, _remove_webhook, versioned=False),
    Route("POST", (*_WEBHOOK, "ping"), _ping_webhook, versioned=False),
    Route("GET", _DELIVERIES, _deliveries, versioned=False),
    Route("GET", (*_DELIVERIES, "DELIVERY"), _show_delivery, versioned=False),
    Route("POST", (*_DELIVERIES, "DELIVERY", "replay"), _replay, versioned=False),
)
