"""The state machines: logged, traced, complete, and allowed what their definitions call."""

import json
import re
from typing import Any

import botocore.session
import botocore.validate
import pytest
from cfnlint.api import lint
from cfnlint.config import ManualArgs

from jobruns.aws.spark import spark_job
from jobruns.run import Executor
from jobruns.service.stops import AWAITED
from tests.template.reading import ROOT, Resources, as_list, of_type, references, role_statements
from tests.unit.core.runs import make_run

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
    assert callers == {"HydrolixFunction", "GlueFunction", "SettleFunction", "ReconcileFunction"}
    for caller in callers:
        assert functions[caller]["Environment"]["Variables"]["COMMIT_FUNCTION"] == name


def test_composed_name_is_the_function_that_changes_tables(functions: Resources) -> None:
    name = functions["TablesFunction"]["FunctionName"]
    told = {who: f["Environment"]["Variables"].get("TABLES_FUNCTION") for who, f in functions.items()}
    assert {who: given for who, given in told.items() if given is not None} == {
        "HydrolixFunction": name,
        "CommitFunction": {"Ref": "TablesFunction"},
        "OperationsFunction": name,
        "HandedOverFunction": name,
        "HarperdbFunction": name,
    }


def test_composed_name_is_the_function_for_operations(functions: Resources) -> None:
    name = functions["OperationsFunction"]["FunctionName"]
    told = {who: f["Environment"]["Variables"].get("OPERATIONS_FUNCTION") for who, f in functions.items()}
    assert {who: given for who, given in told.items() if given is not None} == {
        "DispatchFunction": name,
        "SettleFunction": name,
        "ReconcileFunction": name,
        "HarperdbFunction": name,
    }


def test_composed_name_is_the_function_that_operations_are_handed_over_to(functions: Resources) -> None:
    name = functions["HandedOverFunction"]["FunctionName"]
    told = {who: f["Environment"]["Variables"].get("HANDED_OVER_FUNCTION") for who, f in functions.items()}
    assert {who: given for who, given in told.items() if given is not None} == {"HarperdbFunction": name}


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
    [statement] = _conditional(expanded, "HasLambdaExecutors")
    assert statement["Resource"] == {"Ref": "LambdaExecutorArns"}


def test_spark_jobs_are_started_watched_and_cancelled_only_where_there_is_spark(expanded: Resources) -> None:
    statements = _conditional(expanded, "HasSpark")
    allowed = {action: s for s in statements for action in as_list(s["Action"])}
    assert set(allowed) == {
        "emr-serverless:StartJobRun",
        "emr-serverless:GetJobRun",
        "emr-serverless:CancelJobRun",
        "iam:PassRole",
        "events:PutTargets",
        "events:PutRule",
        "events:DescribeRule",
    }
    application = allowed["emr-serverless:StartJobRun"]["Resource"]["Fn::Sub"]
    assert application.endswith(":/applications/${SparkApplicationId}")
    assert allowed["emr-serverless:CancelJobRun"]["Resource"]["Fn::Sub"] == f"{application}/jobruns/*"
    passed = allowed["iam:PassRole"]
    assert passed["Resource"] == {"Ref": "SparkJobRoleArn"}
    assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": "emr-serverless.amazonaws.com"}}


def test_spark_job_is_started_as_step_functions_takes_it(template: dict[str, Any]) -> None:
    """Every member that the executor composes is passed on, and is one that StartJobRun has."""
    [state] = [task for name, task in _tasks(definition(template, "RunLifecycle")) if name == "RunSpark"]
    given = {name.removesuffix(".$"): path for name, path in state["Parameters"].items()}
    composed = spark_job(
        make_run(executor=Executor.SPARK, target="s3://code/day.py"),
        {},
        application_id="00f1",
        role_arn="arn:aws:iam::123456789012:role/spark",
        log_group="/jobruns/test/runs/output",
    )
    assert given == {name: f"$.begun.Payload.spark.{name}" for name in composed}
    model = botocore.session.get_session().get_service_model("emr-serverless").operation_model("StartJobRun")
    request = _lower_first(composed)
    problems = botocore.validate.ParamValidator().validate(request, model.input_shape)
    assert problems.generate_report() == ""


@pytest.mark.parametrize("executor", [executor for executor in Executor if executor in AWAITED])
def test_work_that_the_machine_waits_for_is_begun_without_a_token(executor: Executor, template: dict[str, Any]) -> None:
    states = definition(template, "RunLifecycle")["States"]
    [begun_by_machine] = [choice for choice in states["ChooseExecutor"]["Choices"] if choice["Next"] == "Begin"]
    assert str(executor) in {rule["StringEquals"] for rule in begun_by_machine["Or"]}
    assert len(begun_by_machine["Or"]) == len(AWAITED)
    assert "task_token.$" not in states["Begin"]["Parameters"]["Payload"]


def test_users_work_is_never_repeated_by_the_machine(template: dict[str, Any]) -> None:
    states = definition(template, "RunLifecycle")["States"]
    assert "Retry" not in states["InvokeFunction"]
    begun = {
        choice["StringEquals"]: choice["Next"] for choice in states["HasBegun"]["Choices"] if "StringEquals" in choice
    }
    assert states["HasBegun"]["Default"] == "InvokeFunction"
    assert begun.keys() == {"noop", "spark", "operation"}
    [retried] = states["RunSpark"]["Retry"]
    assert all(error.startswith("EMRServerless.") for error in retried["ErrorEquals"])


def test_an_operation_is_done_again_after_a_death_but_not_after_its_time(template: dict[str, Any]) -> None:
    state = definition(template, "RunLifecycle")["States"]["RunOperation"]
    late, throttled, other = state["Retry"]
    assert (late["ErrorEquals"], late["MaxAttempts"]) == (["States.Timeout"], 0)
    # Many loads at once are more than an account may have functions at work: they wait for one another.
    assert (throttled["ErrorEquals"], throttled["MaxAttempts"]) == (["Lambda.TooManyRequestsException"], 20)
    assert (other["ErrorEquals"], other["MaxAttempts"]) == (["States.ALL"], 3)


def test_an_operation_by_credentials_of_its_caller_is_waited_for_with_signs_of_life(template: dict[str, Any]) -> None:
    first, *_ = definition(template, "RunLifecycle")["States"]["ChooseExecutor"]["Choices"]
    assert first == {
        "And": [
            {"Variable": "$.executor", "StringEquals": str(Executor.OPERATION)},
            {"Variable": "$.heartbeat_seconds", "IsPresent": True},
        ],
        "Next": "WorkWithHeartbeat",
    }


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


def _conditional(expanded: Resources, wanted: str) -> list[dict[str, Any]]:
    """The statements of the lifecycle machine's role that are there on a condition."""
    [policy] = expanded["RunLifecycleRole"]["Properties"]["Policies"]
    found = [s["Fn::If"] for s in policy["PolicyDocument"]["Statement"] if "Fn::If" in s]
    assert all(otherwise == {"Ref": "AWS::NoValue"} for _, _, otherwise in found)
    return [statement for condition, statement, _ in found if condition == wanted]


def _lower_first(value: Any) -> Any:
    """Spell a request as the service does; Step Functions begins each member's name with a capital."""
    if isinstance(value, dict):
        # The names of log types are keys of a map, and no members.
        return {k if k.isupper() else k[0].lower() + k[1:]: _lower_first(v) for k, v in value.items()}
    return value


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
