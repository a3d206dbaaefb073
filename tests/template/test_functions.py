"""Every function is set up as AWS advises, and its handler is there."""

import ast
from typing import Any

import pytest

from scripts.run import RESERVE_SECONDS
from tests.template.reading import ROOT, Resources, as_list, layer_names, of_type, references, role_statements

FUNCTIONS = (
    "HydrolixFunction",
    "GlueFunction",
    "PostgrestFunction",
    "HarperdbFunction",
    "HotglueFunction",
    "DispatchFunction",
    "SettleFunction",
    "ReconcileFunction",
    "FireFunction",
    "ScriptFunction",
    "SingerFunction",
    "OnUploadFunction",
    "ListFunction",
    "IndexFunction",
    "CommitFunction",
    "TablesFunction",
    "OperationsFunction",
    "HandedOverFunction",
    "PublishFunction",
    "RouteFunction",
    "DeliverFunction",
    "RunFileFunction",
)
ASYNCHRONOUS = ("ReconcileFunction", "CommitFunction", "FireFunction", "TablesFunction", "OperationsFunction")
NEED_PYARROW = {
    "ListFunction",
    "IndexFunction",
    "CommitFunction",
    "TablesFunction",
    "OperationsFunction",
    "HandedOverFunction",
}
NEED_SQL = {"OperationsFunction", "HandedOverFunction", "HarperdbFunction"}
NEED_EVENTS = {
    "HotglueFunction",
    "SingerFunction",
    "PublishFunction",
    "RouteFunction",
    "DeliverFunction",
    "RunFileFunction",
}


def test_no_function_is_missing_from_these_tests(functions: Resources) -> None:
    assert set(functions) == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_runs_on_arm64_and_python_3_13(name: str, functions: Resources) -> None:
    assert functions[name]["Runtime"] == "python3.13"
    assert functions[name]["Architectures"] == ["arm64"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_logs_json_to_a_group_of_its_own_that_forgets(name: str, functions: Resources, expanded: Resources) -> None:
    logging = functions[name]["LoggingConfig"]
    assert logging["LogFormat"] == "JSON"
    group = expanded[logging["LogGroup"]["Ref"]]
    assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    users = [other for other in FUNCTIONS if functions[other]["LoggingConfig"] == logging]
    assert users == [name]


def test_every_log_group_forgets(expanded: Resources) -> None:
    groups = of_type(expanded, "AWS::Logs::LogGroup")
    assert len(groups) == len(FUNCTIONS) + 5  # two state machines, the API, what runs print on two channels
    for name, group in groups.items():
        assert "RetentionInDays" in group["Properties"], name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_is_traced(name: str, functions: Resources) -> None:
    assert functions[name]["TracingConfig"] == {"Mode": "Active"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_handler_is_defined(name: str, functions: Resources) -> None:
    module, _, attribute = functions[name]["Handler"].rpartition(".")
    source = ROOT / "functions" / f"{module.replace('.', '/')}.py"
    assert source.is_file(), f"{source} is not there"
    defined: set[str] = set()
    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign):
            defined.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            defined.add(node.target.id)
    assert attribute == "handler"
    assert attribute in defined


@pytest.mark.parametrize("name", FUNCTIONS)
def test_carries_what_it_needs_only(name: str, functions: Resources) -> None:
    layers = layer_names(functions[name])
    assert layers[0] == "CoreLayer"
    assert ("DataLayer" in layers) == (name in NEED_PYARROW)
    assert ("SqlLayer" in layers) == (name in NEED_SQL)
    assert ("EventsLayer" in layers) == (name in NEED_EVENTS)


def test_taps_and_targets_come_in_the_deployers_layer_if_there_is_one(functions: Resources) -> None:
    given = {
        name: [layer for layer in function["Layers"] if "Ref" not in layer] for name, function in functions.items()
    }
    layer = {"Fn::If": ["HasSingerLayer", {"Ref": "SingerLayerArn"}, {"Ref": "AWS::NoValue"}]}
    assert {name: layers for name, layers in given.items() if layers} == {"SingerFunction": [layer]}
    # Where a layer is unpacked: https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html
    assert functions["SingerFunction"]["Environment"]["Variables"]["SINGER_HOME"].startswith("/opt/")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/config/v1/{proxy+}", "HydrolixFunction"),
        ("/glue", "GlueFunction"),
        ("/glue/{proxy+}", "GlueFunction"),
        ("/postgrest", "PostgrestFunction"),
        ("/postgrest/{proxy+}", "PostgrestFunction"),
        ("/harperdb", "HarperdbFunction"),
        ("/harperdb/{proxy+}", "HarperdbFunction"),
        ("/hotglue", "HotglueFunction"),
        ("/hotglue/{proxy+}", "HotglueFunction"),
    ],
)
def test_doors_answer_before_the_api_gives_up(path: str, name: str, functions: Resources, expanded: Resources) -> None:
    paths = expanded["HttpApi"]["Properties"]["Body"]["paths"]
    integration = paths[path]["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"]
    assert name in references(integration["uri"])
    assert integration["payloadFormatVersion"] == "2.0"
    assert functions[name]["Timeout"] * 1000 < integration["timeoutInMillis"] <= 30000


@pytest.mark.parametrize("name", ASYNCHRONOUS)
def test_an_event_nobody_could_handle_is_kept(name: str, expanded: Resources) -> None:
    properties = expanded[f"{name}EventInvokeConfig"]["Properties"]
    assert properties["MaximumRetryAttempts"] == 2
    destination = properties["DestinationConfig"]["OnFailure"]["Destination"]
    assert destination == {"Fn::GetAtt": ["AsyncDeadLetterQueue", "Arn"]}


def test_an_event_with_credentials_of_a_caller_is_handled_once_and_kept_nowhere(
    functions: Resources, expanded: Resources
) -> None:
    invoked = expanded["HandedOverFunctionEventInvokeConfig"]["Properties"]
    assert invoked["MaximumRetryAttempts"] == 0
    assert invoked["MaximumEventAgeInSeconds"] == 60
    assert not invoked.get("DestinationConfig")
    assert "DeadLetterConfig" not in functions["HandedOverFunction"]
    allowed = {action for s in role_statements(expanded["HandedOverFunctionRole"]) for action in as_list(s["Action"])}
    assert not [action for action in allowed if action.startswith("sqs:")]


def test_who_operates_has_the_disk_and_the_time_for_it(functions: Resources) -> None:
    for name in ("OperationsFunction", "HandedOverFunction"):
        assert functions[name]["EphemeralStorage"] == {"Size": 10240}
        assert functions[name]["Timeout"] == 900
        assert functions[name]["Environment"]["Variables"]["LOADABLE_HOSTS"] == {
            "Fn::Join": [",", {"Ref": "LoadableHosts"}]
        }


def test_reconcile_hears_of_executions_that_ended_badly(expanded: Resources) -> None:
    rule = expanded["ReconcileFunctionExecutions"]["Properties"]
    detail = rule["EventPattern"]["detail"]
    assert set(detail["status"]) == {"FAILED", "TIMED_OUT", "ABORTED"}
    assert all(machine["Fn::Sub"].startswith("arn:${AWS::Partition}:states:") for machine in detail["stateMachineArn"])
    assert [machine["Fn::Sub"].rpartition(":stateMachine:")[2] for machine in detail["stateMachineArn"]] == [
        "${AWS::StackName}-run-lifecycle",
        "${AWS::StackName}-ingest",
    ]
    [target] = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["ReconcileFunction", "Arn"]}
    assert target["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": ["AsyncDeadLetterQueue", "Arn"]}


def test_reconcile_is_scheduled(expanded: Resources) -> None:
    schedule = expanded["ReconcileFunctionSchedule"]["Properties"]
    assert schedule["ScheduleExpression"] == {"Ref": "ReconcileSchedule"}
    assert schedule.get("State", "ENABLED") == "ENABLED"


def test_uploads_are_gathered_and_fail_one_by_one(expanded: Resources) -> None:
    mapping = expanded["OnUploadFunctionUploads"]["Properties"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BatchSize"] == {"Ref": "UploadBatchSize"}
    assert mapping["MaximumBatchingWindowInSeconds"] == {"Ref": "UploadBatchingWindowSeconds"}
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["UploadQueue", "Arn"]}


def test_uploads_stay_hidden_long_enough(template: dict[str, Any], functions: Resources) -> None:
    defaults = {name: parameter.get("Default") for name, parameter in template["Parameters"].items()}
    timeout = functions["OnUploadFunction"]["Timeout"]
    assert defaults["UploadVisibilitySeconds"] >= 6 * timeout + defaults["UploadBatchingWindowSeconds"]


def test_output_of_runs_has_the_groups_the_functions_are_told(expanded: Resources, functions: Resources) -> None:
    prefix = functions["ScriptFunction"]["Environment"]["Variables"]["RUN_LOG_GROUP"]["Fn::Sub"]
    assert expanded["RunOutputLogGroup"]["Properties"]["LogGroupName"] == {"Fn::Sub": f"{prefix}/output"}
    assert expanded["RunErrorLogGroup"]["Properties"]["LogGroupName"] == {"Fn::Sub": f"{prefix}/error"}
    told = [f["Environment"]["Variables"].get("RUN_LOG_GROUP") for f in functions.values()]
    assert {value["Fn::Sub"] for value in told if value is not None} == {prefix}


def test_a_script_has_most_of_its_functions_time(functions: Resources) -> None:
    assert functions["ScriptFunction"]["Timeout"] == 900  # all that Lambda gives
    assert RESERVE_SECONDS < 60


def test_no_route_ends_with_a_slash(expanded: Resources) -> None:
    """API Gateway refuses such a route, and takes the path with a slash at its end for the route without."""
    paths = expanded["HttpApi"]["Properties"]["Body"]["paths"]
    assert paths
    assert not [path for path in paths if path.endswith("/")]
