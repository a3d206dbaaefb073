"""``jobruns keys``: make, list and revoke access keys."""

from datetime import timedelta

import click

from jobruns.access import Role, key_token
from jobruns_cli.deployment import Deployment
from jobruns_cli.output import dump_key, print_json, show_keys, write_time
from jobruns_cli.parameters import Lifetime, json_option, stack_option


@click.group()
def keys() -> None:
    """Make, list and revoke access keys."""


@keys.command()
@click.option("--org", metavar="ORG", envvar="JOBRUNS_ORG", required=True, help="Whose key [env JOBRUNS_ORG].")
@click.option("--role", type=click.Choice([str(role) for role in Role]), required=True, help="What it may do.")
@click.option(
    "--expires-in", type=Lifetime(), default="90d", show_default=True, help="How long it lives: 12h, 90d, never."
)
@click.option("--description", metavar="TEXT", help="For people who look through the keys.")
@json_option
@stack_option
def create(
    org: str, role: str, expires_in: timedelta | None, description: str | None, stack: str | None, *, as_json: bool
) -> None:
    """Make a key and print its secret, this once."""
    from jobruns.bootstrap import utc_now
    from jobruns.service.keys import create_key

    deployment = Deployment(stack, "keys_secret_id")
    master = deployment.master()
    key, secret = create_key(
        deployment.store.access_keys,
        master,
        utc_now,
        org=org,
        role=Role(role),
        description=description,
        lifetime=expires_in,
    )
    token = key_token(master, key.key_id)
    if as_json:
        print_json({**dump_key(key), "secret": secret, "token": token})
        return
    click.echo(f"key id   {key.key_id}")
    click.echo(f"secret   {secret}")
    click.echo(f"token    {token}")
    until = f"until {write_time(key.expires_at)}" if key.expires_at else "for ever"
    click.echo(f"{key.role} of {key.org}, {until}. The secret is not shown again.", err=True)


@keys.command("list")
@click.option("--org", metavar="ORG", help="Only the keys of this org.")
@json_option
@stack_option
def list_(org: str | None, stack: str | None, *, as_json: bool) -> None:
    """List keys, never their secrets."""
    from jobruns.bootstrap import utc_now
    from jobruns.service.keys import list_keys

    found = list_keys(Deployment(stack).store.access_keys, org=org)
    if as_json:
        print_json([dump_key(key) for key in found])
    else:
        show_keys(found, utc_now())


@keys.command()
@click.argument("key_id")
@stack_option
def revoke(key_id: str, stack: str | None) -> None:
    """End a key. Doors that let it in lately do so for up to 30 seconds more."""
    from jobruns.bootstrap import utc_now
    from jobruns.service.keys import revoke_key

    revoke_key(Deployment(stack).store.access_keys, utc_now, key_id)
    click.echo(f"revoked {key_id}")
