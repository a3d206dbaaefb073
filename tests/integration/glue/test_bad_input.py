"""Every constraint: the right exception, a message that names the member, and nothing written.

What is wrong with the definitions of triggers is in ``test_triggers.py``, with tags in ``test_tags.py``, with tokens
and sizes of pages in ``test_paging.py``.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from jobruns.ids import plain_job_run_id
from tests.integration.glue.client import Key, Wire, connect, http_event, play
from tests.integration.glue.site import JOB, Site, refusal, written

RUN = plain_job_run_id("01a1fba8-d3d3-7e99-bb70-b94945b18a25")
VALIDATION, INPUT, TYPE = "ValidationException", "InvalidInputException", "SerializationException"
LARGE = {f"--{number}": "x" * 1000 for number in range(310)}

# Operation, what is added to or put in place of a right request, the exception, and what its message names.
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("create_job", {"Name": None}, VALIDATION, "'name'"),
    ("create_job", {"Role": None}, VALIDATION, "'role'"),
    ("create_job", {"Command": None}, VALIDATION, "'command'"),
    ("create_job", {"Name": ""}, VALIDATION, "'name'"),
    ("create_job", {"Name": "x" * 256}, VALIDATION, "'name'"),
    ("create_job", {"Name": "line\nbreak"}, VALIDATION, "'name'"),
    ("create_job", {"Name": "\x7f"}, INPUT, "Name"),
    ("create_job", {"Description": "x" * 2049}, VALIDATION, "'description'"),
    ("create_job", {"Description": "\x01"}, VALIDATION, "'description'"),
    ("create_job", {"Command": {"ScriptLocation": "x" * 400_001}}, VALIDATION, "'command.scriptLocation'"),
    ("create_job", {"Command": {"Name": "glueray"}}, INPUT, "Command.Name"),
    ("create_job", {"Connections": {"Connections": ["c"] * 1001}}, VALIDATION, "'connections.connections'"),
    ("create_job", {"MaxRetries": -1}, INPUT, "MaxRetries"),
    ("create_job", {"MaxRetries": 11}, INPUT, "MaxRetries"),
    ("create_job", {"ExecutionProperty": {"MaxConcurrentRuns": 0}}, INPUT, "ExecutionProperty.MaxConcurrentRuns"),
    ("create_job", {"ExecutionProperty": {"MaxConcurrentRuns": 1001}}, INPUT, "ExecutionProperty.MaxConcurrentRuns"),
    ("create_job", {"Timeout": 0}, VALIDATION, "'timeout'"),
    ("create_job", {"Timeout": 10_081}, INPUT, "Timeout"),
    ("create_job", {"NotificationProperty": {"NotifyDelayAfter": 0}}, VALIDATION, "notifyDelayAfter"),
    ("create_job", {"SecurityConfiguration": "x" * 256}, VALIDATION, "'securityConfiguration'"),
    ("create_job", {"Tags": {f"{number}": "" for number in range(51)}}, VALIDATION, "'tags'"),
    ("create_job", {"Tags": {"": "x"}}, VALIDATION, "'tags'"),
    ("create_job", {"Tags": {"k": "x" * 257}}, VALIDATION, "'tags'"),
    ("create_job", {"DefaultArguments": LARGE}, INPUT, "bytes"),
    ("create_job", {"SourceControlDetails": {"Branch": "x" * 513}}, VALIDATION, "sourceControlDetails.branch"),
    ("create_job", {"Name": 5}, TYPE, "'name'"),
    ("create_job", {"MaxRetries": "1"}, TYPE, "'maxRetries'"),
    ("create_job", {"MaxRetries": 1.5}, TYPE, "'maxRetries'"),
    ("create_job", {"MaxRetries": 2**31}, TYPE, "'maxRetries'"),
    ("create_job", {"MaxCapacity": "1"}, TYPE, "'maxCapacity'"),
    ("create_job", {"JobRunQueuingEnabled": "yes"}, TYPE, "'jobRunQueuingEnabled'"),
    ("create_job", {"DefaultArguments": {"--n": 1}}, TYPE, "--n"),
    ("create_job", {"Command": []}, TYPE, "'command'"),
    ("update_job", {"JobUpdate": None}, VALIDATION, "'jobUpdate'"),
    ("update_job", {"JobName": "x" * 256}, VALIDATION, "'jobName'"),
    ("update_job", {"JobUpdate": {"Description": "x" * 2049}}, VALIDATION, "'jobUpdate.description'"),
    ("update_job", {"JobUpdate": {"Timeout": 10_081}}, INPUT, "Timeout"),
    ("update_job", {"JobUpdate": {"MaxRetries": 11}}, INPUT, "MaxRetries"),
    ("update_job", {"JobUpdate": {"Command": {"Name": "glueray"}}}, INPUT, "Command.Name"),
    ("update_job", {"JobUpdate": {"DefaultArguments": LARGE}}, INPUT, "bytes"),
    ("update_job", {"JobUpdate": {"GlueVersion": "x" * 9000}}, INPUT, "GlueVersion"),
    ("delete_job", {"JobName": "x" * 256}, VALIDATION, "'jobName'"),
    ("get_job", {"JobName": ""}, VALIDATION, "'jobName'"),
    ("batch_get_jobs", {"JobNames": None}, VALIDATION, "'jobNames'"),
    ("batch_get_jobs", {"JobNames": ["a", "x" * 256]}, VALIDATION, "'jobNames.2.member'"),
    ("batch_get_jobs", {"JobNames": "a"}, TYPE, "'jobNames'"),
    ("list_jobs", {"Tags": {"k": "x" * 257}}, VALIDATION, "'tags'"),
    ("list_jobs", {"MaxResults": 0}, VALIDATION, "'maxResults'"),
    ("start_job_run", {"JobName": None}, VALIDATION, "'jobName'"),
    ("start_job_run", {"JobName": "a\x00"}, VALIDATION, "'jobName'"),
    ("start_job_run", {"JobRunId": "x" * 256}, VALIDATION, "'jobRunId'"),
    ("start_job_run", {"JobRunId": ""}, VALIDATION, "'jobRunId'"),
    ("start_job_run", {"Timeout": 0}, VALIDATION, "'timeout'"),
    ("start_job_run", {"Timeout": 10_081}, INPUT, "Timeout"),
    ("start_job_run", {"AllocatedCapacity": 2, "MaxCapacity": 2.0}, INPUT, "MaxCapacity"),
    ("start_job_run", {"ExecutionRoleSessionPolicy": "x"}, VALIDATION, "'executionRoleSessionPolicy'"),
    ("start_job_run", {"ExecutionRoleSessionPolicy": "x" * 2049}, VALIDATION, "'executionRoleSessionPolicy'"),
    ("start_job_run", {"SecurityConfiguration": ""}, VALIDATION, "'securityConfiguration'"),
    ("start_job_run", {"NotificationProperty": {"NotifyDelayAfter": 0}}, VALIDATION, "notifyDelayAfter"),
    ("start_job_run", {"WorkerType": "x" * 9000}, INPUT, "WorkerType"),
    ("start_job_run", {"Arguments": LARGE}, INPUT, "bytes"),
    ("start_job_run", {"Arguments": {"--job-bookmark-option": "enable"}}, INPUT, "Arguments"),
    ("start_job_run", {"Arguments": {"--n": 1}}, TYPE, "--n"),
    ("start_job_run", {"Arguments": ["--n"]}, TYPE, "'arguments'"),
    ("get_job_run", {"RunId": None}, VALIDATION, "'runId'"),
    ("get_job_run", {"RunId": "x" * 256}, VALIDATION, "'runId'"),
    ("get_job_run", {"PredecessorsIncluded": 1}, TYPE, "'predecessorsIncluded'"),
    ("get_job_runs", {"MaxResults": 0}, VALIDATION, "'maxResults'"),
    ("get_job_runs", {"MaxResults": "5"}, TYPE, "'maxResults'"),
    ("batch_stop_job_run", {"JobRunIds": []}, VALIDATION, "'jobRunIds'"),
    ("batch_stop_job_run", {"JobRunIds": ["x"] * 26}, VALIDATION, "'jobRunIds'"),
    ("batch_stop_job_run", {"JobRunIds": ["x" * 256]}, VALIDATION, "'jobRunIds.1.member'"),
    ("batch_stop_job_run", {"JobRunIds": [None]}, TYPE, "'jobRunIds.1.member'"),
    ("get_job_bookmark", {"JobName": None}, VALIDATION, "'jobName'"),
    ("reset_job_bookmark", {"JobName": None}, VALIDATION, "'jobName'"),
    ("get_trigger", {"Name": ""}, VALIDATION, "'name'"),
    ("get_triggers", {"MaxResults": 0}, VALIDATION, "'maxResults'"),
    ("get_triggers", {"DependentJobName": "x" * 256}, VALIDATION, "'dependentJobName'"),
    ("list_triggers", {"DependentJobName": ""}, VALIDATION, "'dependentJobName'"),
    ("batch_get_triggers", {"TriggerNames": ["x" * 256]}, VALIDATION, "'triggerNames.1.member'"),
    ("start_trigger", {"Name": "x" * 256}, VALIDATION, "'name'"),
    ("stop_trigger", {"Name": "x" * 256}, VALIDATION, "'name'"),
    ("delete_trigger", {"Name": "x" * 256}, VALIDATION, "'name'"),
    ("update_trigger", {"TriggerUpdate": None}, VALIDATION, "'triggerUpdate'"),
    ("get_tags", {"ResourceArn": "x"}, VALIDATION, "'resourceArn'"),
]
RIGHT: dict[str, dict[str, Any]] = {
    "create_job": {"Name": "new", "Role": "r", "Command": {}},
    "update_job": {"JobName": JOB, "JobUpdate": {}},
    "get_job_run": {"JobName": JOB, "RunId": RUN},
    "update_trigger": {"Name": "t", "TriggerUpdate": {}},
    "batch_stop_job_run": {"JobName": JOB, "JobRunIds": [RUN]},
    **{name: {"JobName": JOB} for name in ("start_job_run", "get_job_runs")},
}


@pytest.fixture
def careless(key: Callable[..., Key], site: Site) -> Any:
    """A client that checks nothing itself, as those of other languages do not, and sends what it is given."""
    client: Any = connect(Key("JRAKADMINACME"), wire=Wire())
    client._serializer = client._serializer._serializer
    return client


def test_what_is_wrong_is_named_and_nothing_is_written(
    site: Site, key: Callable[..., Key], careless: Any, calls: Callable[[], dict[str, int]]
) -> None:
    site.job()
    site.client.create_trigger(Name="t", Type="ON_DEMAND", Actions=[{"JobName": JOB}])
    before = site.client.get_jobs()["Jobs"], site.client.get_triggers()["Triggers"], site.runs()
    targets = site.client.meta.method_to_api_mapping
    headers = {"X-Api-Key": Key("JRAKADMINACME").token}
    calls()
    for operation, wrong, code, names in WRONG:
        request = {**RIGHT.get(operation, {}), **wrong}
        present = {name: value for name, value in request.items() if value is not None}
        if code == TYPE:  # boto3 cannot even be made to write these
            target = {"X-Amz-Target": f"AWSGlue.{targets[operation]}"}
            answer = play(http_event("POST", "/glue", json.dumps(request).encode(), headers | target))
            refused = answer.error, answer.body["Message"]
        else:
            refused = refusal(getattr(careless, operation), **present)
        assert (refused[0], names in refused[1]) == (code, True), (operation, wrong, refused)
        assert len(refused[1]) < 2000
    assert written(calls()) == {}
    assert (site.client.get_jobs()["Jobs"], site.client.get_triggers()["Triggers"], site.runs()) == before


def test_all_that_is_wrong_is_told_at_once(careless: Any) -> None:
    code, text = refusal(careless.create_job, Name="", Command={}, Description="\x01", Timeout=0)
    assert code == VALIDATION
    assert text.startswith("4 validation errors detected: ")
    for part in (
        "Value null at 'role' failed to satisfy constraint: Member must not be null",
        "Value '' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 1",
        "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1",
        "'description' failed to satisfy constraint: Member must satisfy regular expression pattern: ",
    ):
        assert part in text


def test_what_is_at_a_constraints_edge_is_taken(site: Site) -> None:
    tags = {f"{number:0128d}": "x" * 256 for number in range(50)}
    site.client.create_job(
        Name="🚀" * 255,
        Role="",
        Command={},
        Description="x" * 2046 + "\r\n",
        ExecutionProperty={"MaxConcurrentRuns": 1000},
        MaxRetries=10,
        Timeout=10_080,
        NotificationProperty={"NotifyDelayAfter": 2**31 - 1},
        Connections={"Connections": ["c"] * 1000},
        Tags=tags,
    )
    run_id = site.start("🚀" * 255, ExecutionRoleSessionPolicy="x" * 2048, SecurityConfiguration="s" * 255, Timeout=1)
    run = site.run(run_id, "🚀" * 255)
    assert run["ExecutionRoleSessionPolicy"] == "x" * 2048
    site.begin(run_id, "🚀" * 255)
    assert site.state(run_id, "🚀" * 255) == "RUNNING"
    assert site.client.get_tags(ResourceArn=f"arn:aws:glue:::job/{'🚀' * 255}")["Tags"] == tags
