"""Use cases of the webhooks of an environment: one of each kind, and what became of what was sent to it.

The endpoints are the org's own, named ``hotglue/<environment>/<kind>``, so that the command line sees them as well.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from hotglue.admission import Caller
from hotglue.bodies import check_document
from hotglue.job_requests import WebhookOverride
from hotglue.names import webhook_name
from hotglue.settings import find_environment
from jobruns.delivery import Delivery
from jobruns.endpoint import Endpoint, Selection, Topic
from jobruns.errors import InvalidInputError, NotFoundError
from jobruns.ids import canonical_id
from jobruns.service.endpoints import (
    EndpointWish,
    find_endpoint,
    list_endpoints,
    put_endpoint,
    redirect_to,
    remove_endpoint,
)
from jobruns.service.replays import (
    MAX_PAGE,
    find_delivery,
    list_deliveries,
    ping_endpoint,
    replay_delivery,
)
from jobruns_events.connections import CONNECTION, CONNECTION_STATUSES
from jobruns_events.details import write_time
from jobruns_events.statuses import DISCOVER_SUCCESS, STATUSES

LIFECYCLE = "job_lifecycle"
KINDS = (LIFECYCLE, "discover", CONNECTION)
DEFAULT_COUNT = 20

Format = Literal["hotglue", "standard", "cloudevents", "openlineage"]
DEFAULT_FORMAT: Format = "hotglue"
OF_RUNS: Format = "openlineage"

_JOB_STATUSES = frozenset({*STATUSES, DISCOVER_SUCCESS})


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Webhook(BaseModel):
    """Where something is told, and what of it. Without a secret of the caller's own, one is made and shown once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(min_length=1, max_length=2048)
    secret: str | None = Field(default=None, repr=False)
    format: Format = DEFAULT_FORMAT
    statuses: tuple[str, ...] = Field(default=(), max_length=50)
    only: Annotated[tuple[Topic, ...], BeforeValidator(_listed)] = ()
    quiet_seconds: int = Field(default=0, ge=0)


def list_webhooks(caller: Caller, env_id: str) -> list[dict[str, Any]]:
    """Read the webhooks of an environment."""
    find_environment(caller, env_id)
    names = {webhook_name(env_id, kind): kind for kind in KINDS}
    found = list_endpoints(caller.event_ports, caller.principal)
    return [_show(names[endpoint.name], endpoint) for endpoint in found if endpoint.name in names]


def show_webhook(caller: Caller, env_id: str, kind: str) -> dict[str, Any]:
    """Read a webhook.

    Raises
    ------
    NotFoundError
        The environment has none of this kind, or there is no such kind.
    """
    return _show(kind, _find(caller, env_id, kind))


def put_webhook(caller: Caller, env_id: str, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """Set a webhook. Another secret takes the place of the one before, which signs beside it for a day.

    Raises
    ------
    InvalidInputError
        Something of it is wrong, or its URL may not be called.
    """
    find_environment(caller, env_id)
    webhook = _check(_kind(kind), check_document(Webhook.model_validate, body))
    wish = EndpointWish(
        url=webhook.url,
        format=webhook.format,
        selection=Selection(
            kinds=frozenset({kind}),
            statuses=frozenset(webhook.statuses),
            only=frozenset(webhook.only),
            quiet_seconds=webhook.quiet_seconds,
            jobs_prefix=f"{env_id}/",
        ),
        stands_back=kind == LIFECYCLE,
    )
    endpoint, told = put_endpoint(
        caller.event_ports, caller.principal, webhook_name(env_id, kind), wish, secret=webhook.secret or None
    )
    return {**_show(kind, endpoint), **({} if told is None else {"signing_secret": told})}


def remove_webhook(caller: Caller, env_id: str, kind: str) -> None:
    """Remove a webhook; what waits for it is not sent."""
    find_environment(caller, env_id)
    try:
        remove_endpoint(caller.event_ports, caller.principal, webhook_name(env_id, _kind(kind)))
    except NotFoundError:
        raise _none(env_id, kind) from None


def ping_webhook(caller: Caller, env_id: str, kind: str) -> dict[str, Any]:
    """Have a webhook called to try it."""
    endpoint = _find(caller, env_id, kind)
    return _show_delivery(ping_endpoint(caller.event_ports, caller.principal, endpoint.name))


def list_sent(
    caller: Caller, env_id: str, kind: str, query: Mapping[str, str]
) -> tuple[list[dict[str, Any]], str | None]:
    """Read what was sent to a webhook, the latest first; gives what asks for the next page as well."""
    endpoint = _find(caller, env_id, kind)
    text = query.get("count") or str(DEFAULT_COUNT)
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MAX_PAGE):
        raise InvalidInputError(f"count: is a whole number from 1 to {MAX_PAGE}", field="count")
    page = list_deliveries(
        caller.event_ports,
        caller.principal,
        endpoint.name,
        limit=int(text),
        behind=canonical_id(query["next_token"]) if query.get("next_token") else None,
    )
    return [_show_delivery(delivery) for delivery in page.deliveries], page.behind


def show_sent(caller: Caller, env_id: str, kind: str, delivery_id: str) -> dict[str, Any]:
    """Read one thing that was sent, with every try of it."""
    endpoint = _find(caller, env_id, kind)
    return _show_delivery(find_delivery(caller.event_ports, caller.principal, endpoint.name, canonical_id(delivery_id)))


def replay_sent(caller: Caller, env_id: str, kind: str, delivery_id: str) -> dict[str, Any]:
    """Have something sent once more, by the id it had."""
    endpoint = _find(caller, env_id, kind)
    return _show_delivery(
        replay_delivery(caller.event_ports, caller.principal, endpoint.name, canonical_id(delivery_id))
    )


def redirect_webhook(caller: Caller, env_id: str, webhook: WebhookOverride) -> str:
    """Have one job told elsewhere, signed as the environment's webhook or as the endpoint that is named.

    Returns
    -------
    str
        The id of the endpoint that is told of it.

    Raises
    ------
    InvalidInputError
        The URL may not be called, or there is no such endpoint.
    """
    own = webhook_name(env_id, LIFECYCLE)
    for signer in (webhook.secret_ref,) if webhook.secret_ref else (own, None):
        try:
            found = redirect_to(caller.event_ports, caller.principal, webhook.url, DEFAULT_FORMAT, signs_as=signer)
        except NotFoundError as error:
            if signer != own or webhook.secret_ref:
                raise InvalidInputError(
                    f"override_lifecycle_webhook: {error.message}", field="override_lifecycle_webhook"
                ) from None
        except InvalidInputError as error:
            raise InvalidInputError(
                f"override_lifecycle_webhook: {error.message}", field="override_lifecycle_webhook"
            ) from None
        else:
            return found.endpoint_id
    raise AssertionError("without a signer an endpoint signs for itself")


def _find(caller: Caller, env_id: str, kind: str) -> Endpoint:
    find_environment(caller, env_id)
    try:
        return find_endpoint(caller.event_ports, caller.principal, webhook_name(env_id, _kind(kind)))
    except NotFoundError:
        raise _none(env_id, kind) from None


def _check(kind: str, webhook: Webhook) -> Webhook:
    """Let a webhook pass of which something can be told.

    Raises
    ------
    InvalidInputError
        It asks for what is not told of its kind.
    """
    known = frozenset(CONNECTION_STATUSES) if kind == CONNECTION else _JOB_STATUSES
    strange = [status for status in webhook.statuses if status not in known]
    if strange:
        whose = f"one of {', '.join(CONNECTION_STATUSES)}" if kind == CONNECTION else "a status of a job"
        raise InvalidInputError(f"statuses: {strange[0][:100]!r} is not {whose}", field="statuses")
    if kind != CONNECTION:
        return webhook
    if webhook.format == OF_RUNS:
        raise InvalidInputError("format: OpenLineage tells of runs, and has no word for a connection", field="format")
    for name in ("only", "quiet_seconds"):
        if getattr(webhook, name):
            raise InvalidInputError(f"{name}: is about jobs, and the webhook {kind!r} tells of none", field=name)
    return webhook


def _kind(kind: str) -> str:
    if kind not in KINDS:
        raise NotFoundError(f"there is no webhook {kind[:100]!r}; there are {', '.join(KINDS)}", field="kind")
    return kind


def _none(env_id: str, kind: str) -> NotFoundError:
    return NotFoundError(f"the environment {env_id!r} has no webhook {kind!r}; set it with PUT", field="kind")


def _show(kind: str, endpoint: Endpoint) -> dict[str, Any]:
    selection = endpoint.selection
    return {
        "kind": kind,
        "url": endpoint.url,
        "format": endpoint.format,
        "has_secret": endpoint.own_secret,
        "statuses": sorted(selection.statuses),
        "only": sorted(selection.only),
        "quiet_seconds": selection.quiet_seconds,
        "enabled": endpoint.enabled,
        "disabled_because": endpoint.disabled_because,
        "failing_since": write_time(endpoint.failing_since) if endpoint.failing_since else None,
        "created_at": write_time(endpoint.created_at),
        "modified_at": write_time(endpoint.modified_at),
    }


def _show_delivery(delivery: Delivery) -> dict[str, Any]:
    hidden = {"org", "endpoint_id", "tried_from", "leased_until", "document", "expires_at"}
    return delivery.model_dump(mode="json", exclude=hidden)
