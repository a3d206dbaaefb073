"""What roles let the functions reach, and that it is no more."""

import pytest

from tests.template.reading import Resources, as_list, of_type, references, role_statements

# Which statements may name every resource, and why.
STARS = {
    ("RunLifecycleRole", "Logs"): "the actions of log delivery know no resources",
    ("IngestMachineRole", "Logs"): "the actions of log delivery know no resources",
    ("ScriptFunctionRole", "Traces"): "the actions of tracing know no resources",
    ("SingerFunctionRole", "Traces"): "the actions of tracing know no resources",
}


def test_every_function_has_its_own_role(functions: Resources) -> None:
    assert [properties["Role"] for properties in functions.values()] == [
        {"Fn::GetAtt": [f"{name}Role", "Arn"]} for name in functions
    ]


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
    files = [str({"Fn::Sub": f"${{{place}"}) for place in ("RunsBucket.Arn}/*", "WorkBucket.Arn}/syncs/*")]
    assert allowed == {
        *((action, place) for action in ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload") for place in files),
        ("s3:GetObject", str({"Fn::Sub": "${LandingBucket.Arn}/*/scripts/*"})),
        *(("s3:ListBucket", str({"Fn::GetAtt": [f"{name}Bucket", "Arn"]})) for name in ("Runs", "Work", "Landing")),
        ("secretsmanager:GetSecretValue", str({"Fn::Sub": secrets})),
    }


def test_work_is_written_under_its_prefix_only(expanded: Resources, functions: Resources) -> None:
    checked, bookmarks, syncs = 0, {}, {}
    for name, role in of_type(expanded, "AWS::IAM::Role").items():
        for statement in role_statements(role):
            if "WorkBucket" not in references(statement["Resource"]):
                continue
            checked += 1
            if as_list(statement["Action"]) == ["s3:ListBucket"]:
                seen = {
                    "ScriptFunctionRole": "runs/*/stop",
                    "SingerFunctionRole": ["runs/*/stop", "syncs/*"],
                }.get(name, "runs/*")
                assert statement["Condition"] == {"StringLike": {"s3:prefix": seen}}, name
            elif statement["Resource"] == {"Fn::Sub": "${WorkBucket.Arn}/bookmarks/*"}:
                bookmarks[name] = as_list(statement["Action"])
            elif "/syncs/" in str(statement["Resource"]):
                syncs[name] = statement["Resource"]["Fn::Sub"], as_list(statement["Action"])
            else:
                # What the children of the map give is all that a machine writes itself.
                written = name == "IngestMachineRole" and "s3:PutObject" in statement["Action"]
                below = "runs/map/*" if written else "runs/*"
                assert statement["Resource"] == {"Fn::Sub": f"${{WorkBucket.Arn}}/{below}"}, name
    assert checked > len(functions)
    # What outlives the runs of a tenant: catalogs by who knows flows, and what taps and targets remember.
    assert syncs == {
        "HotglueFunctionRole": ("${WorkBucket.Arn}/syncs/*/catalogs/*", ["s3:PutObject"]),
        "SingerFunctionRole": (
            "${WorkBucket.Arn}/syncs/*",
            ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
        ),
    }
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
