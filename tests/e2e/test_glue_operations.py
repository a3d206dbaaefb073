"""Every operation of the Glue door, asked for by unmodified clients over HTTP: by boto3, and by the AWS CLI.

Each client has an org of its own, so that its lists have nothing in them but what it made.
"""

import json
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ParamValidationError
from mypy_boto3_glue import GlueClient

from glue.operations import OPERATIONS
from jobruns.service.ports import Ports
from local.runner import Runner
from tests.e2e.glue_clients import Cli, Key, connect, new_org, wait_for_run
from tests.e2e.ledger import wait_for

ARN = "arn:aws:glue:us-east-1:123456789012"

NIGHTLY: dict[str, Any] = {
    "Role": "arn:aws:iam::123456789012:role/glue",
    "Command": {"Name": "external", "PythonVersion": "3.9"},
    "Description": "loads what came in\nsince yesterday: äöü 🙂",
    "LogUri": "s3://logs/",
    "ExecutionProperty": {"MaxConcurrentRuns": 3},
    "DefaultArguments": {"--day": "today", "--mode": "full"},
    "NonOverridableArguments": {"--owner": "data team"},
    "Connections": {"Connections": ["warehouse"]},
    "MaxRetries": 2,
    "Timeout": 90,
    "MaxCapacity": 10.0,
    "SecurityConfiguration": "sealed",
    "NotificationProperty": {"NotifyDelayAfter": 30},
    "GlueVersion": "4.0",
    "ExecutionClass": "STANDARD",
    "JobMode": "SCRIPT",
    "JobRunQueuingEnabled": False,
    "MaintenanceWindow": "Sun:3",
    "SourceControlDetails": {"Provider": "GITHUB", "Repository": "jobs", "Branch": "main"},
}
# A name may have slashes and colons, which tag ARNs and paths are made of.
NAME = "nightly/load: 1"


@pytest.fixture(scope="module")
def seen() -> set[str]:
    """The operations that boto3 was answered by."""
    return set()


@pytest.fixture(scope="module")
def glue(runner: Runner, ports: Ports, seen: set[str]) -> GlueClient:
    assert ports
    return connect(runner, new_org(runner), seen=seen)


@pytest.fixture(scope="module")
def cli_key(runner: Runner, ports: Ports) -> Key:
    assert ports
    return new_org(runner)


@pytest.fixture(scope="module")
def cli(runner: Runner, cli_key: Key) -> Cli:
    return Cli(runner.env["JOBRUNS_GLUE_URL"], cli_key)


@pytest.fixture(scope="module")
def beside(runner: Runner, cli_key: Key) -> GlueClient:
    """Makes what the CLI finds: each of its processes takes half a second to start."""
    return connect(runner, cli_key)


def test_boto3_defines_reads_and_tags_jobs(glue: GlueClient) -> None:
    assert glue.create_job(Name=NAME, Tags={"team": "data"}, **NIGHTLY)["Name"] == NAME
    job = glue.get_job(JobName=NAME)["Job"]
    assert {name: job.get(name) for name in NIGHTLY} == NIGHTLY
    assert job["CreatedOn"] == job["LastModifiedOn"]
    assert "Tags" not in job

    names = [f"job-{number}" for number in range(5)]
    for number, name in enumerate(names):
        tags = {"parity": "odd" if number % 2 else "even"}
        glue.create_job(Name=name, Role="r", Command={"Name": "noop"}, Tags=tags)
    pages = list(glue.get_paginator("get_jobs").paginate(PaginationConfig={"PageSize": 4}))
    assert [[job["Name"] for job in page["Jobs"]] for page in pages] == [names[:4], [names[4], NAME]]
    pages = list(glue.get_paginator("list_jobs").paginate(Tags={"parity": "even"}, PaginationConfig={"PageSize": 2}))
    assert [name for page in pages for name in page["JobNames"]] == names[::2]
    first = glue.get_paginator("get_jobs").paginate(PaginationConfig={"MaxItems": 3, "PageSize": 2}).build_full_result()
    rest = glue.get_paginator("get_jobs").paginate(
        PaginationConfig={"StartingToken": first["NextToken"], "PageSize": 2}
    )
    assert [job["Name"] for found in (first, rest.build_full_result()) for job in found["Jobs"]] == [*names, NAME]
    found = glue.batch_get_jobs(JobNames=[names[1], "gone", NAME, names[1]])
    assert [job["Name"] for job in found["Jobs"]] == [names[1], NAME]
    assert found["JobsNotFound"] == ["gone"]

    arn = f"{ARN}:job/{NAME}"
    glue.tag_resource(ResourceArn=arn, TagsToAdd={"stage": "prod", "team": "ops"})
    glue.untag_resource(ResourceArn=arn, TagsToRemove=["stage", "never"])
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"team": "ops"}

    update = {"Role": "other", "Command": {"Name": "external"}, "DefaultArguments": {"--day": "1"}}
    assert glue.update_job(JobName=NAME, JobUpdate=update)["JobName"] == NAME
    after = glue.get_job(JobName=NAME)["Job"]
    assert {name: after[name] for name in update} == update
    assert after["CreatedOn"] == job["CreatedOn"] < after["LastModifiedOn"]
    assert (after["GlueVersion"], after["ExecutionProperty"]) == ("4.0", {"MaxConcurrentRuns": 1})
    assert not {"Description", "NonOverridableArguments", "MaxCapacity", "Connections"} & after.keys()
    assert (after["MaxRetries"], after["Timeout"]) == (0, 2880)
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"team": "ops"}


def test_boto3_starts_reads_stops_and_retries_runs(glue: GlueClient) -> None:
    glue.create_job(Name="watched", **NIGHTLY)
    said = {"--day": "2026-11-21", "--owner": "me"}
    ids = [glue.start_job_run(JobName="watched", Arguments=said, WorkerType="G.1X", NumberOfWorkers=2)["JobRunId"]]
    ids += [glue.start_job_run(JobName="watched", Timeout=5)["JobRunId"] for _ in range(2)]
    with pytest.raises(glue.exceptions.ConcurrentRunsExceededException, match="Concurrent runs exceeded for watched"):
        glue.start_job_run(JobName="watched")

    run = wait_for_run(glue, "watched", ids[0], states=frozenset({"RUNNING"}))
    assert run["Arguments"] == {"--day": "2026-11-21", "--mode": "full", "--owner": "data team"}
    told = ("Id", "JobName", "Attempt", "Timeout", "WorkerType", "NumberOfWorkers", "GlueVersion", "PredecessorRuns")
    assert [run.get(name) for name in told] == [ids[0], "watched", 0, 90, "G.1X", 2, "4.0", []]
    assert not {"CompletedOn", "ErrorMessage", "PreviousRunId", "TriggerName"} & run.keys()

    pages = list(glue.get_paginator("get_job_runs").paginate(JobName="watched", PaginationConfig={"PageSize": 2}))
    assert [[run["Id"] for run in page["JobRuns"]] for page in pages] == [[ids[2], ids[1]], [ids[0]]]
    assert [run["Timeout"] for page in pages for run in page["JobRuns"]] == [5, 5, 90]
    paginator = glue.get_paginator("get_job_runs")
    first = paginator.paginate(JobName="watched", PaginationConfig={"MaxItems": 1}).build_full_result()
    rest = paginator.paginate(JobName="watched", PaginationConfig={"StartingToken": first["NextToken"]})
    assert [run["Id"] for run in first["JobRuns"] + rest.build_full_result()["JobRuns"]] == ids[::-1]

    nobody = "jr_" + "0" * 64
    stopped = glue.batch_stop_job_run(JobName="watched", JobRunIds=[*ids[:2], nobody])
    assert [entry["JobRunId"] for entry in stopped["SuccessfulSubmissions"]] == ids[:2]
    (error,) = stopped["Errors"]
    assert (error["JobRunId"], error["ErrorDetail"]["ErrorCode"]) == (nobody, "EntityNotFoundException")
    run = wait_for_run(glue, "watched", ids[0])
    assert run["JobRunState"] == "STOPPED"
    assert run["CompletedOn"] == run["LastModifiedOn"] > run["StartedOn"]
    assert "stopped by" in run["ErrorMessage"]
    again = glue.batch_stop_job_run(JobName="watched", JobRunIds=[ids[0]])
    assert again["SuccessfulSubmissions"] == []
    assert again["Errors"][0]["ErrorDetail"]["ErrorCode"] == "JobRunInTerminalStateException"

    retry_id = glue.start_job_run(JobName="watched", JobRunId=ids[0])["JobRunId"]
    retry = glue.get_job_run(JobName="watched", RunId=retry_id)["JobRun"]
    assert (retry["Attempt"], retry["PreviousRunId"]) == (1, ids[0])
    assert retry["Arguments"] == run["Arguments"]
    glue.batch_stop_job_run(JobName="watched", JobRunIds=[ids[2], retry_id])
    for run_id in (ids[2], retry_id):
        assert wait_for_run(glue, "watched", run_id)["JobRunState"] == "STOPPED"
    glue.delete_job(JobName="watched")
    glue.delete_job(JobName="watched")
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_job(JobName="watched")
    with pytest.raises(glue.exceptions.EntityNotFoundException, match="missing metadata"):
        glue.start_job_run(JobName="watched")


def test_boto3_reads_and_resets_bookmarks(glue: GlueClient) -> None:
    enable = {"--job-bookmark-option": "job-bookmark-enable"}
    glue.create_job(Name="kept", Role="r", Command={"Name": "noop"}, DefaultArguments=enable)
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_job_bookmark(JobName="kept")
    ids = []
    for number in (1, 2):
        ids.append(glue.start_job_run(JobName="kept")["JobRunId"])
        wait_for_run(glue, "kept", ids[-1])
        entry = poll_bookmark(glue, "kept", number)
        assert (entry["Run"], entry["Attempt"], entry["RunId"]) == (number, 0, ids[-1])
    assert entry["PreviousRunId"] == ids[0]
    assert json.loads(entry["JobBookmark"]) == {}
    entry = glue.reset_job_bookmark(JobName="kept", RunId=ids[0])["JobBookmarkEntry"]
    assert (entry["Version"], entry["Run"], entry["RunId"]) == (3, 1, ids[0])
    entry = glue.reset_job_bookmark(JobName="kept")["JobBookmarkEntry"]
    assert (entry["Version"], entry["Run"], entry["JobBookmark"]) == (4, 0, "{}")
    assert glue.get_job_bookmark(JobName="kept")["JobBookmarkEntry"] == entry
    assert glue.get_job_bookmark(JobName="kept", RunId=ids[1])["JobBookmarkEntry"]["Run"] == 2


def poll_bookmark(glue: GlueClient, job: str, version: int) -> Any:
    """Read a job's bookmark once it has moved: a run's end is seen a moment before what follows from it."""

    def look() -> Any:
        try:
            entry = glue.get_job_bookmark(JobName=job)["JobBookmarkEntry"]
        except glue.exceptions.EntityNotFoundException:
            return None
        return entry if entry["Version"] == version else None

    return wait_for(look)


def test_boto3_defines_and_fires_triggers(glue: GlueClient) -> None:
    glue.create_job(Name="fired", Role="r", Command={"Name": "noop"})
    action = {"JobName": "fired", "Arguments": {"--by": "hand"}, "Timeout": 7}
    made = glue.create_trigger(Name="by-hand", Type="ON_DEMAND", Actions=[action], Tags={"team": "data"})
    assert made["Name"] == "by-hand"
    predicate = {"Conditions": [{"LogicalOperator": "EQUALS", "JobName": "fired", "State": "FAILED"}]}
    glue.create_trigger(Name="on-end", Type="CONDITIONAL", Predicate=predicate, Actions=[{"JobName": "other"}])
    glue.create_trigger(
        Name="at-three", Type="SCHEDULED", Schedule="cron(0 3 * * ? *)", Actions=[action], StartOnCreation=True
    )
    states = {"at-three": "ACTIVATED", "by-hand": "CREATED", "on-end": "CREATED"}
    pages = list(glue.get_paginator("get_triggers").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["Triggers"]) for page in pages] == [2, 1]
    assert {found["Name"]: found["State"] for page in pages for found in page["Triggers"]} == states
    depending = glue.get_paginator("get_triggers").paginate(DependentJobName="fired").build_full_result()["Triggers"]
    assert [found["Name"] for found in depending] == ["at-three", "by-hand"]
    pages = list(glue.get_paginator("list_triggers").paginate(PaginationConfig={"PageSize": 1}))
    assert [page["TriggerNames"] for page in pages] == [[name] for name in states]
    some = glue.batch_get_triggers(TriggerNames=["on-end", "gone"])
    assert ([found["Name"] for found in some["Triggers"]], some["TriggersNotFound"]) == (["on-end"], ["gone"])
    assert some["Triggers"][0]["Predicate"] == predicate

    update = {"Schedule": "cron(0/30 * * * ? *)", "Actions": [action], "Description": "twice an hour"}
    changed = glue.update_trigger(Name="at-three", TriggerUpdate=update)["Trigger"]
    assert changed == glue.get_trigger(Name="at-three")["Trigger"]
    assert {name: changed.get(name) for name in update} == update
    assert glue.stop_trigger(Name="at-three")["Name"] == "at-three"
    assert glue.get_trigger(Name="at-three")["Trigger"]["State"] == "DEACTIVATED"
    assert glue.start_trigger(Name="on-end")["Name"] == "on-end"
    assert glue.get_trigger(Name="on-end")["Trigger"]["State"] == "ACTIVATED"

    glue.start_trigger(Name="by-hand")
    (run,) = glue.get_job_runs(JobName="fired")["JobRuns"]
    assert (run["TriggerName"], run["Arguments"], run["Timeout"]) == ("by-hand", action["Arguments"], 7)
    assert wait_for_run(glue, "fired", run["Id"])["JobRunState"] == "SUCCEEDED"
    assert glue.get_tags(ResourceArn=f"{ARN}:trigger/by-hand")["Tags"] == {"team": "data"}
    for name in states:
        assert glue.delete_trigger(Name=name)["Name"] == name
    assert glue.get_triggers()["Triggers"] == []


def test_boto3_has_walked_every_operation(glue: GlueClient, seen: set[str]) -> None:
    assert glue
    assert seen == set(OPERATIONS)
    assert len(seen) == 25


def test_what_boto3_refuses_itself_and_what_the_door_does(glue: GlueClient) -> None:
    with pytest.raises(ParamValidationError, match="JobName"):
        glue.get_job_runs()
    with pytest.raises(ParamValidationError, match="valid min value: 1"):
        glue.get_job_runs(JobName="x", MaxResults=0)
    with pytest.raises(glue.exceptions.ValidationException, match=r"maxResults.*less than or equal to 200"):
        glue.get_job_runs(JobName="x", MaxResults=201)
    with pytest.raises(glue.exceptions.InvalidInputException, match="NextToken") as refused:
        glue.get_jobs(NextToken="page 2")
    # Only the capital letter of the modelled member makes boto3 give it this way too.
    assert refused.value.response["Message"] == refused.value.response["Error"]["Message"]


def test_the_cli_defines_reads_and_tags_jobs(cli: Cli, beside: GlueClient) -> None:
    for number in range(3):
        beside.create_job(Name=f"job-{number}", Role="r", Command={"Name": "noop"}, Tags={"parity": "even"})
    made = json.dumps({"Name": NAME, "Tags": {"team": "data"}, **NIGHTLY})
    assert cli("create-job", "--cli-input-json", made) == {"Name": NAME}
    names = ["job-0", "job-1", "job-2", NAME]

    got, pages, cut, listed, some, _ = cli.together(
        ("get-job", "--job-name", NAME),
        ("get-jobs", "--page-size", "1", "--query", "Jobs[].Name"),
        ("get-jobs", "--max-items", "3", "--page-size", "2", "--query", "[Jobs[].Name, NextToken]"),
        ("list-jobs", "--tags", "parity=even"),
        ("batch-get-jobs", "--job-names", "job-1", "gone"),
        ("tag-resource", "--resource-arn", f"{ARN}:job/{NAME}", "--tags-to-add", "stage=prod,team=ops"),
    )
    assert {name: got["Job"].get(name) for name in NIGHTLY} == NIGHTLY
    assert pages == names
    assert listed["JobNames"] == names[:3]
    assert [job["Name"] for job in some["Jobs"]] == ["job-1"]
    assert some["JobsNotFound"] == ["gone"]

    left, _, updated, deleted = cli.together(
        ("get-jobs", "--starting-token", cut[1], "--query", "Jobs[].Name"),
        ("untag-resource", "--resource-arn", f"{ARN}:job/{NAME}", "--tags-to-remove", "stage"),
        ("update-job", "--job-name", NAME, "--job-update", "Role=r,Command={Name=external},Timeout=3"),
        ("delete-job", "--job-name", "gone"),
    )
    assert cut[0] + left == names
    assert (updated, deleted) == ({"JobName": NAME}, {"JobName": "gone"})
    assert beside.get_job(JobName=NAME)["Job"]["Timeout"] == 3
    assert cli("get-tags", "--resource-arn", f"{ARN}:job/{NAME}") == {"Tags": {"team": "ops"}}


def test_the_cli_starts_reads_and_stops_runs_and_resets_bookmarks(cli: Cli, beside: GlueClient) -> None:
    limit = {"MaxConcurrentRuns": 3}
    beside.create_job(Name="watched", Role="r", Command={"Name": "external"}, ExecutionProperty=limit)
    enable = {"--job-bookmark-option": "job-bookmark-enable"}
    beside.create_job(Name="kept", Role="r", Command={"Name": "noop"}, DefaultArguments=enable)
    kept = beside.start_job_run(JobName="kept")["JobRunId"]
    ids = [beside.start_job_run(JobName="watched")["JobRunId"] for _ in range(2)]
    started = cli("start-job-run", "--job-name", "watched", "--arguments", json.dumps({"--day": "1"}))
    ids.append(started["JobRunId"])
    poll_bookmark(beside, "kept", 1)
    run, pages, entry = cli.together(
        ("get-job-run", "--job-name", "watched", "--run-id", ids[2], "--predecessors-included"),
        ("get-job-runs", "--job-name", "watched", "--page-size", "2", "--query", "JobRuns[].Id"),
        ("get-job-bookmark", "--job-name", "kept"),
    )
    assert (run["JobRun"]["Arguments"], run["JobRun"]["PredecessorRuns"]) == ({"--day": "1"}, [])
    assert pages == ids[::-1]
    assert entry["JobBookmarkEntry"]["RunId"] == kept
    stopped, entry = cli.together(
        ("batch-stop-job-run", "--job-name", "watched", "--job-run-ids", *ids, "jr_gone"),
        ("reset-job-bookmark", "--job-name", "kept"),
    )
    assert [one["JobRunId"] for one in stopped["SuccessfulSubmissions"]] == ids
    assert [one["ErrorDetail"]["ErrorCode"] for one in stopped["Errors"]] == ["EntityNotFoundException"]
    assert entry["JobBookmarkEntry"]["Version"] == 2


def test_the_cli_defines_and_fires_triggers(cli: Cli, beside: GlueClient) -> None:
    beside.create_job(Name="fired", Role="r", Command={"Name": "noop"})
    beside.create_trigger(Name="by-hand", Type="ON_DEMAND", Actions=[{"JobName": "fired"}])
    schedule = ("--type", "SCHEDULED", "--schedule", "cron(0 3 * * ? *)", "--start-on-creation")
    cli("create-trigger", "--name", "at-three", "--actions", "JobName=fired,Arguments={--by=clock}", *schedule)
    names = ["at-three", "by-hand"]
    got, pages, listed, some, fired, stopped = cli.together(
        ("get-trigger", "--name", "at-three"),
        ("get-triggers", "--dependent-job-name", "fired", "--page-size", "1", "--query", "Triggers[].Name"),
        ("list-triggers", "--max-items", "1"),
        ("batch-get-triggers", "--trigger-names", "by-hand", "gone"),
        ("start-trigger", "--name", "by-hand"),
        ("stop-trigger", "--name", "at-three"),
    )
    assert (got["Trigger"]["Type"], got["Trigger"]["Schedule"]) == ("SCHEDULED", "cron(0 3 * * ? *)")
    assert got["Trigger"]["Actions"] == [{"JobName": "fired", "Arguments": {"--by": "clock"}}]
    assert pages == names
    assert listed["TriggerNames"] == names[:1]
    assert some["TriggersNotFound"] == ["gone"]
    assert (fired, stopped) == ({"Name": "by-hand"}, {"Name": "at-three"})
    assert [run["TriggerName"] for run in beside.get_job_runs(JobName="fired")["JobRuns"]] == ["by-hand"]

    changed, _ = cli.together(
        ("update-trigger", "--name", "at-three", "--trigger-update", json.dumps({"Schedule": "cron(0 4 * * ? *)"})),
        ("delete-trigger", "--name", "by-hand"),
    )
    assert (changed["Trigger"]["Schedule"], changed["Trigger"]["State"]) == ("cron(0 4 * * ? *)", "DEACTIVATED")
    assert beside.list_triggers()["TriggerNames"] == names[:1]


def test_what_the_cli_refuses_itself_and_what_the_door_does(cli: Cli) -> None:
    short = cli.run("get-job-runs", "--job-name", "watched", "--max-results", "0")
    assert short.status == 255
    assert "valid min value: 1" in short.err
    long = cli.run("get-job", "--job-name", "x" * 256)
    assert long.status == 255
    assert "(ValidationException) when calling the GetJob operation: 1 validation error detected" in long.err


def test_the_cli_has_walked_every_operation(cli: Cli) -> None:
    assert cli.seen == {xform_name(name, "-") for name in OPERATIONS}
