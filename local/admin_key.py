"""Makes one admin key and prints it as JSON.

Runs as a process of its own, with the variables of a function, so that the runner's process is not bound to one
table. It loads what it needs and then waits for a line of input: it costs no time once the table is there.
"""

import json
import sys
from datetime import UTC, datetime

import boto3

from jobruns.access import Role, key_token
from jobruns.service.keys import create_key
from jobruns.settings import load_settings
from jobruns.store import Store


def main() -> None:
    """Run ``admin_key.py <org>``."""
    settings = load_settings()
    if not sys.stdin.readline():
        return
    master = boto3.client("secretsmanager").get_secret_value(SecretId=settings.keys_secret_id)["SecretString"]
    keys = Store(settings.ledger_table).access_keys
    key, secret = create_key(
        keys, master, lambda: datetime.now(UTC), org=sys.argv[1], role=Role.ADMIN, description="local runner"
    )
    made = {"key_id": key.key_id, "secret": secret, "token": key_token(master, key.key_id)}
    sys.stdout.write(json.dumps(made))


if __name__ == "__main__":
    main()
