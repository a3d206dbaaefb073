"""Questions that several tests ask of the template."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

Resources = dict[str, dict[str, Any]]


def of_type(resources: Resources, kind: str) -> Resources:
    """The resources of one CloudFormation type, by logical id."""
    return {name: resource for name, resource in resources.items() if resource["Type"] == kind}


def as_list(value: Any) -> list[Any]:
    """IAM and CloudFormation let a list of one be written without its brackets."""
    return value if isinstance(value, list) else [value]


def role_statements(role: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every statement of a role's own policies, those under a condition too."""
    for policy in role["Properties"].get("Policies", []):
        for statement in as_list(policy["PolicyDocument"]["Statement"]):
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def allowed_actions(resources: Resources, function: str) -> frozenset[str]:
    """The actions that a function's own role allows it on any resource, as ``service:Action``."""
    role = resources[f"{function}Role"]
    return frozenset(action for statement in role_statements(role) for action in as_list(statement["Action"]))


def layer_names(function: dict[str, Any]) -> list[str]:
    """The logical ids of a function's layers, without the hash that SAM puts behind them; a deployer's own is none."""
    return [layer["Ref"].partition("Layer")[0] + "Layer" for layer in function["Layers"] if "Ref" in layer]


def lifecycle_rules(bucket: dict[str, Any]) -> list[dict[str, Any]]:
    """The lifecycle rules of a bucket, those under a condition too."""
    rules = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    return [rule["Fn::If"][1] if "Fn::If" in rule else rule for rule in rules]


def references(value: Any) -> Iterator[str]:
    """The logical ids that a piece of a template refers to by Ref, Fn::GetAtt or Fn::Sub."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "Ref":
                yield item
            elif key == "Fn::GetAtt":
                yield as_list(item)[0].split(".")[0]
            elif key == "Fn::Sub":
                text, given = item if isinstance(item, list) else (item, {})
                names = (name.split(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text))
                yield from (name for name in names if name not in given)
                yield from references(list(given.values()))
            else:
                yield from references(item)


def quiet_environment() -> dict[str, str]:
    """The environment for SAM: no telemetry and no account, whatever the machine has set."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return inherited | {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}
