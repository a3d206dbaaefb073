"""The part of the demonstration about jobs: a script, a trigger on demand and one that waits for the script's end.

Spoken by boto3's own client of AWS Glue, which knows nothing of this service but its URL.
"""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.config import Config

from local.errors import DemoError
from local.runner import Runner

SCRIPT = """\
import csv
import sys

import boto3
from awsglue.utils import getResolvedOptions

options = getResolvedOptions(sys.argv, ["bucket", "prefix"])
s3 = boto3.client("s3")
hours = []
for page in s3.get_paginator("list_objects_v2").paginate(Bucket=options["bucket"], Prefix=options["prefix"]):
    for entry in page["Contents"]:
        text = s3.get_object(Bucket=options["bucket"], Key=entry["Key"])["Body"].read().decode()
        hours += [(float(row["temp"]), row["date"]) for row in csv.DictReader(text.splitlines())]
print("looked at", len(hours), "hours")
print("the warmest was", *max(hours)[::-1])
"""


def show_jobs(
    runner: Runner,
    *,
    key_id: str,
    secret: str,
    prefix: str,
    rows: int,
    say: Callable[[str], None],
    polls: Callable[[str], Iterator[None]],
) -> None:
    """Run a script as a Glue job, by a trigger, and have another job follow it.

    Parameters
    ----------
    runner : Runner
        The service, running.
    key_id, secret : str
        A key of an admin.
    prefix : str
        Where files lie in the landing bucket.
    rows : int
        How many rows they have together.
    say : callable
        Tells of a step that is done.
    polls : callable
        Says when to look again, for as long as a step may take.

    Raises
    ------
    DemoError
        A run failed, or something came out otherwise than it should.
    """
    bucket = runner.env["JOBRUNS_LANDING_BUCKET"]
    runner.client("s3").put_object(Bucket=bucket, Key="scripts/warmest.py", Body=SCRIPT.encode())
    glue: Any = boto3.session.Session().client(
        "glue",
        region_name=runner.env["AWS_DEFAULT_REGION"],
        endpoint_url=runner.env["JOBRUNS_GLUE_URL"],
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=Config(connect_timeout=5, read_timeout=35, retries={"total_max_attempts": 3}),
    )
    glue.create_job(
        Name="warmest",
        Role="none",
        Command={"Name": "pythonshell", "ScriptLocation": f"s3://{bucket}/scripts/warmest.py"},
        DefaultArguments={"--bucket": bucket, "--prefix": prefix},
        Timeout=5,
    )
    glue.create_job(Name="tell", Role="none", Command={"Name": "noop"})
    glue.create_trigger(Name="ask", Type="ON_DEMAND", Actions=[{"JobName": "warmest"}])
    glue.create_trigger(
        Name="answer",
        Type="CONDITIONAL",
        Predicate={"Conditions": [{"LogicalOperator": "EQUALS", "JobName": "warmest", "State": "SUCCEEDED"}]},
        Actions=[{"JobName": "tell"}],
        StartOnCreation=True,
    )
    glue.start_trigger(Name="ask")
    say("made two jobs and two triggers with boto3's Glue client, and started the first")

    script = _wait(glue, "warmest", polls)
    told = runner.client("logs").get_log_events(
        logGroupName=f"{script['LogGroupName']}/output", logStreamName=script["Id"], startFromHead=True
    )
    lines = [event["message"] for event in told["events"]]
    if lines[0] != f"looked at {rows} hours":
        raise DemoError(f"the script was to look at {rows} hours, but said: {lines[0]}")
    say(f"ran a Python script as the job warmest; by its log {lines[-1]} °F")
    follower = _wait(glue, "tell", polls)
    (before,) = follower["PredecessorRuns"]
    if before["RunId"] != script["Id"]:
        raise DemoError(f"the run of tell names {before['RunId']} as what it followed, and not {script['Id']}")
    say(f"the trigger {follower['TriggerName']} started the job tell when that had succeeded")


def _wait(glue: Any, job: str, polls: Callable[[str], Iterator[None]]) -> dict[str, Any]:
    """Wait for the end of a job's only run."""
    for _ in polls(f"the run of {job}"):
        runs = glue.get_job_runs(JobName=job)["JobRuns"]
        if runs and "CompletedOn" in runs[0]:
            break
    run: dict[str, Any] = glue.get_job_run(JobName=job, RunId=runs[0]["Id"], PredecessorsIncluded=True)["JobRun"]
    if run["JobRunState"] != "SUCCEEDED":
        raise DemoError(f"the run of {job} is {run['JobRunState']}: {run.get('ErrorMessage')}")
    return run
