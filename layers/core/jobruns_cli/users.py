"""``jobruns users``: make, change, delete and list users, who call by a name and a password of their own choosing."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from jobruns_cli.deployment import Deployment, cli_principal
from jobruns_cli.output import dump_user, print_json, show_users
from jobruns_cli.parameters import json_option, stack_option

if TYPE_CHECKING:
    from jobruns.access import Principal
    from jobruns.service.people import PeoplePorts

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


@click.group()
def users() -> None:
    """Make, change, delete and list users."""


def _org_option(command: CommandT) -> CommandT:
    add = click.option(
        "--org", metavar="ORG", envvar="JOBRUNS_ORG", required=True, help="Whose user [env JOBRUNS_ORG]."
    )
    return add(command)


@users.command()
@click.argument("name")
@_org_option
@click.option(
    "--role", metavar="ROLE", required=True, help="admin, operator, reporter, reader, or a role of the org's own."
)
@json_option
@stack_option
def create(name: str, org: str, role: str, stack: str | None, *, as_json: bool) -> None:
    """Make a user. Its password is asked for, or read from standard input where that is no terminal."""
    from jobruns.service.users import add_user

    ports, principal = _people(stack, org, "keys_secret_id")
    user = add_user(ports, principal, name, password=_read_password(), role=role)
    if as_json:
        print_json(dump_user(user))
    else:
        click.echo(f"created {user.name}, {user.role} of {user.org}")


@users.command()
@click.argument("name")
@_org_option
@click.option("--role", metavar="ROLE", help="Give it another role.")
@click.option("--active/--inactive", default=None, help="Switch it on or off.")
@click.option("--password", is_flag=True, help="Give it another password, asked for as when it was made.")
@json_option
@stack_option
def alter(
    name: str, org: str, role: str | None, stack: str | None, *, active: bool | None, password: bool, as_json: bool
) -> None:
    """Change a user. Doors that let it in lately take it for what it was for up to 30 seconds more."""
    from jobruns.service.users import alter_user

    ports, principal = _people(stack, org, "keys_secret_id")
    chosen = _read_password() if password else None
    user = alter_user(ports, principal, name, password=chosen, role=role, active=active)
    if as_json:
        print_json(dump_user(user))
    else:
        click.echo(f"{user.name}, {user.role} of {user.org}, is {'active' if user.active else 'inactive'}")


@users.command()
@click.argument("name")
@_org_option
@stack_option
def drop(name: str, org: str, stack: str | None) -> None:
    """Delete a user. Doors that let it in lately do so for up to 30 seconds more."""
    from jobruns.service.users import drop_user

    ports, principal = _people(stack, org)
    click.echo(f"deleted {drop_user(ports, principal, name).name}")


@users.command("list")
@_org_option
@json_option
@stack_option
def list_(org: str, stack: str | None, *, as_json: bool) -> None:
    """List the users of an org."""
    from jobruns.service.users import list_users

    found = list_users(*_people(stack, org))
    if as_json:
        print_json([dump_user(user) for user in found])
    else:
        show_users(found)


def _people(stack: str | None, org: str, *needs: str) -> "tuple[PeoplePorts, Principal]":
    from jobruns.bootstrap import load_people_ports
    from jobruns.service.keys import spell_org

    Deployment(stack, *needs)
    return load_people_ports(), cli_principal(spell_org(org))


def _read_password() -> str:
    """Ask for a password; never an argument of the command, as everybody on the machine sees those."""
    stdin = click.get_text_stream("stdin")
    if stdin.isatty():
        return str(click.prompt("password", hide_input=True, confirmation_prompt=True))
    return stdin.readline().rstrip("\r\n")
