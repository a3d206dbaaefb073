"""Requests and answers against Glue's own description of them."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from botocore.validate import ParamValidator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glue.constraints import CHECKED_ENUMS, OPAQUE, SECRET_MEMBERS, UNCHECKED, translate_pattern
from glue.errors import BrokenConstraintError, UnreadableBodyError
from glue.shapes import check_request, load_service, shape_answer
from tests.unit.glue.operations import ANYTHING, OPERATIONS, good, input_shape, mostly_good, reachable

NAME = "[\\u0020-\\uD7FF\\uE000-\\uFFFD\\uD800\\uDC00-\\uDBFF\\uDFFF\\t]*"
JOB = {"Name": "nightly", "Role": "r", "Command": {"Name": "pythonshell", "ScriptLocation": "s3://b/s.py"}}
quick = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("operation", OPERATIONS)
@quick
@given(data=st.data())
def test_good_requests_pass_and_botocore_agrees(operation: str, data: st.DataObject) -> None:
    shape = input_shape(operation)
    request = data.draw(good(shape))
    checked = check_request(operation, request)
    assert checked == request
    assert not ParamValidator().validate(checked, shape).has_errors()


@pytest.mark.parametrize("operation", OPERATIONS)
@quick
@given(data=st.data())
def test_whatever_is_sent_meets_our_errors_only(operation: str, data: st.DataObject) -> None:
    shape = input_shape(operation)
    try:
        checked = check_request(operation, data.draw(mostly_good(shape) | st.dictionaries(st.text(), ANYTHING)))
    except (BrokenConstraintError, UnreadableBodyError):
        return
    assert check_request(operation, checked) == checked
    assert set(checked) <= set(shape.members)


LOW_LENGTH = "Member must have length greater than or equal to 1"
LOW_VALUE = "Member must have value greater than or equal to 1"
PATTERN = "Member must satisfy regular expression pattern: "
ENUM = "Member must satisfy enum value set: "
KEYS = f"Map keys must satisfy constraint: [Member must have length less than or equal to 128, {LOW_LENGTH}]"
ARN = "arn:aws(-(cn|us-gov|iso(-[bef])?))?:glue:.*"
LOGICAL_OPERATOR = "triggerUpdate.predicate.conditions.1.member.logicalOperator"


@pytest.mark.parametrize(
    ("operation", "request_", "problems"),
    [
        ("GetJob", {}, [("null", "jobName", "Member must not be null")]),
        ("GetJob", {"JobName": None}, [("null", "jobName", "Member must not be null")]),
        ("GetJob", {"JobName": ""}, [("''", "jobName", LOW_LENGTH)]),
        ("GetJob", {"JobName": "a\nb"}, [("'a\nb'", "jobName", PATTERN + NAME)]),
        (
            "GetJobRuns",
            {"JobName": "x", "MaxResults": 201},
            [("'201'", "maxResults", "Member must have value less than or equal to 200")],
        ),
        (
            "StartJobRun",
            {"JobName": "x", "Timeout": 0, "NotificationProperty": {"NotifyDelayAfter": 0}},
            [("'0'", "timeout", LOW_VALUE), ("'0'", "notificationProperty.notifyDelayAfter", LOW_VALUE)],
        ),
        ("BatchStopJobRun", {"JobName": "x", "JobRunIds": ["a", ""]}, [("''", "jobRunIds.2.member", LOW_LENGTH)]),
        ("BatchStopJobRun", {"JobName": "x", "JobRunIds": []}, [("'[]'", "jobRunIds", LOW_LENGTH)]),
        (
            "TagResource",
            {"ResourceArn": "arn:aws:glue:us-east-1:1:job/x", "TagsToAdd": {"": "v", "k": "w"}},
            [("'{=v, k=w}'", "tagsToAdd", KEYS)],
        ),
        ("GetTags", {"ResourceArn": "arn:aws:s3:::x"}, [("'arn:aws:s3:::x'", "resourceArn", PATTERN + ARN)]),
        (
            "CreateTrigger",
            {"Name": "t", "Type": "HOURLY", "Actions": []},
            [("'HOURLY'", "type", ENUM + "[SCHEDULED, CONDITIONAL, ON_DEMAND, EVENT]")],
        ),
        (
            "UpdateTrigger",
            {"Name": "t", "TriggerUpdate": {"Predicate": {"Conditions": [{"LogicalOperator": "OVER"}]}}},
            [("'OVER'", LOGICAL_OPERATOR, ENUM + "[EQUALS]")],
        ),
    ],
)
def test_broken_constraints_in_the_words_of_aws(
    operation: str, request_: dict[str, Any], problems: list[tuple[str, str, str]]
) -> None:
    with pytest.raises(BrokenConstraintError) as refused:
        check_request(operation, request_)
    count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
    assert refused.value.message == count + "; ".join(
        f"Value {value} at '{path}' failed to satisfy constraint: {rule}" for value, path, rule in problems
    )


@pytest.mark.parametrize(
    ("operation", "request_", "path"),
    [
        ("StartJobRun", {"JobName": "x" * 256}, "jobName"),
        ("StartJobRun", {"JobName": "x", "ExecutionRoleSessionPolicy": "x" * 2049}, "executionRoleSessionPolicy"),
        ("StartJobRun", {"JobName": "x", "ExecutionRoleSessionPolicy": "x"}, "executionRoleSessionPolicy"),
        ("GetJobs", {"MaxResults": 1001}, "maxResults"),
        ("ListJobs", {"MaxResults": 0}, "maxResults"),
        ("ListTriggers", {"MaxResults": 201}, "maxResults"),
        ("ListJobs", {"Tags": {f"k{n}": "" for n in range(51)}}, "tags"),
        ("ListJobs", {"Tags": {"k": "v" * 257}}, "tags"),
        ("BatchStopJobRun", {"JobName": "x", "JobRunIds": ["r"] * 26}, "jobRunIds"),
        ("UntagResource", {"ResourceArn": "arn:aws:glue:x", "TagsToRemove": ["k"] * 51}, "tagsToRemove"),
        ("CreateJob", {**JOB, "Description": "d" * 2049}, "description"),
        ("CreateJob", {**JOB, "Command": {"ScriptLocation": "s" * 400001}}, "command.scriptLocation"),
        ("CreateJob", {**JOB, "Connections": {"Connections": ["c"] * 1001}}, "connections.connections"),
        ("UpdateJob", {"JobName": "x", "JobUpdate": {"Timeout": -1}}, "jobUpdate.timeout"),
        ("CreateTrigger", {"Name": "t", "Type": "EVENT", "Actions": [{"Timeout": 0}]}, "actions.1.member.timeout"),
    ],
)
def test_a_constraint_names_the_member_and_shows_no_more_than_some_of_it(
    operation: str, request_: dict[str, Any], path: str
) -> None:
    with pytest.raises(BrokenConstraintError, match=f"at '{path}' failed") as refused:
        check_request(operation, request_)
    assert len(refused.value.message) < 500


@pytest.mark.parametrize(
    ("operation", "request_", "says"),
    [
        ("GetJob", {"JobName": 5}, "'jobName' must be a string"),
        ("GetJobs", {"MaxResults": "5"}, "'maxResults' must be a whole number"),
        ("GetJobs", {"MaxResults": True}, "'maxResults' must be a whole number"),
        ("GetJobs", {"MaxResults": 1.5}, "'maxResults' must be a whole number"),
        ("GetJobs", {"MaxResults": 2**31}, "'maxResults' must be a whole number below 2147483648"),
        ("StartJobRun", {"JobName": "x", "MaxCapacity": "1"}, "'maxCapacity' must be a number"),
        ("StartJobRun", {"JobName": "x", "MaxCapacity": 10**400}, "'maxCapacity' is too large a number"),
        ("StartJobRun", {"JobName": "x", "Arguments": []}, "'arguments' must be an object"),
        ("StartJobRun", {"JobName": "x", "Arguments": {"--n": 1}}, "'arguments.--n.member' must be a string"),
        ("StartJobRun", {"JobName": "x", "Arguments": {"--n": None}}, "'arguments.--n.member' must be a string"),
        ("GetJobRun", {"PredecessorsIncluded": "yes"}, "'predecessorsIncluded' must be true or false"),
        ("BatchStopJobRun", {"JobName": "x", "JobRunIds": "r"}, "'jobRunIds' must be a list"),
        ("BatchStopJobRun", {"JobName": "x", "JobRunIds": [None]}, "'jobRunIds.1.member' must be a string"),
        ("CreateJob", {**JOB, "Command": "x"}, "'command' must be an object"),
        ("CreateJob", {**JOB, "CodeGenConfigurationNodes": []}, "'codeGenConfigurationNodes' must be an object"),
    ],
)  # fmt: skip
def test_wrong_json_types_name_the_member(operation: str, request_: dict[str, Any], says: str) -> None:
    with pytest.raises(UnreadableBodyError) as refused:
        check_request(operation, request_)
    assert refused.value.message == says


def test_what_means_nothing_to_this_service_is_kept_as_it_is() -> None:
    settings_ = {
        "WorkerType": "G.99X",
        "ExecutionClass": "whenever somebody has the time",
        "GlueVersion": "",
        "JobMode": "x",
        "MaintenanceWindow": "Someday:25",
        "Command": {"PythonVersion": "4", "Runtime": "x" * 65},
        "SourceControlDetails": {"Provider": "SVN", "AuthStrategy": "x"},
        "CodeGenConfigurationNodes": {"a": {"Any": ["thing", None]}},
    }
    assert check_request("CreateJob", {**JOB, **settings_}) == {**JOB, **settings_}


def test_members_that_are_not_known_are_ignored() -> None:
    assert check_request("GetJob", {"JobName": "x", "CatalogId": "new", "Deep": {"er": 1}}) == {"JobName": "x"}
    assert check_request("GetJobs", {"NextToken": None}) == {}


def test_secrets_are_in_no_message() -> None:
    token = "hunter2" * 100
    with pytest.raises(BrokenConstraintError) as refused:
        check_request("CreateJob", {**JOB, "SourceControlDetails": {"AuthToken": token}})
    assert "hunter2" not in refused.value.message
    assert "sourceControlDetails.authToken" in refused.value.message
    with pytest.raises(UnreadableBodyError) as unread:
        check_request("CreateJob", {**JOB, "CodeGenConfigurationNodes": "hunter2"})
    assert "hunter2" not in unread.value.message


def test_of_thousands_of_problems_some_are_told() -> None:
    with pytest.raises(BrokenConstraintError, match="20 validation errors detected: ") as refused:
        check_request("BatchGetJobs", {"JobNames": [""] * 50_000})
    assert len(refused.value.message) < 5000


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("plain", True),
        ("tab\tis fine", True),
        ("ä, 漢字, 🌙 and \U0010ffff", True),
        ("line\nbreak", False),
        ("line break at the end\n", False),
        ("\x00", False),
        ("\x1f", False),
        ("\x7f", True),
        ("\ufffe", False),
        ("\ud800", False),
        ("\\uD800", True),
    ],
)
def test_javas_pattern_of_names(text: str, matches: bool) -> None:
    assert bool(translate_pattern(NAME).fullmatch(text)) == matches


def test_patterns_mean_ascii_as_in_java() -> None:
    assert translate_pattern("\\w+").fullmatch("word")
    assert not translate_pattern("\\w+").fullmatch("wörd")
    assert translate_pattern("[\\ud83c\\udf19]").fullmatch("🌙")


def test_every_pattern_that_is_checked_is_one_that_is_understood() -> None:
    """Anything but plain classes, groups and repeats may mean something else in Java; then this is to be looked at."""
    shapes = [shape for operation in OPERATIONS for shape in reachable(input_shape(operation))]
    checked = {
        shape.metadata["pattern"] for shape in shapes if "pattern" in shape.metadata and shape.name not in UNCHECKED
    }
    assert checked == {
        NAME,
        NAME.replace("\\t", "\\r\\n\\t"),
        ARN,
    }
    for pattern in checked:
        translate_pattern(pattern)


def test_the_exceptions_to_the_description_are_in_it() -> None:
    shapes = {shape.name: shape for operation in OPERATIONS for shape in reachable(input_shape(operation))}
    assert shapes.keys() >= UNCHECKED | CHECKED_ENUMS | OPAQUE
    members = {member for shape in shapes.values() for member in getattr(shape, "members", {})}
    assert members >= SECRET_MEMBERS
    sensitive = {name for name, shape in shapes.items() if shape.metadata.get("sensitive")}
    assert sensitive <= OPAQUE


def test_answers_get_the_types_that_clients_expect() -> None:
    at = datetime(2026, 11, 21, 12, 0, 0, 255_400, tzinfo=UTC)
    run = {
        "Id": "jr_1",
        "Attempt": Decimal(0),
        "StartedOn": at,
        "CompletedOn": None,
        "MaxCapacity": 10,
        "ExecutionTime": 12.0,
        "Timeout": Decimal(2880),
        "Arguments": {"--a": "b"},
        "PredecessorRuns": [{"JobName": "load", "RunId": "jr_2"}],
        "OurOwn": "kept",
    }
    answer = shape_answer("GetJobRun", {"JobRun": run})
    assert json.dumps(answer["JobRun"]) == (
        '{"Id": "jr_1", "Attempt": 0, "StartedOn": 1795262400.255, "MaxCapacity": 10.0, "ExecutionTime": 12, '
        '"Timeout": 2880, "Arguments": {"--a": "b"}, "PredecessorRuns": [{"JobName": "load", "RunId": "jr_2"}], '
        '"OurOwn": "kept"}'
    )
    assert shape_answer("TagResource", {}) == {}
    nodes = {"CodeGenConfigurationNodes": {"a": {"Any": [None]}}}
    assert shape_answer("GetJob", {"Job": nodes}) == {"Job": nodes}


def test_every_operation_is_glues() -> None:
    assert set(OPERATIONS) <= set(load_service().operation_names)
