"""``jobruns endpoints``: who is told what becomes of runs, and how telling them went."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jobruns_cli.deployment import Deployment, cli_principal
from jobruns_cli.endpoint_output import (
    describe_delivery,
    dump_delivery,
    dump_endpoint,
    show_deliveries,
    show_endpoint,
    show_endpoints,
)
from jobruns_cli.output import print_json
from jobruns_cli.parameters import Margin, Moment, json_option, stack_option

if TYPE_CHECKING:
    from jobruns.access import Principal
    from jobruns.service.event_ports import EventPorts

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

FORMATS = ("standard", "hotglue", "cloudevents", "openlineage")
TOPICS = ("failures", "recoveries", "overdue")

PING_SECONDS = 30.0
"""What an endpoint may take to answer, and the queue before it."""

_LOOK_AGAIN_SECONDS = 0.5


@click.group()
def endpoints() -> None:
    """Say who is told what becomes of runs, and look how telling them went."""


def _org_option(command: CommandT) -> CommandT:
    add = click.option(
        "--org", metavar="ORG", envvar="JOBRUNS_ORG", required=True, help="Whose endpoints [env JOBRUNS_ORG]."
    )
    return add(command)


@endpoints.command()
@click.argument("name")
@click.argument("url")
@click.option("--format", "form", type=click.Choice(FORMATS), default="standard", show_default=True, help="How.")
@click.option("--only", type=click.Choice(TOPICS), multiple=True, help="Only what is about this; several are added up.")
@click.option("--status", "statuses", metavar="STATUS", multiple=True, help="Only when this status is reached.")
@click.option("--jobs-prefix", metavar="TEXT", default="", help="Only jobs whose names begin so.")
@click.option("--quiet", type=Margin(), default="0", help="For so long no end like the one before of the same job.")
@click.option("--secret", is_flag=True, help="Give the secret, asked for, or read from standard input.")
@_org_option
@json_option
@stack_option
def add(  # noqa: PLR0913 - one parameter for each option
    name: str,
    url: str,
    form: str,
    only: tuple[str, ...],
    statuses: tuple[str, ...],
    jobs_prefix: str,
    quiet: timedelta,
    org: str,
    stack: str | None,
    *,
    secret: bool,
    as_json: bool,
) -> None:
    """Make an endpoint, or change the one of this name. A secret that is made is printed, this once."""
    from jobruns.endpoint import Selection, Topic
    from jobruns.service.endpoints import EndpointWish, put_endpoint

    ports, principal = _events(stack, org)
    selection = Selection(
        statuses=frozenset(statuses),
        only=frozenset(Topic(topic) for topic in only),
        quiet_seconds=int(quiet.total_seconds()),
        jobs_prefix=jobs_prefix,
    )
    given = _read_secret() if secret else None
    endpoint, told = put_endpoint(ports, principal, name, EndpointWish(url, form, selection), secret=given)
    _tell(endpoint, told, as_json=as_json)


@endpoints.command("list")
@_org_option
@json_option
@stack_option
def list_(org: str, stack: str | None, *, as_json: bool) -> None:
    """List the endpoints of an org."""
    from jobruns.service.endpoints import list_endpoints

    found = list_endpoints(*_events(stack, org))
    if as_json:
        print_json([dump_endpoint(endpoint) for endpoint in found])
    else:
        show_endpoints(found)


@endpoints.command()
@click.argument("name")
@_org_option
@json_option
@stack_option
def show(name: str, org: str, stack: str | None, *, as_json: bool) -> None:
    """Show an endpoint."""
    from jobruns.service.endpoints import find_endpoint

    endpoint = find_endpoint(*_events(stack, org), name)
    if as_json:
        print_json(dump_endpoint(endpoint))
    else:
        show_endpoint(endpoint)


@endpoints.command()
@click.argument("name")
@click.option("--overlap", type=Margin(), default="1d", show_default=True, help="How long the one before signs too.")
@click.option("--secret", is_flag=True, help="Give the secret, asked for, or read from standard input.")
@_org_option
@json_option
@stack_option
def rotate(name: str, overlap: timedelta, org: str, stack: str | None, *, secret: bool, as_json: bool) -> None:
    """Give an endpoint another secret. One that is made is printed, this once."""
    from jobruns.service.endpoints import rotate_secret

    ports, principal = _events(stack, org)
    given = _read_secret() if secret else None
    endpoint, told = rotate_secret(ports, principal, name, secret=given, overlap=overlap)
    _tell(endpoint, told, as_json=as_json)


@endpoints.command()
@click.argument("name")
@_org_option
@stack_option
def disable(name: str, org: str, stack: str | None) -> None:
    """Switch an endpoint off: it is told nothing more, not even what waits for it."""
    from jobruns.service.endpoints import disable_endpoint

    click.echo(f"switched off {disable_endpoint(*_events(stack, org), name).name}")


@endpoints.command()
@click.argument("name")
@_org_option
@stack_option
def enable(name: str, org: str, stack: str | None) -> None:
    """Switch an endpoint on, from now on; `replay --missed` tells it what waited when it was switched off."""
    from jobruns.service.endpoints import enable_endpoint

    click.echo(f"switched on {enable_endpoint(*_events(stack, org), name).name}")


@endpoints.command()
@click.argument("name")
@_org_option
@stack_option
def remove(name: str, org: str, stack: str | None) -> None:
    """Delete an endpoint; what waits for it is told to nobody."""
    from jobruns.service.endpoints import remove_endpoint

    click.echo(f"deleted {remove_endpoint(*_events(stack, org), name).name}")


@endpoints.command()
@click.argument("name")
@click.option("--wait", type=Margin(), default=f"{PING_SECONDS:.0f}", show_default=True, help="Seconds to wait.")
@_org_option
@json_option
@stack_option
def ping(name: str, wait: timedelta, org: str, stack: str | None, *, as_json: bool) -> None:
    """Have an endpoint told that it is being tried, and wait for how that went; status 1 if it was not taken."""
    from jobruns.delivery import DeliveryState
    from jobruns.service.replays import find_delivery, ping_endpoint

    ports, principal = _events(stack, org, "deliveries_queue_url")
    delivery = ping_endpoint(ports, principal, name)
    until = time.monotonic() + wait.total_seconds()
    while delivery.state is DeliveryState.PENDING and time.monotonic() < until:
        time.sleep(_LOOK_AGAIN_SECONDS)
        delivery = find_delivery(ports, principal, name, delivery.delivery_id)
    if as_json:
        print_json(dump_delivery(delivery))
    else:
        click.echo(describe_delivery(delivery))
    if delivery.state is not DeliveryState.DELIVERED:
        raise click.exceptions.Exit(1)


@endpoints.command()
@click.argument("name")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="How many.")
@click.option("--behind", metavar="ID", help="Those before this one.")
@_org_option
@json_option
@stack_option
def deliveries(name: str, limit: int, behind: str | None, org: str, stack: str | None, *, as_json: bool) -> None:
    """List what an endpoint was told, the latest first, and how that went."""
    from jobruns.service.replays import list_deliveries

    ports, principal = _events(stack, org)
    found = list_deliveries(ports, principal, name, limit=limit, behind=behind).deliveries
    if as_json:
        print_json([dump_delivery(delivery) for delivery in found])
    else:
        show_deliveries(found)


@endpoints.command()
@click.argument("name")
@click.argument("delivery_ids", metavar="[DELIVERY]...", nargs=-1)
@click.option("--missed", is_flag=True, help="All that it missed.")
@click.option("--since", type=Moment(), default="30d", show_default=True, help="With --missed: since when.")
@_org_option
@stack_option
def replay(
    name: str, delivery_ids: tuple[str, ...], since: datetime, org: str, stack: str | None, *, missed: bool
) -> None:
    """Tell an endpoint again what it was told, or all that it missed: by the same ids as before."""
    from jobruns.service.replays import replay_delivery, replay_missed

    if bool(delivery_ids) is missed:
        raise click.UsageError("name deliveries, or say --missed")
    ports, principal = _events(stack, org, "deliveries_queue_url")
    if missed:
        asked = replay_missed(ports, principal, name, since)
    else:
        asked = [replay_delivery(ports, principal, name, delivery_id) for delivery_id in delivery_ids]
    click.echo(f"asked for {len(asked)} again")


def _events(stack: str | None, org: str, *needs: str) -> "tuple[EventPorts, Principal]":
    from jobruns.bootstrap import load_event_ports
    from jobruns.service.keys import spell_org

    Deployment(stack, "webhooks_secret_id", *needs)
    return load_event_ports(), cli_principal(spell_org(org))


def _tell(endpoint: Any, told: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json({**dump_endpoint(endpoint), **({"secret": told} if told else {})})
        return
    show_endpoint(endpoint)
    if told:
        click.echo(f"secret   {told}")
        click.echo("The secret is not shown again.", err=True)


def _read_secret() -> str:
    """Ask for a secret; never an argument of the command, as everybody on the machine sees those."""
    stdin = click.get_text_stream("stdin")
    if stdin.isatty():
        return str(click.prompt("secret", hide_input=True))
    return stdin.readline().rstrip("\r\n")
