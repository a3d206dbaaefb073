"""What the code asks of AWS, and what the roles allow."""

import ast
from collections.abc import Iterator

import botocore.session
import pytest
from botocore import xform_name

from tests.template.reading import ROOT, Resources, allowed_actions, role_statements

# botocore's name of a service, and what IAM calls it.
SERVICES = {
    "s3": "s3",
    "sqs": "sqs",
    "stepfunctions": "states",
    "lambda": "lambda",
    "secretsmanager": "secretsmanager",
    "scheduler": "scheduler",
    "events": "events",
}

# Operations whose action has another name than they have.
RENAMED = {
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:CopyObject": "s3:PutObject",  # and s3:GetObject of what is copied
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "lambda:Invoke": "lambda:InvokeFunction",
}


def test_every_call_the_code_makes_is_allowed_to_some_function(expanded: Resources, functions: Resources) -> None:
    allowed = frozenset[str]().union(*(allowed_actions(expanded, name) for name in functions))
    asked = dict(_calls())
    assert asked
    assert {action: place for action, place in asked.items() if action not in allowed} == {}


def test_nothing_is_allowed_that_no_code_calls(expanded: Resources, functions: Resources) -> None:
    """For the services that only our own code calls; S3 and Glue are called by PyArrow and PyIceberg too."""
    asked = {action for action, _ in _calls()}
    for name in functions:
        ours = {action for action in allowed_actions(expanded, name) if action.startswith("states:")}
        assert ours <= asked, name


@pytest.mark.parametrize(
    "name",
    [
        *("HydrolixFunction", "GlueFunction", "DispatchFunction", "SettleFunction", "ReconcileFunction"),
        *("CommitFunction", "OperationsFunction", "HandedOverFunction", "HarperdbFunction"),
    ],
)
def test_told_of_a_function_is_allowed_to_invoke_it(name: str, expanded: Resources, functions: Resources) -> None:
    variables = functions[name]["Environment"]["Variables"]
    told = {v for v in ("COMMIT_FUNCTION", "TABLES_FUNCTION", "OPERATIONS_FUNCTION") if v in variables}
    if name == "DispatchFunction":
        told.discard("OPERATIONS_FUNCTION")  # it is the state machine that invokes it
    granted = [s for s in role_statements(expanded[f"{name}Role"]) if s["Action"] == "lambda:InvokeFunction"]
    assert len(granted) == len(told)


def test_tables_are_dropped_by_one_function_only(expanded: Resources, functions: Resources) -> None:
    assert [n for n in functions if "glue:DeleteTable" in allowed_actions(expanded, n)] == ["TablesFunction"]


@pytest.mark.parametrize(
    ("name", "variable", "action"),
    [
        ("HydrolixFunction", "LIFECYCLE_ARN", "states:StartExecution"),
        ("GlueFunction", "LIFECYCLE_ARN", "states:StartExecution"),
        ("PostgrestFunction", "LIFECYCLE_ARN", "states:StartExecution"),
        ("PostgrestFunction", "LIFECYCLE_ARN", "states:SendTaskSuccess"),
        ("HarperdbFunction", "LIFECYCLE_ARN", "states:StartExecution"),
        ("HarperdbFunction", "LIFECYCLE_ARN", "states:SendTaskSuccess"),
        ("HotglueFunction", "LIFECYCLE_ARN", "states:StartExecution"),
        ("HotglueFunction", "LIFECYCLE_ARN", "states:SendTaskSuccess"),
        ("DispatchFunction", "INGEST_ARN", "states:StartExecution"),
        ("SettleFunction", "LIFECYCLE_ARN", "states:StartExecution"),
        ("ReconcileFunction", "LIFECYCLE_ARN", "states:StartExecution"),
        ("FireFunction", "LIFECYCLE_ARN", "states:StartExecution"),
        ("OnUploadFunction", "LIFECYCLE_ARN", "states:StartExecution"),
        ("CommitFunction", "LIFECYCLE_ARN", "states:SendTaskSuccess"),
        ("OperationsFunction", "LIFECYCLE_ARN", "states:SendTaskSuccess"),
        ("HandedOverFunction", "LIFECYCLE_ARN", "states:SendTaskHeartbeat"),
    ],
)
def test_is_told_of_the_machine_it_may_use(
    name: str, variable: str, action: str, expanded: Resources, functions: Resources
) -> None:
    machine = functions[name]["Environment"]["Variables"][variable]
    granted = [s for s in role_statements(expanded[f"{name}Role"]) if action in s["Action"]]
    assert [statement["Resource"] for statement in granted] == [machine]


def _calls() -> Iterator[tuple[str, str]]:
    """The IAM actions of the calls written in our code, each with a place it is called from."""
    operations = dict(_operations())
    # A socket has one of this name, and no function makes connections of EventBridge.
    del operations["create_connection"]
    for home in ("layers/core/jobruns", "layers/data/jobruns_data", "layers/events/jobruns_events", "functions"):
        for source in sorted((ROOT / home).rglob("*.py")):
            for node in ast.walk(ast.parse(source.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    action = operations.get(node.func.attr)
                    if action:
                        yield action, f"{source.relative_to(ROOT)}:{node.lineno}"


def _operations() -> Iterator[tuple[str, str]]:
    session = botocore.session.get_session()
    for service, prefix in SERVICES.items():
        for operation in session.get_service_model(service).operation_names:
            action = f"{prefix}:{operation}"
            yield xform_name(operation), RENAMED.get(action, action)
