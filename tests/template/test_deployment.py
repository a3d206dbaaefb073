"""The template as a whole: it lints, can be deployed in some order, is watched, and is told sensible values."""

import graphlib
import re
import tomllib
from typing import Any

import pytest

from jobruns.settings import Settings
from tests.template.reading import ROOT, Resources, as_list, of_type, references

ENVIRONMENTS = ("default", "dev", "prod", "local")


def test_no_rule_of_the_linter_is_switched_off_silently() -> None:
    configured = ROOT / ".cfnlintrc"
    text = (ROOT / "template.yaml").read_text()
    switched_off = re.findall(r"cfn-lint|ignore_checks|cfn_nag|checkov:skip", text)
    assert not switched_off
    assert not configured.exists()


def test_resources_can_be_made_in_some_order(expanded: Resources) -> None:
    graph = {
        name: {other for other in references(resource.get("Properties", {})) if other in expanded}
        | set(as_list(resource.get("DependsOn", [])))
        for name, resource in expanded.items()
    }
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(expanded)


def test_sections_stand_in_their_order() -> None:
    banners = re.findall(r"# -{20,}\n *# (\w+)\n *# -{20,}", (ROOT / "template.yaml").read_text())
    assert banners == [
        "Parameters", "Globals", "Storage", "Access", "Doors", "Lifecycle", "Ingest", "Events", "Alarms", "Outputs",
    ]  # fmt: skip


def test_api_logs_json_and_throttles(expanded: Resources) -> None:
    stage = expanded["HttpApiApiGatewayDefaultStage"]["Properties"]
    assert stage["DefaultRouteSettings"] == {
        "ThrottlingRateLimit": {"Ref": "ApiRateLimit"},
        "ThrottlingBurstLimit": {"Ref": "ApiBurstLimit"},
        "DetailedMetricsEnabled": True,
    }
    logs = stage["AccessLogSettings"]
    assert logs["DestinationArn"] == {"Fn::GetAtt": ["HttpApiLogGroup", "Arn"]}
    fields = re.findall(r'"(\w+)":"\$context\.', logs["Format"])
    assert {"requestId", "ip", "path", "status", "integrationError"} <= set(fields)
    assert re.fullmatch(r'\{("\w+":"\$context\.[\w.]+",? ?)+\}', logs["Format"])


def test_a_stage_with_a_name_does_what_the_default_one_does(expanded: Resources) -> None:
    default, named = expanded["HttpApiApiGatewayDefaultStage"]["Properties"], expanded["HttpApiNamedStage"]
    assert named["Condition"] == "HasApiStage"
    properties = named["Properties"]
    for name in ("ApiId", "AutoDeploy", "AccessLogSettings", "DefaultRouteSettings"):
        assert properties[name] == default[name], name
    assert properties["StageName"] == {"Ref": "ApiStage"}
    for permission in of_type(expanded, "AWS::Lambda::Permission").values():
        if permission["Properties"]["Principal"] == "apigateway.amazonaws.com":
            assert permission["Properties"]["SourceArn"]["Fn::Sub"][1]["__Stage__"] == "*", "every stage may invoke it"


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("", True),
        ("v1", True),
        ("configs", True),
        ("config", False),
        ("glue", False),
        ("harperdb", False),
        ("hotglue", False),
        ("postgrest", False),
        ("a/b", False),
        ("a" * 65, False),
    ],
)
def test_a_stage_hides_no_door(name: str, allowed: bool, template: dict[str, Any]) -> None:
    pattern = template["Parameters"]["ApiStage"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, name)) is allowed


def test_every_function_queue_and_machine_is_watched(expanded: Resources, functions: Resources) -> None:
    watched: dict[str, set[str]] = {}
    for alarm in of_type(expanded, "AWS::CloudWatch::Alarm").values():
        for metric, resource in _watched(alarm["Properties"]):
            watched.setdefault(resource, set()).add(metric)
    for function in functions:
        assert watched[function] >= {"Errors", "Throttles"}, function
    for queue in of_type(expanded, "AWS::SQS::Queue"):
        letters = "DeadLetter" in queue
        wanted = "ApproximateNumberOfMessagesVisible" if letters else "ApproximateAgeOfOldestMessage"
        assert wanted in watched[queue], queue
    assert "IteratorAge" in watched["PublishFunction"]
    for machine in ("RunLifecycle", "IngestMachine"):
        assert watched[machine] >= {"ExecutionsFailed", "ExecutionsTimedOut"}
    assert watched["LedgerTable"] >= {"ReadThrottleEvents", "WriteThrottleEvents", "SystemErrors"}
    assert watched["HttpApi"] >= {"5xx", "Latency"}


def test_overdue_runs_are_watched_where_reconcile_counts_them(expanded: Resources, functions: Resources) -> None:
    alarm = expanded["RunsOverdueAlarm"]["Properties"]
    told = functions["ReconcileFunction"]["Environment"]["Variables"]
    assert alarm["MetricName"] == "RunsOverdue"
    assert alarm["Namespace"] == told["POWERTOOLS_METRICS_NAMESPACE"]
    assert alarm["Dimensions"] == [{"Name": "service", "Value": told["POWERTOOLS_SERVICE_NAME"]}]


def test_alarms_tell_whoever_gave_an_address(expanded: Resources) -> None:
    topic = {"Fn::If": ["HasAlarmEmail", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]}
    alarms = of_type(expanded, "AWS::CloudWatch::Alarm")
    assert alarms
    for name, alarm in alarms.items():
        assert alarm["Properties"]["AlarmActions"] == topic, name
        assert alarm["Properties"]["TreatMissingData"] == "notBreaching", name
        assert len(alarm["Properties"].get("Metrics", [])) <= 10, f"{name}: CloudWatch takes ten metrics"


def test_functions_are_told_what_the_settings_read(functions: Resources) -> None:
    readable = {field.upper() for field in Settings.model_fields}
    told = {name: set(f["Environment"]["Variables"]) for name, f in functions.items()}
    for name, variables in told.items():
        # Powertools and glibc read their own.
        assert {v for v in variables if not v.startswith(("POWERTOOLS_", "MALLOC_"))} <= readable, name
        assert variables >= {"STAGE", "LEDGER_TABLE", "POWERTOOLS_SERVICE_NAME"}, name
    # Lambda itself tells the region. No door of the template hands operations over yet.
    assert set().union(*told.values()) >= readable - {"AWS_REGION", "HANDED_OVER_FUNCTION"}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_configuration_gives_allowed_values(environment: str, template: dict[str, Any]) -> None:
    with (ROOT / "samconfig.toml").open("rb") as file:
        configuration = tomllib.load(file)
    overrides = configuration[environment]["deploy"]["parameters"]["parameter_overrides"]
    given = dict(override.split("=", 1) for override in overrides)
    assert len(given) == len(overrides)
    for name, value in given.items():
        parameter = template["Parameters"][name]
        if "AllowedValues" in parameter:
            assert value in map(str, parameter["AllowedValues"]), name
        if parameter["Type"] == "Number":
            assert parameter.get("MinValue", 0) <= int(value) <= parameter.get("MaxValue", 10**9), name
        if "AllowedPattern" in parameter:
            assert re.fullmatch(parameter["AllowedPattern"], value), name


def test_configuration_keeps_what_is_in_production() -> None:
    with (ROOT / "samconfig.toml").open("rb") as file:
        prod = tomllib.load(file)["prod"]["deploy"]["parameters"]
    assert "LedgerDeletionProtection=true" in prod["parameter_overrides"]
    assert prod["confirm_changeset"] is True


def test_parameters_explain_themselves_and_fit_their_bounds(template: dict[str, Any]) -> None:
    grouped = [
        name
        for group in template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        for name in group["Parameters"]
    ]
    assert sorted(grouped) == sorted(template["Parameters"])
    for name, parameter in template["Parameters"].items():
        assert parameter["Description"], name
        assert "Default" in parameter, name
        if "AllowedPattern" in parameter:
            assert re.fullmatch(parameter["AllowedPattern"], parameter["Default"]), name


def test_names_fit_when_the_stack_name_is_as_long_as_the_description_says(resources: Resources) -> None:
    stack, account, region = "s" * 27, "1" * 12, "ap-southeast-1"
    for name, bucket in of_type(resources, "AWS::S3::Bucket").items():
        text = bucket["Properties"]["BucketName"]["Fn::Sub"]
        for key, value in (("StackName", stack), ("AccountId", account), ("Region", region)):
            text = text.replace(f"${{AWS::{key}}}", value)
        assert "$" not in text
        assert len(text) <= 63, name


def _watched(alarm: dict[str, Any]) -> list[tuple[str, str]]:
    """The metrics an alarm looks at, each with the resource it is of."""
    plain = [alarm] if "MetricName" in alarm else []
    metrics = [entry["MetricStat"]["Metric"] for entry in alarm.get("Metrics", []) if "MetricStat" in entry]
    return [
        (metric["MetricName"], resource)
        for metric in plain + metrics
        for dimension in metric["Dimensions"]
        for resource in references(dimension["Value"])
    ]
