"""The table, the buckets and the queues: closed, encrypted, kept, and with somewhere for what fails."""

from typing import Any

import pytest

from jobruns.store.indexes import SUMMARY_FIELDS
from tests.template.reading import Resources, as_list, lifecycle_rules, of_type, references, role_statements

BUCKETS = ("LandingBucket", "LakeBucket", "WorkBucket", "RunsBucket")
QUEUES = (
    "UploadQueue",
    "UploadDeadLetterQueue",
    "AsyncDeadLetterQueue",
    "EventsQueue",
    "DeliveriesQueue",
    "DeliveriesDeadLetterQueue",
    "RunFilesQueue",
)
SETTLING = ("HydrolixFunction", "GlueFunction", "PostgrestFunction", "SettleFunction", "ReconcileFunction")
"""Whose code does what follows from the end of a run."""


def test_no_bucket_or_queue_is_missing_from_these_tests(resources: Resources) -> None:
    assert set(of_type(resources, "AWS::S3::Bucket")) == set(BUCKETS)
    assert set(of_type(resources, "AWS::SQS::Queue")) == set(QUEUES)


def test_ledger_has_its_keys_and_indexes(resources: Resources) -> None:
    table = resources["LedgerTable"]["Properties"]
    assert _keys(table["KeySchema"]) == {"HASH": "pk", "RANGE": "sk"}
    assert {index["IndexName"]: _keys(index["KeySchema"]) for index in table["GlobalSecondaryIndexes"]} == {
        "gsi_due": {"HASH": "due_pk", "RANGE": "due_sk"},
        "gsi_time": {"HASH": "time_pk", "RANGE": "time_sk"},
        "gsi_state": {"HASH": "state_pk", "RANGE": "state_sk"},
    }
    for index in table["GlobalSecondaryIndexes"]:
        assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


def test_a_jobs_runs_are_read_consistently_with_as_much_of_each_as_a_list_shows(resources: Resources) -> None:
    local = resources["LedgerTable"]["Properties"]["LocalSecondaryIndexes"]
    assert {index["IndexName"]: _keys(index["KeySchema"]) for index in local} == {
        "lsi_start": {"HASH": "pk", "RANGE": "start_sk"},
        "lsi_end": {"HASH": "pk", "RANGE": "end_sk"},
    }
    for index in local:
        assert index["Projection"]["ProjectionType"] == "INCLUDE"
        assert tuple(index["Projection"]["NonKeyAttributes"]) == SUMMARY_FIELDS
    # DynamoDB takes twenty.
    assert len(SUMMARY_FIELDS) <= 20


def test_ledger_is_kept(resources: Resources) -> None:
    table = resources["LedgerTable"]
    assert table["DeletionPolicy"] == "RetainExceptOnCreate"
    assert table["UpdateReplacePolicy"] == "Retain"
    properties = table["Properties"]
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["DeletionProtectionEnabled"] == {"Ref": "LedgerDeletionProtection"}


def test_runs_are_kept_for_ever_unless_the_stack_says_days(template: dict[str, Any], functions: Resources) -> None:
    days = template["Parameters"]["RunRetentionDays"]
    assert (days["Default"], days["MinValue"]) == (0, 0)
    assert template["Outputs"]["RunRetentionDays"]["Value"] == {"Ref": "RunRetentionDays"}
    for name, function in functions.items():
        variables = function["Environment"]["Variables"]
        assert ("LEDGER_TABLE" in variables) == (variables.get("RUN_RETENTION_DAYS") == {"Ref": "RunRetentionDays"}), (
            name
        )


@pytest.mark.parametrize("name", SETTLING)
def test_who_settles_runs_may_ask_for_the_last_success_of_a_job(name: str, expanded: Resources) -> None:
    statements = role_statements(expanded[f"{name}Role"])
    readable = {
        resource["Fn::Sub"]
        for statement in statements
        if "dynamodb:Query" in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
        if "Fn::Sub" in resource
    }
    assert {f"${{LedgerTable.Arn}}/index/{index}" for index in ("lsi_start", "lsi_end")} <= readable


@pytest.mark.parametrize("name", ["KeysSecret", "WebhooksSecret"])
def test_secret_is_kept_and_strong(name: str, resources: Resources) -> None:
    secret = resources[name]
    assert secret["DeletionPolicy"] == "RetainExceptOnCreate"
    assert secret["Properties"]["GenerateSecretString"] == {"PasswordLength": 64, "ExcludePunctuation": True}


@pytest.mark.parametrize("name", BUCKETS)
def test_bucket_is_closed_and_encrypted(name: str, resources: Resources) -> None:
    bucket = resources[name]["Properties"]
    assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    )
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


@pytest.mark.parametrize("name", BUCKETS)
def test_bucket_keeps_what_is_overwritten_but_not_for_ever(name: str, resources: Resources) -> None:
    assert resources[name]["DeletionPolicy"] == "RetainExceptOnCreate"
    bucket = resources[name]["Properties"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    rules = lifecycle_rules(resources[name])
    assert all(rule["Status"] == "Enabled" for rule in rules)
    assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)
    assert any("NoncurrentVersionExpiration" in rule for rule in rules)


def test_only_work_expires(resources: Resources) -> None:
    expiring = {
        (name, rule.get("Prefix"))
        for name in BUCKETS
        for rule in lifecycle_rules(resources[name])
        if "ExpirationInDays" in rule
    }
    assert expiring == {("WorkBucket", "runs/"), ("WorkBucket", "runs/kept/"), ("RunsBucket", None)}


def test_files_of_runs_are_kept_for_ever_unless_the_stack_says_days(
    template: dict[str, Any], resources: Resources
) -> None:
    assert template["Parameters"]["RunFileRetentionDays"]["Default"] == 0
    assert template["Conditions"]["ForgetsRunFiles"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "RunFileRetentionDays"}, "0"]}]
    }
    rules = resources["RunsBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    (conditional,) = [rule["Fn::If"] for rule in rules if "Fn::If" in rule]
    assert (conditional[0], conditional[2]) == ("ForgetsRunFiles", {"Ref": "AWS::NoValue"})
    assert conditional[1]["ExpirationInDays"] == {"Ref": "RunFileRetentionDays"}


@pytest.mark.parametrize("name", BUCKETS)
def test_bucket_is_reached_over_tls_only(name: str, resources: Resources) -> None:
    policy = resources[f"{name}Policy"]["Properties"]
    assert policy["Bucket"] == {"Ref": name}
    [statement] = policy["PolicyDocument"]["Statement"]
    _assert_denies_plain_text(statement, "s3:*")
    assert statement["Resource"] == [{"Fn::GetAtt": [name, "Arn"]}, {"Fn::Sub": f"${{{name}.Arn}}/*"}]


@pytest.mark.parametrize("name", QUEUES)
def test_queue_is_encrypted_and_reached_over_tls_only(name: str, resources: Resources) -> None:
    queue = resources[name]["Properties"]
    assert queue["SqsManagedSseEnabled"] is True
    assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
    policy = resources[f"{name}Policy"]["Properties"]
    assert policy["Queues"] == [{"Ref": name}]
    statement = next(s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny")
    _assert_denies_plain_text(statement, "sqs:*")
    assert statement["Resource"] == {"Fn::GetAtt": [name, "Arn"]}


@pytest.mark.parametrize("name", QUEUES)
def test_queue_has_a_dead_letter_queue_or_is_one(name: str, resources: Resources) -> None:
    if "DeadLetter" in name:
        return
    redrive = resources[name]["Properties"]["RedrivePolicy"]
    target = redrive["deadLetterTargetArn"]["Fn::GetAtt"][0]
    assert "DeadLetter" in target
    assert target in QUEUES
    assert redrive["maxReceiveCount"] == 5


@pytest.mark.parametrize(
    ("bucket", "queue", "events"),
    [
        ("LandingBucket", "UploadQueue", ["s3:ObjectCreated:*"]),
        # Of a bucket with versions: what deletes an old one deletes no file.
        ("RunsBucket", "RunFilesQueue", ["s3:ObjectCreated:*", "s3:ObjectRemoved:DeleteMarkerCreated"]),
    ],
)
def test_only_the_bucket_of_this_account_may_notify(
    bucket: str, queue: str, events: list[str], resources: Resources
) -> None:
    landing = resources[bucket]
    assert landing["DependsOn"] == f"{queue}Policy"
    notifications = landing["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    assert notifications == [{"Event": event, "Queue": {"Fn::GetAtt": [queue, "Arn"]}} for event in events]
    statements = resources[f"{queue}Policy"]["Properties"]["PolicyDocument"]["Statement"]
    allow = next(s for s in statements if s["Effect"] == "Allow")
    name = landing["Properties"]["BucketName"]["Fn::Sub"]
    assert allow["Condition"] == {
        "ArnEquals": {"aws:SourceArn": {"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::{name}"}},
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
    }
    assert allow["Principal"] == {"Service": "s3.amazonaws.com"}


@pytest.mark.parametrize(
    ("function", "queue"),
    [
        ("RouteFunction", "EventsQueue"),
        ("DeliverFunction", "DeliveriesQueue"),
        ("RunFileFunction", "RunFilesQueue"),
    ],
)
def test_a_message_stays_hidden_for_as_long_as_lambda_advises(
    function: str, queue: str, resources: Resources, functions: Resources, template: dict[str, Any]
) -> None:
    (source,) = resources[function]["Properties"]["Events"].values()
    assert source["Properties"]["Queue"] == {"Fn::GetAtt": [queue, "Arn"]}
    assert source["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    window = source["Properties"].get("MaximumBatchingWindowInSeconds", 0)
    if isinstance(window, dict):
        window = template["Parameters"][window["Ref"]]["Default"]
    assert resources[queue]["Properties"]["VisibilityTimeout"] == {"Ref": "EventsVisibilitySeconds"}
    hidden = template["Parameters"]["EventsVisibilitySeconds"]["Default"]
    assert hidden >= 6 * functions[function]["Timeout"] + window


def test_each_queue_is_read_by_one_function_only(functions: Resources, expanded: Resources) -> None:
    readers = {
        (name, queue)
        for name in functions
        for statement in role_statements(expanded[f"{name}Role"])
        if "sqs:ReceiveMessage" in as_list(statement["Action"])
        for queue in references(statement["Resource"])
    }
    assert readers == {
        ("OnUploadFunction", "UploadQueue"),
        ("RouteFunction", "EventsQueue"),
        ("DeliverFunction", "DeliveriesQueue"),
        ("RunFileFunction", "RunFilesQueue"),
    }


def _keys(schema: list[dict[str, str]]) -> dict[str, str]:
    return {key["KeyType"]: key["AttributeName"] for key in schema}


def _assert_denies_plain_text(statement: dict[str, Any], action: str) -> None:
    assert statement["Effect"] == "Deny"
    assert statement["Principal"] == "*"
    assert as_list(statement["Action"]) == [action]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
