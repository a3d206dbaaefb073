"""The state machines: logged, traced, complete, and allowed what their definitions call."""

import json
import re
from typing import Any

import pytest
from cfnlint.api import lint
from cfnlint.config import ManualArgs

from tests.template.reading import ROOT, Resources, of_type, references, role_statements

MACHINES = ("RunLifecycle", "IngestMachine")


def test_no_machine_is_missing_from_these_tests(resources: Resources) -> None:
    assert set(of_type(resources, "AWS::Serverless::StateMachine")) == set(MACHINES)


@pytest.mark.parametrize("name", MACHINES)
def test_logs_errors_without_data_and_is_traced(name: str, expanded: Resources) -> None:
    machine = expanded[name]["Properties"]
    assert machine["StateMachineType"] == "STANDARD"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    logging = machine["LoggingConfiguration"]
    assert logging["Level"] == "ERROR"
    assert logging["IncludeExecutionData"] is False
    [destination] = logging["Destinations"]
    group = destination["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"][0]
    # Groups of another name would each add to the account's one log resource policy, which is soon full.
    assert expanded[group]["Properties"]["LogGroupName"]["Fn::Sub"].startswith("/aws/vendedlogs/states/")


@pytest.mark.parametrize("name", MACHINES)
def test_composed_arns_name_the_machine(name: str, resources: Resources, functions: Resources) -> None:
    variable = {"RunLifecycle": "LIFECYCLE_ARN", "IngestMachine": "INGEST_ARN"}[name]
    machine = resources[name]["Properties"]["Name"]["Fn::Sub"]
    arn = f"arn:${{AWS::Partition}}:states:${{AWS::Region}}:${{AWS::AccountId}}:stateMachine:{machine}"
    told = [f["Environment"]["Variables"].get(variable) for f in functions.values()]
    given = [value for value in told if value is not None]
    assert given
    assert all(value == {"Fn::Sub": arn} for value in given)


def test_composed_name_is_the_commit_function(functions: Resources) -> None:
    name = functions["CommitFunction"]["FunctionName"]
    callers = {who for who in functions if "COMMIT_FUNCTION" in functions[who]["Environment"]["Variables"]}
    assert callers == {"HydrolixFunction", "SettleFunction", "ReconcileFunction"}
    for caller in callers:
        assert functions[caller]["Environment"]["Variables"]["COMMIT_FUNCTION"] == name


@pytest.mark.parametrize("name", MACHINES)
def test_every_placeholder_is_given_and_every_gift_is_used(name: str, resources: Resources) -> None:
    properties = resources[name]["Properties"]
    placeholders = set(re.findall(r"\$\{(\w+)\}", (ROOT / properties["DefinitionUri"]).read_text()))
    assert placeholders == set(properties["DefinitionSubstitutions"])


@pytest.mark.parametrize("name", MACHINES)
def test_may_invoke_every_function_it_is_given(name: str, resources: Resources, expanded: Resources) -> None:
    given = resources[name]["Properties"]["DefinitionSubstitutions"]
    called = {value["Fn::GetAtt"][0] for key, value in given.items() if key.endswith("FunctionArn")}
    statements = role_statements(expanded[f"{name}Role"])
    allowed = {who for s in statements if s["Sid"] == "Steps" for who in references(s["Resource"])}
    assert called == allowed


def test_users_functions_are_invoked_only_when_named(expanded: Resources) -> None:
    [policy] = expanded["RunLifecycleRole"]["Properties"]["Policies"]
    [conditional] = [s for s in policy["PolicyDocument"]["Statement"] if "Fn::If" in s]
    condition, statement, otherwise = conditional["Fn::If"]
    assert condition == "HasLambdaExecutors"
    assert statement["Resource"] == {"Ref": "LambdaExecutorArns"}
    assert otherwise == {"Ref": "AWS::NoValue"}


@pytest.mark.parametrize("name", MACHINES)
def test_definition_is_sound(name: str, template: dict[str, Any]) -> None:
    """As CloudFormation would substitute it, by cfn-lint's schema of the States Language."""
    linted = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "RoleArn": "arn:aws:iam::123456789012:role/machine",
                    "DefinitionString": json.dumps(definition(template, name)),
                },
            }
        },
    }
    problems = lint(json.dumps(linted), config=ManualArgs(regions=["us-east-1"]))
    assert [str(problem) for problem in problems] == []


@pytest.mark.parametrize("name", MACHINES)
def test_every_task_ends(name: str, template: dict[str, Any]) -> None:
    tasks = dict(_tasks(definition(template, name)))
    assert tasks
    for state, task in tasks.items():
        assert "TimeoutSeconds" in task or "TimeoutSecondsPath" in task, state


def definition(template: dict[str, Any], name: str) -> dict[str, Any]:
    """A machine's definition with its placeholders filled."""
    properties = template["Resources"][name]["Properties"]
    text = (ROOT / properties["DefinitionUri"]).read_text()
    for key, value in properties["DefinitionSubstitutions"].items():
        if "Fn::GetAtt" in value:
            filled = f"arn:aws:lambda:us-east-1:123456789012:function:{value['Fn::GetAtt'][0]}"
        else:
            parameter = template["Parameters"].get(value["Ref"], {})
            filled = str(parameter.get("Default", value["Ref"].lower()))
        text = text.replace(f"${{{key}}}", filled)
    read: dict[str, Any] = json.loads(text)
    return read


def _tasks(machine: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for name, state in machine["States"].items():
        if state["Type"] == "Task":
            found.append((name, state))
        if state["Type"] == "Map":
            found.extend(_tasks(state["ItemProcessor"]))
    return found
