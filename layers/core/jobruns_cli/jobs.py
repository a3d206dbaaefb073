"""``jobruns jobs``: what is said of a job and not of a run."""

from datetime import timedelta

import click

from jobruns_cli.deployment import Deployment, cli_principal
from jobruns_cli.parameters import Margin, json_option, org_option, stack_option

DOOR = "cli"
"""What stands for the door of a job that is defined here."""


@click.group()
def jobs() -> None:
    """Say what counts for all runs of a job."""


@jobs.command("look-back")
@click.argument("name")
@click.argument("margin", type=Margin(), required=False)
@click.option("--define", is_flag=True, help="Define the job, as one of workers outside, where there is none.")
@org_option
@json_option
@stack_option
def look_back(name: str, margin: timedelta | None, org: str, stack: str | None, *, define: bool, as_json: bool) -> None:
    """Say by how much a job's runs look back, so that what was written late is read too.

    MARGIN is a number of seconds, or 90s, 15m, 2h, 1d; 0 is none. The runs that start from now on have it, and whoever
    asks for the last success is told its start that much earlier. Without MARGIN the present one is shown.
    """
    from jobruns.service.definitions import find_job, set_look_back
    from jobruns_cli.output import one_line, print_json

    ports, caller = Deployment(stack).ports, cli_principal(org)
    if margin is None:
        job = find_job(ports, caller, name)
    else:
        seconds = int(margin.total_seconds())
        job = set_look_back(ports, caller, name, seconds, define_as=DOOR if define else None)
    if as_json:
        print_json({"name": job.name, "look_back_seconds": job.look_back_seconds})
    else:
        click.echo(f"{one_line(job.name)} looks back {job.look_back_seconds} seconds")
