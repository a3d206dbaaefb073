"""The ledger's table, made from template.yaml itself."""

from functools import cache
from pathlib import Path
from typing import Any

import boto3
from samcli.yamlhelper import yaml_parse

from tests.integration import sharing

TABLE = "ledger"
TEMPLATE = Path(__file__).parents[2] / "template.yaml"

# Whoever makes the table has it emulated, and needs that quick and true.
sharing.apply()


@cache  # reading the template takes as long as many a test
def describe_table() -> dict[str, Any]:
    description: dict[str, Any] = yaml_parse(TEMPLATE.read_text())["Resources"]["LedgerTable"]
    return description["Properties"]


@cache
def ledger_client() -> Any:
    return boto3.client("dynamodb")


def make_ledger_table(name: str = TABLE) -> None:
    """Create the ledger's table as the template describes it."""
    described = describe_table()
    wanted = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes")
    ledger_client().create_table(TableName=name, **{key: described[key] for key in wanted})
