"""How endpoints and deliveries are shown."""

import json
from typing import Any

from rich.table import Table

from jobruns.delivery import Delivery, DeliveryState
from jobruns.endpoint import Endpoint
from jobruns_cli.output import make_console, one_line, write_time

_HIDDEN = {"salt"}
"""Not shown: secrets are derived from it."""

_STYLES = {
    DeliveryState.DELIVERED: "green",
    DeliveryState.DEAD: "red",
    DeliveryState.SKIPPED: "yellow",
    DeliveryState.PENDING: "cyan",
}


def dump_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """Give an endpoint as JSON, without what its secrets are derived from."""
    found: dict[str, Any] = endpoint.model_dump(mode="json", exclude=_HIDDEN)
    chosen = {name: sorted(value) if isinstance(value, list) else value for name, value in found["selection"].items()}
    return {**found, "selection": chosen}


def dump_delivery(delivery: Delivery) -> dict[str, Any]:
    """Give a delivery as JSON."""
    found: dict[str, Any] = delivery.model_dump(mode="json", exclude={"leased_until"})
    return found


def show_endpoints(endpoints: list[Endpoint]) -> None:
    """Print a table of endpoints."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("endpoint", "format", "status", "tells"):
        table.add_column(heading, no_wrap=True)
    table.add_column("url", overflow="ellipsis", no_wrap=True)
    for endpoint in endpoints:
        table.add_row(
            one_line(endpoint.name),
            endpoint.format,
            _status(endpoint),
            one_line(_selection(endpoint)),
            one_line(endpoint.url),
            style=None if endpoint.enabled else "dim",
        )
    make_console().print(table)


def show_endpoint(endpoint: Endpoint) -> None:
    """Print everything about an endpoint."""
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    rows = {
        "endpoint": endpoint.name,
        "id": endpoint.endpoint_id,
        "url": endpoint.url,
        "format": endpoint.format,
        "tells": _selection(endpoint),
        "status": _status(endpoint),
        "because": endpoint.disabled_because,
        "failing": write_time(endpoint.failing_since) if endpoint.failing_since else None,
        "secret": f"number {endpoint.generation}, {'given' if endpoint.own_secret else 'made here'}",
        "made": write_time(endpoint.created_at),
        "changed": write_time(endpoint.modified_at),
    }
    for name, value in rows.items():
        if value:
            facts.add_row(name, one_line(value))
    make_console().print(facts)


def show_deliveries(deliveries: list[Delivery]) -> None:
    """Print a table of deliveries."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("delivery", no_wrap=True, min_width=36)
    for heading in ("state", "tries", "status"):
        table.add_column(heading, no_wrap=True)
    table.add_column("job", overflow="ellipsis", no_wrap=True)
    table.add_column("run", no_wrap=True)
    table.add_column("asked for", no_wrap=True)
    table.add_column("last try", overflow="ellipsis", no_wrap=True)
    for delivery in deliveries:
        table.add_row(
            delivery.delivery_id,
            str(delivery.state),
            str(delivery.attempts),
            one_line(delivery.status),
            one_line(delivery.job or ""),
            delivery.run_id or "",
            write_time(delivery.created_at),
            one_line(_last_try(delivery)),
            style=_STYLES[delivery.state],
        )
    make_console().print(table)


def describe_delivery(delivery: Delivery) -> str:
    """Say in a line how a delivery stands."""
    tried = _last_try(delivery)
    return one_line(f"{delivery.state}" + (f": {tried}" if tried else "") + _because(delivery))


def _because(delivery: Delivery) -> str:
    return f" ({delivery.reason})" if delivery.reason else ""


def _last_try(delivery: Delivery) -> str:
    if not delivery.log:
        return ""
    last = delivery.log[-1]
    told = last.problem or f"status {last.status} after {last.seconds:.1f} s {last.answer}"
    return told.strip() + (f", next {write_time(last.next_at)}" if last.next_at else "")


def _status(endpoint: Endpoint) -> str:
    if not endpoint.enabled:
        return "off"
    return "failing" if endpoint.failing_since else "on"


def _selection(endpoint: Endpoint) -> str:
    chosen = endpoint.selection.model_dump(mode="json", exclude_defaults=True)
    if not chosen:
        return "everything"
    words = {name: ",".join(sorted(value)) if isinstance(value, list) else value for name, value in chosen.items()}
    return " ".join(f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in words.items())
