"""The command ``jobruns``."""

import click

from jobruns_cli.endpoints import endpoints
from jobruns_cli.failures import Boundary
from jobruns_cli.jobs import jobs
from jobruns_cli.keys import keys
from jobruns_cli.runs import runs
from jobruns_cli.users import users


@click.group(cls=Boundary, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="jobruns", prog_name="jobruns")
@click.option("--debug", is_flag=True, envvar="JOBRUNS_DEBUG", help="Show where a failure comes from.")
def main(*, debug: bool) -> None:
    """Look after the keys, users, jobs, runs and endpoints of a deployment, with your own AWS credentials.

    Which deployment is said by --stack, or by the variables that the local runner writes (`. .local/jobruns.env`).
    """


main.add_command(endpoints)
main.add_command(jobs)
main.add_command(keys)
main.add_command(runs)
main.add_command(users)


if __name__ == "__main__":
    main()
