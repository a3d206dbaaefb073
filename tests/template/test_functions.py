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

# Which statements may name every resource, and why.
STARS = {
    ("RunLifecycleRole", "Logs"): "the actions of log delivery know no resources",
    ("IngestMachineRole", "Logs"): "the actions of log delivery know no resources",
    ("ScriptFunctionRole", "Traces"): "the actions of tracing know no resources",
    ("SingerFunctionRole", "Traces"): "the actions of tracing know no resources",
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


def test_operations_see_of_the_landing_bucket_only_files_of_orgs(expanded: Resources) -> None:
    seen = {
        name: [
            (as_list(s["Action"]), s["Resource"], s.get("Condition"))
            for s in role_statements(expanded[f"{name}Role"])
            if "LandingBucket" in references(s["Resource"])
        ]
        for name in ("OperationsFunction", "HandedOverFunction")
    }
    below = {"StringLike": {"s3:prefix": "*/files/*"}}
    assert seen == {
        "OperationsFunction": [
            (["s3:ListBucket"], {"Fn::GetAtt": ["LandingBucket", "Arn"]}, below),
            (
                ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
                {"Fn::Sub": "${LandingBucket.Arn}/*/files/*"},
                None,
            ),
        ],
        "HandedOverFunction": [],
    }


def test_only_a_run_that_gives_signs_of_life_is_kept_alive(expanded: Resources) -> None:
    beats = {
        name
        for name in ("OperationsFunction", "HandedOverFunction")
        if any("states:SendTaskHeartbeat" in as_list(s["Action"]) for s in role_statements(expanded[f"{name}Role"]))
    }
    assert beats == {"HandedOverFunction"}


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


def test_no_role_names_every_resource_without_a_reason(expanded: Resources) -> None:
    stars = set()
    for name, role in of_type(expanded, "AWS::IAM::Role").items():
        for statement in role_statements(role):
            actions = as_list(statement["Action"])
            assert not any("*" in action for action in actions), f"{name}: {actions}"
            if "*" in as_list(statement["Resource"]):
                stars.add((name, statement.get("Sid")))
    assert stars == set(STARS)


def test_no_role_has_more_than_logging_and_tracing_from_aws(expanded: Resources) -> None:
    for name, role in of_type(expanded, "AWS::IAM::Role").items():
        if name == "ScriptFunctionRole":
            continue  # see test_scripts_reach_nothing_of_the_service
        arns = [
            arn["Fn::Sub"] if isinstance(arn, dict) else arn for arn in role["Properties"].get("ManagedPolicyArns", [])
        ]
        managed = {arn.rpartition("/")[2] for arn in arns}
        assert managed <= {"AWSLambdaBasicExecutionRole", "AWSXrayWriteOnlyAccess"}, name


def test_scripts_reach_nothing_of_the_service(expanded: Resources) -> None:
    """What the function may do, every user's script may do."""
    role = expanded["ScriptFunctionRole"]
    assert role["Properties"]["ManagedPolicyArns"] == {
        "Fn::If": ["HasScriptPolicies", {"Ref": "ScriptPolicyArns"}, {"Ref": "AWS::NoValue"}]
    }
    allowed = {
        (action, str(resource))
        for statement in role_statements(role)
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
        if not action.startswith("xray:")
    }
    groups = [{"Fn::GetAtt": [group, "Arn"]} for group in ("ScriptLogGroup", "RunOutputLogGroup", "RunErrorLogGroup")]
    named = {
        "Fn::Split": [",", {"Fn::Sub": ["${Arns}/*", {"Arns": {"Fn::Join": ["/*,", {"Ref": "ScriptBucketArns"}]}}]}]
    }
    assert allowed == {
        *(("logs:CreateLogStream", str(group)) for group in groups),
        *(("logs:PutLogEvents", str(group)) for group in groups),
        ("s3:GetObject", str({"Fn::Sub": "${LandingBucket.Arn}/scripts/*"})),
        ("s3:GetObject", str(named)),
        ("s3:ListBucket", str({"Ref": "ScriptBucketArns"})),
        ("s3:ListBucket", str({"Fn::GetAtt": ["WorkBucket", "Arn"]})),
    }


def test_taps_and_targets_reach_files_and_logins_of_runs_and_nothing_else(expanded: Resources) -> None:
    role = expanded["SingerFunctionRole"]
    assert "ManagedPolicyArns" not in role["Properties"]
    allowed = {
        (action, str(resource))
        for statement in role_statements(role)
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
        if not action.startswith(("xray:", "logs:"))
    }
    secrets = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${AWS::StackName}/flows/*"
    files = str({"Fn::Sub": "${RunsBucket.Arn}/*"})
    assert allowed == {
        *((action, files) for action in ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload")),
        ("s3:ListBucket", str({"Fn::GetAtt": ["RunsBucket", "Arn"]})),
        ("s3:ListBucket", str({"Fn::GetAtt": ["WorkBucket", "Arn"]})),
        ("secretsmanager:GetSecretValue", str({"Fn::Sub": secrets})),
    }


def test_output_of_runs_has_the_groups_the_functions_are_told(expanded: Resources, functions: Resources) -> None:
    prefix = functions["ScriptFunction"]["Environment"]["Variables"]["RUN_LOG_GROUP"]["Fn::Sub"]
    assert expanded["RunOutputLogGroup"]["Properties"]["LogGroupName"] == {"Fn::Sub": f"{prefix}/output"}
    assert expanded["RunErrorLogGroup"]["Properties"]["LogGroupName"] == {"Fn::Sub": f"{prefix}/error"}
    told = [f["Environment"]["Variables"].get("RUN_LOG_GROUP") for f in functions.values()]
    assert {value["Fn::Sub"] for value in told if value is not None} == {prefix}


def test_a_script_has_most_of_its_functions_time(functions: Resources) -> None:
    assert functions["ScriptFunction"]["Timeout"] == 900  # all that Lambda gives
    assert RESERVE_SECONDS < 60


def test_every_function_has_its_own_role(functions: Resources) -> None:
    assert [properties["Role"] for properties in functions.values()] == [
        {"Fn::GetAtt": [f"{name}Role", "Arn"]} for name in functions
    ]


def test_work_is_written_under_its_prefix_only(expanded: Resources) -> None:
    checked, bookmarks = 0, {}
    for name, role in of_type(expanded, "AWS::IAM::Role").items():
        for statement in role_statements(role):
            if "WorkBucket" not in references(statement["Resource"]):
                continue
            checked += 1
            if as_list(statement["Action"]) == ["s3:ListBucket"]:
                seen = "runs/*/stop" if name in ("ScriptFunctionRole", "SingerFunctionRole") else "runs/*"
                assert statement["Condition"] == {"StringLike": {"s3:prefix": seen}}, name
            elif statement["Resource"] == {"Fn::Sub": "${WorkBucket.Arn}/bookmarks/*"}:
                bookmarks[name] = as_list(statement["Action"])
            else:
                # What the children of the map give is all that a machine writes itself.
                written = name == "IngestMachineRole" and "s3:PutObject" in statement["Action"]
                below = "runs/map/*" if written else "runs/*"
                assert statement["Resource"] == {"Fn::Sub": f"${{WorkBucket.Arn}}/{below}"}, name
    assert checked > len(FUNCTIONS)
    # What was taken is read by who begins and by who ends, written by who ends or resets, and deleted by nobody.
    assert bookmarks == {
        "ListFunctionRole": ["s3:GetObject"],
        "DispatchFunctionRole": ["s3:GetObject"],
        **{
            f"{name}FunctionRole": ["s3:GetObject", "s3:PutObject"]
            for name in ("Commit", "Settle", "Reconcile", "Hotglue")
        },
    }


@pytest.mark.parametrize(("name", "indexes"), [
    ("HydrolixFunction", {"gsi_time", "gsi_state", "lsi_start", "lsi_end"}),
    ("GlueFunction", {"lsi_start", "lsi_end"}),
    ("PostgrestFunction", {"gsi_time", "gsi_state", "lsi_start", "lsi_end"}),
    ("HarperdbFunction", {"gsi_time"}),
    ("HotglueFunction", {"gsi_time", "gsi_state", "lsi_start", "lsi_end"}),
    ("ReconcileFunction", {"gsi_due", "lsi_start", "lsi_end"}),
    ("FireFunction", set()),
    ("DispatchFunction", set()),
    ("SettleFunction", {"lsi_start", "lsi_end"}),
    ("ScriptFunction", set()),
    ("SingerFunction", set()),
    ("OnUploadFunction", set()),
    ("ListFunction", set()),
    ("IndexFunction", set()),
    ("CommitFunction", set()),
    ("TablesFunction", set()),
    ("OperationsFunction", set()),
    ("HandedOverFunction", set()),
    ("PublishFunction", set()),
    ("RouteFunction", {"lsi_start", "lsi_end"}),
    ("DeliverFunction", set()),
    ("RunFileFunction", set()),
])  # fmt: skip
def test_the_ledger_is_never_scanned(name: str, indexes: set[str], expanded: Resources) -> None:
    readable = set()
    for statement in role_statements(expanded[f"{name}Role"]):
        if "LedgerTable" not in references(statement["Resource"]):
            continue
        assert "dynamodb:Scan" not in as_list(statement["Action"])
        if statement["Sid"] in ("Stream", "Streams"):
            continue
        for resource in as_list(statement["Resource"]):
            if "Fn::Sub" in resource:
                readable.add(resource["Fn::Sub"].rpartition("/")[2])
                assert as_list(statement["Action"]) == ["dynamodb:Query"]
    assert readable == indexes


def test_only_doors_see_the_master_secret(expanded: Resources, functions: Resources) -> None:
    readers = {
        name
        for name in functions
        if any("KeysSecret" in references(s["Resource"]) for s in role_statements(expanded[f"{name}Role"]))
    }
    told = {name for name in functions if "KEYS_SECRET_ID" in functions[name]["Environment"]["Variables"]}
    assert readers == told == {f"{door}Function" for door in ("Hydrolix", "Glue", "Postgrest", "Harperdb", "Hotglue")}


def test_what_calls_the_outside_can_make_no_key(expanded: Resources, functions: Resources) -> None:
    """Its secrets are derived from a master secret of their own."""
    readers = {
        name
        for name in functions
        if any("WebhooksSecret" in references(s["Resource"]) for s in role_statements(expanded[f"{name}Role"]))
    }
    told = {name for name in functions if "WEBHOOKS_SECRET_ID" in functions[name]["Environment"]["Variables"]}
    assert readers == told == {"HotglueFunction", "DeliverFunction"}
    assert "KEYS_SECRET_ID" not in functions["DeliverFunction"]["Environment"]["Variables"]


@pytest.mark.parametrize(
    ("folder", "writers", "readers"),
    [
        ("endpoints", {"HotglueFunction"}, {"HotglueFunction", "DeliverFunction"}),
        ("flows", {"HotglueFunction"}, {"HotglueFunction", "SingerFunction"}),
    ],
)
def test_secrets_of_callers_are_seen_by_who_needs_them(
    folder: str, writers: set[str], readers: set[str], expanded: Resources, functions: Resources
) -> None:
    variable = {"endpoints": "ENDPOINT_SECRET_PREFIX", "flows": "FLOW_SECRET_PREFIX"}[folder]
    prefix = f"${{AWS::StackName}}/{folder}/"
    told = {name for name, f in functions.items() if variable in f["Environment"]["Variables"]}
    assert all(functions[name]["Environment"]["Variables"][variable] == {"Fn::Sub": prefix} for name in told)
    found: dict[str, set[str]] = {"secretsmanager:CreateSecret": set(), "secretsmanager:GetSecretValue": set()}
    for name in functions:
        for statement in role_statements(expanded[f"{name}Role"]):
            resources = [str(each.get("Fn::Sub")) for each in as_list(statement["Resource"]) if isinstance(each, dict)]
            if any(resource.endswith(f":secret:{prefix}*") for resource in resources):
                for action in found.keys() & set(as_list(statement["Action"])):
                    found[action].add(name)
    assert found == {"secretsmanager:CreateSecret": writers, "secretsmanager:GetSecretValue": readers}
    assert told == readers


def test_no_route_ends_with_a_slash(expanded: Resources) -> None:
    """API Gateway refuses such a route, and takes the path with a slash at its end for the route without."""
    paths = expanded["HttpApi"]["Properties"]["Body"]["paths"]
    assert paths
    assert not [path for path in paths if path.endswith("/")]
