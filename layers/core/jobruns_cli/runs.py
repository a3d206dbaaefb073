"""``jobruns runs``: list, show, stop and follow runs."""

from datetime import datetime, timedelta

import click

from jobruns.run import RunState
from jobruns_cli.deployment import Deployment, cli_principal
from jobruns_cli.output import dump_run, print_json, show_run, show_runs
from jobruns_cli.parameters import Duration, Moment, json_option, org_option, stack_option

_STOP_NEEDS = ("lifecycle_arn", "ingest_arn", "commit_function", "work_bucket", "upload_queue_url", "upload_dlq_url")


@click.group()
def runs() -> None:
    """List, show, stop and follow runs."""


@runs.command("list")
@org_option
@click.option("--job", metavar="NAME", help="Only runs of this job.")
@click.option(
    "--state",
    type=click.Choice([str(state) for state in RunState], case_sensitive=False),
    help="Only runs in this state.",
)
@click.option("--since", type=Moment(), help="Only runs submitted since: 2h, 7d, 2026-05-01, 2026-05-01T12:00Z.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many at most.")
@json_option
@stack_option
def list_(
    org: str,
    job: str | None,
    state: str | None,
    since: datetime | None,
    limit: int,
    stack: str | None,
    *,
    as_json: bool,
) -> None:
    """List runs, newest first."""
    from jobruns_cli.listing import MAX_PAGES, collect_runs

    ports = Deployment(stack).ports
    wanted = RunState(state.upper()) if state else None
    found, complete = collect_runs(ports, cli_principal(org), job=job, state=wanted, since=since, limit=limit)
    if as_json:
        print_json([dump_run(run) for run in found])
    else:
        show_runs(found, ports.clock())
    if not complete:
        click.echo(f"stopped looking after {MAX_PAGES} pages; say --since or drop --job to look further", err=True)


@runs.command()
@click.argument("run_id")
@org_option
@json_option
@stack_option
def show(run_id: str, org: str, stack: str | None, *, as_json: bool) -> None:
    """Show a run: its record, its progress, its history."""
    from jobruns.service.lookups import find_run, list_events

    ports, caller = Deployment(stack).ports, cli_principal(org)
    run = find_run(ports, caller, run_id)
    events = list_events(ports, caller, run.run_id)
    if as_json:
        print_json({"run": dump_run(run), "events": [event.model_dump(mode="json") for event in events]})
    else:
        show_run(run, events, ports.clock())


@runs.command()
@click.argument("run_id")
@org_option
@click.option("--reason", metavar="TEXT", help="Why; kept with the run.")
@json_option
@stack_option
def stop(run_id: str, org: str, reason: str | None, stack: str | None, *, as_json: bool) -> None:
    """Stop a run. It is STOPPED within a minute, whatever its worker does."""
    from jobruns.service.lookups import find_run
    from jobruns.service.stops import stop_run

    ports, caller = Deployment(stack, *_STOP_NEEDS).ports, cli_principal(org)
    run = stop_run(ports, caller, find_run(ports, caller, run_id), reason)
    if as_json:
        print_json(dump_run(run))
    else:
        click.echo(f"{run.run_id} {run.state}")


@runs.command()
@click.argument("run_id")
@org_option
@click.option(
    "--interval",
    type=click.FloatRange(0.2, 60),
    default=1.0,
    show_default=True,
    help="Seconds between looks.",
)
@click.option("--timeout", type=Duration(), help="How long to follow; by default until the run must have ended.")
@json_option
@stack_option
def tail(
    run_id: str, org: str, interval: float, timeout: timedelta | None, stack: str | None, *, as_json: bool
) -> None:
    """Follow a run until it ends. Leaves with status 0 if it SUCCEEDED, else with 1."""
    from jobruns_cli.tail import Follower, show_follower

    follower = Follower(Deployment(stack).ports, cli_principal(org), run_id, interval, timeout)
    last = show_follower(follower, as_json=as_json)
    click.get_current_context().exit(0 if last.state is RunState.SUCCEEDED else 1)
