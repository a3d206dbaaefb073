"""Jobs through the door: what is sent is given back, what is not sent has Glue's defaults."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_glue import GlueClient

from glue import admission
from jobruns.access import Principal
from jobruns.run import Executor
from jobruns.service.definitions import define_job
from jobruns.service.ports import Ports
from tests.integration.doubles import Clock
from tests.integration.glue.client import Key, Wire, connect
from tests.integration.glue.site import JOB, Site, refusal

FULL: dict[str, Any] = {
    "JobMode": "VISUAL",
    "JobRunQueuingEnabled": True,
    "Description": "two\nlines, ümläuts and 🚀",
    "LogUri": "s3://logs/",
    "Role": "arn:aws:iam::123456789012:role/x",
    "ExecutionProperty": {"MaxConcurrentRuns": 7},
    "Command": {"Name": "noop", "ScriptLocation": "s3://scripts/a.py", "PythonVersion": "4.2", "Runtime": "Ray9"},
    "DefaultArguments": {"--day": "2026-11-20", "--empty": "", "--TempDir": "s3://tmp/"},
    "NonOverridableArguments": {"--mode": "full"},
    "Connections": {"Connections": ["one", "two"]},
    "MaxRetries": 2,
    "AllocatedCapacity": 10,
    "Timeout": 60,
    "MaxCapacity": 0.0625,
    "WorkerType": "G.99X",
    "NumberOfWorkers": 1_000_000,
    "SecurityConfiguration": "sealed",
    "NotificationProperty": {"NotifyDelayAfter": 5},
    "GlueVersion": "99 beta!",
    "CodeGenConfigurationNodes": {
        "node-1": {
            "S3CsvSource": {
                "Name": "in",
                "Paths": ["s3://in/"],
                "Separator": "comma",
                "QuoteChar": "quote",
                "WithHeader": True,
                "MaxBand": 5,
            }
        },
        "node-2": {"CustomCode": {"Name": "c", "Inputs": ["node-1"], "Code": "x = {}", "ClassName": "C"}},
    },
    "ExecutionClass": "WARP",
    "SourceControlDetails": {
        "Provider": "SOMEWHERE_ELSE",
        "Repository": "r",
        "Owner": "o",
        "Branch": "b",
        "Folder": "f",
        "LastCommitId": "c",
        "AuthStrategy": "A_NEW_ONE",
        "AuthToken": "secret",
    },
    "MaintenanceWindow": "Someday:25",
}
COMMANDS: list[tuple[dict[str, str], str, str, Executor | str]] = [
    ({}, "", "refuse", Executor.EXTERNAL),
    ({"Name": ""}, "", "refuse", Executor.EXTERNAL),
    ({"ScriptLocation": "s3://b/x.py"}, "", "refuse", Executor.EXTERNAL),
    ({"Name": "external", "ScriptLocation": "s3://b/x.py"}, "", "refuse", Executor.EXTERNAL),
    ({"Name": "noop"}, "", "refuse", Executor.NOOP),
    ({"Name": "ingest"}, "", "refuse", Executor.INGEST),
    ({"Name": "lambda", "ScriptLocation": "arn:aws:lambda:f"}, "", "refuse", Executor.LAMBDA),
    ({"Name": "lambda"}, "", "refuse", Executor.EXTERNAL),
    ({"Name": "lambda", "ScriptLocation": "s3://b/x.py"}, "", "refuse", "Command.ScriptLocation"),
    ({"Name": "pythonshell", "ScriptLocation": "s3://b/x.py"}, "", "refuse", Executor.PYTHON_SCRIPT),
    ({"Name": "pythonshell"}, "", "refuse", Executor.EXTERNAL),
    ({"Name": "pythonshell", "ScriptLocation": "/x.py"}, "", "refuse", "Command.ScriptLocation"),
    ({"Name": "glueetl", "ScriptLocation": "s3://b/x.py"}, "00f1", "refuse", Executor.SPARK),
    ({"Name": "gluestreaming", "ScriptLocation": "s3://b/x.py"}, "00f1", "refuse", Executor.SPARK),
    ({"Name": "glueetl"}, "00f1", "refuse", Executor.EXTERNAL),
    ({"Name": "glueetl", "ScriptLocation": "s3://b/x.py"}, "", "refuse", "Command.Name"),
    ({"Name": "glueetl", "ScriptLocation": "s3://b/x.py"}, "", "succeed", Executor.NOOP),
    ({"Name": "glueray"}, "", "refuse", "Command.Name"),
    ({"Name": "glueray"}, "", "succeed", Executor.NOOP),
]
"""A command, the Spark application and what becomes of unknown ones; then the executor or the member refused."""

ODD_NAMES = [
    "日本 🚀",
    "a/b:c#d?e=f&g",
    "x" * 255,
    "🚀" * 255,
    "tab\there",
    "ORG#acme#JOB#nightly",
    "../..",
    '"quoted" and \\',
    "arn:aws:glue:x:1:job/inner",
    "%2F+%20",
]


def test_every_member_is_given_back_as_it_came(glue: GlueClient, clock: Clock) -> None:
    assert glue.create_job(Name=JOB, Tags={"team": "data"}, **FULL)["Name"] == JOB
    job: dict[str, Any] = dict(glue.get_job(JobName=JOB)["Job"])
    assert job.pop("CreatedOn") == job.pop("LastModifiedOn")
    assert job == {"Name": JOB, **FULL}
    assert glue.get_jobs()["Jobs"] == glue.batch_get_jobs(JobNames=[JOB])["Jobs"] == [glue.get_job(JobName=JOB)["Job"]]


def test_what_is_not_sent_has_glues_defaults(key: Callable[..., Key], clock: Clock) -> None:
    wire = Wire()
    glue = connect(key(), wire=wire)
    glue.create_job(Name=JOB, Role="r", Command={})
    job = glue.get_job(JobName=JOB)["Job"]
    assert {**job, "CreatedOn": None, "LastModifiedOn": None} == {
        "Name": JOB,
        "Role": "r",
        "Command": {},
        "MaxRetries": 0,
        "Timeout": 2880,
        "ExecutionProperty": {"MaxConcurrentRuns": 1},
        "CreatedOn": None,
        "LastModifiedOn": None,
    }
    assert job["CreatedOn"] == datetime(2026, 11, 21, 12, tzinfo=UTC) + timedelta(milliseconds=1)
    assert wire.answers[-1].body["Job"]["CreatedOn"] == 1795262400.001


def test_an_update_replaces_all_but_the_glue_version(glue: GlueClient, clock: Clock) -> None:
    glue.create_job(Name=JOB, Tags={"team": "data"}, **FULL)
    was = glue.get_job(JobName=JOB)["Job"]
    clock.sleep(60)
    assert glue.update_job(JobName=JOB, JobUpdate={"Role": "other", "Command": {"Name": "noop"}})["JobName"] == JOB
    job: dict[str, Any] = dict(glue.get_job(JobName=JOB)["Job"])
    assert job.pop("LastModifiedOn") > was["LastModifiedOn"]
    assert job == {
        "Name": JOB,
        "Role": "other",
        "Command": {"Name": "noop"},
        "MaxRetries": 0,
        "Timeout": 2880,
        "ExecutionProperty": {"MaxConcurrentRuns": 1},
        "GlueVersion": "99 beta!",
        "CreatedOn": was["CreatedOn"],
    }
    assert glue.get_tags(ResourceArn=f"arn:aws:glue:::job/{JOB}")["Tags"] == {"team": "data"}
    glue.update_job(JobName=JOB, JobUpdate=FULL)
    assert FULL.items() <= glue.get_job(JobName=JOB)["Job"].items()
    assert glue.get_jobs()["Jobs"] == [glue.get_job(JobName=JOB)["Job"]]


def test_a_run_has_what_its_job_was_when_it_started(site: Site) -> None:
    site.job(WorkerType="G.1X", Timeout=5)
    run_id = site.start()
    site.client.update_job(JobName=JOB, JobUpdate={"WorkerType": "G.2X", "Timeout": 9})
    assert (site.run(run_id)["WorkerType"], site.run(run_id)["Timeout"]) == ("G.1X", 5)
    site.work(run_id)
    assert site.run(site.start())["WorkerType"] == "G.2X"


def test_a_job_that_is_not_there(glue: GlueClient, calls: Callable[[], dict[str, int]]) -> None:
    for call, members in (
        (glue.get_job, {}),
        (glue.update_job, {"JobUpdate": {}}),
        (glue.start_job_run, {}),
        (glue.get_job_runs, {}),
    ):
        code, text = refusal(call, JobName="gone", **members)
        assert code == "EntityNotFoundException"
        assert "'gone'" in text
    assert "Failed to start job run due to missing metadata." in refusal(glue.start_job_run, JobName="gone")[1]


def test_a_deleted_job_is_gone_its_runs_end_and_stay_on_record(site: Site) -> None:
    site.job()
    live = site.start()
    for _ in range(2):
        assert site.client.delete_job(JobName=JOB)["JobName"] == JOB
    assert refusal(site.client.get_job, JobName=JOB)[0] == "EntityNotFoundException"
    assert site.client.list_jobs()["JobNames"] == []
    assert refusal(site.client.start_job_run, JobName=JOB)[0] == "EntityNotFoundException"
    site.work(live)
    assert site.state(live) == "SUCCEEDED"
    assert [run["Id"] for run in site.runs()] == [live]
    site.job()
    assert [run["Id"] for run in site.runs()] == [live]


def test_creating_a_job_again(glue: GlueClient, clock: Clock) -> None:
    glue.create_job(Name=JOB, Tags={"team": "data"}, **FULL)
    was = glue.get_job(JobName=JOB)["Job"]
    clock.sleep(60)
    assert glue.create_job(Name=JOB, Tags={"team": "data"}, **FULL)["Name"] == JOB
    for other in ({"Role": "other"}, {"Tags": {"team": "web"}}, {"NumberOfWorkers": 3}, {"MaxRetries": 0}):
        code, text = refusal(glue.create_job, **{"Name": JOB, "Tags": {"team": "data"}, **FULL, **other})
        assert (code, JOB in text) == ("AlreadyExistsException", True)
    assert glue.get_job(JobName=JOB)["Job"] == was


def test_several_jobs_by_name(site: Site) -> None:
    for name in ("b", "a", "c"):
        site.job(name, Description=name)
    answer = site.client.batch_get_jobs(JobNames=["c", "x", "a", "c", "x"])
    assert [(job["Name"], job["Description"]) for job in answer["Jobs"]] == [("c", "c"), ("a", "a")]
    assert answer["JobsNotFound"] == ["x"]
    answer = site.client.batch_get_jobs(JobNames=[f"no {number}" for number in range(150)])
    assert (answer["Jobs"], len(answer["JobsNotFound"])) == ([], 150)
    answer = site.client.batch_get_jobs(JobNames=[])
    assert (answer["Jobs"], answer["JobsNotFound"]) == ([], [])


def test_names_of_jobs_by_their_tags(site: Site) -> None:
    site.job("a", Tags={"team": "data", "tier": "1"})
    site.job("b", Tags={"team": "data"})
    site.job("c")
    for tags, names in (
        ({}, ["a", "b", "c"]),
        ({"team": "data"}, ["a", "b"]),
        ({"team": "data", "tier": "1"}, ["a"]),
        ({"team": "web"}, []),
        ({"tier": ""}, []),
    ):
        assert site.client.list_jobs(Tags=tags)["JobNames"] == names


def test_names_with_odd_characters(site: Site) -> None:
    for name in ODD_NAMES:
        site.job(name, Command={"Name": "noop"}, Tags={"name": "odd"})
        assert site.client.get_job(JobName=name)["Job"]["Name"] == name
        run_id = site.start(name)
        site.work(run_id, job=name)
        assert (site.run(run_id, name)["JobName"], site.state(run_id, name)) == (name, "SUCCEEDED")
        assert [run["Id"] for run in site.runs(name)] == [run_id]
        assert site.client.get_tags(ResourceArn=f"arn:aws:glue:us-east-1:1:job/{name}")["Tags"] == {"name": "odd"}
    listed = [
        name for page in site.client.get_paginator("list_jobs").paginate(MaxResults=1) for name in page["JobNames"]
    ]
    assert listed == sorted(ODD_NAMES, key=str.encode)
    for name in ODD_NAMES:
        site.client.delete_job(JobName=name)
    assert site.client.list_jobs()["JobNames"] == []


def test_a_job_of_another_door_is_seen_and_started_but_not_changed(
    site: Site, ports: Ports, admin: Principal, calls: Callable[[], dict[str, int]]
) -> None:
    arguments = {"settings": {"source": "x"}, "count": 3, "text": "t", "absent": None}
    define_job(ports, admin, name="loads", door="hydrolix", executor=Executor.INGEST, target="t1", arguments=arguments)
    define_job(ports, admin, name="f", door="hydrolix", executor=Executor.LAMBDA, target="arn:aws:lambda:f")
    job = site.client.get_job(JobName="loads")["Job"]
    assert job["Command"] == {"Name": "ingest"}
    assert job["DefaultArguments"] == {"settings": '{"source": "x"}', "count": "3", "text": "t"}
    assert "ExecutionProperty" not in job  # it has no limit
    command = site.client.get_job(JobName="f")["Job"]["Command"]
    assert command == {"Name": "lambda", "ScriptLocation": "arn:aws:lambda:f"}
    run_id = site.start("loads", Arguments={"text": "u"})
    assert site.run(run_id, "loads")["Arguments"]["text"] == "u"
    for call, members in (
        (site.client.update_job, {"JobName": "loads", "JobUpdate": {}}),
        (site.client.delete_job, {"JobName": "loads"}),
        (site.client.tag_resource, {"ResourceArn": "arn:aws:glue:::job/loads", "TagsToAdd": {"a": "b"}}),
        (site.client.untag_resource, {"ResourceArn": "arn:aws:glue:::job/loads", "TagsToRemove": ["a"]}),
    ):
        code, text = refusal(call, **members)
        assert (code, "hydrolix" in text) == ("InvalidInputException", True)
    assert refusal(site.job, name="loads")[0] == "AlreadyExistsException"
    assert site.client.get_job(JobName="loads")["Job"] == job


def test_a_command_has_a_runner(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed = admission.load_settings()
    site.job("changed")
    for number, (command, spark, unknown, executor) in enumerate(COMMANDS):
        stack = deployed.model_copy(update={"spark_application_id": spark, "unknown_commands": unknown})
        monkeypatch.setattr(admission, "load_settings", lambda stack=stack: stack)
        create = {"Name": f"new {number}", "Role": "r", "Command": command}
        update = {"JobName": "changed", "JobUpdate": {"Command": command}}
        if isinstance(executor, Executor):
            site.client.create_job(**create)
            site.client.update_job(**update)
            for name in (f"new {number}", "changed"):
                made = site.ports.jobs.get("acme", name)
                assert made is not None
                assert made.executor is executor, command
                assert site.client.get_job(JobName=name)["Job"]["Command"] == command
        else:
            for call, members in ((site.client.create_job, create), (site.client.update_job, update)):
                code, text = refusal(call, **members)
                assert (code, executor in text) == ("InvalidInputException", True), command
            assert f"new {number}" not in site.client.list_jobs()["JobNames"]


def test_a_definition_that_no_item_could_hold_is_refused(site: Site) -> None:
    large = {f"--{number}": "x" * 1000 for number in range(290)}
    site.job(DefaultArguments=large)
    assert site.client.get_job(JobName=JOB)["Job"]["DefaultArguments"] == large
    for wrong in (
        {"DefaultArguments": {f"--{number}": "x" * 1000 for number in range(310)}},
        {"NonOverridableArguments": large, "DefaultArguments": large},
        {"WorkerType": "x" * 250_000},
        {"GlueVersion": "x" * 250_000},
    ):
        code, text = refusal(site.job, name="larger", **wrong)
        assert (code, "bytes" in text) == ("InvalidInputException", True)
    assert site.client.list_jobs()["JobNames"] == [JOB]


def test_jobs_made_and_changed_at_the_same_time(site: Site) -> None:
    outcomes: list[str] = []

    def attempt(call: Callable[[], Any]) -> None:
        try:
            call()
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])
        else:
            outcomes.append("done")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(attempt, [lambda: site.job(Description="the same")] * 8))
        assert outcomes == ["done"] * 8
        outcomes.clear()
        list(pool.map(attempt, [lambda n=n: site.job("other", Description=n) for n in "abcdefgh"]))
        assert sorted(outcomes) == ["AlreadyExistsException"] * 7 + ["done"]
        outcomes.clear()
        update = site.client.update_job
        list(pool.map(attempt, [lambda n=n: update(JobName=JOB, JobUpdate={"Description": n}) for n in "abcdefgh"]))
    assert set(outcomes) <= {"done", "ConcurrentModificationException"}
    made = site.ports.jobs.get("acme", JOB)
    assert made is not None
    assert outcomes.count("done") == made.version - 1 >= 1
